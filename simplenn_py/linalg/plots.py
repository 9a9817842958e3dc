"""Figures of the linear algebra; each returns Axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import shown
from ..plots.style import BLUE, GREEN, GREY, VERMILLION, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .ladder import Ladder
    from .roofline import Machine, Work

_COLOURS = ("#999999", "#CC79A7", "#E69F00", GREEN, BLUE, VERMILLION)
_MARKERS = "ovs^Dx"


def plot_ladder(ladder: Ladder, *, axes: Axes | None = None) -> Axes:
    """Draw GFLOP/s against size, one curve per step, below the machine's peak.

    Parameters
    ----------
    ladder : Ladder
        Measured rates.
    axes : Axes, optional
        Axes to draw on; a new figure if omitted.

    Returns
    -------
    Axes
        Both scales are logarithmic: the first and the last step differ by two orders of magnitude.
    """
    from matplotlib.ticker import NullFormatter, NullLocator, StrMethodFormatter

    axes = axes or new_axes(1, (8.0, 5.4))[0]
    for k, (step, rates) in enumerate(ladder.rates.items()):
        points = [(n, r / 1e9) for n, r in zip(ladder.sizes, rates, strict=True) if r is not None]
        if points:
            axes.plot(
                *zip(*points, strict=True), label=step, color=_COLOURS[k % len(_COLOURS)],
                marker=_MARKERS[k % len(_MARKERS)], markersize=5,
            )  # fmt: skip
    for name, rate in ladder.foreign.items():
        axes.plot(ladder.sizes[-1], rate / 1e9, color=VERMILLION, marker="*", markersize=11,
                  linestyle="none", label=f"blas with its kernels for {name}")  # fmt: skip
    axes.axhline(ladder.peak / 1e9, color=GREY, linestyle="--", linewidth=1.2,
                 label=f"peak of multiply-adds: {ladder.peak / 1e9:.0f}")  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(ladder.sizes, [str(n) for n in ladder.sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="m = n = k", ylabel="GFLOP/s")
    axes.set_title(f"C = A B, {ladder.dtype}: what each step gains")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return axes


def plot_roofline(
    machine: Machine,
    work: Sequence[Work],
    rates: Mapping[int, float],
    *,
    name: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw the machine's roofline, the bounds of every layer, and the measured rates.

    Parameters
    ----------
    machine : Machine
        Peak and bandwidth.
    work : sequence of Work
        Operations and bytes of every layer.
    rates : mapping of int to float
        Measured operations per second of each layer's forward pass, by the layer's number from 1;
        may be empty.
    name : str
        Name of the network, for the title.
    axes : Axes, optional
        Axes to draw on; a new figure if omitted.

    Returns
    -------
    Axes
        Both scales are logarithmic.
    """
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    axes = axes or new_axes(1, (8.6, 5.4))[0]
    reach = [w.intensity for w in work] + [machine.balance]
    low, high = min(reach) / 2, max(reach) * 3
    corner = machine.balance
    roof = [machine.attainable(x) / 1e9 for x in (low, corner, high)]
    axes.plot([low, corner, high], roof, color=GREY, linewidth=2)
    _note(axes, f"balance {corner:.1f} operations per byte", corner, machine.peak, (0, 6), GREY)
    kinds = {"direct": (BLUE, "o"), "phi": (VERMILLION, "s"), "rank": (GREEN, "^")}
    labels = {"direct": "no phi formed", "phi": "phi written and read", "rank": "two thin factors"}
    for kind, (colour, marker) in kinds.items():
        own = [w for w in work if w.way.split()[0] == kind]
        if own:
            bounds = [machine.attainable(w.intensity) / 1e9 for w in own]
            axes.plot(
                [w.intensity for w in own], bounds, color=colour, marker=marker, linestyle="none",
                label=f"bound: {labels[kind]}",
            )  # fmt: skip
    measured = [w for w in work if w.way == "direct" and w.layer in rates]
    if measured:
        axes.plot(
            [w.intensity for w in measured], [rates[w.layer] / 1e9 for w in measured],
            color="black", marker="x", markersize=8, linestyle="none", label="measured, forward",
        )  # fmt: skip
        for w in measured:
            _note(axes, str(w.layer), w.intensity, rates[w.layer], (8, -10), "black")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set(
        xlabel="arithmetic intensity (operations per byte)", ylabel="GFLOP/s", xlim=(low, high)
    )
    axes.set_title(f"Roofline{f' of {shown(name, 60)}' if name else ''}", parse_math=False)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return axes


def _note(
    axes: Axes, text: str, x: float, rate: float, offset: tuple[float, float], colour: str
) -> None:
    """Write a text beside a point whose height `rate` is in operations per second."""
    axes.annotate(
        text, (x, rate / 1e9), xytext=offset, textcoords="offset points", ha="center",
        fontsize=9, color=colour,
    )  # fmt: skip
