"""``train``: from a data set to a trained model; what the command line calls."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .cnn.loss import get_loss
from .cnn.objective import BatchObjective, Problem, evaluate
from .config import PRESETS, NetConfig
from .datasets.dataset import Dataset, Images
from .engines import engine_class, make_engine
from .engines.base import Engine
from .environment import describe
from .errors import ConfigError, DataError, DivergedError, OptionError, closest
from .interrupt import InterruptHook
from .layout import Array
from .model import Model, Normalisation
from .opt.hooks import Hook, Hooks
from .opt.sgd import Record, SGDState, sgd
from .options import TrainOptions, default_options, default_preset
from .run_folder import Best, CheckpointHook, RunFolder
from .sampling import stratified
from .threads import limit_threads

if TYPE_CHECKING:
    from rich.console import Console

# Seeds of the three uses of randomness; a new one goes to the end, so that the others stay.
_INITIAL, _ORDER, _SUBSET, _FLIPS = range(4)


@dataclass
class History:
    """What happened.

    Attributes
    ----------
    records : list of dict
        One an epoch: ``epoch``, ``updates``, ``lr``, ``loss`` (mean over the epoch's batches,
        each before its update), ``train_accuracy`` (likewise), ``seconds``, and with a
        validation part ``validation_loss`` and ``validation_accuracy``.
    report : dict
        What ``run.json`` holds: options, versions, timings, accuracies as fractions.
    interrupted : bool
        True where Ctrl-C ended the run early.
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
    hooks: Sequence[Hook] = (),
    progress: bool = True,
    console: Console | None = None,
) -> tuple[Model, History]:
    """Train a network by SGD with momentum.

    Parameters
    ----------
    data : Dataset
        From :func:`simplenn_py.load_dataset`, or put together by hand.
    config : NetConfig, preset name or path of a ``.config`` file, optional
        A preset takes the images' size and the number of classes from the data.  Omitted:
        the data set's usual network.
    options : TrainOptions, optional
        Omitted: the data set's defaults.
    out : path, optional
        Folder for the model, checkpoints, history, report and figures; omitted: no files.
    resume : path, optional
        Folder of a run to go on with; `config` must then be omitted, and `options` may
        change nothing but ``epochs`` and ``threads``.
    hooks : sequence of Hook
        Called after our own.
    progress : bool
        Show a bar on a terminal or in a notebook, else a line an epoch.
    console : rich.console.Console, optional
        Where to show it.

    Returns
    -------
    model : Model
        The best epoch's on the validation part where there is one, else the last's.
    history : History

    Raises
    ------
    ConfigError, OptionError, DataError
        Before any work is done, where network, options, data and folder do not go together.
    DivergedError
        When the loss is no longer finite; the files of the last complete epoch stay.

    Notes
    -----
    Ctrl-C (also a notebook's interrupt) ends the run after the batch under way: the checkpoint
    is written and what there is comes back, with ``history.interrupted`` set.
    """
    began = time.perf_counter()
    _check_images(data.train, "training")
    if resume is None:
        job = _new_job(data, config, options, out)
    else:
        if config is not None or out is not None:
            raise OptionError("resume goes on with the run's own network and folder; "
                              "leave config and out away")  # fmt: skip
        job = _resumed_job(data, options, resume)
    if data.test is not None:
        _check_images(data.test, "test")
        _check_size(data.test, job.model.config, "test")
    from rich.console import Console

    console = console or Console()
    with limit_threads(job.options.threads) as threads:
        report = _first_report(data, job, threads)
        if job.run is not None:
            job.run.save_report({"status": "running"} | report)
        engine = _engine(job)
        report["timings"] = {"compile_seconds": _compile(job, engine, console, progress)}
        history = History(job.state.history, report)
        try:
            history.interrupted = _run(job, engine, hooks, progress, console)
        except DivergedError as error:
            raise _diverged(job, report, error) from None
        _finish(job, engine, data, history, began)
    return job.model, history


@dataclass
class _Job:
    """Everything between the checks and the result."""

    model: Model
    problem: Problem
    training: Array  # indices of the instances to train on
    validation: Array  # and of those held out
    options: TrainOptions
    state: SGDState
    best: Best
    run: RunFolder | None
    fingerprint: str


def _new_job(
    data: Dataset,
    config: NetConfig | str | os.PathLike[str] | None,
    options: TrainOptions | None,
    out: str | os.PathLike[str] | None,
) -> _Job:
    options = options or default_options(data.name)
    classes, y = np.unique(data.train.y, return_inverse=True)
    network = network_for(config, data, classes.size)
    training, validation = _subsets(y, options)
    run = None
    if out is not None:
        run = RunFolder.create(out, network.n_parameters, training.size)
    normalisation = Normalisation.of(data.train.Z, training, int(np.prod(network.image_shape)))
    model = Model.initialise(
        network, classes, _rng(options, _INITIAL), options.dtype, normalisation, options.loss
    )
    state = SGDState(np.zeros_like(model.theta), _rng(options, _ORDER))
    problem = _problem(data.train, y, model, options, training.size)
    fingerprint = _fingerprint(data.train)
    return _Job(model, problem, training, validation, options, state, Best(), run, fingerprint)


def _resumed_job(
    data: Dataset, options: TrainOptions | None, resume: str | os.PathLike[str]
) -> _Job:
    run = RunFolder(resume)
    model, state, best, saved, fingerprint = run.load_checkpoint()
    options = options or saved
    if replace(options, epochs=saved.epochs, threads=saved.threads) != saved:
        changed = [k for k, v in asdict(saved).items() if asdict(options)[k] != v]
        names = ", ".join(k for k in changed if k not in ("epochs", "threads"))
        raise OptionError(f"{names} cannot change in a resumed run; only epochs and threads can")
    if options.schedule == "one-cycle" and options.epochs != saved.epochs:
        raise OptionError(
            f"epochs is {options.epochs}; the schedule one-cycle was laid out for {saved.epochs}"
        )
    if _fingerprint(data.train) != fingerprint:
        raise DataError(
            f"{resume} was trained on other images than {data.name}'s; give the same data set"
        )
    y = np.unique(data.train.y, return_inverse=True)[1]
    training, validation = _subsets(y, options)
    problem = _problem(data.train, y, model, options, training.size)
    return _Job(model, problem, training, validation, options, state, best, run, fingerprint)


def network_for(
    config: NetConfig | str | os.PathLike[str] | None, data: Dataset, classes: int
) -> NetConfig:
    """Find the network: a NetConfig, a preset fitted to the data, or a ``.config`` file.

    Raises
    ------
    ConfigError
        For an unknown name, and where the network takes other images or classes.
    """
    images = data.train
    if config is None:
        config = default_preset(data.name)
    if isinstance(config, str) and config in PRESETS:
        return NetConfig.preset(config, images.a, images.b, images.d, classes)
    if not isinstance(config, NetConfig):
        path = Path(config)
        if not path.exists():
            raise ConfigError(
                f"config is {str(config)!r}; it must be a preset ({', '.join(PRESETS)}) or an "
                f"existing .config file{closest(str(config), list(PRESETS))}"
            )
        config = NetConfig.read(path)
    _check_size(images, config, "training")
    if config.nL != classes:
        raise ConfigError(
            f"full_neurons ends with {config.nL} but the training images have {classes} classes; "
            f"make it {classes}"
        )
    return config


def _check_size(images: Images, config: NetConfig, part: str) -> None:
    a, b, d = config.image_shape
    if (images.a, images.b, images.d) != (a, b, d):
        raise ConfigError(
            f"the network takes {a}x{b} images with {d} channels, the {part} images are "
            f"{images.a}x{images.b} with {images.d}; change the network or the data"
        )


def _check_images(images: Images, part: str) -> None:
    expected = (images.d, images.a * images.b * images.l)
    if images.l == 0 or images.Z.shape != expected:
        raise DataError(
            f"Z of the {part} images has shape {images.Z.shape}; {images.l} labels and "
            f"{images.a}x{images.b} pixels make {expected}, with at least one image"
        )
    if images.Z.dtype.kind not in "uif" or not images.Z.flags.f_contiguous:
        raise DataError(f"Z of the {part} images must be real numbers in Fortran order")
    if images.Z.dtype.kind == "f" and not np.isfinite(images.Z).all():
        raise DataError(f"the {part} images hold NaN or infinite values; remove or replace them")
    if part == "training" and np.all(images.y == images.y[0]):
        raise DataError(f"all training images have the label {images.y[0]!r}; two are needed")


def _subsets(y: Array, options: TrainOptions) -> tuple[Array, Array]:
    """Split the training images into those to train on and those held out."""
    rng = _rng(options, _SUBSET)
    chosen = np.arange(y.size)
    if options.limit > y.size:
        raise OptionError(f"limit is {options.limit}; there are {y.size} training images")
    if options.limit:
        chosen = stratified(y, options.limit, rng)
    held_out = round(options.validation * chosen.size)
    if held_out == chosen.size:
        raise OptionError(f"validation is {options.validation}; that leaves no image to train on")
    is_held_out = np.zeros(chosen.size, bool)
    is_held_out[stratified(y[chosen], held_out, rng)] = True
    return chosen[~is_held_out], chosen[is_held_out]


def _problem(images: Images, y: Array, model: Model, options: TrainOptions, l: int) -> Problem:
    normalisation = model.normalisation
    return Problem(
        images.Z,
        y.astype(np.int64),
        get_loss(options.loss),
        options.C * l,
        normalisation.scale,
        normalisation.offset,
    )


def _engine(job: _Job) -> Engine:
    import psutil

    options, config = job.options, job.model.config
    batch = min(options.batch_size, job.training.size)
    needed = sum(engine_class(options.engine).forecast(config, batch, options.dtype).values())
    free = psutil.virtual_memory().available
    if needed > free:
        raise OptionError(
            f"batch_size {options.batch_size} needs {needed >> 20} MiB of memory and {free >> 20} "
            "MiB are free; make it smaller ('simplenn summary' shows what each layer takes)"
        )
    return make_engine(options.engine, config, batch, options.dtype)


def _compile(job: _Job, engine: Engine, console: Console, progress: bool) -> float:
    """Run one image through every kernel, so that compiling is not counted as training."""
    from .kernels.policy import compilations

    began, before = time.perf_counter(), compilations()
    objective = BatchObjective(engine, job.model, job.problem, job.training)
    objective.grad(np.zeros(1, np.int64), np.empty_like(job.model.theta))
    seconds = time.perf_counter() - began
    compiled = compilations() - before
    if progress and compiled:
        console.print(
            f"compiled {compiled} kernels in {seconds:.1f} s (kept for the next run)",
            highlight=False,
        )
    return seconds


class _ValidationHook(Hook):
    """Measures each epoch on the validation part and keeps the best one's weights."""

    def __init__(self, job: _Job, engine: Engine) -> None:
        self._job, self._engine = job, engine

    def on_epoch(self, state: SGDState) -> None:
        job = self._job
        loss, predicted = evaluate(self._engine, job.model, job.problem, job.validation)
        accuracy = float(np.mean(predicted == job.problem.y[job.validation]))
        state.history[-1] |= {"validation_loss": loss, "validation_accuracy": accuracy}
        if accuracy > job.best.accuracy:
            job.best.theta = job.model.theta.copy()
            job.best.epoch, job.best.accuracy = state.epoch, accuracy


def _run(
    job: _Job, engine: Engine, hooks: Sequence[Hook], progress: bool, console: Console
) -> bool:
    """Train; return True where the run was interrupted."""
    ours: list[Hook] = [InterruptHook()]
    if job.validation.size:
        ours.append(_ValidationHook(job, engine))
    if job.run is not None:
        ours.append(CheckpointHook(job.run, job.model, job.best, job.options, job.fingerprint))
    if progress:
        from .progress import ProgressHook

        ours.append(ProgressHook(console, job.options.epochs, job.training.size))
    options = job.options
    with np.errstate(over="ignore", invalid="ignore"):  # sgd itself looks at the loss
        sgd(
            BatchObjective(engine, job.model, job.problem, job.training, _flip_seed(options)),
            job.state,
            Hooks([*ours, *hooks]),
            epochs=options.epochs,
            batch_size=options.batch_size,
            lr=options.lr,
            momentum=options.momentum,
            decay=options.decay,
            schedule=options.schedule,
        )
    return job.state.stop and job.state.epoch < options.epochs


def _first_report(data: Dataset, job: _Job, threads: int) -> dict[str, Any]:
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


def _finish(job: _Job, engine: Engine, data: Dataset, history: History, began: float) -> None:
    """Choose the best weights, measure them, and write everything that remains."""
    report, records = history.report, history.records
    if job.best.theta is not None:
        job.model.theta[:] = job.best.theta
    report["status"] = "interrupted" if history.interrupted else "finished"
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
            )
    report["timings"]["total_seconds"] = time.perf_counter() - began
    if job.run is not None:
        job.run.save_report(report)


def _test(job: _Job, engine: Engine, test: Images) -> tuple[Array, Array, float | None]:
    """Run the test images; a label that training never saw gets index nL, always a mistake."""
    classes = job.model.classes
    y = np.minimum(np.searchsorted(classes, test.y), classes.size - 1)
    known = classes[y] == test.y
    problem = replace(job.problem, images=test.Z, y=y.astype(np.int64))
    loss, predicted = evaluate(engine, job.model, problem, np.arange(test.l))
    return np.where(known, y, classes.size), predicted, loss if known.all() else None


def _diverged(job: _Job, report: dict[str, Any], error: DivergedError) -> DivergedError:
    kept = ""
    if job.run is not None:
        job.run.save_report(report | {"status": "diverged", "error": str(error)})
        if job.state.epoch:
            kept = f"; {job.run.path / 'model.npz'} keeps epoch {job.state.epoch}"
    return DivergedError(f"{error}{kept}")


def _rng(options: TrainOptions, use: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=(use,)))


def _flip_seed(options: TrainOptions) -> int | None:
    if options.augment != "flip":
        return None
    return int(_rng(options, _FLIPS).integers(2**63))


def _fingerprint(images: Images) -> str:
    crc = zlib.crc32(np.ascontiguousarray(images.Z.T).data, zlib.crc32(images.y.tobytes()))
    return f"{images.Z.shape} {images.Z.dtype} {images.y.dtype} {crc:08x}"
