"""The convolutional layer on the tape; its rules ARE the lecture's routines.

All arrays are stored as in ``layout.py``.  phi is linear, and so is max pooling once the maxima
are selected.  The adjoint of each is another routine, so all of this can be differentiated again:

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
    """Return `A` as the compiled kernels need it: in Fortran order, writeable, float."""
    A = np.asarray(A)
    if A.dtype not in (np.float32, np.float64):
        raise TypeError(f"an array has dtype {A.dtype}; a layer takes float32 or float64")
    return np.require(A, requirements=["F", "W"])


# --- phi(pad(Z)) and its adjoint -------------------------------------------------------------


def phi(Z: Value, g: ConvGeometry) -> Value:
    """Form phi(pad(Z)).

    Parameters
    ----------
    Z : ndarray or Box, shape (d, a*b*l), Fortran order, float32 or float64
        Images.
    g : ConvGeometry
        Sizes of the layer.

    Returns
    -------
    ndarray or Box, shape (h*h*d, a_conv*b_conv*l), Fortran order, the dtype of `Z`
        One patch per column.

    Notes
    -----
    Section A of the lecture; simpleNN's ``padding_and_phiZ``.
    """
    return apply(_PHI, (Z,), {"g": g})


def vTP(V: Value, g: ConvGeometry) -> Value:
    """Compute ``v' P_phi P_pad``, the adjoint of :func:`phi`.

    Parameters
    ----------
    V : ndarray or Box, shape (h*h*d, a_conv*b_conv*l), Fortran order, float32 or float64
        Cotangent of the patches.
    g : ConvGeometry
        Sizes of the layer.

    Returns
    -------
    ndarray or Box, shape (d, a*b*l), Fortran order, the dtype of `V`
        Cotangent of the images, without padding.

    Notes
    -----
    Section A of the lecture; simpleNN's ``vTP``.
    """
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
        Images.
    W : ndarray or Box, shape (d_next, h*h*d)
        Filters; the columns are ordered as the rows of phi, ``u + h*w + h*h*c``.
    bias : ndarray or Box, shape (d_next,)
        Bias of each filter.
    g : ConvGeometry
        Sizes of the layer.

    Returns
    -------
    ndarray or Box, shape (d_next, a_conv*b_conv*l), Fortran order
        ``S``, before the activation.

    Raises
    ------
    ValueError
        If an array has a wrong shape.
    TypeError
        If an array is neither float32 nor float64.

    Notes
    -----
    Section A of the lecture, equations (4) and (5).  phi(pad(Z)) is formed again for (4): the
    tape keeps Z, which is h*h times smaller (for stride 1).

    Examples
    --------
    A 2 x 2 filter of ones sums an image of 2 x 2 ones; the derivative in W is the patch:

    >>> from simplenn_py.autodiff import GradientTape
    >>> g = ConvGeometry(d=1, a=2, b=2, p=0, h=2, s=1, d_next=1, h_pool=1)
    >>> Z, W, bias = np.ones((1, 4), order="F"), np.ones((1, 4)), np.zeros(1)
    >>> with GradientTape() as tape:
    ...     W = tape.watch(W)
    ...     S = conv(Z, W, bias, g)
    >>> S.value.tolist(), tape.gradient(S, W, np.ones((1, 1))).tolist()
    ([[4.0]], [[1.0, 1.0, 1.0, 1.0]])
    """
    if np.shape(W) != (g.d_next, g.hhd) or np.shape(bias) != (g.d_next,):
        raise ValueError(
            f"W has shape {np.shape(W)} and bias {np.shape(bias)}; for this layer they must be "
            f"{(g.d_next, g.hhd)} and {(g.d_next,)}"
        )
    return apply(_CONV, (Z, W, bias), {"g": g})


def _conv(Z: Any, W: Any, bias: Any, g: ConvGeometry) -> Any:
    # S' = phi' W' in C order has the same memory as S = W phi in Fortran order
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
        Images; in the lecture, after the ReLU.
    g : ConvGeometry
        Sizes of the layer.

    Returns
    -------
    ndarray or Box, shape (d_next, a_next*b_next*l), Fortran order
        The maxima.

    Raises
    ------
    ValueError
        If `S` has a wrong shape.
    TypeError
        If `S` is neither float32 nor float64.

    Notes
    -----
    Section A of the lecture, equation (3).  The selection P_pool is made from the values and
    then held fixed.  If a maximum is attained more than once, the FIRST place in the order
    ``u + h_pool*w`` has the whole derivative (``np.max`` splits it).
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
    """Compute ``sigma(S) = max(S, 0)``; its derivative is ``I[S]``, so it is 0 at 0.

    Parameters
    ----------
    S : ndarray or Box, any shape, float32 or float64
        Values before the activation.

    Returns
    -------
    ndarray or Box, the shape of `S`
        Values after the activation.

    Notes
    -----
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
        Images.
    W, bias : sequence of ndarray or Box
        Weights and biases of every layer, convolutional layers first, in the shapes that
        :func:`conv` takes; for fully connected layers W has shape (n_out, n_in).  An empty bias
        marks the ``V`` of a factored layer ``W = U V``: nothing is added, and the activation is
        switched off.
    layers : sequence of ConvGeometry
        Sizes of the convolutional layers (``NetConfig.stages.conv_layers``).

    Returns
    -------
    ndarray or Box, shape (nL, l)
        Outputs, one column per instance.

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
