"""Mini-batches of a permutation: the loop that SGD and Adam share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..errors import DivergedError
from ..layout import Array
from .hooks import Hook

Record = dict[str, Any]


class StochasticObjective(Protocol):
    """What SGD and Adam ask of an objective."""

    @property
    def l(self) -> int:
        """Number of instances."""
        ...

    @property
    def theta(self) -> Array:
        """The parameter vector, changed in place."""
        ...

    def start_epoch(self, epoch: int) -> None:
        """Prepare the epoch of that number, from 0; also before going on within one."""

    def grad(self, indices: Array, out: Array) -> tuple[float, int]:
        """Write the batch's gradient into `out`; return its summed loss and its correct ones."""
        ...


@dataclass(kw_only=True)
class BatchState:
    """Everything that a run needs to go on where it stopped, but for the solver's own vectors.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws one permutation an epoch.
    updates, epoch, position : int
        Updates so far (the lecture's t); epochs completed; instances of the epoch under way
        already used.
    order : ndarray of int64
        The permutation of the epoch under way.
    loss_sum, correct, seconds
        Sums over the epoch under way.
    history : list of dict
        One record an epoch.
    stop : bool
        Set by a hook to end the run after the update under way.
    """

    rng: np.random.Generator
    updates: int = 0
    epoch: int = 0
    position: int = 0
    order: Array = field(default_factory=lambda: np.empty(0, np.int64))
    loss_sum: float = 0.0
    correct: int = 0
    seconds: float = 0.0
    history: list[Record] = field(default_factory=list)
    stop: bool = False


def minibatch(
    objective: StochasticObjective,
    state: BatchState,
    hook: Hook,
    step: Callable[[Array, Array, float], None],
    *,
    epochs: int,
    batch_size: int,
    lr: float,
    decay: float = 0.0,
    schedule: str = "decay",
) -> None:
    """Update ``theta`` from batch to batch until `epochs` are complete or a hook stops it.

    Parameters
    ----------
    objective : StochasticObjective
        Its ``theta`` is changed in place.
    state : BatchState
        Where to start; changed in place, so that it can be saved at any update.
    hook : Hook
    step : callable
        ``step(theta, gradient, lr_t)`` updates ``theta``; it may use `gradient` up.
    epochs, batch_size : int
        Every instance is used once an epoch; the last batch may be smaller.
    lr, decay : float
    schedule : {"decay", "one-cycle"}
        See :func:`learning_rate`.

    Raises
    ------
    DivergedError
        When a batch's loss is not finite.

    Notes
    -----
    simpleNN draws each batch on its own, so that an epoch may miss instances; here a permutation
    is cut into batches.
    """
    theta = objective.theta
    gradient = np.empty_like(theta)
    total = epochs * -(-objective.l // batch_size)
    hook.on_start(state)
    try:
        while state.epoch < epochs and not state.stop:
            if state.position == 0:
                state.order = state.rng.permutation(objective.l)
            objective.start_epoch(state.epoch)
            while state.position < objective.l and not state.stop:
                began = time.perf_counter()
                batch = state.order[state.position : state.position + batch_size]
                loss, correct = objective.grad(batch, gradient)
                if not math.isfinite(loss):
                    raise DivergedError(_cause(state, loss, lr))
                lr_t = learning_rate(schedule, lr, decay, state.updates, total)
                step(theta, gradient, lr_t)
                state.updates += 1
                state.position += batch.size
                state.loss_sum += loss
                state.correct += correct
                state.seconds += time.perf_counter() - began
                hook.on_batch(state)
            if not np.isfinite(theta).all():  # the last update's fault: no batch has seen it yet
                state.stop = False
                raise DivergedError(_cause(state, math.inf, lr))
            if state.position == objective.l:
                _close_epoch(state, objective.l, lr_t)
                hook.on_epoch(state)
    finally:
        hook.on_stop(state)


def learning_rate(schedule: str, lr: float, decay: float, t: int, total: int) -> float:
    """Return the rate of update `t` of `total`, both counted from 0.

    Notes
    -----
    "decay" is the lecture's ``lr_t = lr/(1 + decay*t)``.  "one-cycle" rises linearly to `lr` over
    the first fifth of the updates and falls linearly to 0 over the others, after Smith (2018), "A
    disciplined approach to neural network hyper-parameters".
    """
    if schedule == "decay":
        return lr / (1 + decay * t)
    peak = max(1, total // 5)
    return lr * min((t + 1) / peak, (total - t) / max(1, total - peak))


def _close_epoch(state: BatchState, l: int, lr_t: float) -> None:
    state.epoch += 1
    state.history.append(
        {
            "epoch": state.epoch,
            "updates": state.updates,
            "lr": lr_t,
            "loss": state.loss_sum / l,
            "train_accuracy": state.correct / l,
            "seconds": state.seconds,
        }
    )
    state.position, state.loss_sum, state.correct, state.seconds = 0, 0.0, 0, 0.0


def _cause(state: BatchState, loss: float, lr: float) -> str:
    return (
        f"the loss became {loss} in epoch {state.epoch + 1}, update {state.updates + 1}; "
        f"most likely lr = {lr:g} is too large, try {lr / 10:g}"
    )
