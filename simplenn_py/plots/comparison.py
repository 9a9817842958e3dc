"""Runs side by side: loss and accuracy over time and over epochs or iterations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import DataError, shown
from .style import (
    BLUE,
    GREEN,
    VERMILLION,
    is_number,
    line_heights,
    log_where_wide,
    new_axes,
    whole_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's without yellow, which is too light for a line on white.
_COLOURS = (BLUE, VERMILLION, GREEN, "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_DASHES = ("-", "--", ":", "-.")  # with the colours, 28 different lines
_MARKERS = {"sgd": "o", "adam": "^", "newton": "s"}
_LOG_FROM = 8  # longest / shortest run from which the scale is logarithmic


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
        Axes to draw on; created if not given.

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
        log_where_wide(top, line_heights(top))
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
    text = shown(name, 40)
    part = "validation" if run.validated else "training"
    test = run.test_accuracy
    end = f", test {100 * test:.2f} %" if test is not None else ""
    state = "" if run.status == "finished" else f" ({shown(run.status, 40)})"
    # Matplotlib hides a label that starts with an underscore.
    space = " " if text.startswith("_") else ""
    return f"{space}{text}: {run.solver}{state}, accuracy on {part} images{end}"


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
        axes.xaxis.set_major_locator(whole_numbers())
    else:
        axes.set_xlim(left=0)
    _plain(axes)


def _accuracy_scale(axes: Axes) -> None:
    """Use a logarithmic scale of errors if they span a decade, so accuracies near 100 % differ."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    errors = np.maximum(100 - np.array(line_heights(axes)), 0.0)
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
    heights = forward(line_heights(axes))
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


def _plain(axes: Axes) -> None:
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
