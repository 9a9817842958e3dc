"""The figure of the three layouts of im2col: their order in memory, and their costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..layout import Array, ConvGeometry
from ..plots.style import BLUE, GREEN, VERMILLION
from .im2col import LAYOUTS, addresses, im2col_nchw, im2col_nhwc, im2col_phi
from .im2col_costs import LayoutCost

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TINY = (3, 4, 2)  # rows, columns, channels of the image that the figure shows
_TINY_H = 2
_TITLES = {  # the title of the image, and the title of its patches
    "phi": ("phi: channel, row, column of a pixel", "phi: a patch is a column, and contiguous"),
    "nhwc": ("nhwc: channel, column, row", "nhwc: a patch is a row, and contiguous"),
    "nchw": ("nchw: column, row, channel", "nchw: a patch is a column, a row is contiguous"),
}


def sizes_of(g: ConvGeometry) -> str:
    """Name a layer's filters and channels, such as ``"3x3, 32 -> 64"``.

    Parameters
    ----------
    g : ConvGeometry
        Sizes of the layer.

    Returns
    -------
    str
        Filter size, then input and output channels.
    """
    return f"{g.h}x{g.h}, {g.d} -> {g.d_next}"


def plot_layouts(
    layers: Mapping[str, ConvGeometry], costs: Mapping[str, Sequence[LayoutCost]]
) -> list[Axes]:
    """Draw the memory order of the three layouts on a tiny image, and the time of each.

    Parameters
    ----------
    layers : mapping of str to ConvGeometry
        Sizes of each layer, by its name.
    costs : mapping of str to sequence of LayoutCost
        Costs of each layer, by the same names: one per layout.

    Returns
    -------
    list of Axes
        Two per layout, its image and its patches, then one for the bars.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(11.0, 10.5), layout=ConstrainedLayoutEngine(wspace=0.06))
    grid = figure.add_gridspec(3, 3, height_ratios=(1.0, 2.1, 1.9))
    a, b, d = _TINY
    figure.suptitle(
        f"Memory order, fastest first: an image of {a} x {b} pixels and {d} channels, and its "
        f"patches of {_TINY_H} x {_TINY_H}\nA number is a pixel's address in the image; the darker "
        "a cell, the later it comes in the memory of its own array", fontsize=11,
    )  # fmt: skip
    axes = []
    for k, layout in enumerate(LAYOUTS):
        image, patches = (figure.add_subplot(grid[row, k]) for row in range(2))
        _draw_order(image, patches, layout)
        axes += [image, patches]
    bars = figure.add_subplot(grid[2, :])
    _draw_costs(bars, layers, costs)
    return [*axes, bars]


def _draw_order(image: Axes, patches: Axes, layout: str) -> None:
    """Number the image's pixels by their addresses, and show where the patches have them."""
    a, b, d = _TINY
    source = addresses(layout, a, b, d)
    shown = np.full((a, d * b + d - 1), -1)  # the channels side by side
    for c in range(d):
        shown[:, c * (b + 1) : c * (b + 1) + b] = source[0, :, :, c]
    _cells(image, shown, shown)
    image.set_title(_TITLES[layout][0], fontsize=10)
    for c, name in enumerate("xy"):
        image.text(c * (b + 1) + (b - 1) / 2, a - 0.25, f"channel {name}", ha="center", va="top",
                   fontsize=9)  # fmt: skip
    if layout == "nchw":
        matrix = im2col_nchw(source.transpose(0, 3, 1, 2), _TINY_H)[0]
    else:
        matrix = (im2col_phi if layout == "phi" else im2col_nhwc)(source, _TINY_H)
    place = np.arange(matrix.size).reshape(matrix.shape, order="F" if layout == "phi" else "C")
    _cells(patches, matrix, place)
    patches.set_title(_TITLES[layout][1], fontsize=10)


def _cells(axes: Axes, numbers: Array, shades: Array) -> None:
    """Draw a table of numbers on shades from 0 (light); cells with a negative number stay empty."""
    from matplotlib import colormaps

    drawn = np.ma.masked_less(shades, 0)
    axes.imshow(drawn, cmap=colormaps["YlGnBu"], vmin=0, vmax=1.15 * max(1, shades.max()))
    for (i, j), number in np.ndenumerate(numbers):
        if number >= 0:
            dark = shades[i, j] > 0.6 * shades.max()
            axes.text(j, i, str(number), ha="center", va="center", fontsize=9,
                      color="white" if dark else "black")  # fmt: skip
    axes.set_axis_off()


def _draw_costs(
    axes: Axes,
    layers: Mapping[str, ConvGeometry],
    costs: Mapping[str, Sequence[LayoutCost]],
) -> None:
    """Draw one bar per layer and layout: the product is stacked on the forming of the patches."""
    width, colours = 0.26, (BLUE, VERMILLION, GREEN)
    word = "run " if len(layers) < 5 else ""
    for k, colour in enumerate(colours):
        own = [costs[name][k] for name in layers]
        places = [place + (k - 1) * width for place in range(len(own))]
        form = [1e3 * cost.form_seconds for cost in own]
        product = [1e3 * cost.product_seconds for cost in own]
        layout = own[0].layout
        axes.bar(places, form, 0.9 * width, color=colour, label=f"{layout}: forming the patches")
        axes.bar(places, product, 0.9 * width, bottom=form, color=colour, alpha=0.35,
                 label=f"{layout}: product by BLAS")  # fmt: skip
        for place, height, cost in zip(places, map(sum, zip(form, product, strict=True)), own,
                                       strict=True):  # fmt: skip
            axes.annotate(f"{word}{cost.run}", (place, height), xytext=(0, 2), ha="center",
                          textcoords="offset points", fontsize=8)  # fmt: skip
    labels = [f"layer {name}\n{sizes_of(g)}" for name, g in layers.items()]
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_ylabel("ms per batch")
    axes.set_title(
        "What each layout costs on this machine; above each bar its run: how many numbers are "
        "copied in one go",
        fontsize=10,
    )
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.15))
