"""What ``train`` is given, turned into what it needs; anything else is refused with what to give.

A name stands for its data set, a dict for options, a path for a model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets import load_dataset
from ..datasets.dataset import Dataset, Images
from ..errors import OptionError, closest
from ..model.model import Model
from ..network.config import NetConfig
from ..runtime.arguments import expect, expect_path, expect_whole
from .checkpoint import Checkpoint
from .options import TrainOptions, default_options

if TYPE_CHECKING:
    from ..engines.operator_table import Operators


def as_dataset(data: Any, progress: bool = False) -> Dataset:
    """Return a data set, also for its name or path, or for images without a test set.

    Parameters
    ----------
    data : Dataset, str, path or Images
    progress : bool
        Whether to report the progress of a download.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        If `data` is anything else, or the data set cannot be read.
    """
    if isinstance(data, str | os.PathLike):
        return load_dataset(data, progress=progress)
    if isinstance(data, Images):
        data = Dataset("data", data, None, "given to train")
    expect("data", data, Dataset, "a Dataset, the name or path of one, or Images(Z, y, a, b)")
    expect("data.train", data.train, Images, "Images(Z, y, a, b)")
    expect("data.test", data.test, (Images, type(None)), "Images(Z, y, a, b), or None")
    expect("data.validation", data.validation, (Images, type(None)), "Images(Z, y, a, b), or None")
    for images in filter(None, (data.train, data.validation, data.test)):
        expect_whole("the height a of the images", images.a, 1)
        expect_whole("the width b of the images", images.b, 1)
    return data


def as_options(options: Any, data: Dataset, saved: TrainOptions | None = None) -> TrainOptions:
    """Return training options, also for a dict of some of them, or None.

    Parameters
    ----------
    options : TrainOptions, dict or None
        What a dict leaves out is taken from `saved`, else it is the data set's own.
    data : Dataset
    saved : TrainOptions, optional
        Options of the run that is resumed.

    Returns
    -------
    TrainOptions

    Raises
    ------
    UserError
        If `options` is anything else, or an option is unknown or breaks its rule.
    """
    if isinstance(options, TrainOptions):
        return options
    given = {} if options is None else options
    known = [f.name for f in fields(TrainOptions)]
    expect("options", given, Mapping, "TrainOptions(...), or a dict such as {'epochs': 5}")
    for name in given:
        if name not in known:
            raise OptionError(f"there is no option {name!r}{closest(str(name), known)}")
    if saved is not None:
        return TrainOptions(**{**asdict(saved), **given})
    return default_options(data, **given)


def as_operators(operators: Any) -> Operators | None:
    """Return a table of operators, also for a dict of routines by name.

    Parameters
    ----------
    operators : Operators, dict or None

    Returns
    -------
    Operators or None

    Raises
    ------
    UserError
        If `operators` is anything else, or a routine cannot be used.
    """
    if operators is None:
        return None
    from ..engines.operator_table import Operators  # it loads kernels that other engines lack

    if isinstance(operators, Mapping):
        return Operators().replace(**{str(name): routine for name, routine in operators.items()})
    what = (
        "Operators().replace(...), a dict such as {'vTP_phi': mine}, or "
        "operators_of(load_all([path])) of interfaces.student_routines"
    )
    expect("operators", operators, Operators, what)
    table: Operators = operators
    return table


def check_places(config: Any, out: Any, console: Any, progress: Any) -> None:
    """Check the types of the other arguments of ``train``.

    Parameters
    ----------
    config, out, console, progress
        See :func:`simplenn_py.train`.

    Raises
    ------
    UserError
        If one of them has another type.
    """
    from rich.console import Console

    if not isinstance(config, NetConfig | None):
        expect_path("config", config, "a NetConfig, a preset's name, or the path of a .config file")
    if out is not None:
        expect_path("out", out, "the path of the run folder, or None")
    expect("console", console, (Console, type(None)), "a rich.console.Console, or None")
    expect("progress", progress, (bool, np.bool_, int), "True or False")


def as_start(start: Any) -> Model | None:
    """Return the model to start from, also for the path of its file or of its run folder.

    Parameters
    ----------
    start : Model, path or None

    Returns
    -------
    Model or None

    Raises
    ------
    UserError
        If `start` is anything else, or the file is not a model.
    """
    if isinstance(start, Model | None):
        return start
    expect_path("start", start, "a Model, or the path of a model.npz or of a run folder")
    path = Path(start)
    return Model.load(path / "model.npz" if path.is_dir() else path)


def as_checkpoint(resume: Any) -> Checkpoint:
    """Return a checkpoint, also for the path of its run folder.

    Parameters
    ----------
    resume : Checkpoint or path

    Returns
    -------
    Checkpoint

    Raises
    ------
    UserError
        If `resume` is anything else, or the folder has no checkpoint.
    """
    if isinstance(resume, Checkpoint):
        return resume
    expect_path("resume", resume, "the run folder of the run to continue")
    return Checkpoint.read(resume)
