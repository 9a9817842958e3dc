"""Mini-batch stochastic gradient descent with momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..layout import Array
from .hooks import Hook
from .minibatch import BatchState, StochasticObjective, minibatch


@dataclass
class SGDState(BatchState):
    """Everything that a run needs to go on where it stopped.

    Parameters
    ----------
    v : ndarray
        The last step.
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
    objective, state, hook
        See :func:`~simplenn_py.opt.minibatch.minibatch`.
    momentum : float
    **options
        ``epochs``, ``batch_size``, ``lr``, ``decay`` and ``schedule``, see there.

    Raises
    ------
    DivergedError
        When a batch's loss is not finite.

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
