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
    m, v = state.m, state.v
    number = m.dtype.type

    def step(theta: Array, gradient: Array, lr_t: float) -> None:
        nonlocal m, v
        t = state.updates + 1
        m *= number(BETA1)
        m += number(1 - BETA1) * gradient
        v *= number(BETA2)
        gradient *= gradient
        v += number(1 - BETA2) * gradient
        np.sqrt(v, out=gradient)
        gradient *= number(1 / np.sqrt(1 - BETA2**t))
        gradient += number(EPSILON)
        theta -= number(lr_t / (1 - BETA1**t)) * m / gradient

    minibatch(objective, state, hook, step, **options)
