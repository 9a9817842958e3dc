"""The figure of a derivative check: the V-curve of the differences, and errors of all layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import shown
from ...plots.style import BLUE, GREEN, GREY, VERMILLION, new_axes
from .check import EXACT, TOLERANCE
from .report import GradcheckReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BELOW: dict[str, Any] = {
    "frameon": False, "fontsize": 9, "ncols": 2, "loc": "upper center",
    "bbox_to_anchor": (0.5, -0.22),
}  # fmt: skip
_FLOOR = 1e-17  # an error of 0 is drawn here
_FAR = 10.0  # an error of this many times the rounding is truncation


def plot_gradcheck(
    report: GradcheckReport, *, name: str = "", axes: Sequence[Axes] | None = None
) -> tuple[Axes, Axes]:
    """Draw relative errors: over the step of the differences, and of every layer.

    Parameters
    ----------
    report : Report
        From :func:`simplenn_py.tools.gradcheck.check.check`.
    name : str
        Name of the network, for the title.
    axes : pair of Axes, optional
        Axes to draw on; created if not given.

    Returns
    -------
    pair of Axes
        The first shows the V-curve, with its branches dashed: truncation grows as the square of
        the step, the error from kinks as the step, rounding as its inverse.  The second has one
        marker per check; an error of 0 is drawn at 1e-17.
    """
    left, right = new_axes(2, (11.0, 5.4)) if axes is None else axes
    _v_curve(left, report)
    _layers(right, report)
    of = f" of {shown(name, 60)}" if name else ""
    left.set_title(f"Central differences{of}", fontsize=11, parse_math=False)
    how = f"{report.engine} engine, {report.loss} loss, {report.images} images"
    right.set_title(f"Single layers: {how}", fontsize=11, parse_math=False)
    for panel in (left, right):
        panel.grid(color="0.9", linewidth=0.8)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    return left, right


def _v_curve(axes: Axes, report: GradcheckReport) -> None:
    steps = [point.step for point in report.sweep]
    curves = (("gradient", "gradient of f", BLUE, "o"), ("Jv", "Jv", VERMILLION, "s"))
    highest = 1.0
    for which, label, colour, marker in curves:
        errors = [_drawable(getattr(point, which)) for point in report.sweep]
        axes.loglog(steps, errors, color=colour, linewidth=1.2, label=label)
        highest = max([highest, *(e for e in errors if math.isfinite(e))])
        for kinked, face in ((False, colour), (True, "white")):
            chosen = [k for k, point in enumerate(report.sweep) if point.kinked == kinked]
            axes.plot(
                [steps[k] for k in chosen], [errors[k] for k in chosen], linestyle="",
                marker=marker, markersize=5, color=colour, markerfacecolor=face,
            )  # fmt: skip
    if any(point.kinked for point in report.sweep):
        axes.plot([], [], "o", color=GREY, markerfacecolor="white", label="hollow: across a kink")
    rounding = [report.rounding / step for step in steps]
    style: dict[str, Any] = {"color": GREY, "linewidth": 1.0}
    axes.plot(steps, rounding, linestyle="--", label="rounding, ~ 1/step", **style)
    for power, label, dashes in ((2, "truncation, ~ step^2", ":"), (1, "kinks, ~ step", "-.")):
        constant = _branch(report, power)
        branch = [
            (point.step, constant * point.step**power)
            for point in report.sweep
            if constant * point.step**power > 1e-14 and (point.kinked or power == 2)
        ]
        if branch:
            axes.plot(*zip(*branch, strict=True), linestyle=dashes, label=label, **style)
    axes.set_ylim(1e-14, 3 * highest)
    axes.set(xlabel="step, relative to the layer's weights", ylabel="relative error")
    axes.legend(**_BELOW)


def _branch(report: GradcheckReport, power: int) -> float:
    """Return c of the branch ``c*step^power``; 0 if the branch is not visible.

    Points without a kink have the truncation error of the Taylor series, with power 2.  The number
    of kinks within a step is proportional to the step, and so is the error that they cause.
    """
    ok = {check.name: check.ok for check in report.network}
    which = next((w for w, name in (("gradient", "gradient of f"), ("Jv", "Jv")) if ok[name]), "")
    if not which:
        return 0.0  # a wrong derivative has a plateau in place of branches
    logs = []
    for point in report.sweep:
        error = getattr(point, which)
        seen = _FAR * report.rounding / point.step < error < math.inf
        if seen and point.kinked == (power == 1):
            logs.append(math.log(error / point.step**power))
    return math.exp(sum(logs) / len(logs)) if logs else 0.0


def _layers(axes: Axes, report: GradcheckReport) -> None:
    styles = (("gradient", BLUE, "o", -0.22), ("Jv", VERMILLION, "s", 0.0),
              ("adjoint", GREEN, "^", 0.22))  # fmt: skip
    for what, colour, marker, shift in styles:
        for part, aside, face in (("W", -0.05, colour), ("bias", 0.05, "white")):
            name = f"{what} {part}"
            having = [layer for layer in report.layers if name in layer.checks]  # V has no bias
            places = [layer.m + shift + aside for layer in having]
            errors = [_drawable(layer.checks[name].error) for layer in having]
            label = {"adjoint": "<u, Jv> = <J'u, v>"}.get(what, what)
            axes.semilogy(
                places, errors, linestyle="", marker=marker, color=colour, markersize=6,
                markerfacecolor=face, label=f"{label}, {part}",
            )  # fmt: skip
    style: dict[str, Any] = {"color": GREY, "linewidth": 1.0}
    axes.axhline(TOLERANCE, linestyle="--", label="tolerance of differences", **style)
    axes.axhline(EXACT, linestyle=":", label="tolerance of the identity", **style)
    crowded = len(report.layers) > 6
    shown = [
        f"{layer.m}\n{layer.verdict}" if crowded else f"{layer.m}: {layer.kind}\n{layer.verdict}"
        for layer in report.layers
    ]
    size = 9 if len(shown) <= 10 else 6
    axes.set_xticks([layer.m for layer in report.layers], shown, fontsize=size)
    axes.set_xlim(0.5, len(shown) + 0.5)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 3e-18), max(high, 1e-4))
    axes.set(xlabel="layer", ylabel="relative error")
    axes.legend(**_BELOW)


def _drawable(error: float) -> float:
    """Return an error that can be drawn on a logarithmic axis; NaN leaves a gap."""
    return max(error, _FLOOR) if math.isfinite(error) else math.nan
