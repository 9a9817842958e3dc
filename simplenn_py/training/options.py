"""Training options: one frozen dataclass, its constraints, and the defaults of each data set."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import OptionError, closest


def _option(default: Any, help: str, rule: str, holds: Callable[[Any], bool]) -> Any:
    return field(default=default, metadata={"help": help, "rule": rule, "holds": holds})


def _one_of(default: str, help: str, *choices: str) -> Any:
    metadata = {"help": help, "rule": f"one of {', '.join(choices)}", "choices": choices}
    return field(default=default, metadata=metadata | {"holds": choices.__contains__})


@dataclass(frozen=True)
class TrainOptions:
    """How to train.  Each field's metadata hold its meaning and its rule.

    Raises
    ------
    OptionError
        Naming every option that breaks its rule, its value and the rule.
    """

    solver: str = _one_of(
        "sgd", "sgd, with momentum; adam; newton, the Gauss-Newton method of simpleNN",
        "sgd", "adam", "newton",
    )  # fmt: skip
    epochs: int = _option(
        20, "passes over the training images", "a whole number, 1 or more", lambda v: v >= 1
    )
    batch_size: int = _option(
        128, "images an update", "a whole number, 1 or more", lambda v: v >= 1
    )
    lr: float = _option(
        0.0, "learning rate, the largest of the run; 0: the solver's own, sgd 0.01, adam 0.001",
        "a number, 0 or more", lambda v: 0 <= v < math.inf,
    )  # fmt: skip
    momentum: float = _option(
        0.9, "share of the last step that the next one keeps",
        "a number from 0 to below 1", lambda v: 0 <= v < 1,
    )  # fmt: skip
    schedule: str = _one_of(
        "decay", "how the rate of update t falls: decay, lr/(1 + decay*t) as in the lecture; "
        "one-cycle, up to lr over the first fifth of the run, then down to 0",
        "decay", "one-cycle",
    )  # fmt: skip
    decay: float = _option(
        0.0, "how fast the learning rate falls with the schedule decay",
        "a number, 0 or more", lambda v: 0 <= v < math.inf,
    )  # fmt: skip
    augment: str = _one_of(
        "none", "change training images at random; flip: mirror half of them left to right",
        "none", "flip",
    )  # fmt: skip
    C: float = _option(
        math.inf, "regularisation theta'theta/(2*C*l), l training images; inf: none",
        "a number above 0, or inf", lambda v: v > 0,
    )  # fmt: skip
    GNsize: int = _option(
        0, "newton: images in the subsample of a Gauss-Newton product; 0: a twentieth of all",
        "a whole number, 0 or more", lambda v: v >= 0,
    )  # fmt: skip
    iter_max: int = _option(
        100, "newton: most iterations", "a whole number, 1 or more", lambda v: v >= 1
    )
    xi: float = _option(
        0.1, "newton: CG stops when its residual is below xi*|gradient|",
        "a number above 0 and below 1", lambda v: 0 < v < 1,
    )  # fmt: skip
    CGmax: int = _option(
        250, "newton: most CG steps an iteration", "a whole number, 1 or more", lambda v: v >= 1
    )
    lambda_: float = _option(
        1.0, "newton: Levenberg-Marquardt's first lambda",
        "a number, 0 or more", lambda v: 0 <= v < math.inf,
    )  # fmt: skip
    drop: float = _option(
        2 / 3, "newton: lambda's factor after a good step, ratio 3/4 or more",
        "a number above 0, 1 at most", lambda v: 0 < v <= 1,
    )  # fmt: skip
    boost: float = _option(
        3 / 2, "newton: lambda's factor after a poor step, ratio below 1/4",
        "a number, 1 or more", lambda v: 1 <= v < math.inf,
    )  # fmt: skip
    eta: float = _option(
        1e-4, "newton: share of the predicted decrease that the line search asks for",
        "a number above 0 and below 1", lambda v: 0 < v < 1,
    )  # fmt: skip
    Jacobian: str = _one_of(
        "auto", "newton, engine lecture: keep the Jacobian of the subsample in memory; auto: "
        "where it takes less than 1 GiB and the last iteration's CG was long enough to gain by it",
        "auto", "no", "yes",
    )  # fmt: skip
    loss: str = _one_of("cross-entropy", "what is minimised", "squared", "cross-entropy")
    dtype: str = _one_of("float32", "precision of all arithmetic", "float32", "float64")
    engine: str = _one_of(
        "direct", "how layers are run: direct is fast, lecture the text made code",
        "direct", "lecture",
    )  # fmt: skip
    threads: int = _option(
        0, "threads to compute with; 0: all cores that this process may use",
        "a whole number, 0 or more", lambda v: v >= 0,
    )  # fmt: skip
    seed: int = _option(
        0, "where random numbers start; same seed, same result",
        "a whole number, 0 or more", lambda v: v >= 0,
    )  # fmt: skip
    validation: float = _option(
        0.0, "share of the training images held out to pick the best epoch; 0: none",
        "a number from 0 to below 1", lambda v: 0 <= v < 1,
    )  # fmt: skip
    limit: int = _option(
        0, "train on that many images only, drawn evenly from the classes; 0: all",
        "a whole number, 0 or more", lambda v: v >= 0,
    )  # fmt: skip

    def __post_init__(self) -> None:
        problems = []
        for f in fields(self):
            value = getattr(self, f.name)
            if f.type == "float" and type(value) is int:
                value = float(value)
                object.__setattr__(self, f.name, value)
            right_type = type(value).__name__ == f.type
            if not right_type or not f.metadata["holds"](value):
                near = closest(str(value), list(f.metadata.get("choices", ())))
                problems.append(f"{f.name} is {value!r}; it must be {f.metadata['rule']}{near}")
        if problems:
            raise OptionError("; ".join(problems))


#: The learning rate where none is given: SGD's of simpleNN's example, Adam's of its authors.
DEFAULT_LR = {"sgd": 0.01, "adam": 0.001}
_BATCHES = ("epochs", "lr", "schedule", "decay", "augment")
_NEWTON = ("GNsize", "iter_max", "xi", "CGmax", "lambda_", "drop", "boost", "eta", "Jacobian")
#: Options that a solver has no use for.
_UNUSED = {
    "sgd": _NEWTON,
    "adam": (*_NEWTON, "momentum"),
    "newton": (*_BATCHES, "momentum"),
}

# Chosen on a validation part of each training set, never on a test set; CONTRIBUTING says how.
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


def default_options(dataset: str, **given: Any) -> TrainOptions:
    """Return the defaults for data set and solver, with the options `given` in their place.

    Raises
    ------
    OptionError
        For an unknown option, one that the solver does not use, or a value that breaks its rule.
    """
    known = [f.name for f in fields(TrainOptions)]
    for name in given:
        if name not in known:
            raise OptionError(f"there is no option {name!r}{closest(name, known)}")
    solver = given.get("solver", "sgd")
    for name in given:
        if name in _UNUSED.get(solver, ()):
            takers = ", ".join(s for s, unused in _UNUSED.items() if name not in unused)
            raise OptionError(
                f"{name.strip('_')} is given, and the solver {solver} does not use it; leave it "
                f"out, or choose the solver {takers}"
            )
    defaults = _DEFAULTS.get(dataset, {})
    if solver in _SOLVER_DEFAULTS:
        kept = {k: v for k, v in defaults.items() if k == "C" or (k, solver) == ("augment", "adam")}
        defaults = kept | _SOLVER_DEFAULTS[solver].get(dataset, {})
    return TrainOptions(**{**defaults, **given})


def default_preset(dataset: str) -> str:
    """Return the name of the network that the data set is trained with unless told otherwise."""
    return _PRESETS.get(dataset, "layer4")
