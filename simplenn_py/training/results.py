"""The end of a run: the weights that are kept, their accuracy, the report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..cnn.engine import Engine
from ..cnn.objective import evaluate
from ..datasets.dataset import Images
from ..errors import DivergedError
from ..labels import match_labels
from ..layout import Array
from ..opt.minibatch import Record
from ..opt.newton import NewtonState
from ..runtime.environment import describe
from .job import Job
from .options import DEFAULT_LR, TrainOptions
from .run_data import describe_data


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


def used_options(options: TrainOptions, images: int) -> TrainOptions:
    """Return the options with the values that stand for 0.

    Parameters
    ----------
    options : TrainOptions
    images : int
        Number of images to train on.

    Returns
    -------
    TrainOptions
        ``lr`` is the solver's default if it was 0, ``GNsize`` a twentieth of the images.
    """
    if options.solver == "newton":
        return replace(options, GNsize=options.GNsize or -(-images // 20))
    return replace(options, lr=options.lr or DEFAULT_LR[options.solver])


def unseen_labels(job: Job) -> dict[str, dict[Any, int]]:
    """Find labels of the validation and test images that no training image has.

    Parameters
    ----------
    job : Job

    Returns
    -------
    dict
        By the name of the set, "validation" or "test": the labels and their numbers of images.
    """
    classes, y = job.model.classes, job.problem.y
    seen = classes[np.unique(y[job.training])]
    found = {"validation": match_labels(classes[y[job.validation]], seen)[1]}
    if job.data is not None and job.data.test is not None:
        found["test"] = match_labels(job.data.test.y, seen)[1]
    return {part: unseen for part, unseen in found.items() if unseen}


def first_report(job: Job, threads: int) -> dict[str, Any]:
    """Return the part of ``run.json`` that is known before training."""
    data = job.data
    assert data is not None
    return {
        "dataset": {
            **describe_data(data, job.fingerprint),
            "training_images": int(job.training.size),
            "validation_images": int(job.validation.size),
            "test_images": 0 if data.test is None else data.test.l,
            "unseen_labels": {
                part: [{"label": label, "images": n} for label, n in unseen.items()]
                for part, unseen in unseen_labels(job).items()
            },
        },
        "network": asdict(job.model.config),
        "parameters": job.model.config.n_parameters,
        "options": asdict(used_options(job.options, job.training.size)),
        "seed": job.options.seed,
        "threads": threads,
        **describe(),
    }


@np.errstate(over="ignore", invalid="ignore")  # the weights may be large
def finish(job: Job, engine: Engine, history: History) -> Callable[[], list[str]]:
    """Choose the best weights, measure them, and write model and history.

    Returns
    -------
    function
        Draws the figures, which come last, and returns notes on those that cannot be drawn.
    """
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
    parts = ("train", "validation", "test")
    report |= dict.fromkeys(f"{part}_{what}" for part in parts for what in ("loss", "accuracy"))
    if not history.interrupted:
        start = time.perf_counter()
        report["train_loss"], predicted = evaluate(engine, job.model, job.problem, job.training)
        truth, part = job.problem.y[job.training], "training images"
        report["train_accuracy"] = float(np.mean(predicted == truth))
        if job.validation.size:
            report["validation_loss"], predicted = evaluate(
                engine, job.model, job.problem, job.validation
            )
            truth, part = job.problem.y[job.validation], "validation images"
            report["validation_accuracy"] = float(np.mean(predicted == truth))
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
            return partial(
                job.run.save_figures,
                job.model,
                records,
                report["test_accuracy"],
                confusion.reshape(nL, nL),
                data.name,
                part,
                job.options.xi,
            )
    return list


def _test(job: Job, engine: Engine, test: Images) -> tuple[Array, Array, float | None]:
    """Predict the test images; a label unknown to the model gets index nL, always a mistake."""
    y, unknown = match_labels(test.y, job.model.classes)
    problem = replace(job.problem, images=test.Z, y=np.minimum(y, job.model.config.nL - 1))
    loss, predicted = evaluate(engine, job.model, problem, np.arange(test.l))
    return y, predicted, None if unknown else loss


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
