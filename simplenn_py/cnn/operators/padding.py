"""pad(Z): zeros around every image."""

from __future__ import annotations

from ...kernels import phi as kernels
from ...layout import Array, ConvGeometry, check_geometry, check_storage, output, pixels


def padding(Z: Array, g: ConvGeometry, out: Array | None = None) -> Array:
    """Add ``p`` rows and columns of zeros on every side: ``vec(pad(Z)) = P_pad vec(Z)``.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order, float
    g : ConvGeometry
        Sizes of the layer.
    out : ndarray, shape (d, a_pad*b_pad*l), Fortran order, the dtype of `Z`, optional
        Array for the result; allocated if omitted.

    Returns
    -------
    ndarray, shape (d, a_pad*b_pad*l), Fortran order, the dtype of `Z`

    Raises
    ------
    ValueError
        If `Z` or `out` has a wrong shape, or `out` a wrong dtype or memory order.

    Notes
    -----
    Section A of the lecture; the first step of simpleNN's ``padding_and_phiZ``.

    Examples
    --------
    >>> import numpy as np
    >>> from simplenn_py import ConvGeometry, padding
    >>> from simplenn_py.layout import from_nhwc
    >>> g = ConvGeometry(a=2, b=2, d=1, p=1, h=3, s=1, d_next=1, h_pool=1)
    >>> Z = from_nhwc(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    >>> padding(Z, g).reshape(4, 4, order="F")
    array([[0., 0., 0., 0.],
           [0., 1., 2., 0.],
           [0., 3., 4., 0.],
           [0., 0., 0., 0.]])
    """
    check_geometry(g)
    a, b, d, p = g.a, g.b, g.d, g.p
    Z, l = check_storage(Z, d, a * b, "Z")
    out = output(out, (d, g.a_pad * g.b_pad * l), Z.dtype)
    kernels.padding(pixels(Z, a, b), p, pixels(out, g.a_pad, g.b_pad))
    return out


def unpad(V: Array, g: ConvGeometry, out: Array | None = None) -> Array:
    """Drop the border of ``p`` pixels: ``v' P_pad``, the adjoint of :func:`padding`.

    Parameters
    ----------
    V : ndarray, shape (d, a_pad*b_pad*l), Fortran order, float
    g : ConvGeometry
        Sizes of the layer.
    out : ndarray, shape (d, a*b*l), Fortran order, the dtype of `V`, optional
        Array for the result; allocated if omitted.

    Returns
    -------
    ndarray, shape (d, a*b*l), Fortran order, the dtype of `V`

    Raises
    ------
    ValueError
        If `V` or `out` has a wrong shape, or `out` a wrong dtype or memory order.

    Notes
    -----
    The last factor of equation (5).
    """
    check_geometry(g)
    a, b, d, p = g.a, g.b, g.d, g.p
    V, l = check_storage(V, d, g.a_pad * g.b_pad, "V")
    out = output(out, (d, a * b * l), V.dtype)
    kernels.unpad(pixels(V, g.a_pad, g.b_pad), p, pixels(out, a, b))
    return out
