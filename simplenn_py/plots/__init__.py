"""Figures: the style, and the figures of training."""

from .display import show
from .figures import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    check_png,
    confusion_counts,
    plot_confusion,
    plot_curves,
    plot_filters,
    save,
)
from .solvers import plot_comparison, plot_newton

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "VERMILLION",
    "check_png",
    "confusion_counts",
    "plot_comparison",
    "plot_confusion",
    "plot_curves",
    "plot_filters",
    "plot_newton",
    "save",
    "show",
]
