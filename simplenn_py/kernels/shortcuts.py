"""Shortcuts that make compilation faster by replacing private methods of Numba's dispatchers.

Private methods may change with any version of Numba, so :func:`usable` checks that they exist
and that Numba calls the replacements.  Without the shortcuts kernels compile more slowly and
compute the same.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import Any

import numba
from numba.extending import typeof_impl

#: LLVM's level of optimisation with the shortcuts.
OPT = 1


def level() -> int:
    """Return LLVM's level of optimisation: Numba's own, with the shortcuts at most `OPT`."""
    return min(int(numba.config.OPT), OPT) if usable() else int(numba.config.OPT)


def quick(dispatcher: Any) -> Any:
    """Make `dispatcher` compile at LLVM's level `OPT`.

    The kernels are written in vectors already: higher levels take half as long again and make
    no kernel of either engine faster.
    """
    from numba.core.compiler_lock import global_compiler_lock

    compile_ = dispatcher.compile

    def compile_quickly(signature: Any) -> Any:
        with global_compiler_lock:
            given = numba.config.OPT
            numba.config.OPT = given if given <= OPT else type(given)(OPT)
            try:
                return compile_(signature)
            finally:
                numba.config.OPT = given

    dispatcher.compile = compile_quickly
    return dispatcher


def signed(dispatcher: Any) -> Any:
    """Make `dispatcher` take the counter of a ``prange``, which is unsigned, as an int64.

    Otherwise it would be compiled once more for unsigned integers.
    """
    template = dispatcher.get_call_template

    def signed_template(args: Any, kws: Any) -> Any:
        return template(tuple(numba.int64 if kind == numba.uint64 else kind for kind in args), kws)

    dispatcher.get_call_template = signed_template
    return dispatcher


@functools.cache
def usable() -> bool:
    """Whether this Numba has the methods that the shortcuts replace, and calls the replacements.

    The check types one call, up to the point where Numba would compile.  It compiles nothing.
    """
    try:
        return _calls_replacements()
    except Exception:
        return False  # any error means that this Numba is not known


class _Reached(Exception):
    """Ends the check at the point where Numba would compile."""


def _calls_replacements() -> bool:
    recorded = []

    def record(signature: Any) -> Any:
        recorded.append((tuple(signature), int(numba.config.OPT) <= OPT))
        raise _Reached

    dispatcher = numba.njit(_identity)
    dispatcher.compile = record

    class Part:
        _numba_type_ = numba.types.Dispatcher(signed(quick(dispatcher)))

    typeof = typeof_impl.dispatch(object)  # numba.typeof finds it too, in 10 ms
    with suppress(_Reached):
        typeof(Part(), None).get_call_type(None, (numba.uint64,), {})
    options = dispatcher.targetdescr.options
    known = hasattr(options, "no_cpython_wrapper") and hasattr(options, "no_cfunc_wrapper")
    return known and recorded == [((numba.int64,), True)]


def _identity(k: Any) -> Any:
    return k
