"""Files of compiled code: a damaged file is compiled anew, and a full disk stops nothing.

Numba's own cache trusts what lies in its folder: a file that was cut short ends every start in a
traceback, and bits that changed run as machine code.  Here a file begins with the checksum of
its content, and holds one function for one signature, which its name tells: there is no index
that several processes could write at once.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

SUFFIX = ".nbc"
_TEMPORARY = ".tmp"
_HASH_BYTES = 32
_HOUR = 3600.0


class KeptCode:
    """The compiled code of one function; takes the place of Numba's ``FunctionCache``.

    Parameters
    ----------
    function : callable
    folder : path
        See :func:`writable_folder`: whoever can write there can run code as this user.

    Attributes
    ----------
    problem : str
        Why the last code could not be kept; "" if there was no problem.
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._folder, self.cache_path = folder, str(folder)
        self.problem = ""

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the compiled function, or None if there is no sound file of it."""
        from numba.core.compiler import CompileResult

        target.refresh()
        key = self._key(signature, target.codegen())
        content = _sound(self._path(key))
        if content is None:
            return None
        try:
            known, parts = pickle.loads(content)
            return CompileResult._rebuild(target, *parts) if known == key else None
        except Exception:
            return None  # written by another version of a library; whatever it is, compile

    def save_overload(self, signature: Any, result: Any) -> None:
        """Write the compiled function to its file, if there is room."""
        from numba.core.serialize import dumps

        if result.lifted or result.library.has_dynamic_globals:
            return  # it holds addresses of this process
        key = self._key(signature, result.codegen)
        content = dumps((key, result._reduce()))
        try:
            self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            _replace(self._path(key), hashlib.sha256(content).digest() + content)
        except OSError as error:
            self.problem = error.strerror or str(error)

    def _key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return self._name, tuple(signature), codegen.magic_tuple()

    def _path(self, key: tuple[Any, ...]) -> Path:
        short = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return self._folder / f"{self._name.rpartition('.')[2]}-{short}{SUFFIX}"


def writable_folder(folder: Path) -> Path | None:
    """Make and return the folder, or None if it cannot be written or must not be trusted.

    Compiled code runs with all rights of the user.  So the folder must belong to the user (or to
    root), and not everybody may write there.

    Parameters
    ----------
    folder : path
    """
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if others_may_write(folder):
            return None
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return None
    return folder


def others_may_write(folder: Path) -> bool:
    """Whether a folder belongs to another user, or everybody may write there.

    Parameters
    ----------
    folder : path
        It exists.
    """
    if not hasattr(os, "geteuid"):
        return False  # on Windows a user's folders are closed to others
    status = folder.stat()
    return status.st_uid not in (0, os.geteuid()) or bool(status.st_mode & 0o002)


def damaged_files(folder: Path) -> list[Path]:
    """Return the files that hold no sound code, and those that killed processes left behind.

    Parameters
    ----------
    folder : path
    """
    paths = sorted(folder.iterdir())
    broken = [p for p in paths if p.suffix == SUFFIX and _sound(p) is None]
    return broken + [p for p in paths if p.suffix == _TEMPORARY and _age(p) > _HOUR]


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0  # its process has just renamed it


def _sound(path: Path) -> bytes | None:
    """Return the content of a file behind its checksum; None if it is damaged or not there."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    checksum, content = data[:_HASH_BYTES], data[_HASH_BYTES:]
    return content if hashlib.sha256(content).digest() == checksum else None


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that another process sees the old content or the new, never a part."""
    handle, name = tempfile.mkstemp(_TEMPORARY, path.stem, path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
