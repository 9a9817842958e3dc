"""The filters of the first layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError, shown
from ..layout import Array
from ..network.weights import Weights
from .style import GREY, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INDICES_UP_TO = 128  # maximum number of filters with an index
_GAP = 0.2  # gap between two filters, relative to their size


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
        Axes to draw on; created if not given.

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
    trained = f", trained on {shown(data, 60)}" if data else ""
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
