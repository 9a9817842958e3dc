"""The terminal: consoles on which no text of the user or of a file is markup."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def make_console(*, stderr: bool = False, soft_wrap: bool = False, plain_width: int = 0) -> Console:
    """Return a console that prints every character as it is.

    A file, folder or label may be called ``[copy]`` or ``:smile:``; without this, rich would read
    such a name as a style or an emoji and leave it out.

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

    console = Console(
        stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=soft_wrap
    )
    if plain_width and not console.is_terminal:
        console.width = plain_width
    if console.width < 1:  # COLUMNS=0; nothing at all would be printed
        console.width = 80
    return console


def print_anything() -> None:
    """Escape the characters that the encoding of the output lacks, instead of failing on them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
