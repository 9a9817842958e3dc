"""Max pooling as the selection P_pool, and its adjoint."""

from __future__ import annotations

import numpy as np

from ...kernels import pooling as kernels
from ...layout import Array, ConvGeometry, check_geometry, check_storage, output, pixels
from ...runtime.arguments import expect_array


def maxpooling(
    S: Array, g: ConvGeometry, out: Array | None = None, idx_pool: Array | None = None
) -> tuple[Array, Array]:
    """Keep the maximum of every complete ``h_pool x h_pool`` window.

        vec(Z^{m+1}) = P_pool vec(sigma(S))

    Parameters
    ----------
    S : ndarray, shape (d_next, a_conv*b_conv*l), Fortran order, float
        Output of the convolution after the ReLU, ``sigma(S)``.
    g : ConvGeometry
        Sizes of the layer.
    out : ndarray, shape (d_next, a_next*b_next*l), Fortran order, the dtype of `S`, optional
        Array for the maxima; allocated if omitted.
    idx_pool : ndarray of int64, shape (d_next*a_next*b_next, l), Fortran order, optional
        Array for the indices; allocated if omitted.

    Returns
    -------
    Z : ndarray, shape (d_next, a_next*b_next*l), Fortran order, the dtype of `S`
        The maxima.
    idx_pool : ndarray of int64, shape (d_next*a_next*b_next, l), Fortran order
        Index in ``vec(sigma(S^{m,i}))``, from 0, of each entry of ``vec(Z^{m+1,i})``: the column
        of the single 1 in each row of P_pool.  If a window has several equal maxima, the index
        is that of the first in the order of ``u + h_pool*w``.

    Raises
    ------
    ValueError
        If an array has a wrong shape, or `out` or `idx_pool` a wrong dtype or memory order.

    Notes
    -----
    Section A of the lecture; simpleNN's ``maxpooling``.

    Examples
    --------
    The upper left window has two equal maxima; index 1 comes before index 4:

    >>> import numpy as np
    >>> from simplenn_py import ConvGeometry, maxpooling
    >>> from simplenn_py.layout import from_nhwc
    >>> g = ConvGeometry(a=2, b=4, d=1, p=0, h=1, s=1, d_next=1, h_pool=2)
    >>> S = from_nhwc(np.array([[[0.0, 3.0, 5.0, 0.0],
    ...                          [3.0, 1.0, 0.0, 2.0]]]))
    >>> Z, idx_pool = maxpooling(S, g)
    >>> Z.tolist(), idx_pool.tolist()
    ([[3.0, 5.0]], [[1], [4]])
    """
    check_geometry(g)
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
    """Compute ``v' P_pool``: write each entry to the place of its maximum, and 0 elsewhere.

    Parameters
    ----------
    V : ndarray, shape (d_next, a_next*b_next*l*columns), Fortran order, float
        In equation (3), ``dxi/dZ^{m+1} .* I[Z^{m+1}]``.  ``columns`` is the number of gradients
        per instance: 1 for back-propagation, ``nL`` for a stored Jacobian.  The gradients of an
        instance are stored side by side.
    idx_pool : ndarray of int64, shape (d_next*a_next*b_next, l), Fortran order
        The indices that :func:`maxpooling` returned.
    g : ConvGeometry
        Sizes of the layer.
    out : ndarray, shape (d_next, a_conv*b_conv*l*columns), Fortran order, optional
        Array for the result, of the dtype of `V`; allocated if omitted.

    Returns
    -------
    ndarray, shape (d_next, a_conv*b_conv*l*columns), Fortran order, the dtype of `V`

    Raises
    ------
    ValueError
        If an array has a wrong shape, an index lies outside of its instance, or `out` has a wrong
        dtype or memory order.

    Notes
    -----
    Equation (3); simpleNN's ``vTP``.

    Examples
    --------
    Two windows, whose maxima are entries 1 and 4 of ``vec(S)``:

    >>> import numpy as np
    >>> from simplenn_py import ConvGeometry, vTP_pool
    >>> g = ConvGeometry(a=2, b=4, d=1, p=0, h=1, s=1, d_next=1, h_pool=2)
    >>> V, idx_pool = np.array([[10.0, 20.0]]), np.array([[1], [4]])
    >>> vTP_pool(V, idx_pool, g).reshape(2, 4, order="F")
    array([[ 0.,  0., 20.,  0.],
           [10.,  0.,  0.,  0.]])
    """
    check_geometry(g)
    d, pooled = g.d_next, g.a_next * g.b_next
    V, gradients = check_storage(V, d, pooled, "V")
    idx_pool = _places(idx_pool, g)
    l = idx_pool.shape[1] if idx_pool.ndim == 2 else 0
    if l == 0 or idx_pool.shape[0] != d * pooled or gradients % l:
        raise ValueError(
            f"idx_pool has shape {idx_pool.shape}; for V of shape {V.shape} it must be "
            f"({d * pooled}, l) with l a divisor of {gradients}"
        )
    out = output(out, (d, g.a_conv * g.b_conv * gradients), V.dtype)
    kernels.vTP_pool(
        V.T.reshape(gradients, -1), idx_pool.T, gradients // l, out.T.reshape(gradients, -1)
    )
    return out


def P_pool(V: Array, idx_pool: Array, g: ConvGeometry, out: Array | None = None) -> Array:
    """Compute ``P_pool v`` with the indices kept from the forward pass.

    Parameters
    ----------
    V : ndarray, shape (d_next, a_conv*b_conv*l), Fortran order, float
        For the R-operator, ``R{S}``.
    idx_pool : ndarray of int64, shape (d_next*a_next*b_next, l), Fortran order
        The indices that :func:`maxpooling` returned.
    g : ConvGeometry
        Sizes of the layer.
    out : ndarray, shape (d_next, a_next*b_next*l), Fortran order, the dtype of `V`, optional
        Array for the result; allocated if omitted.

    Returns
    -------
    ndarray, shape (d_next, a_next*b_next*l), Fortran order, the dtype of `V`

    Raises
    ------
    ValueError
        If an array has a wrong shape, an index lies outside of its instance, or `out` has a wrong
        dtype or memory order.

    Notes
    -----
    Section B of the lecture, the pooling of ``R{S}``.
    """
    check_geometry(g)
    d = g.d_next
    V, l = check_storage(V, d, g.a_conv * g.b_conv, "V")
    idx_pool = _places(idx_pool, g)
    if idx_pool.shape != (d * g.a_next * g.b_next, l):
        raise ValueError(
            f"idx_pool has shape {idx_pool.shape}; it must be {(d * g.a_next * g.b_next, l)}"
        )
    out = output(out, (d, g.a_next * g.b_next * l), V.dtype)
    kernels.P_pool(V.T.reshape(l, -1), idx_pool.T, out.T.reshape(l, -1))
    return out


def _places(idx_pool: Array, g: ConvGeometry) -> Array:
    """Return the indices as int64 in Fortran order: the kernels write to any place they name."""
    idx_pool = expect_array("idx_pool", idx_pool, "an array of int64, as maxpooling returns it")
    if idx_pool.dtype.kind not in "iu":
        raise ValueError(f"idx_pool has dtype {idx_pool.dtype}; it must contain integers, as int64")
    idx_pool = np.asfortranarray(idx_pool, np.int64)
    entries = g.d_next * g.a_conv * g.b_conv
    if idx_pool.size and idx_pool.view(np.uint64).max() >= entries:  # negative ones become large
        raise ValueError(
            f"idx_pool has entries from {idx_pool.min()} to {idx_pool.max()}; each must be the "
            f"index in vec(sigma(S)) of its own instance, from 0 to {entries - 1}"
        )
    return idx_pool
