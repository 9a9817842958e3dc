"""pad(Z): zeros around every image."""

from __future__ import annotations

from ...kernels import phi as kernels
from ...layout import Array, ConvGeometry, check_storage, output, pixels


def padding(Z: Array, g: ConvGeometry, out: Array | None = None) -> Array:
    """Add ``p`` rows and columns of zeros on every side: ``vec(pad(Z)) = P_pad vec(Z)``.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order, float
    g : ConvGeometry
        Sizes of the layer.
    out : ndarray, shape (d, a_pad*b_pad*l), Fortran order, optional
        Where to write; allocated if omitted.

    Returns
    -------
    ndarray, shape (d, a_pad*b_pad*l), Fortran order, the dtype of `Z`.

    Raises
    ------
    ValueError
        Where `Z` or `out` has another shape.

    Notes
    -----
    Section A of the lecture; simpleNN's ``padding_and_phiZ`` begins with it.
    """
    a, b, d, p = g.a, g.b, g.d, g.p
    Z, l = check_storage(Z, d, a * b, "Z")
    out = output(out, (d, g.a_pad * g.b_pad * l), Z.dtype)
    kernels.padding(pixels(Z, a, b), p, pixels(out, g.a_pad, g.b_pad))
    return out


def unpad(V: Array, g: ConvGeometry, out: Array | None = None) -> Array:
    """Drop the border again: ``v' P_pad``, the adjoint of :func:`padding`.

    Parameters
    ----------
    V : ndarray, shape (d, a_pad*b_pad*l), Fortran order, float
    g : ConvGeometry
    out : ndarray, shape (d, a*b*l), Fortran order, optional

    Returns
    -------
    ndarray, shape (d, a*b*l), Fortran order

    Raises
    ------
    ValueError
        Where `V` or `out` has another shape.

    Notes
    -----
    The last factor of equation (5).
    """
    a, b, d, p = g.a, g.b, g.d, g.p
    V, l = check_storage(V, d, g.a_pad * g.b_pad, "V")
    out = output(out, (d, a * b * l), V.dtype)
    kernels.unpad(pixels(V, g.a_pad, g.b_pad), p, pixels(out, a, b))
    return out
