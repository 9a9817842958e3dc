"""The forward pass through all layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..layout import Array
from .engine import Engine, check_pass

if TYPE_CHECKING:
    from ..network.weights import Weights


def feedforward(engine: Engine, model: Weights) -> Array:
    """Compute ``z^{L+1}`` of the batch that the engine holds.

        Z^{m+1} = pool(sigma(W^m phi(pad(Z^m)) + bias^m 1')),   the last layer linear

    A factored layer ``W^m = U V`` runs as two layers, V without sigma, pool and bias.

    Parameters
    ----------
    engine : Engine
        With a batch loaded; it keeps every ``Z^m`` for the passes that follow.
    model : Weights
        Weights and biases, such as a Model.

    Returns
    -------
    ndarray, shape (nL, l), Fortran order
        One column per instance; a view that the next pass overwrites.

    Notes
    -----
    Section A of the lecture; simpleNN's ``feedforward``.
    """
    check_pass(engine, model)
    last, is_V = len(model.W) - 1, model.config.is_V
    for m, (W, bias) in enumerate(zip(model.W, model.bias, strict=True)):
        engine.forward(m, W, bias, activate=m < last and not is_V[m])
    return engine.Z(last + 1)
