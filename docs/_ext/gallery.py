"""How the gallery saves a tutorial's figures."""

from __future__ import annotations

from typing import Any


def whole_figures(gallery_conf: dict[str, Any], file_name: str) -> None:
    """Save what lies outside the axes, a legend above all, as ``plots.show`` does."""
    import matplotlib

    matplotlib.rcParams["savefig.bbox"] = "tight"
