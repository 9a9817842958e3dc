"""Atomic writing: a crash leaves the old file or the complete new file, never a part of one."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ..errors import DataError
from ..runtime.paths import user_path

#: Names of the temporary files of :func:`atomic_open`.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", -1)})


@contextmanager
def atomic_open(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """Open `path` for writing; the complete file appears when the ``with`` block ends.

    The bytes go to a temporary file in the same folder, which is flushed to the disk and then
    replaces `path` in one step.  If the block raises an exception, the temporary file is
    removed and `path` stays as it was.

    Parameters
    ----------
    path : path
        File to write.  A symbolic link is followed: its target is replaced.
    mode : {"wb", "w"}
        Whether to write bytes or text.  Text is encoded as UTF-8, with "\\n" line ends on
        every system; bytes of file names that are not UTF-8 are escaped.

    Yields
    ------
    file object
        Open for writing.

    Raises
    ------
    DataError
        If the folder is missing or not writable, or the disk is full.
    ValueError
        If `mode` is neither of the two.
    """
    if mode not in ("wb", "w"):
        raise ValueError(
            f"mode is {mode!r}; it must be 'wb' or 'w', since atomic_open writes whole files"
        )
    target = Path(os.path.realpath(user_path(path)))
    # The part of the name is for a person who finds the file.  Its 24 characters have at most 96
    # bytes, so the whole stays below the limit of every file system, 255 bytes or 143.
    temporary = target.with_name(f".{target.name[:24]}.{secrets.token_hex(6)}.tmp")
    text = {"encoding": "utf-8", "newline": "\n", "errors": "backslashreplace"}
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder; name a file")
        # "x" creates the file with the permissions of the umask and follows no link.
        stream: IO[Any] = temporary.open(mode.replace("w", "x"), **(text if mode == "w" else {}))  # type: ignore[call-overload]
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
        # On a full disk close() fails again; only the first error is reported.
        with suppress(OSError):
            stream.close()
        with suppress(OSError):
            temporary.unlink()


def atomic_write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write bytes to a file with :func:`atomic_open`.

    Parameters
    ----------
    path : path
        File to write.
    data : bytes
        Complete contents of the file.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    with atomic_open(path) as stream:
        stream.write(data)


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files that killed processes left in a folder.

    Parameters
    ----------
    folder : path
        Folder to clean; no other process may be writing into it.
    """
    for path in Path(folder).glob(".*.tmp"):
        if _TEMPORARY.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def _cannot_write(path: str | os.PathLike[str], error: OSError) -> DataError:
    reason = error.strerror or str(error)
    return DataError(
        f"{os.fspath(path)}: cannot be written ({reason}); check that the folder exists, that "
        "you may write there, that the disk has room, and that no program holds the file open"
    )
