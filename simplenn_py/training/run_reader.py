"""Read the files of a run folder: ``run.json`` and ``history.csv``."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, NoReturn

from ..errors import ConfigError, DataError, shown
from ..io.files import read_text
from ..io.stored import Mismatch, anything, number, one_of, optional, record, text, told, whole
from ..io.strict_json import from_json
from ..network.config import NetConfig
from ..network.presets import PRESETS
from ..runtime.console import shell_words
from ..runtime.numerals import real
from ..runtime.paths import user_path
from .stored import RECORDED


def _loss(value: Any, name: str) -> float:
    """Rule of a loss: JSON lacks infinities and NaN, so they are texts in the file."""
    return number(finite=False)(float(value) if value in ("inf", "-inf", "nan") else value, name)


_FRACTION = number(0, 1)
#: What is read of run.json; it holds more.
_REPORT = record(
    {
        "status": text(),
        "dataset": record(
            {"name": text(4096, surrogates=True), "training_images": whole(1)}, others=anything
        ),
        "options": record(
            {"loss": one_of("squared", "cross-entropy")},
            {"solver": one_of("sgd", "adam", "newton")},  # older reports do not name it
            others=anything,
        ),
        "network": record({}, others=anything),  # NetConfig has the rules of its fields
    },
    {
        "train_loss": optional(_loss),
        "train_accuracy": optional(_FRACTION),
        "test_accuracy": optional(_FRACTION),
    },
    others=anything,
)
_REMEDY = "copy the folder again, or train again"


@dataclass(frozen=True)
class Run:
    """The report and the history of a run.

    Parameters
    ----------
    path : Path
        The run folder, as it was given.
    solver : str
        "sgd", "adam" or "newton".
    network : str
        Name of the preset that it equals, else its numbers of channels and neurons.
    dataset : str
    training_images : int
    objective : str
        Loss that was minimised: "cross-entropy" or "squared".
    status : str
        "finished", "interrupted", "diverged", "failed" by an error, or "running"; a run that was
        killed stays "running".
    records : tuple of dict
        Lines of the history in order, without what a user's hook added; an empty cell is None.
    report : mapping
        Content of run.json.
    """

    path: Path
    solver: str
    network: str
    dataset: str
    training_images: int
    objective: str
    status: str
    records: tuple[dict[str, float | None], ...]
    report: Mapping[str, Any]

    @property
    def step(self) -> str:
        """Unit of the history: "epoch" or "iteration"."""
        return _step(self.solver)

    @property
    def steps(self) -> list[int]:
        """The number of each epoch or iteration."""
        return [int(record[self.step] or 0) for record in self.records]

    @property
    def seconds(self) -> list[float]:
        """Training time up to the end of each epoch or iteration."""
        return list(accumulate(record["seconds"] or 0.0 for record in self.records))

    @property
    def validated(self) -> bool:
        """Whether there was a validation set."""
        return any(record.get("validation_accuracy") is not None for record in self.records)

    @property
    def test_accuracy(self) -> float | None:
        """Accuracy on the test images, a fraction; None if not measured (yet)."""
        return _measured(self.report, "test_accuracy")

    @property
    def measured(self) -> bool:
        """Whether the weights in model.npz were run on all training images."""
        return _measured(self.report, "train_accuracy") is not None

    def results(self) -> dict[str, float | None]:
        """Return loss and accuracies of the weights in model.npz.

        Returns
        -------
        dict
            ``loss``, ``train_accuracy``, ``validation_accuracy``, ``test_accuracy``; None if not
            measured.  For a run that did not finish they come from its history, in which SGD and
            Adam record means over an epoch while the weights change.
        """
        # model.npz holds the first of the best epochs on the validation set, else the last epoch.
        kept = max(self.records, key=lambda r: r.get("validation_accuracy") or 0.0)
        kept = kept if self.validated else self.records[-1]
        source = self.report if self.measured else kept
        loss = source.get("train_loss") if self.measured else kept["loss"]
        return {
            "loss": None if loss is None else float(loss),
            "train_accuracy": _measured(source, "train_accuracy"),
            "validation_accuracy": kept.get("validation_accuracy"),
            "test_accuracy": self.test_accuracy,
        }


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Read the report and the history in a run folder.

    Parameters
    ----------
    folder : path
        Run folder that ``simplenn train`` wrote; the run may be interrupted or still running.

    Returns
    -------
    Run

    Raises
    ------
    DataError
        If the folder does not hold a run, no epoch was completed, or a file is damaged.
    """
    folder = user_path(folder)
    path = folder / "run.json"
    if not folder.is_dir():
        is_file = folder.is_file()
        raise DataError(f"{folder} {'is a file' if is_file else 'does not exist'}; give a run "
                        "folder that 'simplenn train' wrote")  # fmt: skip
    if not path.is_file():
        raise DataError(f"{folder} holds no run.json; give a run folder that 'simplenn train' "
                        "wrote")  # fmt: skip
    report = _report(path)
    solver, history = report["options"].get("solver", "sgd"), folder / "history.csv"
    if not history.is_file():
        raise DataError(
            f"{folder} holds no history.csv, because no {_step(solver)} was completed; continue "
            f"with: simplenn train ... --resume {shell_words([str(folder)])}; or leave the run out"
        )
    return Run(
        path=folder,
        solver=solver,
        network=_network(path, report["network"]),
        dataset=report["dataset"]["name"],
        training_images=report["dataset"]["training_images"],
        objective=report["options"]["loss"],
        status=report["status"],
        records=_history(history, _step(solver)),
        report=report,
    )


def _step(solver: str) -> str:
    return "iteration" if solver == "newton" else "epoch"


def _report(path: Path) -> dict[str, Any]:
    """Read run.json and check its content."""
    text = read_text(path)
    try:
        report: dict[str, Any] = from_json(text)
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}; {_REMEDY}") from None
    try:
        _REPORT(report, "")
    except Mismatch as fault:
        raise DataError(
            f"{path} is not the report of a run: {fault}; give a folder that 'simplenn train' wrote"
        ) from None
    return report


def _wrong(where: object, key: str, value: object, rule: str) -> NoReturn:
    raise DataError(f"{where}: {shown(key, 60)} is {told(value)}; it must be {rule}; {_REMEDY}")


def _measured(source: Mapping[str, Any], key: str) -> float | None:
    value = source.get(key)
    return None if value is None else float(value)


def _network(path: Path, fields: dict[str, Any]) -> str:
    """Return the preset that the network equals, else its layers: "conv 32-64, full 10"."""
    try:
        given: dict[str, Any] = {k: tuple(v) if type(v) is list else v for k, v in fields.items()}
        config = NetConfig(**given)
        for name in PRESETS:
            try:
                preset = NetConfig.preset(name, *config.image_shape, config.nL)
            except ConfigError:  # the preset needs larger images
                continue
            if preset == config:
                return name
        conv, full = (
            "-".join(map(str, sizes)) for sizes in (config.ch_input[1:], config.full_neurons)
        )
        rank = ", rank " + "-".join(map(str, config.rank)) if config.rank else ""
        return shown((f"conv {conv}, full {full}" if conv else f"full {full}") + rank)
    except (TypeError, ConfigError):
        raise DataError(f"{path}: its network cannot be built; {_REMEDY}") from None


def _history(path: Path, step: str) -> tuple[dict[str, float | None], ...]:
    """Read history.csv, whose first column is `step`."""
    text = read_text(path)
    try:
        lines = list(csv.reader(text.splitlines(), strict=True))
    except csv.Error as error:
        raise DataError(f"{path} is damaged: {error}; {_REMEDY}") from None
    columns = lines[0] if lines else []
    absent = [k for k in (step, "loss", "train_accuracy", "seconds") if k not in columns]
    if absent:
        raise DataError(
            f"{path} has no column {', '.join(absent)}, but the run in its run.json writes it; "
            "give a folder whose files come from a single run"
        )
    # Every line that training writes ends with a line break, so a cut number is detected.
    if not text.endswith("\n") or any(len(line) != len(columns) for line in lines):
        raise DataError(f"{path} is damaged: a line is not complete; {_REMEDY}")
    if len(lines) == 1:
        raise DataError(f"{path} has no line after the header; train for at least one {step}")
    records = []
    for k, line in enumerate(lines[1:], 2):
        where = f"{path}, line {k}"
        cells = zip(columns, line, strict=True)
        records.append({key: _cell(where, key, v) for key, v in cells if key in RECORDED})
        before = records[-2][step] if k > 2 else 0.0
        if not (records[-1][step] or 0.0) > (before or 0.0):
            _wrong(where, step, line[columns.index(step)], "larger than in the previous line")
    return tuple(records)


_EVERYWHERE = ("epoch", "iteration", "seconds")
_FINITE = (*_EVERYWHERE, "loss", "train_accuracy", "validation_accuracy")


def _cell(where: str, key: str, text: str) -> float | None:
    """Return the number in a cell; None if it is empty, as after a step that was not taken."""
    if not text and key not in _EVERYWHERE:
        return None
    try:
        value = real(text)
    except ValueError:
        _wrong(where, key, text, "a number")
    # The loss on the validation set may be infinite one epoch before the run diverges.
    if key in _FINITE and not math.isfinite(value):
        _wrong(where, key, text, "finite")
    if key.endswith("_accuracy") and not 0 <= value <= 1:
        _wrong(where, key, text, "a number from 0 to 1")
    if key in _EVERYWHERE and value < 0:
        _wrong(where, key, text, "0 or more")
    if key in ("epoch", "iteration") and value != int(value):
        _wrong(where, key, text, "a whole number")
    return value
