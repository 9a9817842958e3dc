"""Training curves: loss and accuracy over the epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import DataError, shown
from .style import BLUE, GREEN, VERMILLION, is_number, log_scale, new_axes, step_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_curves(
    history: Sequence[Mapping[str, Any]],
    *,
    data: str = "",
    test_accuracy: float | None = None,
    axes: Sequence[Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Draw loss and accuracy over the epochs, side by side.

    Parameters
    ----------
    history : sequence of mapping
        One record per epoch, or per iteration of Newton, with its number, ``loss`` (mean training
        loss) and ``train_accuracy``, and optionally ``validation_loss`` and
        ``validation_accuracy``.  Accuracies are fractions.  Values that are absent, None or not
        finite are left out.
    data : str
        Name of the data set, for the title.
    test_accuracy : float, optional
        Accuracy on the test set, a fraction; marked by a horizontal line.
    axes : pair of Axes, optional
        Axes to draw on; created if not given.

    Returns
    -------
    pair of Axes
        The loss, on a logarithmic scale if it spans more than a decade, and the accuracy in
        percent.

    Raises
    ------
    DataError
        If the history has no record.
    """
    if not history:
        raise DataError("the history has no record to draw; train for at least one epoch")
    left, right = new_axes(2, (9.6, 4.0)) if axes is None else axes
    drawn = _curves(left, history, ("loss", "validation_loss"), 1)
    _curves(right, history, ("train_accuracy", "validation_accuracy"), 100)
    if drawn and min(drawn) > 0 and max(drawn) > 10 * min(drawn):
        log_scale(left, decades=math.log10(max(drawn) / min(drawn)))
    if test_accuracy is not None:
        label = f"test, after training: {100 * test_accuracy:.2f} %"
        right.axhline(100 * test_accuracy, color=GREEN, linestyle="--", linewidth=1.5, label=label)
    on = f" on {shown(data, 60)}" if data else ""
    step = _step_of(history)
    left.set(xlabel=step, ylabel="loss per image")
    right.set(xlabel=step, ylabel="images classified correctly (%)")
    left.set_title(f"Mean loss{on}", parse_math=False)
    right.set_title(f"Accuracy{on}", parse_math=False)
    for panel in (left, right):
        step_axis(panel, [record[step] for record in history])
    low, high = right.get_ylim()
    right.set_ylim(max(low, -2.0), min(max(high, low + 2.0), 101.0))
    return left, right


def _curves(
    axes: Axes, history: Sequence[Mapping[str, Any]], keys: tuple[str, str], factor: int
) -> list[float]:
    """Draw the training and the validation curve, times `factor`; return the values drawn."""
    drawn: list[float] = []
    curves = zip(keys, ("training", "validation"), (BLUE, VERMILLION), strict=True)
    for key, label, colour in curves:
        step = _step_of(history)
        points = [(r[step], factor * r[key]) for r in history if is_number(r.get(key))]
        if points:
            epochs, values = zip(*points, strict=True)
            # A single epoch is only visible with a marker; many markers hide the line.
            marker = "o" if len(points) <= 15 else ""
            axes.plot(epochs, values, color=colour, marker=marker, markersize=5, label=label)
            drawn += values
    return drawn


def _step_of(history: Sequence[Mapping[str, Any]]) -> str:
    return "epoch" if "epoch" in history[0] else "iteration"
