"""Training options: one frozen dataclass, its rules, and the defaults of each data set."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, closest, shown

#: Larger integers are mistakes; they would overflow in float arithmetic.
_LARGEST = 2**256

if TYPE_CHECKING:
    from ..datasets.dataset import Dataset


def _option(default: Any, help: str, rule: str, holds: Callable[[Any], bool]) -> Any:
    return field(default=default, metadata={"help": help, "rule": rule, "holds": holds})


def _one_of(default: str, help: str, *choices: str) -> Any:
    metadata = {"help": help, "rule": f"one of {', '.join(choices)}", "choices": choices}
    return field(default=default, metadata=metadata | {"holds": choices.__contains__})


@dataclass(frozen=True)
class TrainOptions:
    """Options of training.  The metadata of each field hold its help text and its rule.

    Raises
    ------
    OptionError
        If an option breaks its rule; the message names every such option, its value and its
        rule.
    """

    solver: str = _one_of(
        "sgd", "solver: sgd with momentum, adam, or newton, the Gauss-Newton method of simpleNN",
        "sgd", "adam", "newton",
    )  # fmt: skip
    epochs: int = _option(
        20, "number of passes over the training images",
        "a whole number, 1 or more", lambda v: v >= 1,
    )  # fmt: skip
    batch_size: int = _option(
        128, "images per update", "a whole number, 1 or more", lambda v: v >= 1
    )
    lr: float = _option(
        0.0, "peak learning rate; 0: the solver's default, 0.01 for sgd and 0.001 for adam",
        "a number, 0 or more", lambda v: 0 <= v < math.inf,
    )  # fmt: skip
    momentum: float = _option(
        0.9, "sgd: fraction of the previous step carried into the next",
        "a number from 0 to below 1", lambda v: 0 <= v < 1,
    )  # fmt: skip
    schedule: str = _one_of(
        "decay", "how the learning rate changes: with decay, update t has lr/(1 + X*t), where X is "
        "given by --decay, as in the lecture; with one-cycle, it rises to lr during the first "
        "fifth of the run, then falls to 0",
        "decay", "one-cycle",
    )  # fmt: skip
    decay: float = _option(
        0.0, "coefficient X in lr/(1 + X*t), used only with the decay schedule",
        "a number, 0 or more", lambda v: 0 <= v < math.inf,
    )  # fmt: skip
    augment: str = _one_of(
        "none", "random changes to the training images; with flip, each image is mirrored "
        "left to right with probability 1/2",
        "none", "flip",
    )  # fmt: skip
    C: float = _option(
        math.inf, "adds theta'theta/(2*C*l) to the objective, for l training images, so a smaller "
        "C regularises more; inf: nothing",
        "a number above 0, or inf", lambda v: v > 0,
    )  # fmt: skip
    GNsize: int = _option(
        0, "newton: number of images in the subsample that forms the Gauss-Newton matrix; "
        "0: one twentieth of the training images",
        "a whole number, 0 or more", lambda v: v >= 0,
    )  # fmt: skip
    iter_max: int = _option(
        100, "newton: maximum number of iterations",
        "a whole number, 1 or more", lambda v: v >= 1,
    )  # fmt: skip
    xi: float = _option(
        0.1, "newton: tolerance of CG, which stops when |residual| <= xi*|gradient|",
        "a number above 0 and below 1", lambda v: 0 < v < 1,
    )  # fmt: skip
    CGmax: int = _option(
        250, "newton: maximum number of CG steps per iteration",
        "a whole number, 1 or more", lambda v: v >= 1,
    )  # fmt: skip
    lambda_: float = _option(
        1.0, "newton: initial damping (lambda of Levenberg-Marquardt)",
        "a number, 0 or more", lambda v: 0 <= v < math.inf,
    )  # fmt: skip
    drop: float = _option(
        2 / 3, "newton: factor by which lambda is multiplied after a good step, "
        "whose actual decrease is at least 3/4 of the predicted one",
        "a number above 0, 1 at most", lambda v: 0 < v <= 1,
    )  # fmt: skip
    boost: float = _option(
        3 / 2, "newton: factor by which lambda is multiplied after a poor step, "
        "whose actual decrease is less than 1/4 of the predicted one",
        "a number, 1 or more", lambda v: 1 <= v < math.inf,
    )  # fmt: skip
    eta: float = _option(
        1e-4, "newton: fraction of the decrease predicted by the slope that the line search "
        "requires",
        "a number above 0 and below 1", lambda v: 0 < v < 1,
    )  # fmt: skip
    Jacobian: str = _one_of(
        "auto", "newton with the lecture engine: whether to keep the Jacobian of the subsample in "
        "memory; auto keeps it if it takes less than 1 GiB and CG took enough steps in the "
        "previous iteration for this to be faster",
        "auto", "no", "yes",
    )  # fmt: skip
    loss: str = _one_of("cross-entropy", "loss to minimise", "squared", "cross-entropy")
    dtype: str = _one_of("float32", "precision of all arithmetic", "float32", "float64")
    engine: str = _one_of(
        "direct", "engine that runs the layers: direct is fast, lecture follows the lecture step "
        "by step",
        "direct", "lecture",
    )  # fmt: skip
    threads: int = _option(
        0, "number of threads; 0: all cores that this process may use",
        "a whole number, 0 or more", lambda v: v >= 0,
    )  # fmt: skip
    seed: int = _option(
        0, "seed of the random numbers; the same seed gives the same result",
        "a whole number, 0 or more", lambda v: v >= 0,
    )  # fmt: skip
    validation: float = _option(
        0.0, "fraction of the training images to hold out as a validation set, which is used to "
        "choose the best epoch, if the data set has none of its own; 0: none",
        "a number from 0 to below 1", lambda v: 0 <= v < 1,
    )  # fmt: skip
    limit: int = _option(
        0, "number of training images to use, drawn evenly from the classes; 0: all",
        "a whole number, 0 or more", lambda v: v >= 0,
    )  # fmt: skip

    def __post_init__(self) -> None:
        problems = []
        for f in fields(self):
            value = getattr(self, f.name)
            if f.type == "float" and type(value) is int and abs(value) <= _LARGEST:
                value = float(value)
                object.__setattr__(self, f.name, value)
            right_type = type(value).__name__ == f.type
            if type(value) is int and abs(value) > _LARGEST:
                rule = f.metadata["rule"]
                problems.append(f"{f.name} is beyond 2^256; it must be {rule}, and smaller")
            elif not right_type or not f.metadata["holds"](value):
                near = closest(str(value), list(f.metadata.get("choices", ())))
                found = shown(repr(value), 60)
                problems.append(f"{f.name} is {found}; it must be {f.metadata['rule']}{near}")
        if problems:
            raise OptionError("; ".join(problems))


#: The learning rate if none is given: for SGD that of simpleNN's example, for Adam its authors'.
DEFAULT_LR = {"sgd": 0.01, "adam": 0.001}
_BATCHES = ("epochs", "lr", "schedule", "decay", "augment")
_NEWTON = ("GNsize", "iter_max", "xi", "CGmax", "lambda_", "drop", "boost", "eta", "Jacobian")
#: Options that a solver does not use.
_UNUSED = {
    "sgd": _NEWTON,
    "adam": (*_NEWTON, "momentum"),
    "newton": (*_BATCHES, "momentum"),
}

# Chosen on a validation set held out of each training set, never on a test set; CONTRIBUTING
# says how.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "digits": {"epochs": 30, "batch_size": 32, "lr": 0.05, "decay": 1e-3, "C": 1.0},
    "mnist": {"epochs": 5, "lr": 0.1, "schedule": "one-cycle", "C": 0.1},
    "cifar10": {
        "epochs": 20,
        "lr": 0.1,
        "schedule": "one-cycle",
        "augment": "flip",
        "C": 0.04,
    },
}
# The other solvers take C and augmentation from these, and the rest from here.
_SOLVER_DEFAULTS: dict[str, dict[str, dict[str, Any]]] = {
    "adam": {
        "digits": {"epochs": 30, "batch_size": 32},
        "mnist": {"epochs": 5, "lr": 0.002, "schedule": "one-cycle"},
        "cifar10": {"epochs": 20, "lr": 0.002, "schedule": "one-cycle"},
    },
    "newton": {
        "digits": {"iter_max": 30},
        "mnist": {"iter_max": 30},
        "cifar10": {"iter_max": 50},
    },
}
_PRESETS = {"digits": "digits"}


def default_options(dataset: str | Dataset, **given: Any) -> TrainOptions:
    """Return the default options for a data set and solver, with those in `given` replaced.

    Parameters
    ----------
    dataset : str or Dataset
        The data set, or its name or path.  A path ending in the name of a known data set is
        another one.
    **given
        Fields of TrainOptions; ``solver`` chooses the solver.

    Returns
    -------
    TrainOptions

    Raises
    ------
    OptionError
        If an option is unknown, is not used by the solver, or breaks its rule.
    """
    known = [f.name for f in fields(TrainOptions)]
    for name in given:
        if name not in known:
            raise OptionError(f"there is no option {name!r}{closest(name, known)}")
    solver = str(given.get("solver", "sgd"))  # TrainOptions says if it is none
    for name in given:
        if name in _UNUSED.get(solver, ()):
            takers = " or ".join(s for s, unused in _UNUSED.items() if name not in unused)
            raise OptionError(
                f"{name.strip('_')} is given, but the {solver} solver does not use it; leave it "
                f"out, or choose the solver {takers}"
            )
    name = _catalogue_name(dataset)
    defaults = _DEFAULTS.get(name, {})
    if solver in _SOLVER_DEFAULTS:
        kept = {k: v for k, v in defaults.items() if k == "C" or (k, solver) == ("augment", "adam")}
        defaults = kept | _SOLVER_DEFAULTS[solver].get(name, {})
    return TrainOptions(**{**defaults, **given})


def default_preset(dataset: str | Dataset) -> str:
    """Return the name of the preset that the data set `dataset` is trained with by default."""
    return _PRESETS.get(_catalogue_name(dataset), "layer4")


def _catalogue_name(dataset: str | Dataset) -> str:
    if isinstance(dataset, str):
        return dataset
    return getattr(dataset, "catalogue_name", "")  # a Path is no name
