"""The R-operator: Jv, a forward pass for a tangent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UserError
from ..layout import Array
from ..runtime.arguments import expect_array
from .engine import Engine, check_pass

if TYPE_CHECKING:
    from ..network.weights import Weights


def Jv(engine: Engine, model: Weights, v: Array) -> Array:
    """Compute ``J_i v`` for every instance of the batch.

        R{S} = W phi(pad(R{Z})) + V phi(pad(Z)) + v_bias 1',   R{Z^1} = 0

    pooled with the kept indices and masked by ``I[Z^{m+1}]``.

    Parameters
    ----------
    engine : Engine
        After ``feedforward`` on the batch.
    model : Weights
        Weights and biases, such as a Model.
    v : ndarray, shape (n_parameters,)
        Direction in the space of ``theta``.

    Returns
    -------
    ndarray, shape (nL, l), Fortran order
        One column per instance.

    Notes
    -----
    Section B of the lecture; simpleNN's ``Jv``.
    """
    check_pass(engine, model)
    v = expect_array("v", v, "an array (n_parameters,)")
    if v.shape != model.theta.shape:
        raise UserError(f"v has shape {v.shape}; it must be {model.theta.shape}, like theta")
    V, v_bias = model.split(v)
    for m in range(len(model.W)):
        RZ = engine.tangent(m, model.W[m], V[m], v_bias[m])
    return RZ.copy(order="F")
