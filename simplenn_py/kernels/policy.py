"""How every kernel is compiled: one numeric policy, and a cache that is never stale.

Numba keys its on-disk cache by the one file that holds a function, so an edited helper in
another file would silently run old machine code.  Here the hash of ALL kernel sources is
part of the cache's location: any edit starts an empty folder.  So do bounds checking, lanes
other than the processor's, LLVM's level and another version of Numba, which the key leaves out.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..runtime.threads import polite_waiting

polite_waiting()  # before Numba's threads start

import numba  # noqa: E402
import platformdirs  # noqa: E402
from numba.core.compiler_lock import global_compiler_lock  # noqa: E402

from .lanes import VARIABLE  # noqa: E402

#: LLVM's level of optimisation.
_OPT = 1


def source_hash() -> str:
    """Hash the kernel sources and whatever else changes the machine code."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    level = min(int(numba.config.OPT), _OPT)
    compiler = f"{numba.__version__} boundscheck={numba.config.BOUNDSCHECK} opt={level}"
    digest.update(f"{compiler} lanes={os.environ.get(VARIABLE)}".encode())
    return digest.hexdigest()[:16]


def cache_folder() -> Path | None:
    """Return the folder for compiled code, or None where none can be written.

    ``$NUMBA_CACHE_DIR`` where it is set, else the platform's cache folder of the user.
    """
    base = os.environ.get("NUMBA_CACHE_DIR") or platformdirs.user_cache_dir("simplenn_py", False)
    folder = Path(base) / f"kernels-{source_hash()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return None
    return folder


_CACHE = cache_folder()
_DISPATCHERS: list[Any] = []


def compilations() -> int:
    """Return how many kernels this process has had to compile, the cached ones not counted."""
    if _CACHE is None:
        return sum(len(d.signatures) for d in _DISPATCHERS)
    return sum(sum(d.stats.cache_misses.values()) for d in _DISPATCHERS)


def cached() -> bool:
    """Whether compiled code is kept for the next process."""
    return _CACHE is not None


def cold() -> bool:
    """Whether the cache has no compiled code yet, so that much is about to be compiled."""
    return _CACHE is None or next(_CACHE.rglob("*.nbc"), None) is None


class _Part:
    """A function that kernels call: compiled as a part of them, without an entry for Python.

    The entry would take a tenth of the time that a network takes to compile.  Called from Python,
    the function is compiled once more, with it.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._entry: Any = None
        self._part = _dispatcher(function, no_cpython_wrapper=True)
        template = self._part.get_call_template
        self._part.get_call_template = lambda args, kws: template(tuple(map(_signed, args)), kws)
        # What Numba asks a global for its type: calls from kernels go straight to the dispatcher.
        self._numba_type_ = numba.types.Dispatcher(self._part)
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        if self._entry is None:
            self._entry = _kept(_dispatcher(self._function))
        return self._entry(*args)


def _signed(kind: Any) -> Any:
    """Make the counter of a ``prange``, which is unsigned, an ordinary integer.

    What it is passed to would be compiled once more for it.
    """
    return numba.int64 if kind == numba.uint64 else kind


def _dispatcher(function: Callable[..., Any], **options: bool) -> Any:
    dispatcher = numba.njit(
        nogil=True, error_model="numpy", fastmath=False, no_cfunc_wrapper=True, **options
    )(function)
    compile_ = dispatcher.compile

    def compile_quickly(signature: Any) -> Any:
        # The vectors are written out: higher levels take half as long again and make no kernel
        # faster, of either engine.
        with global_compiler_lock:
            level = numba.config.OPT
            numba.config.OPT = level if level <= _OPT else type(level)(_OPT)
            try:
                return compile_(signature)
            finally:
                numba.config.OPT = level

    dispatcher.compile = compile_quickly
    return dispatcher


def _kept(dispatcher: Any) -> Any:
    """Keep the compiled code for the next process."""
    if _CACHE is not None:
        saved = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(_CACHE)  # read while caching is switched on, just below
        try:
            dispatcher.enable_caching()
        finally:
            numba.config.CACHE_DIR = saved
    _DISPATCHERS.append(dispatcher)
    return dispatcher


def compiled(*, parallel: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a kernel: cached, IEEE arithmetic (no fastmath), division as in NumPy.

    ``parallel=True`` belongs only where each index of the ``prange`` writes its own part of
    the output: the result then depends neither on the number of threads nor on their order.
    Without it the function is a part of the kernels that call it.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        if numba.config.DISABLE_JIT:
            return function  # plain Python, to step through the lecture engine's kernels
        return _kept(_dispatcher(function, parallel=True)) if parallel else _Part(function)

    return decorate
