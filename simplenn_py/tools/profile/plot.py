"""The figure of ``simplenn profile``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...plots.figures import BLUE, GREEN, GREY, VERMILLION, new_axes
from .layer_times import LayerTimes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_layer_times(times: LayerTimes, *, name: str = "", axes: Axes | None = None) -> Axes:
    """Draw where the time of a training step goes, a bar a layer.

    Parameters
    ----------
    times : LayerTimes
        From :func:`simplenn_py.tools.profile.layer_times.time_layers`.
    name : str
        What the network and its images are, for the title.
    axes : Axes, optional

    Returns
    -------
    Axes
        Layer 1 on top; in each bar forward, dW and dZ, behind it its share of the whole.
    """
    layers = times.layers
    if axes is None:
        (axes,) = new_axes(1, (8.6, 1.6 + 0.42 * len(layers)))
    places, ends = np.arange(len(layers)), np.zeros(len(layers))
    labels = ("forward", "dW (4)", "dZ (5)")
    passes = zip(("forward", "dW", "dZ"), labels, (BLUE, VERMILLION, GREEN), strict=True)
    for which, label, colour in passes:
        widths = np.array([1e3 * layer.seconds.get(which, 0.0) for layer in layers])
        axes.barh(places, widths, 0.72, ends, color=colour, label=label)
        ends += widths
    for place, end in enumerate(ends.tolist()):
        share = f" {100 * end / ends.sum():.0f} %"
        axes.text(end, place, share, va="center", fontsize=9, color=GREY)
    axes.set_yticks(places, [f"{layer.name}: {layer.kind} {layer.sizes}" for layer in layers])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1 * ends.max())
    axes.set_xlabel(f"ms a batch of {times.batch_size} images")
    how = f"{times.engine} engine, {times.dtype}, {times.threads} threads"
    title = f"Where the time goes: {name}\n{how}" if name else f"Where the time goes: {how}"
    axes.set_title(title, fontsize=11, parse_math=False)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return axes
