"""Figures of the solvers: the iterations of Newton's method, and comparisons of runs.

As in :mod:`.plots`, every function returns the axes that it draws into, and
:func:`simplenn_py.plots.save` writes their figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import DataError
from .figures import BLUE, GREEN, GREY, VERMILLION, is_number, log_scale, new_axes, step_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Records = Sequence[Mapping[str, Any]]


class ComparedRun(Protocol):
    """The parts of a run that a comparison shows; ``training.run_reader.Run`` has them."""

    @property
    def path(self) -> Path:
        """Run folder."""
        ...

    @property
    def solver(self) -> str:
        """One of "sgd", "adam" and "newton"."""
        ...

    @property
    def status(self) -> str:
        """Status of the run: "finished", or what else became of it."""
        ...

    @property
    def step(self) -> str:
        """Unit in which the history counts: "epoch" or "iteration"."""
        ...

    @property
    def steps(self) -> list[int]:
        """Number of each epoch or iteration."""
        ...

    @property
    def seconds(self) -> list[float]:
        """Training time up to the end of each epoch or iteration."""
        ...

    @property
    def records(self) -> Sequence[Mapping[str, float | None]]:
        """History, one record per epoch or iteration."""
        ...

    @property
    def validated(self) -> bool:
        """Whether the run has a validation set."""
        ...

    @property
    def test_accuracy(self) -> float | None:
        """Accuracy on the test set, a fraction."""
        ...


# Okabe and Ito's without yellow, which is too light for a line on white.
_COLOURS = (BLUE, VERMILLION, GREEN, "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_DASHES = ("-", "--", ":", "-.")  # with the colours, 28 different lines
_MARKERS = {"sgd": "o", "adam": "^", "newton": "s"}
_RATIOS = (-0.5, 2.0)  # a ratio beyond is an arrow at the edge; 1 is a perfect model
_POOR, _GOOD = 0.25, 0.75  # limits of the ratio at which the solver changes lambda, as in simpleNN
_LOG_FROM = 8  # longest / shortest run from which the scale is logarithmic


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
        New ones by default.

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
            title = f"Newton's method on {data}"
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
        New ones by default.

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
        _log_where_wide(side, values)
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
        New ones by default.

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
        _log_where_wide(axes, [10.0, *_heights(axes)])
    else:
        axes.text(0.5, 0.5, "no residuals are recorded", transform=axes.transAxes, ha="center",
                  va="center", color=GREY)  # fmt: skip
        axes.set(xticks=[], yticks=[])
    if last > first:
        beside = axes.inset_axes((1.02, 0.0, 0.03, 1.0))
        bar = axes.figure.colorbar(colours, cax=beside, ticks=_whole_numbers())
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
        New ones by default.

    Returns
    -------
    Axes
    """
    axes = axes or _panel()
    iterations, values = _points(records, "lambda")
    axes.plot(iterations, values, color=BLUE, marker=_marker(iterations, "o"), markersize=5)
    _log_where_wide(axes, values)
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
        New ones by default.

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


def plot_comparison(
    runs: Sequence[ComparedRun], *, names: Sequence[str] = (), axes: Sequence[Axes] | None = None
) -> tuple[Axes, Axes, Axes, Axes]:
    """Draw loss and accuracy of several runs, over time and over epochs or iterations.

    Parameters
    ----------
    runs : sequence of Run
        From :func:`simplenn_py.training.run_reader.read_run`.
    names : sequence of str, optional
        One name per run, for the legend; by default the names of their folders.
    axes : four Axes, optional
        New ones by default.

    Returns
    -------
    four Axes
        Loss over time, loss over steps, accuracy over time, accuracy over steps.  If a run is more
        than 8 times as long as another, the horizontal scale is logarithmic, so that both can be
        read.  Accuracy is that on the validation set if a run has one.

    Raises
    ------
    DataError
        If there is no run, or the number of names is not the number of runs.
    """
    if not runs:
        raise DataError("there is no run to compare; give at least one run folder")
    names = names or [run.path.resolve().name for run in runs]
    if len(names) != len(runs):
        raise DataError(f"{len(runs)} runs have {len(names)} names; give one name per run")
    own = axes is None
    if axes is None:
        axes = new_axes(4, (11.0, 7.4 + 0.22 * len(runs)), rows=2)
    steps = " or ".join(sorted({run.step for run in runs}))
    over: tuple[tuple[str, str, Sequence[Sequence[float]]], ...] = (
        ("time", "training time (s)", [run.seconds for run in runs]),
        (steps.replace("h or", "hs or") + "s", steps, [run.steps for run in runs]),
    )
    for column, (what, label, positions) in enumerate(over):
        top, bottom = axes[column], axes[column + 2]
        for k, (run, x) in enumerate(zip(runs, positions, strict=True)):
            _run_line(top, run, k, x, "loss", 1)
            _run_line(bottom, run, k, x, _accuracy_key(run), 100)
        top.set(title=f"Training loss over {what}", ylabel="loss per image")
        bottom.set(title=f"Accuracy over {what}", ylabel="images classified correctly (%)")
        _log_where_wide(top, _heights(top))
        _accuracy_scale(bottom)
        for panel in (top, bottom):
            panel.set_xlabel(label)
            _long_and_short(panel, positions, whole=column == 1)
    labels = [_label(name, run) for name, run in zip(names, runs, strict=True)]
    lines = axes[0].get_lines()
    owner: Any = axes[0].figure if own else axes[0]
    legend = owner.legend(
        lines, labels, frameon=False, loc="outside lower center" if own else "best",
        ncols=2 if own and len(runs) > 3 and max(map(len, labels)) < 60 else 1,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)  # a folder's name with dollar signs is not a formula
    first, second, third, fourth = axes
    return first, second, third, fourth


def _label(name: str, run: ComparedRun) -> str:
    """Return a line of the legend: name, solver, test accuracy."""
    shown = name if name.isprintable() else repr(name)
    shown = shown if len(shown) <= 40 else f"...{shown[-37:]}"
    part = "validation" if run.validated else "training"
    test = run.test_accuracy
    end = f", test {100 * test:.2f} %" if test is not None else ""
    state = "" if run.status == "finished" else f" ({run.status})"
    # Matplotlib hides a label that starts with an underscore.
    space = " " if shown.startswith("_") else ""
    return f"{space}{shown}: {run.solver}{state}, accuracy on {part} images{end}"


def _accuracy_key(run: ComparedRun) -> str:
    return "validation_accuracy" if run.validated else "train_accuracy"


def _run_line(
    axes: Axes, run: ComparedRun, k: int, x: Sequence[float], key: str, factor: float
) -> None:
    points = [
        (place, factor * float(record[key] or 0.0))
        for place, record in zip(x, run.records, strict=True)
        if is_number(record.get(key))
    ]
    places, values = zip(*points, strict=True) if points else ((), ())
    axes.plot(
        places, values, color=_COLOURS[k % len(_COLOURS)], linewidth=1.5, markersize=5,
        linestyle=_DASHES[k // len(_COLOURS) % len(_DASHES)], marker=_MARKERS.get(run.solver, "o"),
        markevery=max(1, len(points) // 12),
    )  # fmt: skip


def _long_and_short(axes: Axes, positions: Sequence[Sequence[float]], whole: bool) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    ends = [x[-1] for x in positions if x[-1] > 0]
    starts = [place for x in positions for place in x[:1] if place > 0]
    if len(ends) > 1 and max(ends) > _LOG_FROM * min(ends):
        axes.set_xscale("log")
        wide = max(ends) > 300 * min(starts)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif whole:
        axes.xaxis.set_major_locator(_whole_numbers())
    else:
        axes.set_xlim(left=0)
    _plain(axes)


def _accuracy_scale(axes: Axes) -> None:
    """Use a logarithmic scale of errors if they span a decade, so accuracies near 100 % differ."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    errors = np.maximum(100 - np.array(_heights(axes)), 0.0)
    least = float(errors[errors > 1e-9].min(initial=100.0))
    if errors.max(initial=0.0) <= 10 * least:
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, -2.0), min(max(high, low + 2.0), 101.0))
        return

    # Logarithmic down to the smallest error; from there linear up to 100 % and beyond.
    def forward(accuracy: Any) -> Any:
        error = 100 - np.asarray(accuracy, float)
        return 0.3 * np.maximum(1 - error / least, 0) - np.log10(np.maximum(error, least))

    def inverse(height: Any) -> Any:
        above = np.asarray(height, float) + math.log10(least)
        return 100 - least * np.where(above <= 0, 10 ** -np.minimum(above, 0), 1 - above / 0.3)

    axes.set_yscale("function", functions=(forward, inverse))
    heights = forward(_heights(axes))
    margin = 0.05 * float(np.ptp(heights))
    low = max(0.0, float(inverse(heights.min() - margin)))
    axes.set_ylim(low, float(inverse(heights.max() + margin)))
    ticks = [0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99]
    perfect = not errors.all()
    shown = [tick for tick in ticks if 100 - tick > (1.25 if perfect else 0.8) * least]
    axes.yaxis.set_major_locator(FixedLocator([*shown, 100] if perfect else shown))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("correct (%), errors on a log scale")


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


def _log_where_wide(axes: Axes, values: Sequence[float]) -> None:
    """Make the vertical scale logarithmic if positive values span more than a decade."""
    if len(values) and min(values) > 0 and max(values) > 10 * min(values):
        log_scale(axes, decades=math.log10(max(values) / min(values)))


def _heights(axes: Axes) -> list[float]:
    return [float(y) for line in axes.get_lines() for y in np.asarray(line.get_ydata())]


def _iteration_axis(axes: Axes, records: Records, title: str) -> None:
    axes.set(xlabel="iteration", title=title)
    step_axis(axes, [record["iteration"] for record in records])


def _whole_numbers() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True, min_n_ticks=1)


def _plain(axes: Axes) -> None:
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
