"""Figures: training curves, confusion matrix, filters, times of the layers.

Each function draws into the given axes, or into a new ``matplotlib.figure.Figure``, and returns
the axes.  :func:`save` writes their figure to a file; ``axes.figure`` shows it in a notebook.
``matplotlib.pyplot`` and its global state are not used, so no display is needed.  Matplotlib is
imported when it is first needed.

The colours are those of Okabe and Ito (2008), which colour-blind readers can distinguish.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from ..runtime.paths import user_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
GREY = "#555555"


def is_number(value: Any) -> bool:
    """Return whether `value` can be drawn: it is not None, infinite or NaN."""
    return value is not None and math.isfinite(value)


def log_scale(axes: Axes, decades: float) -> None:
    """Make the vertical scale logarithmic, with ticks in plain decimal numbers.

    Parameters
    ----------
    axes : Axes
    decades : float
        Number of decades that the values span.
    """
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 3 else (1.0,)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def step_axis(axes: Axes, epochs: list[int]) -> None:
    """Finish a panel over epochs or iterations: whole numbers on its axis, a grid, the legend.

    Parameters
    ----------
    axes : Axes
    epochs : list of int
        Numbers of the epochs or iterations.
    """
    from matplotlib.ticker import MaxNLocator

    first, last = min(epochs), max(epochs)
    margin = max(0.02 * (last - first), 0.5 if first == last else 0.2)
    axes.set_xlim(first - margin, last + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def save(axes: Axes | Sequence[Axes], path: str | os.PathLike[str], dpi: int = 150) -> None:
    """Write the figure of `axes` as a PNG file, atomically; equal figures give equal bytes.

    Parameters
    ----------
    axes : Axes, or a sequence of Axes of one figure
    path : path
        Name of the file, which ends in ``.png``; an older file is replaced.
    dpi : int
        Pixels per inch.

    Raises
    ------
    DataError
        If `path` does not end in ``.png`` or cannot be written.
    """
    write_png(axes, path, dpi)


def write_png(axes: Axes | Sequence[Axes], path: str | os.PathLike[str], dpi: int = 150) -> str:
    """Write a figure as :func:`save` does; return the characters that no installed font has."""
    from ..io.atomic import atomic_open
    from .fonts import complete_fonts

    check_png(path)
    first = axes[0] if isinstance(axes, Sequence) else axes
    figure: Any = first.figure
    missing = complete_fonts(figure)
    with warnings.catch_warnings(), atomic_open(path) as stream:
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return missing


def check_png(path: str | os.PathLike[str]) -> None:
    """Check the name of a figure before the work whose result it shows.

    Parameters
    ----------
    path : path

    Raises
    ------
    DataError
        If `path` does not end in ``.png``, is a folder, or its folder does not exist.
    """
    path = user_path(path)
    if path.suffix.lower() != ".png":
        raise DataError(f"{path}: the name of a PNG figure must end in .png")
    if path.is_dir():
        raise DataError(f"{path}: cannot be written (it is a folder); name a file")
    if not path.parent.is_dir():
        raise DataError(
            f"{path}: cannot be written (there is no folder {path.parent}); make the folder first, "
            "or choose another name"
        )


def new_axes(panels: int, inches: tuple[float, float], rows: int = 1) -> list[Axes]:
    """Return the panels of a new figure, row by row.

    Parameters
    ----------
    panels : int
        Number of panels.
    inches : pair of float
        Width and height of the figure.
    rows : int
        Number of rows of panels.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1, wspace=0.04)  # pads in inches
    figure = Figure(figsize=inches, layout=layout)
    columns = -(-panels // rows)
    return [figure.add_subplot(rows, columns, k + 1) for k in range(panels)]


def log_where_wide(axes: Axes, values: Sequence[float]) -> None:
    """Make the vertical scale logarithmic if positive values span more than a decade."""
    if len(values) and min(values) > 0 and max(values) > 10 * min(values):
        log_scale(axes, decades=math.log10(max(values) / min(values)))


def line_heights(axes: Axes) -> list[float]:
    return [float(y) for line in axes.get_lines() for y in np.asarray(line.get_ydata())]


def whole_numbers() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True, min_n_ticks=1)
