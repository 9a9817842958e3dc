"""The end of a run: the weights that are kept, their accuracy, the report."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ..cnn.engine import Engine
from ..cnn.objective import evaluate
from ..datasets.dataset import Images
from ..errors import DivergedError
from ..layout import Array
from ..opt.minibatch import Record
from ..opt.newton import NewtonState
from ..runtime.environment import describe
from .job import Job


@dataclass
class History:
    """The records and the report of a training.

    Attributes
    ----------
    records : list of dict
        One record per epoch: ``epoch``, ``updates``, ``lr``, ``loss`` (mean over the epoch's
        batches, each before its update), ``train_accuracy`` (computed in the same way),
        ``seconds``, and with a validation set ``validation_loss`` and ``validation_accuracy``.
        Newton's method has one record per iteration, see ``opt.newton.NewtonState``.
    report : dict
        The content of ``run.json``: options, versions, timings, accuracies as fractions.
    interrupted : bool
        Whether Ctrl-C ended the run early.
    """

    records: list[Record] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False


def first_report(job: Job, threads: int) -> dict[str, Any]:
    """Return the part of ``run.json`` that is known before training."""
    data = job.data
    assert data is not None
    return {
        "dataset": {
            "name": data.name,
            "source": data.source,
            "training_images": int(job.training.size),
            "validation_images": int(job.validation.size),
            "test_images": 0 if data.test is None else data.test.l,
        },
        "network": asdict(job.model.config),
        "parameters": job.model.config.n_parameters,
        "options": asdict(job.options),
        "seed": job.options.seed,
        "threads": threads,
        **describe(),
    }


@np.errstate(over="ignore", invalid="ignore")  # the weights may be large
def finish(job: Job, engine: Engine, history: History) -> None:
    """Choose the best weights, measure them, and write model, history and figures."""
    data = job.data
    assert data is not None
    report, records = history.report, history.records
    if job.best.theta is not None:
        job.model.theta[:] = job.best.theta
    report["status"] = "interrupted" if history.interrupted else "finished"
    if isinstance(job.state, NewtonState):
        report["iterations"], report["stopped_because"] = job.state.iteration, job.state.reason
        report["cg_steps"] = sum(record["cg_steps"] for record in records)
    else:
        report["epochs"], report["updates"] = job.state.epoch, job.state.updates
    report["best_epoch"] = job.best.epoch or job.state.epoch
    report["timings"]["train_seconds"] = sum(record["seconds"] for record in records)
    keys = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    report |= dict.fromkeys(keys)
    if not history.interrupted:
        start = time.perf_counter()
        report["train_loss"], predicted = evaluate(engine, job.model, job.problem, job.training)
        truth, part = job.problem.y[job.training], "training images"
        report["train_accuracy"] = float(np.mean(predicted == truth))
        if data.test is not None:
            truth, predicted, loss = _test(job, engine, data.test)
            part = "test images"
            report["test_accuracy"], report["test_loss"] = float(np.mean(predicted == truth)), loss
        report["timings"]["evaluate_seconds"] = time.perf_counter() - start
        if job.run is not None:
            nL = job.model.config.nL
            known = truth < nL
            confusion = np.bincount(truth[known] * nL + predicted[known], minlength=nL * nL)
            job.run.save_model(job.model, job.best)
            job.run.save_history(records)
            job.run.save_figures(
                job.model,
                records,
                report["test_accuracy"],
                confusion.reshape(nL, nL),
                data.name,
                part,
                job.options.xi,
            )


def _test(job: Job, engine: Engine, test: Images) -> tuple[Array, Array, float | None]:
    """Predict the test images; a label unknown to the model gets index nL, always a mistake."""
    classes = job.model.classes
    y = np.minimum(np.searchsorted(classes, test.y), classes.size - 1)
    known = classes[y] == test.y
    problem = replace(job.problem, images=test.Z, y=y.astype(np.int64))
    loss, predicted = evaluate(engine, job.model, problem, np.arange(test.l))
    return np.where(known, y, classes.size), predicted, loss if known.all() else None


def diverged(job: Job, report: dict[str, Any], error: DivergedError) -> DivergedError:
    """Write what is known of a run that diverged; return the error with the epoch that is kept."""
    kept = ""
    if job.run is not None:
        job.run.save_report(report | {"status": "diverged", "error": str(error)})
        if job.state.epoch == 0:
            job.run.forget_checkpoint()  # nothing was learnt: the folder is free for another try
        else:
            kept = f"; {job.run.path / 'model.npz'} holds epoch {job.state.epoch}"
    return DivergedError(f"{error}{kept}")
