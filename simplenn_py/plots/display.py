"""Showing the figures of a script: in a window, in a notebook, or as files."""

from __future__ import annotations

import sys
from pathlib import Path

from ..runtime.console import say


def show() -> None:
    """Show the open figures: in a window, in a notebook, or else as files.

    Without a screen they are written to ``figures/`` below the current folder, under the
    script's name and a number, and closed.
    """
    import matplotlib
    import matplotlib.pyplot as plt

    if "sphinx_gallery" in sys.modules:
        return  # it collects them itself
    if matplotlib.get_backend().lower() != "agg":
        plt.show()
        return
    folder, script = Path("figures"), Path(sys.argv[0]).stem or "figure"
    folder.mkdir(exist_ok=True)
    for number in plt.get_fignums():
        path = folder / f"{script}-{_next(script)}.png"
        plt.figure(number).savefig(path, bbox_inches="tight")
        say(f"figure: {path}")
    plt.close("all")


_shown: dict[str, int] = {}


def _next(script: str) -> int:
    _shown[script] = _shown.get(script, 0) + 1
    return _shown[script]
