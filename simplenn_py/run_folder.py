"""The run folder: model, checkpoint, history, report and figures, each written atomically."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import shutil
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError
from .io.atomic import atomic_open
from .io.npz import read_arrays, write_arrays
from .layout import Array
from .model import Model
from .opt.adam import AdamState
from .opt.hooks import Hook
from .opt.minibatch import Record
from .opt.newton import NewtonState
from .opt.sgd import SGDState
from .options import TrainOptions

State = SGDState | AdamState | NewtonState
FORMAT = "simplenn_py checkpoint 2"
#: The state of each solver, from which it continues.
STATES: dict[str, Any] = {"sgd": SGDState, "adam": AdamState, "newton": NewtonState}
_FIGURE_BYTES = 4 << 20


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


class RunFolder:
    """The folder that holds the files of a run.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: str | os.PathLike[str], parameters: int, images: int) -> RunFolder:
        """Create the folder, and check it before hours of training.

        Parameters
        ----------
        path : path
        parameters : int
            Number of parameters of the network.
        images : int
            Number of images to train on.

        Raises
        ------
        DataError
            If the folder already holds a run or is not writable, or the disk is too full.
        """
        run = cls(path)
        # An interrupted start or a diverged first epoch leaves only a report: the folder is free.
        present = [name for name in ("model.npz", "checkpoint.npz") if (run.path / name).exists()]
        if present:
            raise DataError(
                f"{path} already holds a run ({', '.join(present)}); "
                f"choose another --out, or continue it with --resume {path}"
            )
        run._check_room(parameters, images)
        return run

    def _check_room(self, parameters: int, images: int) -> None:
        probe = self.path / ".write-test"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise DataError(
                f"cannot write into {self.path}: {error.strerror or error}; choose another --out"
            ) from None
        # A checkpoint holds theta, m, v and the best theta, a model holds theta, with at most 8
        # bytes per number; a new file is beside the old one until it is complete.
        needed = 2 * (5 * 8 * parameters + 8 * images) + _FIGURE_BYTES
        if free < needed:
            raise DataError(
                f"{self.path} has {free >> 20} MiB free, but the run needs {(needed >> 20) + 1} "
                "MiB; free some space or choose another --out"
            )

    def save_checkpoint(
        self,
        model: Model,
        state: State,
        best: Best,
        options: TrainOptions,
        fingerprint: str,
    ) -> None:
        """Write the checkpoint, from which a run continues bit for bit.

        Parameters
        ----------
        model : Model
        state : State
            State of the solver.
        best : Best
        options : TrainOptions
        fingerprint : str
            Checksum of the training images.
        """
        values: dict[str, Any] = {}
        about: dict[str, Any] = {
            "format": FORMAT,
            "options": asdict(options),
            "fingerprint": fingerprint,
            "state": values,
            "best": [best.epoch, best.accuracy],
        }
        arrays = {f"model_{name}": array for name, array in model.arrays().items()}
        for f in fields(state):
            value = getattr(state, f.name)
            if isinstance(value, np.ndarray):
                arrays[f"state_{f.name}"] = value
            elif isinstance(value, np.random.Generator):
                values[f.name] = value.bit_generator.state
            elif f.name != "stop":
                values[f.name] = value
        arrays["checkpoint"] = np.array(json.dumps(about))
        if best.theta is not None:
            arrays["best_theta"] = best.theta
        write_arrays(self.path / "checkpoint.npz", arrays)

    def load_checkpoint(self) -> tuple[Model, State, Best, TrainOptions, str]:
        """Read the checkpoint.

        Returns
        -------
        model, state, best, options, fingerprint
            The arguments of :meth:`save_checkpoint`.

        Raises
        ------
        DataError
            If there is no checkpoint, or it is damaged.
        """
        path = self.path / "checkpoint.npz"
        if not path.is_file():
            raise DataError(f"{self.path} has no checkpoint.npz; give a run folder to --resume")
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
            return model, state, best, options, str(about["fingerprint"])
        except (LookupError, TypeError, AttributeError, json.JSONDecodeError):
            raise DataError(f"{path} is not a checkpoint of simplenn_py; train again") from None

    def forget_checkpoint(self) -> None:
        """Remove the checkpoint of a run in which nothing was learnt."""
        (self.path / "checkpoint.npz").unlink(missing_ok=True)

    def forget_folder(self) -> None:
        """Remove the folder if it is empty."""
        with contextlib.suppress(OSError):  # it already existed and is not empty
            self.path.rmdir()

    def save_history(self, history: list[Record]) -> None:
        """Write ``history.csv``, one line per epoch or iteration.

        Parameters
        ----------
        history : list of dict
            One record per epoch or iteration; entries that are lists are left out.
        """
        columns: list[str] = list(
            dict.fromkeys(k for record in history for k, v in record.items() if type(v) is not list)
        )
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        self._write("history.csv", text.getvalue())

    def save_model(self, model: Model, best: Best) -> None:
        """Write ``model.npz``.

        Parameters
        ----------
        model : Model
        best : Best
            Its weights are written in place of the model's, if there is a validation set.
        """
        arrays = model.arrays()
        if best.theta is not None:
            arrays["theta"] = best.theta
        write_arrays(self.path / "model.npz", arrays)

    def save_report(self, report: dict[str, Any]) -> None:
        """Write ``run.json``, with the values of `report`."""
        self._write("run.json", to_json(report) + "\n")

    def save_figures(
        self,
        model: Model,
        history: list[Record],
        test_accuracy: float | None,
        confusion: Array,
        data: str,
        part: str,
        xi: float = 0.0,
    ) -> None:
        """Draw ``curves.png``, ``confusion.png``, ``filters.png``, and Newton's ``newton.png``.

        Parameters
        ----------
        model : Model
        history : list of dict
        test_accuracy : float or None
            Fraction of the test images that are predicted correctly.
        confusion : ndarray of int64, shape (nL, nL)
            Number of images by true and by predicted class.
        data, part : str
            Name of the data set, and of the images that `confusion` counts.
        xi : float
            Tolerance of Newton's CG.
        """
        from . import plots

        curves = plots.plot_curves(history, data=data, test_accuracy=test_accuracy)
        plots.save(curves, self.path / "curves.png")
        if history and "cg_steps" in history[0]:
            from .solver_plots import plot_newton

            plots.save(plot_newton(history, data=data, xi=xi), self.path / "newton.png")
        confusions = plots.plot_confusion(confusion, model.classes, part=f"{data}, {part}")
        plots.save(confusions, self.path / "confusion.png")
        plots.save(plots.plot_filters(model, data=data), self.path / "filters.png")

    def _write(self, name: str, text: str) -> None:
        with atomic_open(self.path / name) as file:
            file.write(text.encode())


class CheckpointHook(Hook):
    """Updates the run folder after every epoch, and when a run is interrupted."""

    def __init__(
        self,
        run: RunFolder,
        model: Model,
        best: Best,
        options: TrainOptions,
        fingerprint: str,
    ) -> None:
        self._run, self._model, self._best = run, model, best
        self._options, self._fingerprint = options, fingerprint

    def on_start(self, state: State) -> None:
        self._save(state)

    def on_epoch(self, state: State) -> None:
        # The checkpoint comes first: a resumed run writes the files again that come after it.
        self._save(state)
        self._run.save_history(state.history)
        self._run.save_model(self._model, self._best)

    def on_stop(self, state: State) -> None:
        if state.stop:
            self._save(state)

    def _save(self, state: State) -> None:
        self._run.save_checkpoint(self._model, state, self._best, self._options, self._fingerprint)


def to_json(report: dict[str, Any]) -> str:
    """Return strict JSON; numbers that JSON lacks become the strings "inf", "-inf" and "nan".

    Parameters
    ----------
    report : dict
        Plain values, NumPy numbers, lists and dicts.
    """

    def strict(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): strict(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [strict(v) for v in value]
        if isinstance(value, np.generic):
            return strict(value.item())
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return value

    return json.dumps(strict(report), indent=2, allow_nan=False)
