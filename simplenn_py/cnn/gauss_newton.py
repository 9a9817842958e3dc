"""The Gauss-Newton matrix G, only ever as a product with a vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import UserError
from ..layout import Array
from ..runtime.arguments import expect, expect_array
from .engine import Engine, check_pass
from .feedforward import feedforward
from .gradient import JTv
from .jacobian import StoredJacobian
from .jv import Jv
from .problem import Problem

if TYPE_CHECKING:
    from ..network.weights import Weights


class GaussNewton:
    """The matrix ``G = I/C + (1/|S|) sum_{i in S} J_i' B_i J_i`` at the model's theta.

    Parameters
    ----------
    engine : Engine
        Takes ``engine.batch_size`` instances of S at a time, so that memory does not grow with
        S.  If S has more than that, each product repeats the forward pass of all of S, unless
        `stored`.
    model : Weights
        Weights and biases, such as a Model.  Its ``theta`` must not change between products.
    problem : Problem
    subset : ndarray of int64, shape (n,)
        Index of each of the n instances of S.
    stored : bool
        Whether to keep the Jacobian of S in memory (simpleNN's ``-Jacobian 1``); see
        ``StoredJacobian``.

    Notes
    -----
    Section B of the lecture; simpleNN's ``Gv``.
    """

    def __init__(
        self,
        engine: Engine,
        model: Weights,
        problem: Problem,
        subset: Array,
        stored: bool = False,
    ) -> None:
        check_pass(engine, model)
        expect("problem", problem, Problem, "a Problem")
        subset = expect_array("subset", subset, "an array (n,) of the indices of the instances")
        if subset.ndim != 1 or not subset.size or subset.dtype.kind not in "iu":
            raise UserError(
                f"subset has shape {subset.shape} and dtype {subset.dtype}; it must be an array "
                "(n,) of the indices of the instances, with one or more"
            )
        self._engine, self._model, self._problem = engine, model, problem
        size = engine.batch_size
        self._parts = [subset[start : start + size] for start in range(0, subset.size, size)]
        self._l = subset.size
        self._part = np.empty_like(model.theta)
        self._jacobians: list[tuple[StoredJacobian, Array]] = []
        if stored:
            for part in self._parts:
                z = self._forward(part).copy(order="F")
                self._jacobians.append((StoredJacobian(engine, model), z))
        elif len(self._parts) == 1:
            self._z = self._forward(subset).copy(order="F")

    def _forward(self, part: Array) -> Array:
        problem = self._problem
        self._engine.load(problem.images, part, problem.scale, problem.offset)
        return feedforward(self._engine, self._model)

    def product(self, v: Array) -> Array:
        """Compute ``G v``.

        Parameters
        ----------
        v : ndarray, shape (n_parameters,)

        Returns
        -------
        ndarray, shape (n_parameters,), the dtype of `v`

        Notes
        -----
        The batches of S are added up in float64 and in a fixed order.
        """
        total = np.zeros(v.shape)
        if self._jacobians:
            for jacobian, z in self._jacobians:
                BJv = self._problem.loss.hessian_product(z, jacobian.Jv(v))
                total += jacobian.JTv(BJv)
        else:
            for part in self._parts:
                z = self._z if len(self._parts) == 1 else self._forward(part)
                BJv = self._problem.loss.hessian_product(z, Jv(self._engine, self._model, v))
                total += JTv(self._engine, self._model, BJv, out=self._part)
        total /= self._l
        total += v / self._problem.C
        return total.astype(v.dtype)


def Gv(engine: Engine, model: Weights, problem: Problem, subset: Array, v: Array) -> Array:
    """Compute one product ``G v``.

    Parameters
    ----------
    engine, model, problem, subset
        See :class:`GaussNewton`, which is faster for several products: it keeps the forward pass
        that they share.
    v : ndarray, shape (n_parameters,)

    Returns
    -------
    ndarray, shape (n_parameters,), the dtype of `v`

    Notes
    -----
    Section B of the lecture; simpleNN's ``Gv``.
    """
    return GaussNewton(engine, model, problem, subset).product(v)
