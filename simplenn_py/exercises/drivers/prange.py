"""Watches prange: finds the entries that each of its iterations changes.

The student's file is loaded after this one and runs without compilation, one iteration after the
other, so that the result does not depend on threads or chance.  In compiled code, two iterations
that change the same entry may do so at the same time, and one of the two values is lost.
"""

import ast
import inspect
import linecache
import sys

import numba
import numba.core.decorators
import numba.misc.special
import numpy as np

parallel = set()  # code compiled with parallel=True; in all other code prange is range
watching = False  # Numba runs only the outermost of nested loops in parallel
found = {}


def jit(function=None, *args, parallel=False, **options):
    """Replace njit and jit: return the function unchanged."""

    def keep(function):
        if parallel:
            globals()["parallel"].add(function.__code__)
        return function

    return keep(function) if inspect.isfunction(function) else keep


def prange(*bounds):
    """Replace prange: compare the caller's arrays before and after each iteration."""
    global watching
    frame = sys._getframe(1)
    if watching or frame.f_code not in parallel:
        yield from range(*bounds)
        return
    watching = True
    # By id: the array, kept so that its id is not used again, and the iteration that last changed
    # each entry.
    writers = {}
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
                    last = writers.setdefault(id(array), (array, nobody))[1]
                    note(frame, name, last, changed, loop, k)
                    last[changed] = k
    finally:
        watching = False


def note(frame, name, last, changed, loop, k):
    """Store the first entry that an earlier iteration has changed as well."""
    twice = np.argwhere(changed & (last >= 0))
    if len(twice) and not found:
        index = [int(i) for i in twice[0]]
        found.update(
            name=name, index=index, values=[loop[last[tuple(index)]], loop[k]],
            line=frame.f_lineno, function=frame.f_code.co_name,
        )  # fmt: skip


def reductions(code):
    """Return the names that are summed as a whole, ``total += part``.

    Numba gives each thread its own copy of them.
    """
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
