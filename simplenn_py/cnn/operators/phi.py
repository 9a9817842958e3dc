"""phi(pad(Z)): one column per patch, so that a convolution is one matrix product."""

from __future__ import annotations

import numpy as np

from ...kernels import phi as kernels
from ...layout import Array, ConvGeometry, check_geometry, check_storage, output, patches, pixels


def find_index_phiZ(g: ConvGeometry) -> Array:
    """Return the index in ``vec(pad(Z))`` that each entry of ``vec(phi(pad(Z)))`` is copied from.

    Row ``u + h*w + h*h*c`` of the patch of output pixel ``(i, j)`` is a copy of entry

        c + d*((i*s + u) + a_pad*(j*s + w))

    of one padded instance.  Each row of P_phi has a single 1, and this number is its column.

    Parameters
    ----------
    g : ConvGeometry
        Sizes of the layer.

    Returns
    -------
    ndarray of int64, shape (h*h*d * a_conv*b_conv,)
        Indices for one instance, from 0, in the order of ``vec(phi(pad(Z)))``.

    Notes
    -----
    Section A of the lecture; simpleNN's ``find_index_phiZ`` (which counts from 1).

    Examples
    --------
    The four 2x2 patches of a 3x3 image, one patch per column:

    >>> from simplenn_py import ConvGeometry, find_index_phiZ
    >>> g = ConvGeometry(a=3, b=3, d=1, p=0, h=2, s=1, d_next=1, h_pool=1)
    >>> find_index_phiZ(g).reshape(4, 4, order="F")
    array([[0, 1, 3, 4],
           [1, 2, 4, 5],
           [3, 4, 6, 7],
           [4, 5, 7, 8]])
    """
    check_geometry(g)
    d, h, s, a_pad = g.d, g.h, g.s, g.a_pad
    u, w, c = np.arange(h), np.arange(h), np.arange(d)
    i, j = np.arange(g.a_conv), np.arange(g.b_conv)
    row = s * i[:, None, None, None] + u  # [i, c, w, u]
    column = s * j[:, None, None, None, None] + w[:, None]  # [j, i, c, w, u]
    index = c[:, None, None] + d * (row + a_pad * column)
    return index.astype(np.int64).reshape(-1)


def padding_and_phiZ(Z: Array, g: ConvGeometry, out: Array | None = None) -> Array:
    """Form phi(pad(Z)), one column per patch.

        vec(phi(pad(Z))) = P_phi P_pad vec(Z)

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order, float
    g : ConvGeometry
        Sizes of the layer.
    out : ndarray, shape (h*h*d, a_conv*b_conv*l), Fortran order, the dtype of `Z`, optional
        Array for the result; allocated if omitted.

    Returns
    -------
    ndarray, shape (h*h*d, a_conv*b_conv*l), Fortran order, the dtype of `Z`
        Row ``u + h*w + h*h*c`` holds filter offset ``(u, w)`` of channel ``c``.

    Raises
    ------
    ValueError
        If `Z` or `out` has a wrong shape, or `out` a wrong dtype or memory order.

    Notes
    -----
    Section A of the lecture; simpleNN's ``padding_and_phiZ``.  An index gather gives the same
    result: ``vec(pad(Z))[find_index_phiZ(g)]`` for each instance.

    Examples
    --------
    The four 2x2 patches of a 3x3 image, one patch per column:

    >>> import numpy as np
    >>> from simplenn_py import ConvGeometry, padding_and_phiZ
    >>> from simplenn_py.layout import from_nhwc
    >>> g = ConvGeometry(a=3, b=3, d=1, p=0, h=2, s=1, d_next=1, h_pool=1)
    >>> Z = from_nhwc(np.array([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]))
    >>> padding_and_phiZ(Z, g)
    array([[1., 4., 2., 5.],
           [4., 7., 5., 8.],
           [2., 5., 3., 6.],
           [5., 8., 6., 9.]])
    """
    check_geometry(g)
    a, b, d, p, s = g.a, g.b, g.d, g.p, g.s
    Z, l = check_storage(Z, d, a * b, "Z")
    out = output(out, (g.hhd, g.a_conv * g.b_conv * l), Z.dtype)
    kernels.padding_and_phiZ(pixels(Z, a, b), p, s, patches(out, g))
    return out


def vTP_phi(V: Array, g: ConvGeometry, out: Array | None = None) -> Array:
    """Compute ``v' P_phi``, the adjoint of phi: a scatter-add to the pixels of pad(Z).

    Parameters
    ----------
    V : ndarray, shape (h*h*d, a_conv*b_conv*l), Fortran order, float
        In equation (5), ``W' dxi/dS``.
    g : ConvGeometry
        Sizes of the layer.
    out : ndarray, shape (d, a_pad*b_pad*l), Fortran order, the dtype of `V`, optional
        Array for the result; allocated if omitted.

    Returns
    -------
    ndarray, shape (d, a_pad*b_pad*l), Fortran order, the dtype of `V`
        For each pixel of pad(Z), the sum of its entries in all patches that contain it.

    Raises
    ------
    ValueError
        If `V` or `out` has a wrong shape, or `out` a wrong dtype or memory order.

    Notes
    -----
    Equation (5); simpleNN's ``vTP`` with ``accumarray``.  The order of the additions does not
    depend on the number of threads.

    Examples
    --------
    If all entries of V are 1, the result is the number of patches that contain each pixel:

    >>> import numpy as np
    >>> from simplenn_py import ConvGeometry, vTP_phi
    >>> g = ConvGeometry(a=3, b=3, d=1, p=0, h=2, s=1, d_next=1, h_pool=1)
    >>> V = np.ones((4, 4), order="F")
    >>> vTP_phi(V, g).reshape(3, 3, order="F")
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    check_geometry(g)
    d, s = g.d, g.s
    V, l = check_storage(V, g.hhd, g.a_conv * g.b_conv, "V")
    out = output(out, (d, g.a_pad * g.b_pad * l), V.dtype)
    kernels.vTP_phi(patches(V, g), s, pixels(out, g.a_pad, g.b_pad))
    return out
