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


def seconds(call: Callable[[], Any], repeat: int = 5, span: float = 0.2) -> float:
    """Return the shortest time of a few calls, after one that may compile or touch memory.

    What else a computer does can only make a call slower, and short calls suffer most: they are
    repeated until `span` is over, so that some of them are left alone.

    Parameters
    ----------
    call : callable
        Takes nothing.
    repeat : int
        At least so many calls.
    span : float
        For at least so many seconds.

    Returns
    -------
    float
        Seconds.
    """
    call()
    best, calls, start = float("inf"), 0, time.perf_counter()
    while calls < repeat or time.perf_counter() - start < span:
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
        calls += 1
    return best


def busy() -> str:
    """Say whether the cores have other work, so that times measured now may be too long.

    Returns
    -------
    str
        A sentence where the load of the last minute exceeds half of the cores, otherwise "".
    """
    import psutil

    load, cores = psutil.getloadavg()[0], psutil.cpu_count() or 1
    if load <= cores / 2:
        return ""
    return (
        f"Note: {load:.1f} tasks were running or waiting on {cores} cores in the last minute; "
        "the times below may be too long, mostly of what uses all cores."
    )


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
