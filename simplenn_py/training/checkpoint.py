"""Checkpoints: everything needed to continue a run with bit-identical results."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, DataError
from ..io.npz import read_arrays, write_arrays
from ..io.stored import Mismatch
from ..layout import Array
from ..model.model import Model
from ..model.stored import read_parts
from ..opt.adam import AdamState
from ..opt.newton import NewtonState
from ..opt.sgd import SGDState
from ..runtime.arguments import expect_path
from ..runtime.paths import user_path
from . import stored
from .options import TrainOptions
from .stored import FORMAT

State = SGDState | AdamState | NewtonState
FILE = "checkpoint.npz"
#: The state class of each solver.
STATES: dict[str, Any] = {"sgd": SGDState, "adam": AdamState, "newton": NewtonState}


class Best:
    """The best epoch on the validation set.

    Parameters
    ----------
    theta : ndarray or None
        Its weights; None without a validation set.
    epoch : int
        Its number.
    accuracy : float
        Its accuracy on the validation set, a fraction.
    """

    def __init__(self, theta: Array | None = None, epoch: int = 0, accuracy: float = -1.0) -> None:
        self.theta, self.epoch, self.accuracy = theta, epoch, accuracy


@dataclass
class Checkpoint:
    """Everything needed to continue a run.

    Parameters
    ----------
    folder : Path
        The run folder.
    model : Model
    state : State
        State of the solver.
    best : Best
    options : TrainOptions
    fingerprint : str
        Checksum of the training images.
    """

    folder: Path
    model: Model
    state: State
    best: Best
    options: TrainOptions
    fingerprint: str

    def write(self) -> None:
        """Write ``checkpoint.npz``, atomically."""
        values: dict[str, Any] = {}
        about: dict[str, Any] = {
            "format": FORMAT,
            "options": asdict(self.options),
            "fingerprint": self.fingerprint,
            "state": values,
            "best": [self.best.epoch, self.best.accuracy],
        }
        arrays = {f"model_{name}": array for name, array in self.model.arrays().items()}
        for f in fields(self.state):
            value = getattr(self.state, f.name)
            if isinstance(value, np.ndarray):
                arrays[f"state_{f.name}"] = value
            elif isinstance(value, np.random.Generator):
                values[f.name] = value.bit_generator.state
            elif f.name != "stop":
                values[f.name] = value
        arrays["checkpoint"] = np.array(json.dumps(about))
        if self.best.theta is not None:
            arrays["best_theta"] = self.best.theta
        write_arrays(self.folder / FILE, arrays)

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Checkpoint:
        """Read the checkpoint in a run folder.

        Raises
        ------
        DataError
            If there is no checkpoint, it is damaged, or one of its fields is missing or has another
            type, size or range.
        """
        expect_path("folder", folder, "the path of a run folder")
        path = user_path(folder) / FILE
        if not path.is_file():
            raise DataError(f"{folder} has no {FILE}; give a run folder to --resume")
        arrays = read_arrays(path)
        try:
            return cls._of(path.parent, arrays)
        except (Mismatch, ConfigError, DataError) as fault:
            raise DataError(
                f"{path} is not a checkpoint of simplenn_py that can be continued: {fault}; copy "
                "the run folder again, or train again"
            ) from None

    @classmethod
    def _of(cls, folder: Path, arrays: dict[str, Array]) -> Checkpoint:
        """Check the content of the file completely, then build what it describes."""
        about = stored.read_about(arrays)
        model = Model(
            *read_parts(
                {k.removeprefix("model_"): v for k, v in arrays.items() if k.startswith("model_")}
            )
        )
        options = stored.read_options(about["options"])
        values = stored.read_state(about["state"], arrays, options, model)
        best = Best(*stored.read_best(about["best"], arrays, model, values["history"]))
        state = STATES[options.solver](**values)
        return cls(folder, model, state, best, options, about["fingerprint"])

    def check_images(self, y: Array, l: int) -> None:
        """Check that the run can continue on these images.

        Parameters
        ----------
        y : ndarray
            Labels of all images that the run was given.
        l : int
            Number of images to train on.

        Raises
        ------
        DataError
            If the classes are not those of the model, or the order of the images is for another
            number of images.
        """
        known = {str(label) for label in self.model.classes.tolist()}
        problem = ""
        if {str(label) for label in np.unique(y).tolist()} != known:
            problem = "its classes are not the labels of the images"
        order = getattr(self.state, "order", np.empty(0))
        if order.size not in (0, l):
            problem = f"its order has {order.size} images, but the run trains on {l}"
        if problem:
            raise DataError(
                f"{self.folder / FILE} does not fit the data set: {problem}; copy the run folder "
                "again, or train again"
            )
