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


@dataclass
class Momentum:
    """The formula of SGD with momentum; implements :class:`~simplenn_py.opt.minibatch.Rule`.

    Parameters
    ----------
    v : ndarray, shape (n_parameters,)
        The last step, changed in place.
    momentum : float
        Factor that carries the previous step into the next.
    """

    v: Array
    momentum: float

    def update(self, theta: Array, total: Array, count: int, inverse_C: float, lr_t: float) -> None:
        from ..kernels.update import momentum_step

        numbers = map(theta.dtype.type, (count, inverse_C, self.momentum, lr_t))
        momentum_step(theta, self.v, total, *numbers)


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
    minibatch(objective, state, hook, Momentum(state.v, momentum), **options)
