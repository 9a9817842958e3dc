"""Figures: the style, and the figures of training."""

from .backend import ignore_unknown_backend
from .beside import Plot, draw
from .comparison import plot_comparison
from .confusion import confusion_counts, plot_confusion
from .curves import plot_curves
from .display import show
from .filters import first_filters, plot_filters
from .newton import plot_cg_residuals, plot_lambda, plot_newton, plot_objective, plot_ratio
from .style import BLUE, GREEN, GREY, VERMILLION, check_png, new_axes, save

ignore_unknown_backend()

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "VERMILLION",
    "Plot",
    "check_png",
    "confusion_counts",
    "draw",
    "first_filters",
    "new_axes",
    "plot_cg_residuals",
    "plot_comparison",
    "plot_confusion",
    "plot_curves",
    "plot_filters",
    "plot_lambda",
    "plot_newton",
    "plot_objective",
    "plot_ratio",
    "save",
    "show",
]
