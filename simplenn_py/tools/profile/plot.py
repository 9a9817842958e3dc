"""The figure of ``simplenn profile``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import shown
from ...plots.style import BLUE, GREEN, GREY, VERMILLION, new_axes
from .layer_times import LayerTimes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_layer_times(times: LayerTimes, *, name: str = "", axes: Axes | None = None) -> Axes:
    """Draw the time of a training step, one bar per layer.

    Parameters
    ----------
    times : LayerTimes
        From :func:`simplenn_py.tools.profile.layer_times.time_layers`.
    name : str
        Name of the network and its images, for the title.
    axes : Axes, optional
        Axes to draw on; created if not given.

    Returns
    -------
    Axes
        Layer 1 is at the top.  Each bar shows forward, dW and dZ, and after it the layer's share
        of the whole time.
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
    axes.set_xlabel(f"ms per batch of {times.batch_size} images")
    how = f"{times.engine} engine, {times.dtype}, {times.threads} threads"
    title = (
        f"Time of each layer: {shown(name, 60)}\n{how}" if name else f"Time of each layer: {how}"
    )
    axes.set_title(title, fontsize=11, parse_math=False)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return axes
