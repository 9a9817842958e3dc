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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from ..layout import Array
from ..network.weights import Weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap


BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
GREY = "#555555"

_NUMBERS_UP_TO = 20  # maximum number of classes for counts in the cells of a confusion matrix
_INDICES_UP_TO = 128  # maximum number of filters with an index
_GAP = 0.2  # gap between two filters, relative to their size


def plot_curves(
    history: Sequence[Mapping[str, Any]],
    *,
    data: str = "",
    test_accuracy: float | None = None,
    axes: Sequence[Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Draw loss and accuracy over the epochs, side by side.

    Parameters
    ----------
    history : sequence of mapping
        One record per epoch, or per iteration of Newton, with its number, ``loss`` (mean training
        loss) and ``train_accuracy``, and optionally ``validation_loss`` and
        ``validation_accuracy``.  Accuracies are fractions.  Values that are absent, None or not
        finite are left out.
    data : str
        Name of the data set, for the title.
    test_accuracy : float, optional
        Accuracy on the test set, a fraction; marked by a horizontal line.
    axes : pair of Axes, optional
        New ones by default.

    Returns
    -------
    pair of Axes
        The loss, on a logarithmic scale if it spans more than a decade, and the accuracy in
        percent.

    Raises
    ------
    DataError
        If the history has no record.
    """
    if not history:
        raise DataError("the history has no record to draw; train for at least one epoch")
    left, right = new_axes(2, (9.6, 4.0)) if axes is None else axes
    drawn = _curves(left, history, ("loss", "validation_loss"), 1)
    _curves(right, history, ("train_accuracy", "validation_accuracy"), 100)
    if drawn and min(drawn) > 0 and max(drawn) > 10 * min(drawn):
        log_scale(left, decades=math.log10(max(drawn) / min(drawn)))
    if test_accuracy is not None:
        label = f"test, after training: {100 * test_accuracy:.2f} %"
        right.axhline(100 * test_accuracy, color=GREEN, linestyle="--", linewidth=1.5, label=label)
    on = f" on {data}" if data else ""
    step = _step_of(history)
    left.set(xlabel=step, ylabel="loss per image")
    right.set(xlabel=step, ylabel="images classified correctly (%)")
    left.set_title(f"Mean loss{on}", parse_math=False)
    right.set_title(f"Accuracy{on}", parse_math=False)
    for panel in (left, right):
        step_axis(panel, [record[step] for record in history])
    low, high = right.get_ylim()
    right.set_ylim(max(low, -2.0), min(max(high, low + 2.0), 101.0))
    return left, right


def _curves(
    axes: Axes, history: Sequence[Mapping[str, Any]], keys: tuple[str, str], factor: int
) -> list[float]:
    """Draw the training and the validation curve, times `factor`; return the values drawn."""
    drawn: list[float] = []
    curves = zip(keys, ("training", "validation"), (BLUE, VERMILLION), strict=True)
    for key, label, colour in curves:
        step = _step_of(history)
        points = [(r[step], factor * r[key]) for r in history if is_number(r.get(key))]
        if points:
            epochs, values = zip(*points, strict=True)
            # A single epoch is only visible with a marker; many markers hide the line.
            marker = "o" if len(points) <= 15 else ""
            axes.plot(epochs, values, color=colour, marker=marker, markersize=5, label=label)
            drawn += values
    return drawn


def _step_of(history: Sequence[Mapping[str, Any]]) -> str:
    return "epoch" if "epoch" in history[0] else "iteration"


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


def confusion_counts(y: Array, predicted: Array, classes: Array) -> Array:
    """Count the images of each class by their predicted class.

    Parameters
    ----------
    y, predicted : ndarray, shape (l,)
        True and predicted labels.
    classes : ndarray, shape (k,)
        Labels in the order of the result; an image with another label is left out.

    Returns
    -------
    ndarray of int64, shape (k, k)
        ``counts[true, predicted]``.
    """
    place = {label: k for k, label in enumerate(classes.tolist())}
    counts = np.zeros((classes.size, classes.size), np.int64)
    for true, guess in zip(y.tolist(), predicted.tolist(), strict=True):
        if true in place and guess in place:
            counts[place[true], place[guess]] += 1
    return counts


def plot_confusion(
    counts: Array, classes: Sequence[Any] | Array, *, part: str = "", axes: Axes | None = None
) -> Axes:
    """Draw a confusion matrix.

    Parameters
    ----------
    counts : ndarray of int, shape (k, k)
        ``counts[true, predicted]``; see :func:`confusion_counts`.
    classes : sequence of length k
        The labels.
    part : str
        Name of the images, for the title: "test images", "digits (test)".
    axes : Axes, optional
        New ones by default.

    Returns
    -------
    Axes
        One row per true class; colours show fractions of its images.  Mistakes and the diagonal
        have their own colours and scales, so that mistakes are visible.  With 20 classes or fewer
        each cell that is not 0 shows its count.

    Raises
    ------
    DataError
        If `counts` has another shape.
    """
    k = len(classes)
    if counts.shape != (k, k):
        raise DataError(f"counts has shape {counts.shape}; it must be ({k}, {k}) for {k} classes")
    if axes is None:
        side = min(max(5.0, 2.4 + (0.42 if k <= _NUMBERS_UP_TO else 0.11) * k), 14.0)
        (axes,) = new_axes(1, (side + 0.9, side))
    rows = counts.sum(axis=1, keepdims=True)
    fractions = 100 * counts / np.maximum(rows, 1)
    diagonal = np.eye(k, dtype=bool)
    mistakes = np.ma.masked_where(diagonal | (counts == 0), fractions)
    right = np.ma.masked_where(~diagonal | (counts == 0), fractions)
    worst = float(mistakes.max()) if mistakes.count() else 1.0
    axes.imshow(right, cmap=_tints(BLUE, 0.12, 0.75), vmin=0, vmax=100)
    image = axes.imshow(mistakes, cmap=_tints(VERMILLION, 0.2, 1.0), vmin=0, vmax=worst)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.7, aspect=30, pad=0.02)
    bar.set_label("mistakes (% of the images of the true class)")
    bar.outline.set_visible(False)  # type: ignore[operator]
    if k <= _NUMBERS_UP_TO:
        _write_counts(axes, counts, mistakes.filled(0) / worst)
    _class_ticks(axes, [str(label) for label in classes])
    total, correct = int(counts.sum()), int(np.trace(counts))
    of = f", {part}" if part else ""
    share = f"\n{correct:,} of {total:,} correct ({100 * correct / total:.2f} %)" if total else ""
    axes.set_title(f"Confusion matrix{of}{share}", parse_math=False)
    return axes


def _write_counts(axes: Axes, counts: Array, shade: Array) -> None:
    """Write each count that is not 0; `shade` in [0, 1] is the darkness of the mistakes' cells."""
    size = 9 if len(counts) <= 12 else 7
    for i, j in zip(*np.nonzero(counts), strict=True):
        dark = (i == j and counts[i, i] > 0.6 * counts[i].sum()) or shade[i, j] > 0.75
        axes.text(
            j, i, f"{counts[i, j]}", ha="center", va="center", fontsize=size,
            color="white" if dark else "black", fontweight="bold" if i == j else "normal",
        )  # fmt: skip


def _class_ticks(axes: Axes, labels: list[str]) -> None:
    """Label both axes with the classes; if there are more than 100, some are left out."""
    k = len(labels)
    places = range(0, k, -(-k // 100))
    shown = [labels[i] if len(labels[i]) <= 24 else labels[i][:21] + "..." for i in places]
    # A label with dollar signs is not a formula.
    size = 10 if k <= 12 else 8 if k <= 40 else 6
    style: dict[str, Any] = {"fontsize": size, "parse_math": False}
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    longest = max(map(len, shown))
    if k <= _NUMBERS_UP_TO:
        turned = slanted if longest > 3 else {}
    else:
        turned = {"rotation": 90} if longest > 2 else {}
    axes.set_xticks(places, shown, **style, **turned)
    axes.set_yticks(places, shown, **style)
    axes.set(xlabel="predicted class (blue: correct)", ylabel="true class")
    borders = np.arange(k + 1) - 0.5
    axes.set_xticks(borders, minor=True)
    axes.set_yticks(borders, minor=True)
    axes.grid(which="minor", color="0.88", linewidth=0.6 if k <= 40 else 0.2)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)


def plot_filters(
    model: Weights, *, channel: int | None = None, data: str = "", axes: Axes | None = None
) -> Axes:
    """Draw the filters of the first layer, side by side on one scale.

    Parameters
    ----------
    model : Weights, such as a Model
        If it has no convolutional layer, the rows of its first ``W`` are drawn as images.
    channel : int, optional
        Index of the input channel to draw, from 0.  By default all channels: grey for d = 1,
        red, green and blue for d = 3, else their mean.
    data : str
        Name of the data set that the model was trained on, for the title.
    axes : Axes, optional
        New ones by default.

    Returns
    -------
    Axes
        Filter offset ``u`` runs down and ``w`` to the right, like rows and columns of an
        image.  Weight 0 is middle grey in every filter.

    Raises
    ------
    DataError
        If there is no such channel.
    """
    filters = first_filters(model)
    count, height, width, d = filters.shape
    if channel is not None and not 0 <= channel < d:
        raise DataError(f"channel is {channel}; it must be 0 to {d - 1} for these images")
    if channel is not None:
        filters, how = filters[..., channel], f"input channel {channel} of {d}"
    elif d == 1:
        filters, how = filters[..., 0], "grey"
    elif d == 3:
        how = "channels as red, green, blue"
    else:
        filters, how = filters.mean(axis=-1), f"mean of {d} channels"
    columns = _tile_columns(count, height, width)
    if axes is None:
        rows = -(-count // columns)
        (axes,) = new_axes(1, (8.0, min(1.0 + 6.6 * rows * height / (columns * width), 12.0)))
    _draw_tiles(axes, filters, columns)
    if model.config.LC:
        what, down, across = "filters of layer 1", "offset u", "offset w"
    else:
        what, down, across = "rows of W of layer 1", "image row i", "column j"
    axes.set_xlabel(f"{down} runs down, {across} to the right")
    trained = f", trained on {data}" if data else ""
    title = f"{count} {what}, {height}x{width}x{d}, {how}{trained}"
    axes.set_title(title, fontsize=11, parse_math=False)
    return axes


def first_filters(model: Weights) -> Array:
    """Return the weights of the first layer as images.

    Parameters
    ----------
    model : Weights, such as a Model

    Returns
    -------
    ndarray, shape (count, h, h, d) or (count, a, b, d)
        The filters, or the rows of W of a fully connected layer.

    Notes
    -----
    Column ``u + h*w + h*h*c`` of a convolutional layer's W is row u, column w, channel c of
    the filter.  A fully connected layer's columns follow ``vec(Z^{1,i})``: ``c + d*(i + a*j)``.
    """
    W = model.multiplied_out().W[0]
    if model.config.LC:
        g = model.config.conv_layers[0]
        return W.reshape(g.d_next, g.d, g.h, g.h).transpose(0, 3, 2, 1)
    a, b, d = model.config.image_shape
    return W.reshape(-1, b, a, d).transpose(0, 2, 1, 3)


def _tile_columns(count: int, height: int, width: int) -> int:
    """Return the tiles per row: about 1.6 times as wide as high, with a nearly full last row."""
    ideal = min(count, math.sqrt(1.6 * count * height / width))
    choices = range(math.ceil(0.75 * ideal), min(count, math.floor(1.35 * ideal)) + 1)
    return min(choices, key=lambda c: (-count % c, abs(c - ideal)), default=max(1, round(ideal)))


def _draw_tiles(axes: Axes, filters: Array, columns: int) -> None:
    """Draw images ``(count, height, width[, 3])`` in rows, all on one symmetric scale."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    count, height, width = filters.shape[:3]
    largest = float(np.abs(filters).max()) or 1.0
    down, across = (1 + _GAP) * height, (1 + _GAP) * width
    for k, tile in enumerate(filters):
        top, left = k // columns * down, k % columns * across
        shown = 0.5 + tile / (2 * largest)  # a grey or an RGB image in [0, 1]
        extent = (left, left + width, top + height, top)  # row 0 at the top
        axes.imshow(shown, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
        if count <= _INDICES_UP_TO:
            axes.text(left, top, str(k), fontsize=7 if count <= 64 else 5, color=GREY, va="bottom")
    axes.set_xlim(0, columns * across - _GAP * width)
    axes.set_ylim(-(-count // columns) * down - _GAP * height, -_GAP * height)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    beside = axes.inset_axes((1.03, 0.0, 0.025, 1.0))
    scale = ScalarMappable(Normalize(-largest, largest), "gray")
    bar = axes.figure.colorbar(scale, cax=beside, ticks=[-largest, 0, largest])
    beside.set_yticklabels([f"{x:.2g}" for x in (-largest, 0, largest)])
    bar.set_label("weight" if filters.ndim == 3 else "weight, per channel")


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
    from ..io.atomic import atomic_open

    check_png(path)
    first = axes[0] if isinstance(axes, Sequence) else axes
    with atomic_open(path) as stream:
        first.figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})  # type: ignore[union-attr]


def check_png(path: str | os.PathLike[str]) -> None:
    """Raise a DataError if `path` does not end in ``.png``."""
    if Path(path).suffix.lower() != ".png":
        raise DataError(f"{os.fspath(path)}: the name of a PNG figure must end in .png")


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


def _tints(colour: str, lightest: float, darkest: float) -> LinearSegmentedColormap:
    """Return colours between two tints of `colour`; tint 0 is white, tint 1 is `colour`."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    full = np.array(to_rgb(colour))
    ends = [tuple(1 - share * (1 - full)) for share in (lightest, darkest)]
    return LinearSegmentedColormap.from_list(colour, ends)
