"""The terminal: lines and consoles on which no text of the user or of a file is markup."""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def make_console(*, stderr: bool = False, soft_wrap: bool = False, plain_width: int = 0) -> Console:
    """Return a console that prints every character of a text as it is, or escaped.

    A file, folder or label may be called ``[copy]`` or ``:smile:``; without this, rich would read
    such a name as a style or an emoji and leave it out.  Characters that control a terminal are
    escaped in every text and in every cell of a table, as by :func:`simplenn_py.errors.printable`;
    so each text is one line.  A ``rich.text.Text`` is printed unchanged.

    Parameters
    ----------
    stderr : bool
        Whether to print to the standard error.
    soft_wrap : bool
        Whether long lines are left to the terminal to wrap.
    plain_width : int
        Width of tables, in characters, if the output is not a terminal; 0 for rich's choice.
    """
    from rich.console import Console
    from rich.text import Text

    class PlainConsole(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            return super().render_str(printable(text), **how)

        def status(self, status: Any, **how: Any) -> Any:
            shown = Text(printable(status)) if isinstance(status, str) else status
            return super().status(shown, **how)

    console = PlainConsole(
        stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=soft_wrap
    )
    if plain_width and not console.is_terminal:
        console.width = plain_width
    if console.width < 1:  # COLUMNS=0; nothing at all would be printed
        console.width = 80
    return console


def print_whole(table: Table, plain_width: int) -> None:
    """Print a table; names in it are folded on a terminal, and never cut.

    Parameters
    ----------
    table : rich.table.Table
    plain_width : int
        Least width for a pipe or a file, where the table is as wide as its rows.
    """
    console = make_console(plain_width=plain_width)
    for column in table.columns:
        column.overflow = "fold"
    if not console.is_terminal:
        wide = console.options.update(max_width=2**20)
        console.width = max(plain_width, console.measure(table, options=wide).maximum)
    console.print(table)


def say(*words: object, file: TextIO | None = None) -> None:
    """Print words with blanks between them as one line, escaped and complete.

    Parameters
    ----------
    words : object
        Texts, in which names of the user or of files may occur.
    file : text stream, optional
        Where to print; the standard output by default.
    """
    print(" ".join(map(printable, words)), file=file, flush=True)


def shell_words(words: Iterable[str]) -> str:
    """Return a command for the user to paste into a shell; every word arrives there as it is.

    Parameters
    ----------
    words : iterable of str
        Program and arguments.

    Returns
    -------
    str
        Words that the terminal cannot show are written as ``$'...'``, byte by byte, which bash,
        zsh and ksh read.

    Examples
    --------
    >>> from simplenn_py.runtime.console import shell_words
    >>> print(shell_words(["simplenn", "train", "my [copy].npz", "caf\\udce9"]))
    simplenn train 'my [copy].npz' $'caf\\xe9'
    """
    return " ".join(shlex.quote(word) if _can_be_shown(word) else _by_bytes(word) for word in words)


def _can_be_shown(word: str) -> bool:
    try:
        word.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return printable(word) == word


def _by_bytes(word: str) -> str:
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "\\'" else f"\\x{byte:02x}"
        for byte in os.fsencode(word)
    )
    return f"$'{plain}'"


def print_anything() -> None:
    """Escape the characters that the encoding of the output lacks, instead of failing on them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
