"""Watches prange: which entries of which arrays does each of its iterations change?

The student's file is loaded after this one and runs uncompiled, one iteration after the other, so
what is found does not depend on threads or on luck: two iterations that change the same entry do
so at the same time once they are compiled, and one of the two is lost.
"""

import ast
import inspect
import linecache
import sys

import numba
import numba.core.decorators
import numba.misc.special
import numpy as np

parallel = set()  # code compiled with parallel=True: elsewhere prange is range
watching = False  # in nested loops Numba runs the outermost alone in parallel
found = {}


def jit(function=None, *args, parallel=False, **options):
    """Stand for njit and jit: leave the function as it is."""

    def keep(function):
        if parallel:
            globals()["parallel"].add(function.__code__)
        return function

    return keep(function) if inspect.isfunction(function) else keep


def prange(*bounds):
    """Stand for prange: before and after each iteration, look at the caller's arrays."""
    global watching
    frame = sys._getframe(1)
    if watching or frame.f_code not in parallel:
        yield from range(*bounds)
        return
    watching = True
    writers = {}  # by id: the array, so that no other takes its id, and who changed each entry
    added_up = reductions(frame.f_code)
    loop = range(*bounds)
    try:
        for k, value in enumerate(loop):
            before = [
                (name, array, array.copy())
                for name, array in frame.f_locals.items()
                if isinstance(array, np.ndarray) and name not in added_up
            ]
            yield value
            for name, array, old in before:
                changed = (array != old) & ~((array != array) & (old != old))
                if changed.any():
                    nobody = np.full(array.shape, -1)
                    who = writers.setdefault(id(array), (array, nobody))[1]
                    note(frame, name, who, changed, loop, k)
                    who[changed] = k
    finally:
        watching = False


def note(frame, name, who, changed, loop, k):
    """Keep the first entry that was changed by an earlier iteration, too."""
    twice = np.argwhere(changed & (who >= 0))
    if len(twice) and not found:
        index = [int(i) for i in twice[0]]
        found.update(
            name=name, index=index, values=[loop[who[tuple(index)]], loop[k]],
            line=frame.f_lineno, function=frame.f_code.co_name,
        )  # fmt: skip


def reductions(code):
    """Return the names that are added up as a whole, ``total += part``: Numba keeps them apart."""
    file = ast.parse("".join(linecache.getlines(code.co_filename)))
    return {
        node.target.id
        for function in ast.walk(file)
        if isinstance(function, ast.FunctionDef) and function.name == code.co_name
        for node in ast.walk(function)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
    }


def call(student, function, *args):
    """Call the student's routine; return the first entry that two iterations change, or {}."""
    found.clear()
    getattr(student, function)(*args)
    return found


for home in (numba, numba.core.decorators):
    home.njit = home.jit = jit
for home in (numba, numba.misc.special):
    home.prange = prange
