"""What the tutorials share: their size, their clock and how they show a figure."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SMALL = "SIMPLENN_SMALL"


def reduced() -> bool:
    """Return whether the environment asks for the small size: ``SIMPLENN_SMALL=1``."""
    return os.environ.get(SMALL, "") not in ("", "0")


def seconds(call: Callable[[], Any], repeat: int = 5) -> float:
    """Return the shortest time of `repeat` calls, after one that may compile or touch memory.

    Parameters
    ----------
    call : callable
        Takes nothing.
    repeat : int

    Returns
    -------
    float
        Seconds.
    """
    call()
    best = float("inf")
    for _ in range(repeat):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best


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
        print(f"figure: {path}")
    plt.close("all")


_shown: dict[str, int] = {}


def _next(script: str) -> int:
    _shown[script] = _shown.get(script, 0) + 1
    return _shown[script]
