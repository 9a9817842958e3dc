"""The backward pass: J'u, and with it the gradient of the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import UserError
from ..layout import Array
from ..runtime.arguments import expect, expect_array
from .engine import Engine, check_pass
from .feedforward import feedforward
from .problem import Problem

if TYPE_CHECKING:
    from ..network.weights import Weights


def JTv(engine: Engine, model: Weights, V: Array, out: Array | None = None) -> Array:
    """Compute ``sum_i J_i' v_i`` with ``J_i = dz^{L+1,i}/dtheta'``.

    Layer by layer, from the last to the first:

        (3)  dxi/dvec(S)' = (dxi/dvec(Z^{m+1})' .* vec(I[Z^{m+1}])') P_pool
        (4)  dxi/dW = dxi/dS phi(pad(Z))',   dxi/dbias = dxi/dS 1
        (5)  dxi/dvec(Z)' = vec(W' dxi/dS)' P_phi P_pad

    Parameters
    ----------
    engine : Engine
        After :func:`feedforward` on the batch.
    model : Weights
        Weights and biases, such as a Model.
    V : ndarray, shape (nL, l)
        One column ``v_i`` per instance.  ``V = dxi/dz^{L+1}`` gives the gradient of the summed
        loss.
    out : ndarray, shape (n_parameters,), optional
        Array for the result; allocated if omitted.

    Returns
    -------
    ndarray, shape (n_parameters,), the dtype of ``theta``
        Ordered by layer, ``vec(W)`` then the bias.

    Notes
    -----
    Equations (3)-(5); simpleNN's ``JTv``.
    """
    check_pass(engine, model)
    V = expect_array("V", V, "an array (nL, l), one column per instance of the batch")
    if V.shape != (model.config.nL, engine.l):
        raise UserError(
            f"V has shape {V.shape}; it must be ({model.config.nL}, {engine.l}), one column "
            "per instance of the batch"
        )
    gradient = np.empty_like(model.theta) if out is None else out
    dW, dbias = model.split(gradient)
    engine.set_gradient(V)
    for m in reversed(range(len(model.W))):
        engine.backward(m, model.W[m], dW[m], dbias[m], input_gradient=m > 0)
    return gradient


def lossgrad_subset(
    engine: Engine,
    model: Weights,
    problem: Problem,
    indices: Array,
    gradient: Array | None = None,
    flips: Array | None = None,
) -> float:
    """Compute the loss summed over a subset, and its gradient.

        sum_{i in indices} xi(z^{L+1,i}, y_i)

    Parameters
    ----------
    engine : Engine
    model : Weights
        Weights and biases, such as a Model.
    problem : Problem
        Images, classes and loss.
    indices : ndarray of int64, shape (l,), ``l <= engine.batch_size``
        Index of each instance of the subset.
    gradient : ndarray, shape (n_parameters,), optional
        Array for the gradient of the sum; not computed if omitted.
    flips : ndarray of bool, shape (l,), optional
        Whether to mirror each image of the subset left to right first; none if omitted.

    Returns
    -------
    float
        The summed loss, without regularisation.

    Notes
    -----
    Section A of the lecture; simpleNN's ``lossgrad_subset`` with its tasks 'fun' and 'fungrad'.
    Afterwards ``engine.Z(L)``, L the number of stages, holds ``z^{L+1}`` of the subset.
    """
    expect("problem", problem, Problem, "a Problem")
    check_pass(engine, model)
    engine.load(problem.images, indices, problem.scale, problem.offset, flips)
    z = feedforward(engine, model)
    y = problem.y[indices]
    if gradient is not None:
        JTv(engine, model, problem.loss.gradient(z, y), out=gradient)
    return problem.loss.value(z, y)
