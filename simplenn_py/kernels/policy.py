"""How every kernel is compiled: one numeric policy, and a cache that is never stale.

Numba's on-disk cache is keyed by the one file that holds a function, so an edited helper in
another file would silently run old machine code.  Here the hash of ALL kernel sources is
part of the cache's location: any edit starts an empty folder.  So do bounds checking, a
different number of lanes, LLVM's level and another version of Numba, which the key leaves out.

Importing a kernel changes nothing outside Python: the cache's folder and the environment
variables of :mod:`simplenn_py.runtime.threads` are set up when the first kernel is needed.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import platformdirs

from ..runtime.threads import polite_waiting
from . import shortcuts
from .lanes import VARIABLE

#: IEEE arithmetic (no fastmath), division as in NumPy.
_POLICY = {"nogil": True, "error_model": "numpy", "fastmath": False}


def source_hash() -> str:
    """Hash the kernel sources and everything else that changes the machine code."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    compiler = f"{numba.__version__} boundscheck={numba.config.BOUNDSCHECK} opt={shortcuts.level()}"
    digest.update(f"{compiler} lanes={os.environ.get(VARIABLE)}".encode())
    return digest.hexdigest()[:16]


def cache_folder() -> Path | None:
    """Make and return the folder for compiled code, or return None if it cannot be written.

    It lies in ``$NUMBA_CACHE_DIR`` if that is set, else in the user's cache folder.
    """
    return _made(_location())


def _location() -> Path:
    base = os.environ.get("NUMBA_CACHE_DIR") or platformdirs.user_cache_dir("simplenn_py", False)
    return Path(base) / f"kernels-{source_hash()}"


def _made(folder: Path) -> Path | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return None
    return folder


# Chosen on import, when the lanes and the sources are read: a later change of the environment
# must not mix two kinds of code in one folder.
_LOCATION = _location()
_DISPATCHERS: list[Any] = []
_LOCK = threading.Lock()


def _prepared() -> Path | None:
    """Set up this process for compiled code; return the cache folder, None if it is not writable.

    Checked for every kernel: if the folder could no longer be written, Numba would choose one of
    its own, which does not change when other files are edited.
    """
    polite_waiting()  # before Numba's threads start
    return _made(_LOCATION)


def compilations() -> int:
    """Return how many kernels this process has compiled; those from the cache do not count."""
    return sum(sum(d.stats.cache_misses.values()) for d in _DISPATCHERS)


def cached() -> bool:
    """Whether compiled code is kept for the next process."""
    return _prepared() is not None


def cold() -> bool:
    """Whether the cache has no compiled code yet, so that every kernel is about to be compiled."""
    folder = _prepared()
    return folder is None or next(folder.rglob("*.nbc"), None) is None


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
            folder, saved = _prepared(), numba.config.CACHE_DIR
            # Numba reads this while caching is switched on, just below.
            numba.config.CACHE_DIR = str(folder or "")
            try:
                dispatcher = _dispatcher(self._function, cache=folder is not None, **self._options)
            finally:
                numba.config.CACHE_DIR = saved
            _DISPATCHERS.append(dispatcher)
        return dispatcher


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
            return _Kernel(function, parallel=True)
        return _Part(function) if shortcuts.usable() else _dispatcher(function)

    return decorate
