"""What Newton's method did, in four panels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, shown
from .style import (
    BLUE,
    GREY,
    VERMILLION,
    is_number,
    line_heights,
    log_where_wide,
    new_axes,
    step_axis,
    whole_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Records = Sequence[Mapping[str, Any]]
_RATIOS = (-0.5, 2.0)  # a ratio beyond is an arrow at the edge; 1 is a perfect model
_POOR, _GOOD = 0.25, 0.75  # limits of the ratio at which the solver changes lambda, as in simpleNN


def plot_newton(
    records: Records,
    *,
    data: str = "",
    xi: float | None = None,
    axes: Sequence[Axes] | None = None,
) -> tuple[Axes, Axes, Axes, Axes]:
    """Draw the iterations of Newton's method, in four panels.

    Parameters
    ----------
    records : sequence of mapping
        One record per iteration, as the solver writes them.  Values that are absent, None or not
        finite are left out; so the lines of history.csv, which lack ``cg_residuals``, can be
        drawn as well.
    data : str
        Name of the data set, for the title.
    xi : float, optional
        Tolerance of CG, marked in its panel.
    axes : four Axes, optional
        Axes to draw on; created if not given.

    Returns
    -------
    four Axes
        :func:`plot_objective`, :func:`plot_cg_residuals`, :func:`plot_lambda`,
        :func:`plot_ratio`.

    Raises
    ------
    DataError
        If there is no record.
    """
    if not records:
        raise DataError("there is no record to draw; train for at least one iteration")
    if axes is None:
        axes = new_axes(4, (11.0, 7.6), rows=2)
        if data:
            title = f"Newton's method on {shown(data, 60)}"
            axes[0].figure.suptitle(title, parse_math=False)
    objective, residuals, lambda_, ratio = axes
    return (
        plot_objective(records, axes=objective),
        plot_cg_residuals(records, xi=xi, axes=residuals),
        plot_lambda(records, axes=lambda_),
        plot_ratio(records, axes=ratio),
    )


def plot_objective(records: Records, *, axes: Axes | None = None) -> Axes:
    """Draw f and |grad f| after each iteration, each on its own scale.

    Parameters
    ----------
    records : sequence of mapping
        Records with ``iteration``, ``f`` and ``gradient_norm``.
    axes : Axes, optional
        Axes to draw on; created if not given.

    Returns
    -------
    Axes
        The axes of f; those of |grad f| share the horizontal axis.
    """
    left = axes or _panel()
    right = left.twinx()
    sides = ((left, "f", "f", BLUE, "-", "o"),
             (right, "gradient_norm", "|grad f|", VERMILLION, "--", "s"))  # fmt: skip
    for side, key, label, colour, dashes, marker in sides:
        iterations, values = _points(records, key)
        side.plot(iterations, values, color=colour, linestyle=dashes,
                  marker=_marker(iterations, marker), markersize=5, label=label)  # fmt: skip
        log_where_wide(side, values)
        side.set_ylabel(label, color=colour)
        side.tick_params(axis="y", colors=colour)
        if len(values) == 1:  # otherwise both points are in the middle and overlap
            unit = 0.1 * abs(values[0]) or 1.0
            down, up = (2, 1) if side is left else (1, 2)
            side.set_ylim(values[0] - down * unit, values[0] + up * unit)
    lines = [*left.get_lines(), *right.get_lines()]
    _iteration_axis(left, records, "Objective and its gradient, after the step")
    left.legend(lines, [str(line.get_label()) for line in lines], frameon=False)
    right.spines["right"].set_color(VERMILLION)
    right.spines[["top", "left"]].set_visible(False)
    return left


def plot_cg_residuals(
    records: Records, *, xi: float | None = None, axes: Axes | None = None
) -> Axes:
    """Draw the residuals of CG, one line per iteration.

    Parameters
    ----------
    records : sequence of mapping
        Records with ``iteration`` and ``cg_residuals``, ``||r_k||/||grad f||`` for k = 0, 1, ...
    xi : float, optional
        Tolerance of CG.
    axes : Axes, optional
        Axes to draw on; created if not given.

    Returns
    -------
    Axes
        Each line ends with a dot; if it is below the tolerance, CG has converged.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    axes = axes or _panel()
    kept = [r for r in records if any(map(_is_positive, r.get("cg_residuals") or ()))]
    last = max((r["iteration"] for r in kept), default=1)
    first = min((r["iteration"] for r in kept), default=1)
    shades = colormaps["viridis_r"](np.linspace(0.15, 1, 256))  # without its pale yellow
    colours = ScalarMappable(Normalize(first, max(last, first + 1)), ListedColormap(shades))
    most = 1
    for record in kept:
        points = [(k, r) for k, r in enumerate(record["cg_residuals"]) if _is_positive(r)]
        k, residuals = zip(*points, strict=True)
        colour = BLUE if len(kept) == 1 else colours.to_rgba(record["iteration"])
        axes.plot(k, residuals, color=colour, linewidth=1.0 if len(kept) > 12 else 1.5,
                  marker="o", markersize=4, markevery=[len(k) - 1])  # fmt: skip
        most = max(most, *k)
    if xi is not None:
        axes.axhline(xi, color=VERMILLION, linestyle="--", label=f"tolerance xi = {xi:g}", zorder=3)
    if kept:
        log_where_wide(axes, [10.0, *line_heights(axes)])
    else:
        axes.text(0.5, 0.5, "no residuals are recorded", transform=axes.transAxes, ha="center",
                  va="center", color=GREY)  # fmt: skip
        axes.set(xticks=[], yticks=[])
    if last > first:
        beside = axes.inset_axes((1.02, 0.0, 0.03, 1.0))
        bar = axes.figure.colorbar(colours, cax=beside, ticks=whole_numbers())
        bar.set_label("iteration")
    each = ", one line per iteration" if len(kept) != 1 else ""
    axes.set(xlabel="CG step k", ylabel="||r_k|| / ||grad f||", title=f"Conjugate gradients{each}")
    if kept:
        step_axis(axes, [0, most])
    return axes


def plot_lambda(records: Records, *, axes: Axes | None = None) -> Axes:
    """Draw the damping, lambda of Levenberg-Marquardt, after each iteration.

    Parameters
    ----------
    records : sequence of mapping
        Records with ``iteration`` and ``lambda``.
    axes : Axes, optional
        Axes to draw on; created if not given.

    Returns
    -------
    Axes
    """
    axes = axes or _panel()
    iterations, values = _points(records, "lambda")
    axes.plot(iterations, values, color=BLUE, marker=_marker(iterations, "o"), markersize=5)
    log_where_wide(axes, values)
    axes.set_ylabel("lambda")
    _iteration_axis(axes, records, "Damping (lambda), after the update")
    return axes


def plot_ratio(records: Records, *, axes: Axes | None = None) -> Axes:
    """Draw the ratio of the actual decrease of f to the decrease that the quadratic model predicts.

    Parameters
    ----------
    records : sequence of mapping
        Records with ``iteration`` and ``ratio``, and optionally ``alpha`` of the line search.
    axes : Axes, optional
        Axes to draw on; created if not given.

    Returns
    -------
    Axes
        Symbols distinguish full steps, shortened steps and iterations without a step.  An arrow
        at the edge is a ratio beyond it.
    """
    axes = axes or _panel()
    iterations, values = _points(records, "ratio", finite=False)
    low, high = _RATIOS
    axes.plot(iterations, np.clip(values, low, high), color=BLUE, linewidth=0.8, alpha=0.5)
    alphas = {r["iteration"]: r.get("alpha") for r in records}
    kinds: dict[tuple[str, str, str, str], list[tuple[int, float]]] = {}
    for iteration, value in zip(iterations, values, strict=True):
        alpha: Any = alphas[iteration]
        if alpha == 0:
            kind = ("alpha = 0, no step", "x", VERMILLION, VERMILLION)
        elif is_number(alpha) and alpha < 1:
            kind = ("alpha < 1", "o", "white", BLUE)
        else:
            kind = ("alpha = 1" if alpha == 1 else "step", "o", BLUE, BLUE)
        if not low <= value <= high:
            kind = ("beyond the edge", "v" if value < low else "^", *kind[2:])
        kinds.setdefault(kind, []).append((iteration, min(max(value, low), high)))
    named = set()
    for (label, marker, face, edge), points in kinds.items():
        style: dict[str, Any] = {"marker": marker, "markerfacecolor": face, "markeredgecolor": edge}
        axes.plot(*zip(*points, strict=True), linestyle="", markersize=6,
                  label=f"_{label}" if label in named else label, **style)  # fmt: skip
        named.add(label)
    for threshold, effect in ((_GOOD, "lambda * drop"), (_POOR, "lambda * boost")):
        axes.axhline(threshold, color=GREY, linestyle="--", linewidth=1, zorder=1)
        good = threshold == _GOOD
        axes.text(1.01, threshold, f"{'3/4 and above' if good else 'below 1/4'}:\n{effect}",
                  transform=axes.get_yaxis_transform(), fontsize=8, color=GREY,
                  va="bottom" if good else "top")  # fmt: skip
    inside = np.clip([_POOR, _GOOD, 1.0, *values], low, high)
    axes.set_ylim(float(inside.min()) - 0.12, float(inside.max()) + 0.12)
    axes.set_ylabel("actual / predicted decrease of f")
    _iteration_axis(axes, records, "Quality of the quadratic model")
    if named:  # below the panel, where it hides no point
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4,
                    fontsize=9, columnspacing=1.2, handletextpad=0.2)  # fmt: skip
    return axes


def _panel() -> Axes:
    return new_axes(1, (5.6, 4.0))[0]


def _points(records: Records, key: str, *, finite: bool = True) -> tuple[list[int], list[float]]:
    """Return iterations and values; if not `finite`, infinite values are kept, but never NaN."""
    points = [
        (r["iteration"], r[key])
        for r in records
        if r.get(key) is not None and (math.isfinite(r[key]) or not (finite or math.isnan(r[key])))
    ]
    return [iteration for iteration, _ in points], [value for _, value in points]


def _is_positive(value: Any) -> bool:
    return is_number(value) and value > 0


def _marker(places: Sequence[int], shape: str) -> str:
    return shape if len(places) <= 40 else ""  # many markers hide the line; one point needs one


def _iteration_axis(axes: Axes, records: Records, title: str) -> None:
    axes.set(xlabel="iteration", title=title)
    step_axis(axes, [record["iteration"] for record in records])
