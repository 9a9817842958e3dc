"""Adam: steps of a size that each parameter's own gradients choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layout import Array
from .hooks import Hook
from .minibatch import BatchState, StochasticObjective, minibatch

#: The paper's constants; the learning rate's default, 0.001, is the paper's as well.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass
class AdamState(BatchState):
    """Everything that a run needs to go on where it stopped.

    Parameters
    ----------
    m, v : ndarray
        Running means of the gradient and of its square.
    """

    m: Array
    v: Array


def adam(objective: StochasticObjective, state: AdamState, hook: Hook, **options: Any) -> None:
    """Run Adam until its epochs are complete or a hook stops it.

    With t updates so far, this one counted, for each batch of each epoch's permutation:

        m <- beta1*m + (1 - beta1)*grad,   v <- beta2*v + (1 - beta2)*grad.^2
        theta <- theta - lr_t * m/(1 - beta1^t) ./ (sqrt(v/(1 - beta2^t)) + epsilon)

    Parameters
    ----------
    objective, state, hook
        See :func:`~simplenn_py.opt.minibatch.minibatch`.
    **options
        ``epochs``, ``batch_size``, ``lr``, ``decay`` and ``schedule``, see there.

    Raises
    ------
    DivergedError
        When a batch's loss is not finite.

    Notes
    -----
    Kingma and Ba (2015), Algorithm 1; simpleNN's ``-s 3``, which counts epochs, not updates, in
    the bias correction.
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
