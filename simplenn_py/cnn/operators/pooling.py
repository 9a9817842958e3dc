"""Max pooling as the selection P_pool, and its adjoint."""

from __future__ import annotations

import numpy as np

from ...kernels import pooling as kernels
from ...layout import Array, ConvGeometry, check_storage, output, pixels


def maxpooling(
    S: Array, g: ConvGeometry, out: Array | None = None, idx_pool: Array | None = None
) -> tuple[Array, Array]:
    """Keep the maximum of every complete ``h_pool x h_pool`` window.

        vec(Z^{m+1}) = P_pool vec(sigma(S))

    Parameters
    ----------
    S : ndarray, shape (d_next, a_conv*b_conv*l), Fortran order, float
        After the ReLU.
    g : ConvGeometry
    out : ndarray, shape (d_next, a_next*b_next*l), Fortran order, optional
    idx_pool : ndarray of int64, shape (d_next*a_next*b_next, l), Fortran order, optional

    Returns
    -------
    Z : ndarray, shape (d_next, a_next*b_next*l), Fortran order
    idx_pool : ndarray of int64, shape (d_next*a_next*b_next, l), Fortran order
        For each entry of ``vec(Z^{m+1,i})`` its place in ``vec(S^{m,i})``, from 0: the columns
        of the ones in P_pool.  Of equal maxima the first in the order of ``u + h_pool*w``.

    Raises
    ------
    ValueError
        Where an array has another shape.

    Notes
    -----
    Section A of the lecture; simpleNN's ``maxpooling``.
    """
    d, h_pool = g.d_next, g.h_pool
    S, l = check_storage(S, d, g.a_conv * g.b_conv, "S")
    out = output(out, (d, g.a_next * g.b_next * l), S.dtype)
    idx_pool = output(idx_pool, (d * g.a_next * g.b_next, l), np.int64)
    pooled = pixels(out, g.a_next, g.b_next)
    kernels.maxpooling(
        pixels(S, g.a_conv, g.b_conv), h_pool, pooled, idx_pool.T.reshape(pooled.shape)
    )
    return out, idx_pool


def vTP_pool(V: Array, idx_pool: Array, g: ConvGeometry, out: Array | None = None) -> Array:
    """Compute ``v' P_pool``: every entry goes back to where pooling took it from.

    Parameters
    ----------
    V : ndarray, shape (d_next, a_next*b_next*l*columns), Fortran order, float
        In equation (3), ``dxi/dZ^{m+1} .* I[Z^{m+1}]``; with several gradient columns an
        instance, those of instance i stand side by side.
    idx_pool : ndarray of int64, shape (d_next*a_next*b_next, l), Fortran order
        As :func:`maxpooling` returned it.
    g : ConvGeometry
    out : ndarray, shape (d_next, a_conv*b_conv*l*columns), Fortran order, optional

    Returns
    -------
    ndarray, shape (d_next, a_conv*b_conv*l*columns), Fortran order

    Raises
    ------
    ValueError
        Where an array has another shape.

    Notes
    -----
    Equation (3); simpleNN's ``vTP``.
    """
    d, pooled = g.d_next, g.a_next * g.b_next
    V, gradients = check_storage(V, d, pooled, "V")
    l = idx_pool.shape[1]
    if idx_pool.shape[0] != d * pooled or l == 0 or gradients % l:
        raise ValueError(
            f"idx_pool has shape {idx_pool.shape}; for V of shape {V.shape} it must be "
            f"({d * pooled}, l) with l a divisor of {gradients}"
        )
    out = output(out, (d, g.a_conv * g.b_conv * gradients), V.dtype)
    kernels.vTP_pool(
        V.T.reshape(gradients, -1),
        np.asfortranarray(idx_pool).T,
        gradients // l,
        out.T.reshape(gradients, -1),
    )
    return out


def P_pool(V: Array, idx_pool: Array, g: ConvGeometry, out: Array | None = None) -> Array:
    """Compute ``P_pool v`` with the indices kept from the forward pass.

    Parameters
    ----------
    V : ndarray, shape (d_next, a_conv*b_conv*l), Fortran order, float
        For the R-operator, ``R{S}``.
    idx_pool : ndarray of int64, shape (d_next*a_next*b_next, l), Fortran order
    g : ConvGeometry
    out : ndarray, shape (d_next, a_next*b_next*l), Fortran order, optional

    Returns
    -------
    ndarray, shape (d_next, a_next*b_next*l), Fortran order

    Raises
    ------
    ValueError
        Where an array has another shape.

    Notes
    -----
    Section B of the lecture, the pooling of ``R{S}``.
    """
    d = g.d_next
    V, l = check_storage(V, d, g.a_conv * g.b_conv, "V")
    if idx_pool.shape != (d * g.a_next * g.b_next, l):
        raise ValueError(
            f"idx_pool has shape {idx_pool.shape}; it must be {(d * g.a_next * g.b_next, l)}"
        )
    out = output(out, (d, g.a_next * g.b_next * l), V.dtype)
    kernels.P_pool(V.T.reshape(l, -1), np.asfortranarray(idx_pool).T, out.T.reshape(l, -1))
    return out
