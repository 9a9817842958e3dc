"""Mini-batch stochastic gradient descent with momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..layout import Array
from .hooks import Hook
from .minibatch import BatchState, StochasticObjective, minibatch


@dataclass
class SGDState(BatchState):
    """The state of a run with SGD: everything that is needed to resume it.

    The other parameters are those of :class:`~simplenn_py.opt.minibatch.BatchState`.

    Parameters
    ----------
    v : ndarray, shape (n_parameters,)
        The last step; zeros at the start.
    """

    v: Array


def sgd(
    objective: StochasticObjective, state: SGDState, hook: Hook, *, momentum: float, **options: Any
) -> None:
    """Run SGD until its epochs are complete or a hook stops it.

    For each batch of each epoch's permutation:

        v <- momentum*v - lr_t * grad,   theta <- theta + v

    Parameters
    ----------
    objective : StochasticObjective
    state : SGDState
    hook : Hook
    momentum : float
        Factor that carries the previous step into the next, from 0 to below 1.
    **options
        ``epochs``, ``batch_size``, ``lr``, ``decay`` and ``schedule``; see
        :func:`~simplenn_py.opt.minibatch.minibatch`, also for the other parameters.

    Raises
    ------
    DivergedError
        If the loss of a batch, or a parameter at the end of an epoch, is not finite.

    Notes
    -----
    Section A of the lecture, last paragraph; simpleNN's ``-s 2``.
    """
    v = state.v

    def step(theta: Array, gradient: Array, lr_t: float) -> None:
        nonlocal v
        v *= v.dtype.type(momentum)
        gradient *= v.dtype.type(lr_t)
        v -= gradient
        theta += v

    minibatch(objective, state, hook, step, **options)
