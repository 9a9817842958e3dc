"""Shortcuts to compile sooner.  They replace private methods of Numba: everything private is here.

Numba may change what it does not document, so :func:`usable` checks that the replaced methods
are there and are called.  Without the shortcuts kernels compute the same and compile more slowly.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import Any

import numba
from numba.extending import typeof_impl

#: LLVM's level of optimisation.
OPT = 1


def level() -> int:
    """Return LLVM's level of optimisation: what Numba is set to, at most `OPT`."""
    return min(int(numba.config.OPT), OPT) if usable() else int(numba.config.OPT)


def quick(dispatcher: Any) -> Any:
    """Compile `dispatcher` at LLVM's level `OPT`.

    The vectors are written out: higher levels take half as long again and make no kernel
    faster, of either engine.
    """
    from numba.core.compiler_lock import global_compiler_lock

    compile_ = dispatcher.compile

    def compile_quickly(signature: Any) -> Any:
        with global_compiler_lock:
            given = numba.config.OPT
            numba.config.OPT = given if given <= OPT else type(given)(OPT)
            try:
                return compile_(signature)
            except OSError:
                return compile_(signature)  # compiled already: only the cache has no room for it
            finally:
                numba.config.OPT = given

    dispatcher.compile = compile_quickly
    return dispatcher


def signed(dispatcher: Any) -> Any:
    """Let calls from kernels pass the counter of a ``prange``, unsigned, as an ordinary integer.

    Otherwise `dispatcher` would be compiled once more for unsigned integers.
    """
    template = dispatcher.get_call_template

    def signed_template(args: Any, kws: Any) -> Any:
        return template(tuple(numba.int64 if kind == numba.uint64 else kind for kind in args), kws)

    dispatcher.get_call_template = signed_template
    return dispatcher


@functools.cache
def usable() -> bool:
    """Whether this Numba has the methods that the shortcuts replace, and calls the replacements.

    A call is typed up to the point where Numba would compile; nothing is compiled.
    """
    try:
        return _reaches_the_replacements()
    except Exception:
        return False  # whatever it is, kernels compile without the shortcuts


class _Reached(Exception):
    """Ends the check, at the place where Numba would compile."""


def _reaches_the_replacements() -> bool:
    compiles = []

    def record(signature: Any) -> Any:
        compiles.append((tuple(signature), int(numba.config.OPT) <= OPT))
        raise _Reached

    dispatcher = numba.njit(_identity)
    dispatcher.compile = record

    class Part:
        _numba_type_ = numba.types.Dispatcher(signed(quick(dispatcher)))

    with suppress(_Reached):
        typeof_impl.dispatch(object)(Part(), None).get_call_type(None, (numba.uint64,), {})
    options = dispatcher.targetdescr.options
    known = hasattr(options, "no_cpython_wrapper") and hasattr(options, "no_cfunc_wrapper")
    return known and compiles == [((numba.int64,), True)]


def _identity(k: Any) -> Any:
    return k
