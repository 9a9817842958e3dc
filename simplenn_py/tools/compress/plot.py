"""The figure of a compression: singular values of every layer, and parameters saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...errors import shown
from ...plots.style import BLUE, GREEN, GREY, VERMILLION, new_axes
from .ranks import LayerRank

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (BLUE, VERMILLION, GREEN, "#E69F00", "#56B4E9", "#CC79A7", "#000000")
_MARKS = ("o", "s", "^", "D", "v", "P", "X")


def plot_ranks(
    layers: Sequence[LayerRank],
    *,
    name: str = "",
    of: str = "weights",
    axes: Sequence[Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Draw the singular values of every layer with its rank, and its parameters.

    Parameters
    ----------
    layers : sequence of LayerRank
    name : str
        Name of the network, for the title.
    of : {"weights", "outputs"}
        Matrix whose singular values are drawn.
    axes : pair of Axes, optional
        Axes to draw on; created if not given.

    Returns
    -------
    pair of Axes
        The first shows the singular values over their index, relative to the layer's largest;
        those that are kept are in full colour, up to the mark.  The second shows the parameters
        before and after.
    """
    left, right = new_axes(2, (11.0, 5.0)) if axes is None else axes
    for k, layer in enumerate(layers):
        _spectrum(left, layer, _COLOURS[k % len(_COLOURS)], _MARKS[k % len(_MARKS)])
    left.set_yscale("log")
    left.set_xscale("log")
    left.set_xlabel("index j of the singular value")
    left.set_ylabel("singular value / largest of the layer")
    left.legend(frameon=False, fontsize=9, loc="lower left")
    _bars(right, layers)
    network = f", {shown(name, 60)}" if name else ""
    left.set_title(f"Singular values of each layer's {of}{network}", fontsize=11, parse_math=False)
    before = sum(layer.shape[0] * layer.shape[1] for layer in layers)
    after = sum(layer.parameters for layer in layers)
    right.set_title(f"Entries of W: {before:,}, of U and V: {after:,}", fontsize=11)
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_axisbelow(True)
    left.grid(color="0.9", linewidth=0.8)
    right.grid(color="0.9", linewidth=0.8, axis="x")
    return left, right


def _spectrum(axes: Axes, layer: LayerRank, colour: str, mark: str) -> None:
    s = layer.singular_values / (layer.singular_values[0] or 1.0)
    s = np.maximum(s, 1e-8)  # a rank-deficient W has zeros, which have no logarithm
    j = np.arange(1, s.size + 1)
    rows, columns = layer.shape
    kept = f"rank {layer.rank} of {s.size}" if layer.rank else "unchanged"
    axes.plot(j, s, color=colour, alpha=0.35, linewidth=1.5)
    end = layer.rank or s.size
    label = f"layer {layer.m}, {rows}x{columns}: {kept}"
    axes.plot(j[:end], s[:end], color=colour, linewidth=2.2, label=label,
              marker=mark, markevery=[end - 1], markersize=8)  # fmt: skip


def _bars(axes: Axes, layers: Sequence[LayerRank]) -> None:
    places = np.arange(len(layers))
    before = [layer.shape[0] * layer.shape[1] for layer in layers]
    after = [layer.parameters for layer in layers]
    axes.barh(places - 0.2, before, 0.36, color=GREY, label="before")
    axes.barh(places + 0.2, after, 0.36, color=BLUE, label="after")
    for place, most, least in zip(places, before, after, strict=True):
        if least < most:
            axes.text(least, place + 0.2, f"  {most / least:.1f} times fewer", va="center",
                      fontsize=9)  # fmt: skip
    axes.set_yticks(places, [f"layer {layer.m}" for layer in layers])
    axes.invert_yaxis()
    axes.set_xlabel("parameters")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
