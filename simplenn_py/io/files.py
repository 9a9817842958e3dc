"""Reading the files that a user names: regular files only, and text only in UTF-8."""

from __future__ import annotations

import io
import os
import stat
import tokenize

from ..errors import DataError
from ..runtime.units import human_bytes

#: Maximum size of a text file: what people write and our reports are far smaller.
TEXT_BYTES = 64 * 2**20


def require_file(path: str | os.PathLike[str]) -> int:
    """Check that a path leads to a regular file; opening a pipe would wait for its writer.

    Parameters
    ----------
    path : path
        A symbolic link is followed.

    Returns
    -------
    int
        Size of the file in bytes.

    Raises
    ------
    DataError
        If there is no such file, or it is a folder, a pipe, a socket or a device.
    """
    try:
        what = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(path):
            raise DataError(
                f"{os.fspath(path)}: is a link to a file that is not there; remove it"
            ) from None
        raise DataError(f"{os.fspath(path)}: there is no such file; check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise _cannot_read(path, error) from None
    if stat.S_ISDIR(what.st_mode):
        raise DataError(f"{os.fspath(path)}: cannot be read, it is a folder; name a file")
    if not stat.S_ISREG(what.st_mode):
        raise DataError(
            f"{os.fspath(path)}: is a pipe or a device; save its contents as a file and name that"
        )
    return what.st_size


def read_bytes(path: str | os.PathLike[str], most: int | None = None) -> bytes:
    """Read a regular file completely.

    Parameters
    ----------
    path : path
    most : int, optional
        Maximum number of bytes.

    Returns
    -------
    bytes

    Raises
    ------
    DataError
        As :func:`require_file`; also if the file cannot be read or has more than `most` bytes.
    """
    size = require_file(path)
    try:
        with open(path, "rb") as stream:
            if most is None:
                return stream.read()
            content = stream.read(most + 1) if size <= most else b""
    except (OSError, MemoryError) as error:
        raise _cannot_read(path, error) from None
    if max(size, len(content)) > most:
        raise DataError(
            f"{os.fspath(path)}: is {human_bytes(size)} large; a file of this kind has at most "
            f"{human_bytes(most)}; is it the right file?"
        )
    return content


def read_text(path: str | os.PathLike[str], most: int = TEXT_BYTES) -> str:
    r"""Read a text file in UTF-8, with or without a byte order mark.

    Parameters
    ----------
    path : path
    most : int
        Maximum number of bytes.

    Returns
    -------
    str
        The text without its byte order mark; every line ends with ``\n``.

    Raises
    ------
    DataError
        As :func:`read_bytes`; also if the text has another encoding, such as UTF-16 or Big5.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from simplenn_py.io.files import read_text
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "note.txt")
    ...     size = path.write_bytes(b"\xef\xbb\xbftwo\r\nlines\r\n")
    ...     read_text(path)
    'two\nlines\n'
    """
    return decode(read_bytes(path, most), path).replace("\r\n", "\n").replace("\r", "\n")


def decode(content: bytes, path: str | os.PathLike[str]) -> str:
    """Decode the bytes of a text file in UTF-8.

    Parameters
    ----------
    content : bytes
    path : path
        Name of the file in the error message.

    Returns
    -------
    str
        The text without a byte order mark at its start.

    Raises
    ------
    DataError
        If the bytes are not text in UTF-8; see :func:`not_utf8`.
    """
    fault = not_utf8(content)
    if fault:
        raise DataError(f"{os.fspath(path)}: {fault}; open it in an editor and save it as UTF-8")
    return content.decode("utf-8-sig")


def not_utf8(content: bytes) -> str:
    r"""Return why bytes are not text in UTF-8, or "" if they are.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    str
        Clause for an error message.  A zero byte counts: UTF-16 and binary files hold some.

    Examples
    --------
    >>> from simplenn_py.io.files import not_utf8
    >>> not_utf8("% \u53d6".encode("big5")), not_utf8(b"plain")
    ('line 1 holds the byte 0xa8, so it is not a text file in UTF-8', '')
    """
    try:
        content.decode("utf-8-sig")
        at = content.find(b"\0")
    except UnicodeDecodeError as error:
        at = error.start
    if at < 0:
        return ""
    line = content.count(b"\n", 0, at) + 1
    return f"line {line} holds the byte 0x{content[at]:02x}, so it is not a text file in UTF-8"


def not_python_text(source: bytes) -> str:
    """Return why Python cannot decode a source file, or "" if it can.

    Parameters
    ----------
    source : bytes
        It is in UTF-8 unless one of its first lines declares another encoding (PEP 263).

    Returns
    -------
    str
        Clause for an error message, as :func:`not_utf8`.
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    except SyntaxError:  # the first lines are not UTF-8, or declare an unknown encoding
        encoding = "utf-8"
    return not_utf8(source) if encoding.startswith("utf-8") or b"\0" in source else ""


def _cannot_read(path: str | os.PathLike[str], error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or str(error) or "out of memory"
    return DataError(
        f"{os.fspath(path)}: cannot be read ({reason}); check the path and its permissions"
    )
