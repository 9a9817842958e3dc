"""The backend that Matplotlib is told to use: only figures in notebooks need one."""

from __future__ import annotations

import os
import sys


def ignore_unknown_backend() -> None:
    """Import Matplotlib even if ``MPLBACKEND`` is set to a name that it does not know."""
    if "MPLBACKEND" not in os.environ or "matplotlib" in sys.modules:
        return
    name = os.environ.pop("MPLBACKEND")
    import matplotlib

    try:
        matplotlib.rcParams["backend"] = name  # as Matplotlib does while it is imported
    except ValueError:
        return
    os.environ["MPLBACKEND"] = name
