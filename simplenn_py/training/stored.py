"""What a checkpoint holds: the rule of every field, and of the fields together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import OptionError
from ..io.stored import (
    Mismatch,
    Rule,
    anything,
    array,
    json_array,
    list_of,
    number,
    one_of,
    plain,
    record,
    text,
    whole,
)
from ..layout import Array
from ..model.model import Model
from .options import TrainOptions

FORMAT = "simplenn_py checkpoint 2"

#: More epochs or iterations than any run has.
_MOST = 10**7

_FRACTION = number(0, 1)
_POSITIVE = number(0)
#: The loss on the validation set, and what divides by it, may overflow before the run diverges.
_ANY = number(finite=False)
_VALIDATION = {"validation_loss": _ANY, "validation_accuracy": _FRACTION}

_EPOCH = {
    "epoch": whole(1, _MOST),
    "updates": whole(1),
    "lr": _POSITIVE,
    "loss": number(),
    "train_accuracy": _FRACTION,
    "seconds": _POSITIVE,
}
_ITERATION = {
    "iteration": whole(1, _MOST),
    "f": number(),
    "gradient_norm": _ANY,
    "alpha": _FRACTION,
    "ratio": _ANY,
    "lambda": _POSITIVE,
    "cg_steps": whole(),
    "actred": _ANY,
    "prered": _ANY,
    "loss": number(),
    "train_accuracy": _FRACTION,
    "seconds": _POSITIVE,
    "cg_residuals": list_of(_ANY),
}
#: Names of what training records; a user's hook may add more to a record.
RECORDED = frozenset(_EPOCH) | frozenset(_ITERATION) | frozenset(_VALIDATION)
_RNG = record(
    {
        "bit_generator": one_of("PCG64"),
        "state": record({"state": whole(high=2**128 - 1), "inc": whole(high=2**128 - 1)}),
        "has_uint32": whole(high=1),
        "uinteger": whole(high=2**32 - 1),
    }
)
_BATCHES = {
    "rng": _RNG,
    "updates": whole(),
    "epoch": whole(high=_MOST),
    "position": whole(),
    "loss_sum": number(),
    "correct": whole(),
    "seconds": _POSITIVE,
    "history": list_of(record(_EPOCH, _VALIDATION, others=plain), _MOST),
}
_NEWTON = {
    "lambda_": _POSITIVE,
    "seed": whole(),
    "iteration": whole(high=_MOST),
    "first_norm": _POSITIVE,
    "history": list_of(record(_ITERATION, _VALIDATION, others=plain), _MOST),
    "reason": text(1000),
    "cg_steps": whole(),
}
_STATES: dict[str, Rule] = {
    "sgd": record(_BATCHES),
    "adam": record(_BATCHES),
    "newton": record(_NEWTON),
}
_FORMAT = record({"format": one_of(FORMAT)}, others=anything)
_CHECKPOINT = record(
    {
        "format": text(),
        "options": record({}, others=anything),  # TrainOptions has the rules of its fields
        "fingerprint": text(),
        "state": anything,  # its rule depends on the solver
        "best": list_of(anything, 2),
    }
)


def read_about(arrays: dict[str, Array]) -> dict[str, Any]:
    """Return what the array ``checkpoint`` says; ``state`` is still unchecked.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Content of the file.

    Raises
    ------
    Mismatch
        If it is missing or wrong.
    """
    record({"checkpoint": anything}, others=anything)(arrays, "")
    about = json_array(arrays["checkpoint"], "checkpoint")
    _FORMAT(about, "")
    checked: dict[str, Any] = _CHECKPOINT(about, "")
    return checked


def read_options(options: dict[str, Any]) -> TrainOptions:
    """Return the options of the run; those that an older file lacks have their defaults.

    Parameters
    ----------
    options : dict
        From :func:`read_about`.

    Raises
    ------
    Mismatch
        If an option is unknown or breaks its rule.
    """
    known = {f.name: anything for f in fields(TrainOptions)}
    record({}, known)(options, "options")
    try:
        return TrainOptions(**options)
    except OptionError as error:
        raise Mismatch(f"options: {error}") from None


def read_best(
    best: list[Any], arrays: dict[str, Array], model: Model, history: list[dict[str, Any]]
) -> tuple[Array | None, int, float]:
    """Return weights, epoch and accuracy of the best epoch, the arguments of ``Best``.

    Parameters
    ----------
    best : list
        From :func:`read_about`.
    arrays : dict of str to ndarray
        Content of the file.
    model : Model
    history : list of dict
        From :func:`read_state`.

    Raises
    ------
    Mismatch
        If something has another type, size or range, or does not fit the history.
    """
    if len(best) != 2:
        raise Mismatch(f"best has {len(best)} entries; it must have 2")
    epoch = whole(high=_MOST)(best[0], "the epoch of best")
    accuracy = number(-1, 1)(best[1], "the accuracy of best")
    theta = arrays.get("best_theta")
    if theta is not None:
        array([model.theta.dtype], model.theta.shape)(theta, "best_theta")
    expected = _first_best(history)
    if (epoch, accuracy) != expected or (theta is None) != (epoch == 0):
        weights = "without its weights" if theta is None else "with its weights"
        raise Mismatch(
            f"best says epoch {epoch} with accuracy {accuracy:g}, {weights}; in the history the "
            f"best epoch is {expected[0]} with accuracy {expected[1]:g}"
        )
    return theta, epoch, accuracy


def _first_best(history: list[dict[str, Any]]) -> tuple[int, float]:
    measured = [entry.get("validation_accuracy", -1.0) for entry in history]
    best = max(measured, default=-1.0)
    return (measured.index(best) + 1, best) if best >= 0 else (0, -1.0)


def read_state(
    state: Any, arrays: dict[str, Array], options: TrainOptions, model: Model
) -> dict[str, Any]:
    """Return the fields of the solver's state, with its generator of random numbers.

    Parameters
    ----------
    state : object
        From :func:`read_about`.
    arrays : dict of str to ndarray
        Content of the file.
    options : TrainOptions
    model : Model

    Raises
    ------
    Mismatch
        If something is missing or has another type, size or range, or the fields contradict each
        other.
    """
    values: dict[str, Any] = _STATES[options.solver](state, "state")
    vectors = {k.removeprefix("state_"): v for k, v in arrays.items() if k.startswith("state_")}
    record(_vectors(options.solver, vectors, model))(vectors, "state")
    values |= vectors
    for wrong in _contradictions(values, options, model):
        raise Mismatch(wrong)
    if "rng" in values:
        rng = np.random.Generator(np.random.PCG64())
        rng.bit_generator.state = values["rng"]
        values["rng"] = rng
    return values


def _vectors(solver: str, vectors: dict[str, Array], model: Model) -> dict[str, Rule]:
    """Return the rules of the arrays of a state."""
    if solver == "newton":
        return {}
    dtype, shape = [model.theta.dtype], model.theta.shape
    order = vectors.get("order", np.empty(0))
    rules = {"order": array([np.int64], (order.size,)), "v": array(dtype, shape)}
    if solver == "adam":
        # v, a mean of squares, may overflow; its parameters then stay as they are.
        rules |= {"m": array(dtype, shape), "v": array(dtype, shape, low=0, finite=False)}
    return rules


def _contradictions(values: dict[str, Any], options: TrainOptions, model: Model) -> Iterator[str]:
    """Yield what is wrong between the fields of a state that are right one by one."""
    if (options.loss, options.dtype) != (model.loss, model.theta.dtype.name):
        yield (
            f"the options have loss {options.loss} and dtype {options.dtype}, but the model has "
            f"{model.loss} and {model.theta.dtype}"
        )
    newton = options.solver == "newton"
    step, length = ("iteration", "iter_max") if newton else ("epoch", "epochs")
    done, history = values[step], values["history"]
    if [entry[step] for entry in history] != list(range(1, done + 1)):
        yield f"state.{step} is {done}, but the history does not have the records 1 to {done}"
    if done > getattr(options, length):
        yield f"state.{step} is {done}, more than {length} = {getattr(options, length)}"
    if newton:
        return
    l, position, batch = values["order"].size, values["position"], options.batch_size
    if not np.array_equal(np.sort(values["order"]), np.arange(l)):
        yield "state.order is not a permutation"
    if position and not position < l:
        yield f"state.position is {position}; it must be below {l}, the length of state.order"
    if position % batch or values["correct"] > position:
        yield (
            f"state.position is {position}; it must be a multiple of batch_size = {batch}, and at "
            f"least state.correct = {values['correct']}"
        )
    if l and values["updates"] != done * -(-l // batch) + position // batch:
        yield f"state.updates is {values['updates']}, which does not fit epoch and position"
    if any(now["updates"] <= before["updates"] for before, now in pairwise(history)):
        yield "the number of updates does not increase from epoch to epoch"
