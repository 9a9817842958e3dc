"""Writing a file so that a crash leaves the old one or the new one, never half of either."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ..errors import DataError

_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", -1)})


@contextmanager
def atomic_open(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """Open `path` for writing; the file appears, complete, when the block ends.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and then
    replace `path` in one step.  If the block raises, the temporary file is removed and
    `path` stays as it was.

    Parameters
    ----------
    path : path
        A symbolic link is followed: its target is replaced.
    mode : {"wb", "w"}
        Text is written as UTF-8 with "\\n" line ends on every system.

    Raises
    ------
    DataError
        If the folder is missing or not writable, or the disk is full.
    """
    if mode not in ("wb", "w"):
        raise ValueError(f"mode is {mode!r}; atomic_open writes whole files: 'wb' or 'w'")
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
    text = {"encoding": "utf-8", "newline": "\n"} if mode == "w" else {}
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder; name a file")
        # "x" creates the file with the permissions of the umask and follows no link.
        stream: IO[Any] = temporary.open(mode.replace("w", "x"), **text)  # type: ignore[call-overload]
    except OSError as error:
        raise _cannot_write(path, error) from None
    try:
        try:
            yield stream
        except OSError as error:
            if error.errno in _DISK_ERRORS:
                raise _cannot_write(path, error) from None
            raise
        try:
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            os.replace(temporary, target)
        except OSError as error:
            raise _cannot_write(path, error) from None
    finally:
        # A full disk makes close() fail once more; the first error is the one to report.
        with suppress(OSError):
            stream.close()
        with suppress(OSError):
            temporary.unlink()


def atomic_write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` by :func:`atomic_open`."""
    with atomic_open(path) as stream:
        stream.write(data)


def _cannot_write(path: str | os.PathLike[str], error: OSError) -> DataError:
    reason = error.strerror or str(error)
    return DataError(
        f"{os.fspath(path)}: cannot be written ({reason}); check that the folder exists, that "
        "you may write there, that the disk has room, and that no program holds the file open"
    )
