"""The loop that SGD and Adam share: mini-batches cut from a permutation."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..errors import DivergedError
from ..layout import Array
from .hooks import Hook

Record = dict[str, Any]


class Rule(Protocol):
    """How a solver changes theta in one update, with the vectors that it keeps between updates."""

    def update(self, theta: Array, total: Array, count: int, inverse_C: float, lr_t: float) -> None:
        """Apply the rule once, to the gradient ``total/count + theta/C``.

        Parameters
        ----------
        theta : ndarray, shape (n_parameters,)
            The parameter vector, changed in place.
        total : ndarray, shape (n_parameters,)
            Gradient of the loss summed over the batch.
        count : int
            Number of instances in the batch.
        inverse_C : float
            ``1/C``; 0 for no regularisation.
        lr_t : float
            Learning rate of this update.
        """
        ...


class StochasticObjective(Protocol):
    """The methods that an objective must have for SGD and Adam."""

    @property
    def l(self) -> int:
        """Number of instances."""
        ...

    @property
    def theta(self) -> Array:
        """The parameter vector, changed in place."""
        ...

    def start_epoch(self, epoch: int) -> None:
        """Prepare an epoch; also called if a run is resumed within it.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.
        """

    def step(self, indices: Array, rule: Rule, lr_t: float) -> tuple[float, int]:
        """Estimate the gradient from a batch, and apply the rule to it where theta lives.

        Parameters
        ----------
        indices : ndarray of int64, shape (n,)
            Index of each instance of the batch.
        rule : Rule
        lr_t : float
            Learning rate of this update.

        Returns
        -------
        loss : float
            Summed loss of the batch, before the update.  If it is not finite, ``theta`` stays.
        correct : int
            Number of its instances that are classified correctly.
        """
        ...


class GradientObjective(ABC):
    """Base class of an objective that forms its gradient in one array.

    A subclass has the other methods of :class:`StochasticObjective`.
    """

    theta: Array

    @abstractmethod
    def grad(self, indices: Array, out: Array) -> tuple[float, int]:
        """Estimate the gradient from a batch.

        Parameters
        ----------
        indices : ndarray of int64, shape (n,)
            Index of each instance of the batch.
        out : ndarray, shape (n_parameters,)
            Array for the estimate.

        Returns
        -------
        loss : float
            Summed loss of the batch.
        correct : int
            Number of its instances that are classified correctly.
        """

    def step(self, indices: Array, rule: Rule, lr_t: float) -> tuple[float, int]:
        """Estimate the gradient and apply the rule; see :class:`StochasticObjective`."""
        gradient = np.empty_like(self.theta)
        loss, correct = self.grad(indices, gradient)
        if math.isfinite(loss):
            rule.update(self.theta, gradient, 1, 0.0, lr_t)
        return loss, correct


@dataclass(kw_only=True)
class BatchState:
    """The state of a run, without the solver's own vectors.

    Together with these vectors it is everything that is needed to resume the run.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws one permutation per epoch.
    updates : int
        Number of updates so far, the lecture's t.
    epoch : int
        Number of completed epochs.
    position : int
        Number of instances already used in the current epoch.
    order : ndarray of int64, shape (l,)
        Permutation of the current epoch.
    loss_sum : float
        Sum of the losses so far in the current epoch.
    correct : int
        Number of correctly classified instances so far in the current epoch.
    seconds : float
        Time of the current epoch so far.
    history : list of dict
        One record per epoch: ``epoch``, ``updates``, ``lr``, ``loss``, ``train_accuracy`` and
        ``seconds``.
    stop : bool
        Set by a hook to end the run after the current update.
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
    rule: Rule,
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
        State to start from; changed in place, so that it can be saved after any update.
    hook : Hook
        Its ``on_batch`` is called after every update, its ``on_epoch`` after every epoch.
    rule : Rule
        The solver's formula.
    epochs : int
        Number of epochs of the whole run.  Every instance is used once per epoch.
    batch_size : int
        Number of instances per update; the last batch of an epoch may be smaller.
    lr, decay : float
        Peak learning rate, and its decay per update; see :func:`learning_rate`.
    schedule : {"decay", "one-cycle"}
        See :func:`learning_rate`.

    Raises
    ------
    DivergedError
        If the loss of a batch, or a parameter at the end of an epoch, is not finite.

    Notes
    -----
    simpleNN draws each batch independently, so that an epoch may miss instances.  Here a
    permutation is cut into batches.
    """
    theta = objective.theta
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
                lr_t = learning_rate(schedule, lr, decay, state.updates, total)
                loss, correct = objective.step(batch, rule, lr_t)
                if not math.isfinite(loss):
                    raise DivergedError(_cause(state, loss, lr))
                state.updates += 1
                state.position += batch.size
                state.loss_sum += loss
                state.correct += correct
                state.seconds += time.perf_counter() - began
                hook.on_batch(state)
            if not np.isfinite(theta).all():  # after the last update, which no batch has seen
                state.stop = False
                raise DivergedError(_cause(state, math.inf, lr))
            if state.position == objective.l:
                _close_epoch(state, objective.l, lr_t)
                hook.on_epoch(state)
    finally:
        hook.on_stop(state)


def learning_rate(schedule: str, lr: float, decay: float, t: int, total: int) -> float:
    """Return the learning rate of one update.

    Parameters
    ----------
    schedule : {"decay", "one-cycle"}
        "decay": ``lr_t = lr/(1 + decay*t)``.  "one-cycle": a linear rise to `lr` over the first
        fifth of the updates, then a linear fall to 0.
    lr : float
        Peak learning rate.
    decay : float
        Decay per update; only "decay" uses it.
    t : int
        Number of updates before this one.
    total : int
        Number of updates of the whole run; only "one-cycle" uses it.

    Returns
    -------
    float
        ``lr_t``.

    Notes
    -----
    "decay" is the schedule of section A of the lecture.  "one-cycle" follows Smith (2018), "A
    disciplined approach to neural network hyper-parameters".

    Examples
    --------
    >>> from simplenn_py.opt import learning_rate
    >>> [learning_rate("one-cycle", 0.1, 0.0, t, 10) for t in (0, 1, 2, 6)]
    [0.05, 0.1, 0.1, 0.05]
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
        f"most likely lr = {lr:g} is too large; try {lr / 10:g}"
    )
