"""A lock on a folder: one run at a time writes there, and a killed run leaves no lock behind."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

from ..errors import DataError

try:
    import fcntl
except ImportError:  # Windows cannot lock a folder; there two runs in one folder are not noticed
    fcntl = None  # type: ignore[assignment]


class FolderLock:
    """Keeps other runs out of a folder until :meth:`release`, or until this process ends.

    Parameters
    ----------
    folder : path
        It exists.

    Raises
    ------
    DataError
        If another run holds the lock.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._finalizer: Any = None
        if fcntl is None:
            return
        handle = os.open(Path(folder), os.O_RDONLY)
        self._finalizer = weakref.finalize(self, os.close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise DataError(
                f"another run is writing into {folder}; wait until it ends, or choose another --out"
            ) from None
        except OSError:
            pass  # a file system without locks

    def release(self) -> None:
        """Let other runs into the folder."""
        if self._finalizer is not None:
            self._finalizer()
