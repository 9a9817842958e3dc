"""Paths as users write them."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import DataError


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path of the user, with ``~`` and ``~name`` at its start read as home folders.

    Every public function that takes a path calls it, so ``"~/runs"`` means the same from Python
    and from a shell.

    Parameters
    ----------
    path : path
        A folder that is really called ``~`` is written ``./~``.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If it is no path: not a text, or a text with a NUL character.

    Examples
    --------
    >>> from simplenn_py.runtime.paths import user_path
    >>> user_path("~/runs").name
    'runs'
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise DataError(f"{path!r} is not a path; give a text or a pathlib.Path")
    if "\0" in text:
        raise DataError(f"{text}: a path cannot hold a NUL character; give another name")
    return Path(os.path.expanduser(text))


def plain_name(name: str) -> str:
    """Return a file name as a text of its own; bytes that are not UTF-8 become ``\\xe9``.

    Parameters
    ----------
    name : str
        As the system gives it: Python keeps such a byte as half a surrogate, which no file of
        text and no other program takes.

    Examples
    --------
    >>> from simplenn_py.runtime.paths import plain_name
    >>> print(plain_name("caf\\udce9"))
    caf\\xe9
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
