"""The stored Jacobian, dz^{L+1}/dS^m of every layer as in simpleNN, and products with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..layout import Array
from .engine import Engine, check_pass

if TYPE_CHECKING:
    from ..network.config import NetConfig
    from ..network.weights import Weights


def jacobian(engine: Engine, model: Weights) -> list[Array]:
    """Compute ``dz^{L+1,i}/dvec(S^{m,i})'`` for every layer and instance.

    The backward pass (3), (5) with the identity in place of the loss derivative: ``nL`` gradients
    per instance.

    Parameters
    ----------
    engine : Engine
        After ``feedforward`` on the batch.
    model : Weights
        Weights and biases, such as a Model.

    Returns
    -------
    list of ndarray, Fortran order
        One array per layer, of shape ``(d_next, a_conv*b_conv*nL*l)``, or ``(n_out, nL*l)`` for
        a fully connected layer.  The block of output k and instance i is number ``k + nL*i``.
        A factored layer has two entries, V and U.

    Notes
    -----
    Section B of the lecture; simpleNN's option ``-Jacobian 1``.  ``J_i'`` of layer m is then
    ``dzdS phi(pad(Z))'``, without another pass.
    """
    check_pass(engine, model)
    nL, L = model.config.nL, len(model.W)
    engine.set_gradient(np.tile(np.eye(nL, dtype=model.theta.dtype), engine.l), columns=nL)
    dzdS: list[Array] = []
    for m in reversed(range(L)):
        dzdS.insert(0, engine.gradient_S(m, columns=nL).copy(order="F"))
        engine.backward(m, model.W[m], columns=nL, input_gradient=m > 0)
    return dzdS


class StoredJacobian:
    """``J_i`` of every instance of a batch, kept as ``dz/dS^m`` and ``phi(pad(Z^m))``.

    Parameters
    ----------
    engine : Engine
        After ``feedforward`` on the batch.
    model : Weights
        Weights and biases, such as a Model.

    Notes
    -----
    Section B of the lecture.  ``J_i v`` and ``J_i' u`` are then products with the kept matrices,
    without a pass through the network.  :func:`stored_bytes` returns their size.
    """

    def __init__(self, engine: Engine, model: Weights) -> None:
        self._model, self._l = model, engine.l
        self._dzdS = jacobian(engine, model)
        self._phiZ = [engine.phi(m).copy(order="F") for m in range(len(model.W))]

    def _blocks(self, m: int) -> Array:
        """Return ``dz_i/dvec(S^m_i)'`` of each instance: shape (l, nL, d_next*a_conv*b_conv)."""
        return self._dzdS[m].T.reshape(self._l, self._model.config.nL, -1)

    def Jv(self, v: Array) -> Array:
        """Compute ``J_i v`` for every instance of the batch.

            J_i v = sum_m dz_i/dvec(S^m_i)' vec(V^m phi(pad(Z^m_i)) + v_bias^m 1')

        Parameters
        ----------
        v : ndarray, shape (n_parameters,)
            Direction in the space of ``theta``.

        Returns
        -------
        ndarray, shape (nL, l), Fortran order, the dtype of `v`
            One column per instance.
        """
        total = np.zeros((self._l, self._model.config.nL), v.dtype)
        for m, (V, v_bias) in enumerate(zip(*self._model.split(v), strict=True)):
            RS = V @ self._phiZ[m]
            if v_bias.size:
                RS += v_bias[:, None]
            total += np.matmul(self._blocks(m), RS.T.reshape(self._l, -1, 1))[:, :, 0]
        return total.T

    def JTv(self, U: Array) -> Array:
        """Compute ``sum_i J_i' u_i``.

        Parameters
        ----------
        U : ndarray, shape (nL, l)
            One column ``u_i`` per instance.

        Returns
        -------
        ndarray, shape (n_parameters,), the dtype of ``theta``
            Ordered by layer, ``vec(W)`` then the bias.
        """
        gradient = np.empty_like(self._model.theta)
        for m, (dW, dbias) in enumerate(zip(*self._model.split(gradient), strict=True)):
            dS = np.matmul(U.T[:, None, :], self._blocks(m)).reshape(-1, dW.shape[0]).T
            dW[...] = dS @ self._phiZ[m].T
            if dbias.size:
                dbias[:] = dS.sum(axis=1)
        return gradient


def stored_bytes(config: NetConfig, l: int, itemsize: int) -> int:
    """Return the size of a :class:`StoredJacobian`.

    Parameters
    ----------
    config : NetConfig
    l : int
        Number of instances.
    itemsize : int
        Bytes per number: 4 for float32, 8 for float64.

    Returns
    -------
    int
        Bytes.
    """
    config = config.stages
    conv = sum((config.nL * g.d_next + g.hhd) * g.a_conv * g.b_conv for g in config.conv_layers)
    full = sum(config.nL * g.n_out + g.n_in for g in config.full_layers)
    return (conv + full) * l * itemsize
