"""Adam: each parameter has its own step size, which follows from its gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layout import Array
from .hooks import Hook
from .minibatch import BatchState, StochasticObjective, minibatch

#: The constants of the paper, which also gives the default learning rate, 0.001.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass
class AdamState(BatchState):
    """The state of a run with Adam: everything that is needed to resume it.

    The other parameters are those of :class:`~simplenn_py.opt.minibatch.BatchState`.

    Parameters
    ----------
    m, v : ndarray, shape (n_parameters,)
        Running means of the gradient and of its square; zeros at the start.
    """

    m: Array
    v: Array


class Moments:
    """Adam's formula; implements :class:`~simplenn_py.opt.minibatch.Rule`.

    Parameters
    ----------
    state : AdamState
        Its ``m`` and ``v`` are changed in place; ``updates`` counts the updates before this one.
    """

    def __init__(self, state: AdamState) -> None:
        self.state = state

    def update(self, theta: Array, total: Array, count: int, inverse_C: float, lr_t: float) -> None:
        from ..kernels.update import adam_step

        m, v, t = self.state.m, self.state.v, self.state.updates + 1
        number = theta.dtype.type
        means = np.array([BETA1, 1 - BETA1, BETA2, 1 - BETA2], theta.dtype)
        step, scale = lr_t / (1 - BETA1**t), 1 / np.sqrt(1 - BETA2**t)
        steps = np.array([step, scale, EPSILON], theta.dtype)
        adam_step(theta, m, v, total, number(count), number(inverse_C), means, steps)


def adam(objective: StochasticObjective, state: AdamState, hook: Hook, **options: Any) -> None:
    """Run Adam until its epochs are complete or a hook stops it.

    For each batch of each epoch's permutation, with t the number of updates including this one:

        m <- beta1*m + (1 - beta1)*grad,   v <- beta2*v + (1 - beta2)*grad.^2
        theta <- theta - lr_t * m/(1 - beta1^t) ./ (sqrt(v/(1 - beta2^t)) + epsilon)

    Parameters
    ----------
    objective : StochasticObjective
    state : AdamState
    hook : Hook
    **options
        ``epochs``, ``batch_size``, ``lr``, ``decay`` and ``schedule``; see
        :func:`~simplenn_py.opt.minibatch.minibatch`, also for the other parameters.

    Raises
    ------
    DivergedError
        If the loss of a batch, or a parameter at the end of an epoch, is not finite.

    Notes
    -----
    Kingma and Ba (2015), Algorithm 1.  In simpleNN's Adam (``-s 3``) the bias correction counts
    epochs; here it counts updates, as in the paper.
    """
    minibatch(objective, state, hook, Moments(state), **options)
