"""The folder of a run: model, checkpoint, history, report and figures, each written atomically."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..io.atomic import atomic_open
from ..io.npz import read_arrays, write_arrays
from ..io.strict_json import to_json
from ..layout import Array
from ..model.model import Model
from ..opt.adam import AdamState
from ..opt.hooks import Hook
from ..opt.minibatch import Record
from ..opt.newton import NewtonState
from ..opt.sgd import SGDState
from .options import TrainOptions

State = SGDState | AdamState | NewtonState
FORMAT = "simplenn_py checkpoint 2"
#: What each solver goes on from.
STATES: dict[str, Any] = {"sgd": SGDState, "adam": AdamState, "newton": NewtonState}
_FIGURE_BYTES = 4 << 20


class Best:
    """The weights of the best epoch on the validation part, where there is one."""

    def __init__(self, theta: Array | None = None, epoch: int = 0, accuracy: float = -1.0) -> None:
        self.theta, self.epoch, self.accuracy = theta, epoch, accuracy


class RunFolder:
    """Where a run is kept.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: str | os.PathLike[str], parameters: int, images: int) -> RunFolder:
        """Make the folder, and find out now what would go wrong after hours of training.

        Raises
        ------
        DataError
            Where it holds a run already, cannot be written, or the disk has too little room.
        """
        run = cls(path)
        # What an interrupted start or a diverged first epoch leaves, a report alone, is no run.
        present = [name for name in ("model.npz", "checkpoint.npz") if (run.path / name).exists()]
        if present:
            raise DataError(
                f"{path} holds a run already ({', '.join(present)}); "
                f"choose another --out, or go on with --resume {path}"
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
        # theta, m, v and the best theta in a checkpoint, theta in a model, at most 8 bytes each;
        # a new file stands beside the old one until it is complete.
        needed = 2 * (5 * 8 * parameters + 8 * images) + _FIGURE_BYTES
        if free < needed:
            raise DataError(
                f"{self.path} has {free >> 20} MiB free; the run needs {(needed >> 20) + 1} MiB, "
                "make room or choose another --out"
            )

    def save_checkpoint(
        self,
        model: Model,
        state: State,
        best: Best,
        options: TrainOptions,
        fingerprint: str,
    ) -> None:
        """Write all that :meth:`load_checkpoint` needs to go on bit for bit."""
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
            As they were given to :meth:`save_checkpoint`.

        Raises
        ------
        DataError
            Where there is none, or it is damaged.
        """
        path = self.path / "checkpoint.npz"
        if not path.is_file():
            raise DataError(f"{self.path} has no checkpoint.npz; --resume takes a run's folder")
        arrays = read_arrays(path)
        model = Model.from_arrays(
            {k.removeprefix("model_"): v for k, v in arrays.items() if k.startswith("model_")},
            path,
        )
        try:
            about = json.loads(str(arrays["checkpoint"][()]))
            if about["format"] != FORMAT:
                raise DataError(f"{path} is {about['format']!r}; this version reads {FORMAT!r}")
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
                raise DataError(f"{path}: its vectors differ in length; use another run")
            return model, state, best, options, str(about["fingerprint"])
        except (LookupError, TypeError, AttributeError, json.JSONDecodeError):
            raise DataError(f"{path} is no checkpoint of simplenn_py; train anew") from None

    def forget_checkpoint(self) -> None:
        """Remove the checkpoint of a run that came to nothing."""
        (self.path / "checkpoint.npz").unlink(missing_ok=True)

    def forget_folder(self) -> None:
        """Remove the folder again if nothing is in it."""
        with contextlib.suppress(OSError):  # it was there before, with something in it
            self.path.rmdir()

    def save_history(self, history: list[Record]) -> None:
        """Write ``history.csv``, one line an epoch."""
        columns: list[str] = list(
            dict.fromkeys(k for record in history for k, v in record.items() if type(v) is not list)
        )
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        self._write("history.csv", text.getvalue())

    def save_model(self, model: Model, best: Best) -> None:
        """Write ``model.npz``: the best epoch's weights where a validation part chose it."""
        arrays = model.arrays()
        if best.theta is not None:
            arrays["theta"] = best.theta
        write_arrays(self.path / "model.npz", arrays)

    def save_report(self, report: dict[str, Any]) -> None:
        """Write ``run.json``."""
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
            A fraction.
        confusion : ndarray of int64, shape (nL, nL)
            Images counted by true and by predicted class.
        data, part : str
            Name of the data set, and which of its images the confusion counts.
        xi : float
            Where Newton's CG stopped.
        """
        from ..plots import figures as plots

        curves = plots.plot_curves(history, data=data, test_accuracy=test_accuracy)
        plots.save(curves, self.path / "curves.png")
        if history and "cg_steps" in history[0]:
            from ..plots.solvers import plot_newton

            plots.save(plot_newton(history, data=data, xi=xi), self.path / "newton.png")
        confusions = plots.plot_confusion(confusion, model.classes, part=f"{data}, {part}")
        plots.save(confusions, self.path / "confusion.png")
        plots.save(plots.plot_filters(model, data=data), self.path / "filters.png")

    def _write(self, name: str, text: str) -> None:
        with atomic_open(self.path / name) as file:
            file.write(text.encode())


class CheckpointHook(Hook):
    """Keeps the run folder up to date: after every epoch, and when a run is interrupted."""

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
        # The checkpoint comes first: whatever is lost after it, a resumption writes again.
        self._save(state)
        self._run.save_history(state.history)
        self._run.save_model(self._model, self._best)

    def on_stop(self, state: State) -> None:
        if state.stop:
            self._save(state)

    def _save(self, state: State) -> None:
        self._run.save_checkpoint(self._model, state, self._best, self._options, self._fingerprint)
