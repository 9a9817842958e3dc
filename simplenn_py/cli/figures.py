"""The figure that a command draws beside its results."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..runtime.console import say

if TYPE_CHECKING:
    from ..plots.beside import Plot


def draw_beside(path: str, plot: Plot) -> str | None:
    """Draw the figure of results that are printed already; print a note if that fails.

    Parameters
    ----------
    path : str
        The PNG file.
    plot : function
        Draws the figure and returns its axes.

    Returns
    -------
    str or None
        `path`; None if the figure was not written.
    """
    from ..plots.beside import draw
    from ..runtime.paths import user_path

    written, notes = draw({user_path(path): plot})
    for note in notes:
        say(f"note: {note}", file=sys.stderr)
    return path if written else None
