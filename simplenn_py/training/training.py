"""``train``: train a network on a data set; ``simplenn train`` calls it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from ..cnn.engine import Engine
from ..cnn.jacobian import stored_bytes
from ..cnn.objective import BatchObjective, FullObjective, evaluate
from ..datasets.dataset import Dataset, Images
from ..engines import engine_class, make_engine
from ..errors import DivergedError, OptionError, shown
from ..labels import sentence
from ..model.model import Model
from ..network.config import NetConfig
from ..opt.adam import AdamState, Moments, adam
from ..opt.hooks import Hook, Hooks, as_hooks
from ..opt.minibatch import Rule
from ..opt.newton import NewtonState, newton
from ..opt.sgd import Momentum, sgd
from ..runtime.console import make_console, say
from ..runtime.memory import free_bytes
from ..runtime.threads import check_threads, limit_threads, usable_threads
from .checkpoint import Checkpoint, State
from .given import as_checkpoint, as_dataset, as_operators, as_options, as_start, check_places
from .interrupt import InterruptHook
from .job import Job, flip_seed, new_job, resumed_job
from .options import TrainOptions
from .results import History, diverged, finish, first_report, unseen_labels, used_options
from .run_folder import CheckpointHook

if TYPE_CHECKING:
    from rich.console import Console

    from ..engines.operator_table import Operators


def train(
    data: Dataset | Images | str | os.PathLike[str],
    config: NetConfig | str | os.PathLike[str] | None = None,
    options: TrainOptions | Mapping[str, Any] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | Checkpoint | None = None,
    start: Model | str | os.PathLike[str] | None = None,
    operators: Operators | Mapping[str, Callable[..., Any]] | None = None,
    hooks: Any = (),
    progress: bool = True,
    console: Console | None = None,
) -> tuple[Model, History]:
    """Train a network by SGD with momentum, Adam, or the Gauss-Newton method.

    Parameters
    ----------
    data : Dataset, str or path
        From :func:`simplenn_py.load_dataset`, the name or path that it takes, or your own; also
        Images, without a test set.
    config : NetConfig, preset name or path of a ``.config`` file, optional
        The network.  A preset takes the size of the images and the number of classes from the
        data.  By default the data set's usual network.
    options : TrainOptions or dict, optional
        By default the data set's own, as for the options that a dict leaves out.
        ``options.solver`` chooses the solver.
    out : path, optional
        Run folder for the model, checkpoints, history, report and figures; by default no files
        are written.
    resume : path, optional
        Run folder of a run to continue.  `config` must then be omitted, and `options` may
        change only ``epochs`` (``iter_max`` for Newton) and ``threads``.
    start : Model or path, optional
        Model, its file or its run folder, from whose weights training starts, for example on other
        images or with other options.  Its network (so omit `config`), normalisation
        and loss stay the same.
    operators : Operators or dict of callable, optional
        Routines to use in place of the lecture engine's, see ``interfaces.student_routines``.
    hooks : sequence of Hook, or a Hook
        Your own hooks, called after those of the package.  An object with some of the methods of
        ``opt.hooks.Hook`` will do.
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
    UserError
        If an argument has another type, or the network, options, data and folder are incompatible
        (ConfigError, OptionError, DataError); raised before any work.
    DivergedError
        If the loss is no longer finite; the files of the last complete epoch are kept.

    Notes
    -----
    Ctrl-C (also the interrupt of a notebook) ends the run after the current batch.  The checkpoint
    is written, and the model so far is returned with ``history.interrupted`` set.
    """
    began = time.perf_counter()
    check_places(config, out, console, progress)
    hooks, operators = as_hooks(hooks), as_operators(operators)
    data = as_dataset(data, progress)
    if resume is None:
        options, start = as_options(options, data), as_start(start)
        check_threads(options.threads)
        job = new_job(data, config, options, out, start)
    else:
        if config is not None or out is not None or start is not None:
            raise OptionError("resume continues with the run's own network, folder and weights; "
                              "leave config, out and start out")  # fmt: skip
        resume = as_checkpoint(resume)
        job = resumed_job(data, as_options(options, data, resume.options), resume)
    console = console or make_console()
    wanted = job.options.threads
    with closing(job), limit_threads(usable_threads(wanted)) as threads:
        if progress and wanted > threads:
            console.print(f"threads was {wanted}; this process has {threads}", highlight=False)
        report = first_report(job, threads)
        if progress:
            _say_unseen(job, console)
        try:
            engine = _engine(job, operators)
            # Two images for a student's routine, which may fail only if there are several.
            images = 1 if operators is None else min(2, engine.batch_size)
            seconds = _compile(job, engine, console, progress, images)
            report["timings"] = {"compile_seconds": seconds}
        except BaseException:
            if job.run is not None and resume is None:
                job.run.forget_folder()  # nothing was trained, so the name is free again
            raise
        if job.run is not None:
            # Only now, so that a folder with a report also has a checkpoint to continue from.
            job.checkpoint().write()
            job.run.save_report({"status": "running"} | report)
        history = History(job.state.history, report)
        try:
            history.interrupted = _run(job, engine, hooks, progress, console)
        except DivergedError as error:
            raise diverged(job, report | _routines(operators), error) from None
        except Exception as error:  # of your routine or your hook
            if job.run is not None:
                job.run.save_report(report | {"status": "failed", "error": shown(error, 1000)})
            raise
        draw_figures = finish(job, engine, history)
        report |= _routines(operators)
        report["timings"]["total_seconds"] = time.perf_counter() - began
        if job.run is not None:
            job.run.save_report(report)  # complete before the figures, which can fail
            report |= _with_figures(draw_figures)
            report["timings"]["total_seconds"] = time.perf_counter() - began
            job.run.save_report(report)
    return job.model, history


def _routines(operators: Operators | None) -> dict[str, Any]:
    return {} if operators is None else {"student_routines": operators.report()}


def _with_figures(draw_figures: Callable[[], list[str]]) -> dict[str, Any]:
    """Draw the figures; return what the report says about those that could not be drawn."""
    notes = draw_figures()
    for note in notes:
        say(f"note: {note}", file=sys.stderr)
    return {"notes": notes} if notes else {}


def run_job(job: Job, hooks: Sequence[Hook] = (), progress: bool = True) -> bool:
    """Train a job that writes no files; its model gets the best weights.

    Parameters
    ----------
    job : Job
        From :func:`simplenn_py.training.job.fresh_job`.
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
    console = make_console()
    if progress:
        _say_unseen(job, console)
    with limit_threads(job.options.threads):
        engine = _engine(job)
        _compile(job, engine, console, progress)
        interrupted = _run(job, engine, hooks, progress, console)
    if job.best.theta is not None:
        job.model.theta[:] = job.best.theta
    return interrupted


def _say_unseen(job: Job, console: Console) -> None:
    for part, unseen in unseen_labels(job).items():
        text = sentence(unseen, f"{part} ", "the training set lacks")
        console.print(f"note: {text}", markup=False, highlight=False, soft_wrap=True)


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

        return LectureEngine(config, batch, options.dtype, operators=operators.require_finite())
    return make_engine(options.engine, config, batch, options.dtype)


@np.errstate(over="ignore", invalid="ignore")  # a routine of yours may return large numbers
def _compile(job: Job, engine: Engine, console: Console, progress: bool, images: int = 1) -> float:
    """Run every kernel on one image or two, so that training time does not include compiling."""
    from ..kernels.policy import cached, cold, compilations

    if progress and cold():
        console.print("compiling once, up to half a minute ...", highlight=False)
    began, before = time.perf_counter(), compilations()
    gradient = np.empty_like(job.model.theta)
    with np.errstate(over="ignore", invalid="ignore"):  # the solvers check the loss themselves
        if job.options.solver == "newton":
            full = FullObjective(engine, job.model, job.problem, job.training[:images])
            full.fungrad(gradient)
            full.gauss_newton(np.arange(images, dtype=np.int64))(gradient)
        else:
            objective = BatchObjective(engine, job.model, job.problem, job.training)
            objective.grad(np.arange(images, dtype=np.int64), gradient)
            compile_update(job.options.solver, gradient.dtype)
    seconds = time.perf_counter() - began
    compiled = compilations() - before
    if progress and compiled:
        console.print(
            f"compiled {compiled} kernels in {seconds:.1f} s "
            + ("(kept for the next run)" if cached() else "(not kept: see 'simplenn doctor')"),
            highlight=False,
        )
    return seconds


def compile_update(solver: str, dtype: DTypeLike) -> None:
    """Compile the formula of SGD or Adam, by an update of one number.

    Parameters
    ----------
    solver : {"sgd", "adam"}
    dtype : {"float32", "float64"}
    """
    theta, v, m = np.zeros((3, 1), dtype)
    if solver == "adam":
        rule: Rule = Moments(AdamState(m, v, rng=np.random.default_rng()))
    else:
        rule = Momentum(v, 0.0)
    rule.update(theta, np.zeros_like(theta), 1, 0.0, 0.0)


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
        ours.append(CheckpointHook(job.run, job.checkpoint()))
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
    options, state = used_options(job.options, job.training.size), job.state
    if isinstance(state, NewtonState):
        stored = _stores_jacobian(job, options.GNsize)
        newton(
            FullObjective(engine, job.model, job.problem, job.training, stored),
            state, hook, GNsize=options.GNsize, iter_max=options.iter_max, cg_tol=options.xi,
            CGmax=options.CGmax, drop=options.drop, boost=options.boost, eta=options.eta,
        )  # fmt: skip
        return
    objective = BatchObjective(engine, job.model, job.problem, job.training, flip_seed(options))
    common: dict[str, Any] = {
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "lr": options.lr,
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
