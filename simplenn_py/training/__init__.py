"""Training: options, the job and its run folder, progress, and ``train`` itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..runtime.lazy import exports

if TYPE_CHECKING:
    from .options import TrainOptions as TrainOptions
    from .options import default_options as default_options
    from .results import History as History
    from .run_reader import Run as Run
    from .run_reader import read_run as read_run
    from .training import train as train

__getattr__, __dir__ = exports(
    __name__,
    {
        "options": ("TrainOptions", "default_options"),
        "run_reader": ("Run", "read_run"),
        "results": ("History",),
        "training": ("train",),
    },
)
