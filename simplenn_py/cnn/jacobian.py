"""The Jacobian itself, dz^{L+1}/dS^m of every layer, as simpleNN stores it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..layout import Array

if TYPE_CHECKING:
    from ..engines.base import Engine
    from ..model import Model


def jacobian(engine: Engine, model: Model) -> list[Array]:
    """Compute ``dz^{L+1,i}/dvec(S^{m,i})'`` for every layer and instance.

    The pass back (3), (5) with the identity in place of the loss derivative: ``nL`` gradient
    columns an instance.

    Parameters
    ----------
    engine : Engine
        After ``feedforward`` on the batch.
    model : Model

    Returns
    -------
    list of ndarray, Fortran order
        Of layer m: shape ``(d_next, a_conv*b_conv*nL*l)``, or ``(n_out, nL*l)``.  The block of
        output k and instance i is number ``k + nL*i``.

    Notes
    -----
    Section B of the lecture; simpleNN's option ``-Jacobian 1``.  ``J_i'`` of layer m is then
    ``dzdS phi(pad(Z))'``, without another pass.
    """
    nL, L = model.config.nL, model.config.L
    engine.set_gradient(np.tile(np.eye(nL, dtype=model.theta.dtype), engine.l), columns=nL)
    dzdS: list[Array] = []
    for m in reversed(range(L)):
        dzdS.insert(0, engine.gradient_S(m, columns=nL).copy(order="F"))
        engine.backward(m, model.W[m], columns=nL, input_gradient=m > 0)
    return dzdS
