"""How every kernel is compiled: one numeric policy, and a cache that is never stale.

Numba's on-disk cache is keyed by the one file that holds a function, so an edited helper in
another file would silently run old machine code.  Here the hash of ALL kernel sources is
part of the cache's location: any edit starts an empty folder.  So do bounds checking, a
different number of lanes, LLVM's level and other versions of Numba, llvmlite and Python, which
the key leaves out.  :mod:`simplenn_py.runtime.compile_cache` reads and writes the files.

Importing a kernel changes nothing outside Python: the cache's folder and the environment
variables of :mod:`simplenn_py.runtime.threads` are set up when the first kernel is needed.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
import platformdirs

from ..runtime.compile_cache import SUFFIX, KeptCode, damaged_files, writable_folder
from ..runtime.threads import one_at_a_time, polite_waiting, refuse_after_fork
from . import shortcuts
from .lanes import VARIABLE

#: IEEE arithmetic (no fastmath), division as in NumPy.
_POLICY = {"nogil": True, "error_model": "numpy", "fastmath": False}


def source_hash() -> str:
    """Hash the kernel sources and everything else that changes the machine code."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    python = f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"
    versions = f"{python} {numba.__version__} {llvmlite.__version__}"
    compiler = f"boundscheck={numba.config.BOUNDSCHECK} opt={shortcuts.level()}"
    digest.update(f"{versions} {compiler} lanes={os.environ.get(VARIABLE)}".encode())
    return digest.hexdigest()[:16]


def cache_folder() -> Path | None:
    """Make and return the folder for compiled code, or return None if it cannot be written.

    It lies in ``$NUMBA_CACHE_DIR`` if that is set, else in the user's cache folder.
    """
    return writable_folder(location())


def location() -> Path:
    """Return where :func:`cache_folder` lies, even if it cannot be written."""
    base = os.environ.get("NUMBA_CACHE_DIR") or platformdirs.user_cache_dir("simplenn_py", False)
    return Path(base) / f"kernels-{source_hash()}"


def damaged_code() -> list[Path]:
    """Return the files of the cache that are damaged; their kernels are compiled anew."""
    folder = cache_folder()
    return damaged_files(folder) if folder else []


# Chosen on import, when the lanes and the sources are read: a later change of the environment
# must not mix two kinds of code in one folder.
_LOCATION = location()
_DISPATCHERS: list[Any] = []
_PARALLEL: list[_Parallel] = []
_LOCK = threading.Lock()


def _prepared() -> Path | None:
    """Set up this process for compiled code; return the cache folder, None if it is not writable.

    Checked for every kernel, because the folder may change while the process runs.
    """
    polite_waiting()  # before Numba's threads start
    return writable_folder(_LOCATION)


def compilations() -> int:
    """Return how many kernels this process has compiled; those from the cache do not count."""
    return sum(sum(d.stats.cache_misses.values()) for d in _DISPATCHERS)


def cached() -> bool:
    """Whether compiled code is kept for the next process."""
    kept = (d._cache for d in _DISPATCHERS)
    return _prepared() is not None and not any(getattr(cache, "problem", "") for cache in kept)


def cold() -> bool:
    """Whether the cache has no compiled code yet, so that every kernel is about to be compiled."""
    folder = _prepared()
    return folder is None or next(folder.rglob(f"*{SUFFIX}"), None) is None


class _Kernel:
    """A function that Python calls: compiled, or loaded from the cache, by its first call."""

    def __init__(self, function: Callable[..., Any], **options: bool) -> None:
        self._function, self._options = function, options
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        return self.dispatcher(*args)

    @functools.cached_property
    def dispatcher(self) -> Any:
        """Numba's dispatcher of the function, which keeps compiled code for the next process."""
        with _LOCK:
            known = self.__dict__.get("dispatcher")
            if known is not None:
                return known  # another Python thread was here first
            folder = _prepared()
            dispatcher = _dispatcher(self._function, **self._options)
            if folder is not None:
                dispatcher._cache = KeptCode(self._function, folder)
            _DISPATCHERS.append(dispatcher)
            self.__dict__["dispatcher"] = dispatcher
        return dispatcher


class _Parallel(_Kernel):
    """A kernel that runs on all threads; any Python thread may call it."""

    def __init__(self, function: Callable[..., Any], **options: bool) -> None:
        super().__init__(function, **options)
        _PARALLEL.append(self)

    def __call__(self, *args: Any) -> Any:
        return self._run(*args)

    @functools.cached_property
    def _run(self) -> Callable[..., Any]:
        refuse_after_fork()
        return one_at_a_time(self.dispatcher)


def _ask_again() -> None:
    """Let every parallel kernel find out anew whether it can run, in a forked process."""
    for kernel in _PARALLEL:
        kernel.__dict__.pop("_run", None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ask_again)


class _Part(_Kernel):
    """A function that kernels call: compiled as a part of them, without an entry for Python.

    The entry would take a tenth of the time that a network takes to compile.  If Python calls
    the function, it is compiled once more, with the entry.
    """

    @functools.cached_property
    def _numba_type_(self) -> Any:
        """The type that Numba reads from a global: calls from kernels go to this dispatcher."""
        self._part = shortcuts.signed(_dispatcher(self._function, no_cpython_wrapper=True))
        return numba.types.Dispatcher(self._part)  # which does not keep the dispatcher alive


def _dispatcher(function: Callable[..., Any], **options: bool) -> Any:
    if not shortcuts.usable():
        return numba.njit(**_POLICY, **options)(function)
    return shortcuts.quick(numba.njit(**_POLICY, no_cfunc_wrapper=True, **options)(function))


def compiled(*, parallel: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a kernel: cached, IEEE arithmetic (no fastmath), division as in NumPy.

    Use ``parallel=True`` only if each index of the ``prange`` writes its own part of
    the output: the result then depends neither on the number of threads nor on their order.
    Without it the function is a part of the kernels that call it.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        if numba.config.DISABLE_JIT:
            return function  # plain Python, to step through the lecture engine's kernels
        if parallel:
            return _Parallel(function, parallel=True)
        return _Part(function) if shortcuts.usable() else _dispatcher(function)

    return decorate
