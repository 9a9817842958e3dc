"""The confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, shown
from ..labels import match_labels
from ..layout import Array
from .style import BLUE, VERMILLION, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap

_NUMBERS_UP_TO = 20  # maximum number of classes for counts in the cells of a confusion matrix


def confusion_counts(y: Array, predicted: Array, classes: Array) -> Array:
    """Count the images of each class by their predicted class.

    Parameters
    ----------
    y, predicted : array_like, shape (l,)
        True and predicted labels, see :func:`simplenn_py.labels.match_labels`.
    classes : ndarray, shape (k,)
        Labels in the order of the result; an image with another label is left out.

    Returns
    -------
    ndarray of int64, shape (k, k)
        ``counts[true, predicted]``.
    """
    true, guess = (match_labels(labels, classes)[0] for labels in (y, predicted))
    counts = np.zeros((classes.size + 1, classes.size + 1), np.int64)  # the last: no class
    np.add.at(counts, (true, guess), 1)
    return counts[:-1, :-1]


def plot_confusion(
    counts: Array, classes: Sequence[Any] | Array, *, part: str = "", axes: Axes | None = None
) -> Axes:
    """Draw a confusion matrix.

    Parameters
    ----------
    counts : ndarray of int, shape (k, k)
        ``counts[true, predicted]``; see :func:`confusion_counts`.
    classes : sequence of length k
        The labels.
    part : str
        Name of the images, for the title: "test images", "digits (test)".
    axes : Axes, optional
        Axes to draw on; created if not given.

    Returns
    -------
    Axes
        One row per true class; colours show fractions of its images.  Mistakes and the diagonal
        have their own colours and scales, so that mistakes are visible.  With 20 or fewer
        classes, each nonzero cell shows its count.

    Raises
    ------
    DataError
        If `counts` does not have shape (k, k).
    """
    k = len(classes)
    if counts.shape != (k, k):
        raise DataError(f"counts has shape {counts.shape}; it must be ({k}, {k}) for {k} classes")
    if axes is None:
        side = min(max(5.0, 2.4 + (0.42 if k <= _NUMBERS_UP_TO else 0.11) * k), 14.0)
        (axes,) = new_axes(1, (side + 0.9, side))
    rows = counts.sum(axis=1, keepdims=True)
    fractions = 100 * counts / np.maximum(rows, 1)
    diagonal = np.eye(k, dtype=bool)
    mistakes = np.ma.masked_where(diagonal | (counts == 0), fractions)
    right = np.ma.masked_where(~diagonal | (counts == 0), fractions)
    worst = float(mistakes.max()) if mistakes.count() else 1.0
    axes.imshow(right, cmap=_tints(BLUE, 0.12, 0.75), vmin=0, vmax=100)
    image = axes.imshow(mistakes, cmap=_tints(VERMILLION, 0.2, 1.0), vmin=0, vmax=worst)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.7, aspect=30, pad=0.02)
    bar.set_label("mistakes (% of the images of the true class)")
    bar.outline.set_visible(False)  # type: ignore[operator]
    if k <= _NUMBERS_UP_TO:
        _write_counts(axes, counts, mistakes.filled(0) / worst)
    _class_ticks(axes, [str(label) for label in classes])
    total, correct = int(counts.sum()), int(np.trace(counts))
    of = f", {shown(part, 60)}" if part else ""
    share = f"\n{correct:,} of {total:,} correct ({100 * correct / total:.2f} %)" if total else ""
    axes.set_title(f"Confusion matrix{of}{share}", parse_math=False)
    return axes


def _write_counts(axes: Axes, counts: Array, shade: Array) -> None:
    """Write each count that is not 0; `shade` in [0, 1] is the darkness of the mistakes' cells."""
    size = 9 if len(counts) <= 12 else 7
    for i, j in zip(*np.nonzero(counts), strict=True):
        dark = (i == j and counts[i, i] > 0.6 * counts[i].sum()) or shade[i, j] > 0.75
        axes.text(
            j, i, f"{counts[i, j]}", ha="center", va="center", fontsize=size,
            color="white" if dark else "black", fontweight="bold" if i == j else "normal",
        )  # fmt: skip


def _class_ticks(axes: Axes, labels: list[str]) -> None:
    """Label both axes with the classes; if there are more than 100, some are left out."""
    k = len(labels)
    places = range(0, k, -(-k // 100))
    texts = [shown(labels[i], 24) for i in places]
    # A label with dollar signs is not a formula.
    size = 10 if k <= 12 else 8 if k <= 40 else 6
    style: dict[str, Any] = {"fontsize": size, "parse_math": False}
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    longest = max(map(len, texts))
    if k <= _NUMBERS_UP_TO:
        turned = slanted if longest > 3 else {}
    else:
        turned = {"rotation": 90} if longest > 2 else {}
    axes.set_xticks(places, texts, **style, **turned)
    axes.set_yticks(places, texts, **style)
    axes.set(xlabel="predicted class (blue: correct)", ylabel="true class")
    borders = np.arange(k + 1) - 0.5
    axes.set_xticks(borders, minor=True)
    axes.set_yticks(borders, minor=True)
    axes.grid(which="minor", color="0.88", linewidth=0.6 if k <= 40 else 0.2)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)


def _tints(colour: str, lightest: float, darkest: float) -> LinearSegmentedColormap:
    """Return colours between two tints of `colour`; tint 0 is white, tint 1 is `colour`."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    full = np.array(to_rgb(colour))
    ends = [tuple(1 - share * (1 - full)) for share in (lightest, darkest)]
    return LinearSegmentedColormap.from_list(colour, ends)
