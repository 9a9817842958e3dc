"""The convolutional layer on the tape; its rules ARE the lecture's routines.

Everything is in the storage of ``layout.py``.  phi and max pooling (its selection once made)
are linear, each the adjoint of another routine, so all of this can be differentiated again:

    phi(pad(Z)) = padding_and_phiZ    adjoint   v' P_phi P_pad = unpad(vTP_phi)
    P_pool S    = P_pool              adjoint   v' P_pool      = vTP_pool

Importing this module imports the compiled kernels; the rest of ``autodiff`` does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..cnn.operators import pooling
from ..cnn.operators import relu as activation
from ..cnn.operators.padding import unpad
from ..cnn.operators.phi import padding_and_phiZ, vTP_phi
from ..layout import Array, ConvGeometry
from .box import Rule, Value, apply, plain
from .define import RULES, elementwise, linear


def _matrix(A: Any) -> Array:
    """Take `A` as the compiled kernels want it: Fortran order, writeable, float."""
    A = np.asarray(A)
    if A.dtype not in (np.float32, np.float64):
        raise TypeError(f"an array has dtype {A.dtype}; a layer takes float32 or float64")
    return np.require(A, requirements=["F", "W"])


# --- phi(pad(Z)) and its adjoint -------------------------------------------------------------


def phi(Z: Value, g: ConvGeometry) -> Value:
    """Form phi(pad(Z)), ``(h*h*d, a_conv*b_conv*l)`` from ``(d, a*b*l)``, both Fortran order."""
    return apply(_PHI, (Z,), {"g": g})


def vTP(V: Value, g: ConvGeometry) -> Value:
    """Compute ``v' P_phi P_pad``, ``(d, a*b*l)`` from ``(h*h*d, a_conv*b_conv*l)``."""
    return apply(_VTP, (V,), {"g": g})


_PHI: Rule = linear(
    "phi(pad)",
    lambda Z, g: padding_and_phiZ(_matrix(Z), g),
    lambda delta, Z, g: vTP(delta, g),
)
_VTP: Rule = linear(
    "vTP",
    lambda V, g: unpad(vTP_phi(_matrix(V), g), g),
    lambda delta, V, g: phi(delta, g),
)


# --- convolution -----------------------------------------------------------------------------


def conv(Z: Value, W: Value, bias: Value, g: ConvGeometry) -> Value:
    """Convolve: ``S = W phi(pad(Z)) + bias 1'``.

    Parameters
    ----------
    Z : ndarray or Box, shape (d, a*b*l), Fortran order, float32 or float64
    W : ndarray or Box, shape (d_next, h*h*d)
        Columns ordered as the rows of phi: ``u + h*w + h*h*c``.
    bias : ndarray or Box, shape (d_next,)
    g : ConvGeometry

    Returns
    -------
    ndarray or Box, shape (d_next, a_conv*b_conv*l), Fortran order

    Raises
    ------
    ValueError
        If an array has another shape.
    TypeError
        For another dtype.

    Notes
    -----
    Section A of the lecture, equations (4) and (5).  phi(pad(Z)) is formed again for (4): the
    tape keeps Z, h*h times smaller (for stride 1).
    """
    if np.shape(W) != (g.d_next, g.hhd) or np.shape(bias) != (g.d_next,):
        raise ValueError(
            f"W has shape {np.shape(W)} and bias {np.shape(bias)}; for this layer they must be "
            f"{(g.d_next, g.hhd)} and {(g.d_next,)}"
        )
    return apply(_CONV, (Z, W, bias), {"g": g})


def _conv(Z: Any, W: Any, bias: Any, g: ConvGeometry) -> Any:
    # in C order S' = phi' W' has the bytes of S = W phi in Fortran order
    return (padding_and_phiZ(_matrix(Z), g).T @ W.T + bias).T


def _conv_vjp(k: int, delta: Value, S: Value, inputs: tuple[Value, ...], g: ConvGeometry) -> Value:
    Z, W, _ = inputs
    if k == 0:
        return vTP(np.transpose(W) @ delta, g)  # (5)
    if k == 1:
        return delta @ np.transpose(phi(Z, g))  # (4)
    return np.sum(delta, axis=1)  # dxi/dS 1


def _conv_jvp(
    k: int, tangent: Value, S: Value, inputs: tuple[Value, ...], g: ConvGeometry
) -> Value:
    # the three terms of R{S}, section B
    Z, W, _ = inputs
    if k == 0:
        return W @ phi(tangent, g)
    if k == 1:
        return tangent @ phi(Z, g)
    return np.broadcast_to(np.reshape(tangent, (-1, 1)), np.shape(S))


_CONV = Rule("conv", _conv, _conv_vjp, _conv_jvp)


# --- max pooling -----------------------------------------------------------------------------


def maxpool(S: Value, g: ConvGeometry) -> Value:
    """Keep the maximum of every complete window: ``vec(Z) = P_pool vec(S)``.

    Parameters
    ----------
    S : ndarray or Box, shape (d_next, a_conv*b_conv*l), Fortran order, float32 or float64
        In the lecture, after the ReLU.
    g : ConvGeometry

    Returns
    -------
    ndarray or Box, shape (d_next, a_next*b_next*l), Fortran order

    Raises
    ------
    ValueError
        If `S` has another shape.
    TypeError
        For another dtype.

    Notes
    -----
    Section A of the lecture, equation (3).  The selection P_pool is made from the values and
    then held fixed; of equal maxima the FIRST in the order ``u + h_pool*w`` has the whole
    derivative (``np.max`` splits it).
    """
    _, idx_pool = pooling.maxpooling(_matrix(plain(S)), g)
    return apply(_SELECT, (S,), {"idx_pool": idx_pool, "g": g})


_SELECT: Rule = linear(
    "maxpool",
    lambda S, idx_pool, g: pooling.P_pool(_matrix(S), idx_pool, g),
    lambda delta, S, idx_pool, g: apply(_SCATTER, (delta,), {"idx_pool": idx_pool, "g": g}),
)
_SCATTER: Rule = linear(
    "vTP_pool",
    lambda V, idx_pool, g: pooling.vTP_pool(_matrix(V), idx_pool, g),
    lambda delta, V, idx_pool, g: apply(_SELECT, (delta,), {"idx_pool": idx_pool, "g": g}),
)


# --- ReLU, and the network -------------------------------------------------------------------


def relu(S: Value) -> Value:
    """Return ``sigma(S) = max(S, 0)``, any shape; its derivative is ``I[S]``, so 0 at 0.

    Section A of the lecture, equation (3).
    """
    return apply(_RELU, (S,))


_RELU = elementwise(
    activation.relu,
    lambda r, S: activation.indicator(plain(S)).astype(np.asarray(plain(S)).dtype),
)
for _rule in (_PHI, _VTP, _CONV, _SELECT, _SCATTER, _RELU):
    RULES[_rule.name] = _rule


def network(
    Z: Value, W: Sequence[Value], bias: Sequence[Value], layers: Sequence[ConvGeometry]
) -> Value:
    """Compute ``z^{L+1}`` of a whole network on the tape.

    Parameters
    ----------
    Z : ndarray or Box, shape (d, a*b*l), Fortran order, float32 or float64
    W, bias : sequence of ndarray or Box
        Of every layer, the convolutional ones first.  An empty bias tells the ``V`` of a
        factored layer ``W = U V``: nothing is added and the activation is switched off.
    layers : sequence of ConvGeometry
        Of the convolutional layers (``NetConfig.stages.conv_layers``).

    Returns
    -------
    ndarray or Box, shape (nL, l)
        One instance a column.

    Raises
    ------
    ValueError
        If a shape does not fit.

    Notes
    -----
    Section A of the lecture: ``pool(sigma(S))``, then ``vec`` of each instance, then the fully
    connected layers, the last one linear.
    """
    if len(W) <= len(layers) or len(bias) != len(W):
        raise ValueError(
            f"there are {len(W)} weights, {len(bias)} biases and {len(layers)} convolutional "
            "layers; every layer has one of each, and at least one fully connected layer follows"
        )
    is_V = [np.size(x) == 0 for x in bias]
    for m, g in enumerate(layers):
        zeros = np.zeros(g.d_next, np.asarray(plain(W[m])).dtype)
        Z = conv(Z, W[m], zeros if is_V[m] else bias[m], g)
        Z = Z if is_V[m] else relu(Z)
        Z = maxpool(Z, g) if g.h_pool > 1 else Z
    z = np.reshape(Z, (np.shape(W[len(layers)])[1], -1), order="F")
    for m in range(len(layers), len(W)):
        z = W[m] @ z
        z = z if is_V[m] else z + np.reshape(bias[m], (-1, 1))
        z = relu(z) if m < len(W) - 1 and not is_V[m] else z
    return z
