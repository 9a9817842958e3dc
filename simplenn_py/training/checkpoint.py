"""Checkpoints: everything needed to continue a run with bit-identical results."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..io.npz import read_arrays, write_arrays
from ..layout import Array
from ..model.model import Model
from ..opt.adam import AdamState
from ..opt.newton import NewtonState
from ..opt.sgd import SGDState
from ..runtime.arguments import expect_path
from .options import TrainOptions

State = SGDState | AdamState | NewtonState
FORMAT = "simplenn_py checkpoint 2"
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
            If there is no checkpoint, or it is damaged.
        """
        expect_path("folder", folder, "the path of a run folder")
        path = Path(folder) / FILE
        if not path.is_file():
            raise DataError(f"{folder} has no {FILE}; give a run folder to --resume")
        arrays = read_arrays(path)
        model = Model.from_arrays(
            {k.removeprefix("model_"): v for k, v in arrays.items() if k.startswith("model_")},
            path,
        )
        try:
            about = json.loads(str(arrays["checkpoint"][()]))
            if about["format"] != FORMAT:
                raise DataError(
                    f"{path} has the format {about['format']!r}, but this version reads "
                    f"{FORMAT!r}; train again"
                )
            best = Best(arrays.get("best_theta"), *about["best"])
            options = TrainOptions(**about["options"])
            values = about["state"] | {
                k.removeprefix("state_"): v for k, v in arrays.items() if k.startswith("state_")
            }
            if "rng" in values:
                rng = np.random.default_rng()
                rng.bit_generator.state = values["rng"]
                values["rng"] = rng
            state = STATES[options.solver](**values)
            same = [values[k] for k in ("m", "v") if k in values]
            same += [] if best.theta is None else [best.theta]
            if any(x.shape != model.theta.shape or x.dtype != model.theta.dtype for x in same):
                raise DataError(f"{path} is damaged: its vectors differ in length; train again")
            return cls(path.parent, model, state, best, options, str(about["fingerprint"]))
        except (LookupError, TypeError, AttributeError, json.JSONDecodeError):
            raise DataError(f"{path} is not a checkpoint of simplenn_py; train again") from None
