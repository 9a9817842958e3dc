"""Options for saving a tutorial's figures in the gallery."""

from __future__ import annotations

from typing import Any


def whole_figures(gallery_conf: dict[str, Any], file_name: str) -> None:
    """Include elements outside the axes, such as a legend, as ``plots.show`` does."""
    import matplotlib

    matplotlib.rcParams["savefig.bbox"] = "tight"
