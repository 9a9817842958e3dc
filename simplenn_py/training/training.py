"""``train``: train a network on a data set; ``simplenn train`` calls it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cnn.engine import Engine
from ..cnn.jacobian import stored_bytes
from ..cnn.objective import BatchObjective, FullObjective, evaluate
from ..datasets.dataset import Dataset, Images
from ..engines import engine_class, make_engine
from ..errors import DivergedError, OptionError
from ..layout import Array
from ..model.model import Model
from ..network.config import NetConfig
from ..opt.adam import AdamState, adam
from ..opt.hooks import Hook, Hooks
from ..opt.minibatch import Record
from ..opt.newton import NewtonState, newton
from ..opt.sgd import sgd
from ..runtime.environment import describe
from ..runtime.memory import free_bytes
from ..runtime.threads import limit_threads
from .interrupt import InterruptHook
from .job import Job, check_images, check_size, flip_seed, new_job, resumed_job
from .options import DEFAULT_LR, TrainOptions
from .run_folder import CheckpointHook, State

if TYPE_CHECKING:
    from rich.console import Console

    from ..engines.operator_table import Operators


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


def train(
    data: Dataset,
    config: NetConfig | str | os.PathLike[str] | None = None,
    options: TrainOptions | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    start: Model | None = None,
    operators: Operators | None = None,
    hooks: Sequence[Hook] = (),
    progress: bool = True,
    console: Console | None = None,
) -> tuple[Model, History]:
    """Train a network by SGD with momentum, Adam, or the Gauss-Newton method.

    Parameters
    ----------
    data : Dataset
        From :func:`simplenn_py.load_dataset`, or your own.
    config : NetConfig, preset name or path of a ``.config`` file, optional
        The network.  A preset takes the size of the images and the number of classes from the
        data.  By default the data set's usual network.
    options : TrainOptions, optional
        By default the data set's own.  ``options.solver`` chooses the solver.
    out : path, optional
        Run folder for the model, checkpoints, history, report and figures; by default no files
        are written.
    resume : path, optional
        Run folder of a run to continue.  `config` must then be omitted, and `options` may
        change only ``epochs`` (``iter_max`` for Newton) and ``threads``.
    start : Model, optional
        Model to start from, on other images or with other options.  Its weights, network (`config`
        must then be omitted), normalisation and loss are kept.
    operators : Operators, optional
        Routines to use in place of the lecture engine's, see ``interfaces.student_routines``.
    hooks : sequence of Hook
        Your own hooks, called after those of the package.
    progress : bool
        Whether to show a bar (on a terminal or in a notebook) and one line per epoch.
    console : rich.console.Console, optional
        Console for the progress.

    Returns
    -------
    model : Model
        The model of the best epoch on the validation set if there is one, else of the last epoch.
    history : History

    Raises
    ------
    ConfigError, OptionError, DataError
        If network, options, data and folder do not fit together; raised before any work.
    DivergedError
        If the loss is no longer finite; the files of the last complete epoch are kept.

    Notes
    -----
    Ctrl-C (also the interrupt of a notebook) ends the run after the current batch.  The checkpoint
    is written, and the model so far is returned with ``history.interrupted`` set.
    """
    began = time.perf_counter()
    check_images(data.train, "training")
    if resume is None:
        job = new_job(data, config, options, out, start)
    else:
        if config is not None or out is not None or start is not None:
            raise OptionError("resume continues with the run's own network, folder and weights; "
                              "leave config, out and start out")  # fmt: skip
        job = resumed_job(data, options, resume)
    if data.test is not None:
        check_images(data.test, "test")
        check_size(data.test, job.model.config, "test")
    from rich.console import Console

    console = console or Console()
    with limit_threads(job.options.threads) as threads:
        report = _first_report(data, job, threads)
        try:
            engine = _engine(job, operators)
            report["timings"] = {"compile_seconds": _compile(job, engine, console, progress)}
        except BaseException:
            if job.run is not None and resume is None:
                job.run.forget_folder()  # nothing was trained, so the name is free again
            raise
        if job.run is not None:
            # Only now, so that a folder with a report also has a checkpoint to continue from.
            job.run.save_checkpoint(job.model, job.state, job.best, job.options, job.fingerprint)
            job.run.save_report({"status": "running"} | report)
        history = History(job.state.history, report)
        try:
            history.interrupted = _run(job, engine, hooks, progress, console)
        except DivergedError as error:
            raise _diverged(job, report | _routines(operators), error) from None
        _finish(job, engine, data, history, operators, began)
    return job.model, history


def run_job(job: Job, hooks: Sequence[Hook] = (), progress: bool = True) -> bool:
    """Train a job that writes no files; its model gets the best weights.

    Parameters
    ----------
    job : Job
        From :func:`simplenn_py.job.fresh_job`.
    hooks : sequence of Hook
        Your own hooks, called after those of the package.
    progress : bool
        Whether to show the progress.

    Returns
    -------
    bool
        Whether the run was interrupted.

    Raises
    ------
    DivergedError, OptionError
        As :func:`train`.
    """
    from rich.console import Console

    console = Console()
    with limit_threads(job.options.threads):
        engine = _engine(job)
        _compile(job, engine, console, progress)
        interrupted = _run(job, engine, hooks, progress, console)
    if job.best.theta is not None:
        job.model.theta[:] = job.best.theta
    return interrupted


def _engine(job: Job, operators: Operators | None = None) -> Engine:
    options, config = job.options, job.model.config
    if operators is not None and options.engine != "lecture":
        raise OptionError(
            f"engine is {options.engine!r}; your own routines need the engine 'lecture'"
        )
    batch = min(options.batch_size, job.training.size)
    needed = sum(engine_class(options.engine).forecast(config, batch, options.dtype).values())
    free = free_bytes()
    if needed > free:
        raise OptionError(
            f"batch_size {options.batch_size} needs {needed >> 20} MiB of memory, but {free >> 20} "
            "MiB are free; make it smaller ('simplenn summary' shows the memory of each layer)"
        )
    if operators is not None:
        from ..engines.lecture import LectureEngine

        return LectureEngine(config, batch, options.dtype, operators=operators)
    return make_engine(options.engine, config, batch, options.dtype)


def _compile(job: Job, engine: Engine, console: Console, progress: bool) -> float:
    """Run every kernel on one image, so that training time does not include compiling."""
    from ..kernels.policy import cached, cold, compilations

    if progress and cold():
        console.print("compiling once, up to half a minute ...", highlight=False)
    began, before = time.perf_counter(), compilations()
    gradient = np.empty_like(job.model.theta)
    if job.options.solver == "newton":
        full = FullObjective(engine, job.model, job.problem, job.training[:1])
        full.fungrad(gradient)
        full.gauss_newton(np.zeros(1, np.int64))(gradient)
    else:
        objective = BatchObjective(engine, job.model, job.problem, job.training)
        objective.grad(np.zeros(1, np.int64), gradient)
    seconds = time.perf_counter() - began
    compiled = compilations() - before
    if progress and compiled:
        console.print(
            f"compiled {compiled} kernels in {seconds:.1f} s "
            + ("(kept for the next run)" if cached() else "(not kept: see 'simplenn doctor')"),
            highlight=False,
        )
    return seconds


class _ValidationHook(Hook):
    """Measures each epoch on the validation set and keeps the weights of the best one."""

    def __init__(self, job: Job, engine: Engine) -> None:
        self._job, self._engine = job, engine

    def on_epoch(self, state: State) -> None:
        job = self._job
        loss, predicted = evaluate(self._engine, job.model, job.problem, job.validation)
        accuracy = float(np.mean(predicted == job.problem.y[job.validation]))
        state.history[-1] |= {"validation_loss": loss, "validation_accuracy": accuracy}
        if accuracy > job.best.accuracy:
            job.best.theta = job.model.theta.copy()
            job.best.epoch, job.best.accuracy = state.epoch, accuracy


def _run(job: Job, engine: Engine, hooks: Sequence[Hook], progress: bool, console: Console) -> bool:
    """Train; return whether the run was interrupted."""
    ours: list[Hook] = [InterruptHook()]
    if job.validation.size:
        ours.append(_ValidationHook(job, engine))
    if job.run is not None:
        ours.append(CheckpointHook(job.run, job.model, job.best, job.options, job.fingerprint))
    options, state = job.options, job.state
    if progress:
        from .progress_bar import NewtonProgressHook, ProgressHook

        if isinstance(state, NewtonState):
            ours.append(NewtonProgressHook(console, options.iter_max))
        else:
            ours.append(ProgressHook(console, options.epochs, job.training.size))
    with np.errstate(over="ignore", invalid="ignore"):  # the solvers check the loss themselves
        _solve(job, engine, Hooks([*ours, *hooks]))
    if isinstance(state, NewtonState):
        if not state.reason and state.iteration == options.iter_max:
            state.reason = f"iter_max, {options.iter_max} iterations"
        return not state.reason
    return state.stop and state.epoch < options.epochs


def _solve(job: Job, engine: Engine, hook: Hook) -> None:
    options, state = job.options, job.state
    if isinstance(state, NewtonState):
        GNsize = options.GNsize or -(-job.training.size // 20)
        stored = _stores_jacobian(job, GNsize)
        newton(
            FullObjective(engine, job.model, job.problem, job.training, stored),
            state, hook, GNsize=GNsize, iter_max=options.iter_max, cg_tol=options.xi,
            CGmax=options.CGmax, drop=options.drop, boost=options.boost, eta=options.eta,
        )  # fmt: skip
        return
    objective = BatchObjective(engine, job.model, job.problem, job.training, flip_seed(options))
    common: dict[str, Any] = {
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "lr": options.lr or DEFAULT_LR[options.solver],
        "decay": options.decay,
        "schedule": options.schedule,
    }
    if isinstance(state, AdamState):
        adam(objective, state, hook, **common)
    else:
        sgd(objective, state, hook, momentum=options.momentum, **common)


def _stores_jacobian(job: Job, GNsize: int) -> bool | None:
    """Return whether to store the Jacobian of a subsample; None: decide in each iteration.

    Raises
    ------
    OptionError
        If it is wanted, but the engine does not store it or it does not fit into memory.
    """

    options, config = job.options, job.model.config
    if options.Jacobian == "auto":
        return False if options.engine == "direct" else None
    if options.Jacobian == "no":
        return False
    if options.engine == "direct":
        raise OptionError(
            "Jacobian is 'yes', but the direct engine does not store it and is faster without; "
            "choose the engine lecture, or leave Jacobian out"
        )
    needed = stored_bytes(config, min(GNsize, job.training.size), np.dtype(options.dtype).itemsize)
    free = free_bytes()
    if needed > free * 3 // 4:
        raise OptionError(
            f"Jacobian is 'yes', but for {GNsize} images it needs {needed:,} bytes, and {free:,} "
            "are free; give a smaller GNsize, or leave Jacobian out"
        )
    return True


def _first_report(data: Dataset, job: Job, threads: int) -> dict[str, Any]:
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


def _routines(operators: Operators | None) -> dict[str, Any]:
    return {} if operators is None else {"student_routines": operators.report()}


def _finish(
    job: Job,
    engine: Engine,
    data: Dataset,
    history: History,
    operators: Operators | None,
    began: float,
) -> None:
    """Choose the best weights, measure them, and write the remaining files."""
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
    report |= _routines(operators)
    report["timings"]["total_seconds"] = time.perf_counter() - began
    if job.run is not None:
        job.run.save_report(report)


def _test(job: Job, engine: Engine, test: Images) -> tuple[Array, Array, float | None]:
    """Predict the test images; a label unknown to the model gets index nL, always a mistake."""
    classes = job.model.classes
    y = np.minimum(np.searchsorted(classes, test.y), classes.size - 1)
    known = classes[y] == test.y
    problem = replace(job.problem, images=test.Z, y=y.astype(np.int64))
    loss, predicted = evaluate(engine, job.model, problem, np.arange(test.l))
    return np.where(known, y, classes.size), predicted, loss if known.all() else None


def _diverged(job: Job, report: dict[str, Any], error: DivergedError) -> DivergedError:
    kept = ""
    if job.run is not None:
        job.run.save_report(report | {"status": "diverged", "error": str(error)})
        if job.state.epoch == 0:
            job.run.forget_checkpoint()  # nothing was learnt: the folder is free for another try
        else:
            kept = f"; {job.run.path / 'model.npz'} holds epoch {job.state.epoch}"
    return DivergedError(f"{error}{kept}")
