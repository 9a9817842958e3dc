"""The start of a run: checked options, network and images, or those of a checkpoint."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

import numpy as np

from ..cnn.operators.loss import get_loss
from ..cnn.problem import Problem
from ..datasets.dataset import Dataset, Images
from ..errors import ConfigError, DataError, OptionError, closest, shown
from ..io.atomic import remove_leftovers
from ..labels import match_labels, sentence
from ..layout import Array
from ..model.model import Model
from ..network.config import NetConfig
from ..network.normalisation import Normalisation
from ..network.presets import PRESETS
from ..opt.adam import AdamState
from ..opt.newton import NewtonState
from ..opt.sgd import SGDState
from ..pixels import FIRST_REMEDY
from ..runtime.paths import user_path
from ..runtime.threads import check_threads
from .checkpoint import Best, Checkpoint, State
from .options import TrainOptions, default_options, default_preset
from .run_data import fingerprint, read_dataset_report
from .run_folder import RunFolder
from .sampling import stratified

# Seeds of the four uses of random numbers; add a new one at the end, so that the others stay.
_INITIAL, _ORDER, _SUBSET, _FLIPS = range(4)


@dataclass
class Job:
    """A training that is checked and ready to run.

    Parameters
    ----------
    model : Model
        The network with its initial or resumed weights.
    problem : Problem
        Images, labels, loss and regularisation.
    training, validation : ndarray of int64
        Indices of the images to train on, and of those held out.
    options : TrainOptions
    state : State
        State of the solver.
    best : Best
        The best epoch so far.
    run : RunFolder or None
        None: no files are written.
    fingerprint : str
        Checksum of the training images, to recognise them when the run is resumed.
    data : Dataset or None
        The data set: its name for the report, its test set for the end.
    """

    model: Model
    problem: Problem
    training: Array
    validation: Array
    options: TrainOptions
    state: State
    best: Best
    run: RunFolder | None = None
    fingerprint: str = ""
    data: Dataset | None = None

    def checkpoint(self) -> Checkpoint:
        """Return the checkpoint of the job, which shares its model and state.

        Only for a job that has a run folder.
        """
        assert self.run is not None
        return Checkpoint(
            self.run.path, self.model, self.state, self.best, self.options, self.fingerprint
        )

    def close(self) -> None:
        """Let other runs into the run folder."""
        if self.run is not None:
            self.run.release()


def new_job(
    data: Dataset,
    config: NetConfig | str | os.PathLike[str] | None,
    options: TrainOptions | None,
    out: str | os.PathLike[str] | None,
    start: Model | None = None,
) -> Job:
    """Check everything that a new run needs, and create its folder.

    Parameters
    ----------
    data, config, options, out, start
        See :func:`simplenn_py.train`.

    Raises
    ------
    ConfigError, OptionError, DataError
        If the network, options, data and folder are incompatible.
    """
    check_images(data.train, "training")
    options = options or default_options(data)
    classes, y = np.unique(data.train.y, return_inverse=True)
    if start is not None:
        _check_start(start, config, options, classes)
        config, classes = start.config, start.classes
        y = match_labels(data.train.y, classes)[0]
    network = network_for(config, data, classes.size)
    _check_parts(data, network)
    images, y, training, validation = _all_images(data, classes, y, options)
    run = None
    if out is not None:
        run = RunFolder.create(out, network.n_parameters, training.size)
    if start is None:
        normalisation = Normalisation.of(images.Z, training, int(np.prod(network.image_shape)))
        model = Model.initialise(
            network, classes, _rng(options, _INITIAL), options.dtype, normalisation, options.loss
        )
    else:
        theta = start.theta.astype(options.dtype)
        model = Model(network, theta, classes, start.normalisation, options.loss)
    state = _new_state(options, model.theta)
    problem = _problem(images, y, model, options, training.size)
    return Job(
        model, problem, training, validation, options, state, Best(), run, fingerprint(data), data
    )


def resumed_job(
    data: Dataset, options: TrainOptions | None, resume: str | os.PathLike[str] | Checkpoint
) -> Job:
    """Check that a run can be continued from its checkpoint.

    Parameters
    ----------
    data, options, resume
        See :func:`simplenn_py.train`.

    Raises
    ------
    OptionError
        If an option changes that must stay the same, or the run is already longer.
    DataError
        If there is no checkpoint, it is damaged, or the images are not those of the run.
    """
    check_images(data.train, "training")
    previous = resume if isinstance(resume, Checkpoint) else Checkpoint.read(resume)
    model, state, saved = previous.model, previous.state, previous.options
    _check_parts(data, model.config)
    options = options or saved
    newton = saved.solver == "newton"
    length, step = ("iter_max", "iteration") if newton else ("epochs", "epoch")
    changed = [k for k, v in asdict(saved).items() if asdict(options)[k] != v]
    if set(changed) - {length, "threads"}:
        fixed = [k for k in changed if k not in (length, "threads")]
        given, kept = (
            ", ".join(f"{k} {shown(values[k])}" for k in fixed)
            for values in (asdict(options), asdict(saved))
        )
        raise OptionError(
            f"{given} cannot be chosen for a resumed run, which was started with {kept}; only "
            f"{length} and threads can change; leave {'it' if len(fixed) == 1 else 'them'} out, "
            "or start a new run"
        )
    begun = state.epoch
    if not isinstance(state, NewtonState):
        begun += state.position > 0
    if getattr(options, length) < begun:
        raise OptionError(
            f"{length} is {getattr(options, length)}, but the run in {previous.folder} has already "
            f"begun {step} {begun}; give at least {begun}"
        )
    if options.schedule == "one-cycle" and options.epochs != saved.epochs:
        raise OptionError(
            f"epochs is {options.epochs}, but the schedule one-cycle was planned for "
            f"{saved.epochs}; leave epochs out"
        )
    if options.threads != saved.threads:  # what is saved may come from a larger computer
        check_threads(options.threads)
    if fingerprint(data) != previous.fingerprint:
        source = read_dataset_report(previous.folder).get("source", "")
        own = f", but on {shown(source)}" if source not in ("", data.source) else ""
        raise DataError(
            f"{previous.folder} was not trained on the images of {data.name} "
            f"({shown(data.source)}){own}; give the same data set"
        )
    y = match_labels(data.train.y, model.classes)[0]
    images, y, training, validation = _all_images(data, model.classes, y, options)
    previous.check_images(data.train.y, training.size)
    problem = _problem(images, y, model, options, training.size)
    run = RunFolder(previous.folder)
    run.claim()
    remove_leftovers(run.path)
    return Job(
        model, problem, training, validation, options, state, previous.best,
        run, previous.fingerprint, data,
    )  # fmt: skip


def fresh_job(
    model: Model, problem: Problem, training: Array, validation: Array, options: TrainOptions
) -> Job:
    """Return a job that writes no files.

    Parameters
    ----------
    model : Model
    problem : Problem
    training, validation : ndarray of int64
        Indices of the images to train on, and of those held out.
    options : TrainOptions
    """
    state = _new_state(options, model.theta)
    return Job(model, problem, training, validation, options, state, Best())


def _check_start(start: Model, config: object, options: TrainOptions, classes: Array) -> None:
    if config is not None:
        raise OptionError("config is given, but start has its own network; leave config out")
    index, unknown = match_labels(classes, start.classes)
    if unknown or index.size != start.classes.size:
        raise ConfigError(
            f"the model to start from knows the classes {_few(start.classes)}, but the training "
            f"images have {_few(classes)}; both must be the same"
        )
    if start.loss != options.loss:
        raise OptionError(
            f"loss is {options.loss!r}, but the model to start from was trained with "
            f"{start.loss!r}; give that loss"
        )


def _few(classes: Array) -> str:
    shown = ", ".join(map(str, classes[:5].tolist()))
    return shown + (f", ... ({classes.size})" if classes.size > 5 else "")


def network_for(
    config: NetConfig | str | os.PathLike[str] | None, data: Dataset, classes: int
) -> NetConfig:
    """Return the network: a NetConfig, a preset fitted to the data, or that of a ``.config`` file.

    Parameters
    ----------
    config : NetConfig, preset name or path of a ``.config`` file, or None
        None: the data set's usual network.
    data : Dataset
    classes : int
        Number of classes in the training set.

    Raises
    ------
    ConfigError
        If the name is unknown, or the network takes other images or another number of classes.
    """
    images = data.train
    if config is None:
        config = default_preset(data)
    if isinstance(config, str) and config in PRESETS:
        return NetConfig.preset(config, images.a, images.b, images.d, classes)
    if not isinstance(config, NetConfig):
        path = user_path(config)
        if not path.exists():
            raise ConfigError(
                f"config is {str(config)!r}; it must be a preset ({', '.join(PRESETS)}) or an "
                f"existing .config file{closest(str(config), list(PRESETS))}"
            )
        config = NetConfig.read(path)
    check_size(images, config, "training")
    if config.nL != classes:
        raise ConfigError(
            f"full_neurons ends with {config.nL}, but the training images have {classes} classes; "
            f"make it {classes}"
        )
    return config


def check_size(images: Images, config: NetConfig, part: str) -> None:
    """Raise a ConfigError if the network takes images of another size.

    Parameters
    ----------
    images : Images
    config : NetConfig
    part : str
        "training", "validation" or "test", for the message.
    """
    a, b, d = config.image_shape
    if (images.a, images.b, images.d) != (a, b, d):
        first = (images.b, images.d, images.a) == (a, b, d)
        raise ConfigError(
            f"the network takes {a}x{b}x{d} images, but the {part} images are "
            f"{images.a}x{images.b}x{images.d}; change the network or the data"
            + (f"; {FIRST_REMEDY}" if first else "")
        )


def _check_parts(data: Dataset, network: NetConfig) -> None:
    for images, part in ((data.validation, "validation"), (data.test, "test")):
        if images is not None:
            check_images(images, part)
            check_size(images, network, part)


def check_images(images: Images, part: str) -> None:
    """Check the shape and the labels of the images; their class has checked the pixels.

    Parameters
    ----------
    images : Images
    part : str
        "training", "validation" or "test"; training images must have two classes or more.

    Raises
    ------
    DataError
        If something is wrong.
    """
    expected = (images.d, images.a * images.b * images.l)
    if images.l == 0 or images.Z.shape != expected:
        rows, columns = images.Z.shape
        table = rows == images.l and columns and columns % (images.a * images.b) == 0
        form = (images.l, images.a, images.b, columns // (images.a * images.b))
        raise DataError(
            f"Z of the {part} images has shape {images.Z.shape}; it must be {expected} for "
            f"{images.l} labels and {images.a}x{images.b} pixels, with at least one image"
            + (f"; for a table with one image per row give reshape{form}" if table else "")
        )
    if part == "training" and np.all(images.y == images.y[0]):
        label = images.y[0].item()
        raise DataError(
            f"all training images have the label {label!r}; give images of two classes or more"
        )


def subsets(y: Array, options: TrainOptions) -> tuple[Array, Array]:
    """Split the training images into those to train on and those held out.

    Parameters
    ----------
    y : ndarray of int, shape (l,)
        Indices of the classes.
    options : TrainOptions
        Its ``limit``, ``validation`` and ``seed`` are used.

    Returns
    -------
    training, validation : ndarray of int64
        Indices of images.

    Raises
    ------
    OptionError
        If there are not enough images.
    """
    rng = _rng(options, _SUBSET)
    chosen = np.arange(y.size)
    if options.limit > y.size:
        raise OptionError(
            f"limit is {options.limit}, but there are {y.size} training images; give at most "
            f"{y.size}, or 0 for all"
        )
    classes = np.unique(y).size
    if 0 < options.limit < classes:
        raise OptionError(
            f"limit is {options.limit}, but there are {classes} classes; give at least one image "
            f"per class, {classes} or more"
        )
    if options.limit:
        chosen = stratified(y, options.limit, rng)
    held_out = round(options.validation * chosen.size)
    if options.validation and not held_out:
        raise OptionError(
            f"validation is {options.validation}, which holds out none of {chosen.size} images; "
            f"give more than {0.5 / chosen.size:.3g}, or 0 for no validation set"
        )
    if held_out == chosen.size:
        raise OptionError(
            f"validation is {options.validation}, which leaves none of {chosen.size} images to "
            f"train on; give less than {1 - 0.5 / chosen.size:.3g}"
        )
    is_held_out = np.zeros(chosen.size, bool)
    is_held_out[stratified(y[chosen], held_out, rng)] = True
    return chosen[~is_held_out], chosen[is_held_out]


def _all_images(
    data: Dataset, classes: Array, y: Array, options: TrainOptions
) -> tuple[Images, Array, Array, Array]:
    """Return the images to train on and to validate with, their classes, and both sets of indices.

    A validation set of the data set itself comes after the training images.
    """
    training, validation = subsets(y, options)
    own = data.validation
    if own is None:
        return data.train, y, training, validation
    if options.validation:
        raise OptionError(
            f"validation is {options.validation}, but {data.name} has a validation set of its own, "
            f"{own.l} images; leave validation out"
        )
    places, unknown = match_labels(own.y, classes)
    if unknown:
        raise DataError(
            f"{sentence(unknown, 'validation ', 'the training set lacks')}; add training images "
            "with that label, or leave these images out"
        )
    train = data.train
    Z = np.concatenate([train.Z.T, own.Z.T]).T
    y = np.concatenate([y, places])
    both = Images(Z, np.concatenate([train.y, own.y]), train.a, train.b)
    return both, y, training, np.arange(train.l, both.l)


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


def _rng(options: TrainOptions, use: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=(use,)))


def _new_state(options: TrainOptions, theta: Array) -> State:
    if options.solver == "newton":
        seed = int(_rng(options, _ORDER).integers(2**63))
        return NewtonState(lambda_=options.lambda_, seed=seed)
    rng = _rng(options, _ORDER)
    if options.solver == "adam":
        return AdamState(np.zeros_like(theta), np.zeros_like(theta), rng=rng)
    return SGDState(np.zeros_like(theta), rng=rng)


def flip_seed(options: TrainOptions) -> int | None:
    """Return the seed that decides which images are mirrored.

    Parameters
    ----------
    options : TrainOptions

    Returns
    -------
    int or None
        None if no image is mirrored.
    """
    if options.augment != "flip":
        return None
    return int(_rng(options, _FLIPS).integers(2**63))
