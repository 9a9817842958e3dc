"""The run folder: model, checkpoint, history, report and figures, each written atomically."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import shutil
from typing import Any

from ..errors import DataError
from ..io.atomic import atomic_open
from ..io.folder_lock import FolderLock
from ..io.npz import write_arrays
from ..io.strict_json import to_json
from ..layout import Array
from ..model.model import Model
from ..opt.hooks import Hook
from ..opt.minibatch import Record
from ..runtime.console import shell_words
from ..runtime.paths import user_path
from .checkpoint import FILE, Best, Checkpoint, State

_FIGURE_BYTES = 4 << 20


class RunFolder:
    """The folder that holds the files of a run.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = user_path(path)
        self._lock: FolderLock | None = None

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
            If the folder already holds a run, another run has just been started in it, it is not
            writable, or the disk is too full.
        """
        run = cls(path)
        try:
            run.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise run._not_writable(error) from None
        run.claim()
        try:
            run._check_free(parameters, images)
        except DataError:
            run.forget_folder()
            run.release()
            raise
        return run

    def claim(self) -> None:
        """Keep other runs out of the folder until :meth:`release`.

        Raises
        ------
        DataError
            If another run is writing into it.
        """
        try:
            self._lock = FolderLock(self.path)
        except OSError as error:
            raise self._not_writable(error) from None

    def release(self) -> None:
        """Let other runs into the folder."""
        if self._lock is not None:
            self._lock.release()

    def _check_free(self, parameters: int, images: int) -> None:
        # An interrupted start or a diverged first epoch leaves only a report: the folder is free.
        present = [name for name in ("model.npz", FILE) if (self.path / name).exists()]
        if present:
            raise DataError(
                f"{self.path} already holds a run ({', '.join(present)}); "
                f"choose another --out, or continue it with --resume "
                f"{shell_words([str(self.path)])}"
            )
        probe = self.path / ".write-test"
        try:
            probe.write_bytes(b"")
            probe.unlink()
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise self._not_writable(error) from None
        # A checkpoint holds theta, m, v and the best theta, a model holds theta, with at most 8
        # bytes per number; a new file is beside the old one until it is complete.
        needed = 2 * (5 * 8 * parameters + 8 * images) + _FIGURE_BYTES
        if free < needed:
            raise DataError(
                f"{self.path} has {free >> 20} MiB free, but the run needs {(needed >> 20) + 1} "
                "MiB; free some space or choose another --out"
            )

    def _not_writable(self, error: OSError) -> DataError:
        reason = error.strerror or error
        return DataError(f"cannot write into {self.path}: {reason}; choose another --out")

    def forget_checkpoint(self) -> None:
        """Remove the checkpoint of a run in which nothing was learnt."""
        (self.path / FILE).unlink(missing_ok=True)

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
    ) -> list[str]:
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

        Returns
        -------
        list of str
            Notes on figures that could not be drawn; the results are written before.
        """
        from .. import plots

        figures: dict[str, plots.Plot] = {
            "curves": lambda: plots.plot_curves(history, data=data, test_accuracy=test_accuracy),
            "newton": lambda: plots.plot_newton(history, data=data, xi=xi),
            "confusion": lambda: plots.plot_confusion(
                confusion, model.classes, part=f"{data}, {part}"
            ),
            "filters": lambda: plots.plot_filters(model, data=data),
        }
        if not history or "cg_steps" not in history[0]:
            del figures["newton"]
        _, notes = plots.draw({self.path / f"{k}.png": plot for k, plot in figures.items()})
        return notes

    def _write(self, name: str, text: str) -> None:
        with atomic_open(self.path / name) as file:
            file.write(text.encode())


class CheckpointHook(Hook):
    """Updates the run folder after every epoch, and when a run is interrupted.

    Parameters
    ----------
    run : RunFolder
    checkpoint : Checkpoint
        Its model, state and best epoch change while the run goes on.
    """

    def __init__(self, run: RunFolder, checkpoint: Checkpoint) -> None:
        self._run, self._checkpoint = run, checkpoint

    def on_start(self, state: State) -> None:
        self._checkpoint.write()

    def on_epoch(self, state: State) -> None:
        # The checkpoint comes first: a resumed run writes the files again that come after it.
        self._checkpoint.write()
        self._run.save_history(state.history)
        self._run.save_model(self._checkpoint.model, self._checkpoint.best)

    def on_stop(self, state: State) -> None:
        if state.stop:
            self._checkpoint.write()
