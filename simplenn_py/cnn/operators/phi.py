"""phi(pad(Z)): every patch a column, so that convolution is one matrix product."""

from __future__ import annotations

import numpy as np

from ...kernels import phi as kernels
from ...layout import Array, ConvGeometry, check_storage, output, patches, pixels


def find_index_phiZ(g: ConvGeometry) -> Array:
    """Tell which entry of ``vec(pad(Z))`` each entry of ``vec(phi(pad(Z)))`` is.

    Row ``u + h*w + h*h*c`` of output pixel ``(i, j)`` is entry

        c + d*((i*s + u) + a_pad*(j*s + w))

    of one padded instance: these numbers are the columns of the ones in P_phi.

    Parameters
    ----------
    g : ConvGeometry

    Returns
    -------
    ndarray of int64, shape (h*h*d * a_conv*b_conv,)
        Indices from 0, ordered as ``vec(phi(pad(Z)))``.

    Notes
    -----
    Section A of the lecture; simpleNN's ``find_index_phiZ`` (which counts from 1).
    """
    d, h, s, a_pad = g.d, g.h, g.s, g.a_pad
    u, w, c = np.arange(h), np.arange(h), np.arange(d)
    i, j = np.arange(g.a_conv), np.arange(g.b_conv)
    row = s * i[:, None, None, None] + u  # [i, c, w, u]
    column = s * j[:, None, None, None, None] + w[:, None]  # [j, i, c, w, u]
    index = c[:, None, None] + d * (row + a_pad * column)
    return index.astype(np.int64).reshape(-1)


def padding_and_phiZ(Z: Array, g: ConvGeometry, out: Array | None = None) -> Array:
    """Form phi(pad(Z)), one patch a column.

        vec(phi(pad(Z))) = P_phi P_pad vec(Z)

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order, float
    g : ConvGeometry
        Sizes of the layer.
    out : ndarray, shape (h*h*d, a_conv*b_conv*l), Fortran order, optional

    Returns
    -------
    ndarray, shape (h*h*d, a_conv*b_conv*l), Fortran order, the dtype of `Z`
        Row ``u + h*w + h*h*c`` holds filter offset ``(u, w)`` of channel ``c``.

    Raises
    ------
    ValueError
        Where `Z` or `out` has another shape.

    Notes
    -----
    simpleNN's ``padding_and_phiZ``.  The same by an index gather:
    ``vec(pad(Z))[find_index_phiZ(g)]`` for each instance.
    """
    a, b, d, p, s = g.a, g.b, g.d, g.p, g.s
    Z, l = check_storage(Z, d, a * b, "Z")
    out = output(out, (g.hhd, g.a_conv * g.b_conv * l), Z.dtype)
    kernels.padding_and_phiZ(pixels(Z, a, b), p, s, patches(out, g))
    return out


def vTP_phi(V: Array, g: ConvGeometry, out: Array | None = None) -> Array:
    """Compute ``v' P_phi``, the adjoint of phi: a scatter-add back to the pixels.

    Parameters
    ----------
    V : ndarray, shape (h*h*d, a_conv*b_conv*l), Fortran order, float
        In equation (5), ``W' dxi/dS``.
    g : ConvGeometry
    out : ndarray, shape (d, a_pad*b_pad*l), Fortran order, optional

    Returns
    -------
    ndarray, shape (d, a_pad*b_pad*l), Fortran order
        Of every pixel of pad(Z), the sum over the patches that contain it.

    Raises
    ------
    ValueError
        Where `V` or `out` has another shape.

    Notes
    -----
    Equation (5); simpleNN's ``vTP`` with ``accumarray``.  The sum is formed in a fixed order
    whatever the number of threads.
    """
    d, s = g.d, g.s
    V, l = check_storage(V, g.hhd, g.a_conv * g.b_conv, "V")
    out = output(out, (d, g.a_pad * g.b_pad * l), V.dtype)
    kernels.vTP_phi(patches(V, g), s, pixels(out, g.a_pad, g.b_pad))
    return out
