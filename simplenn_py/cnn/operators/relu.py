"""sigma, the ReLU, and its indicator I[.]."""

from __future__ import annotations

import numpy as np

from ...kernels import elementwise as kernels
from ...layout import Array


def bias_relu(S: Array, bias: Array, activate: bool = True) -> Array:
    """Compute ``sigma(S + bias 1')``, or ``S + bias 1'`` alone, in place.

    Parameters
    ----------
    S : ndarray, shape (d_next, n), Fortran order, float
        The product ``W phi(pad(Z))``, or ``W z``; overwritten.
    bias : ndarray, shape (d_next,)
    activate : bool
        False leaves the ReLU out: the last layer is linear.

    Returns
    -------
    ndarray
        `S` itself.

    Raises
    ------
    ValueError
        Where `S` is not in Fortran order (it could not be changed in place) or `bias` has
        another length.

    Notes
    -----
    Section A of the lecture.  A NaN stays a NaN, so that training sees it in the loss.
    """
    if not S.flags.f_contiguous or bias.shape != S.shape[:1]:
        raise ValueError(
            f"S has shape {S.shape}, bias {bias.shape}; S must be in Fortran order with one "
            "row for each entry of bias"
        )
    kernels.add_bias(S.T, bias, activate)
    return S


def relu(S: Array) -> Array:
    """Return ``sigma(S) = max(S, 0)`` entry by entry, as a new array of the same shape."""
    return np.maximum(S, 0)


def indicator(Z: Array) -> Array:
    """Return ``I[Z]``: True where an entry is strictly positive; same shape as `Z`."""
    return Z > 0


def mask(V: Array, Z: Array, columns: int = 1) -> Array:
    """Compute ``V .* I[Z]`` in place, the first step of equation (3).

    Parameters
    ----------
    V : ndarray, shape (d, n*columns), Fortran order, float
        Overwritten.
    Z : ndarray, shape (d, n), Fortran order
        With one gradient column an instance: any ``d x a b l`` storage.  With more, see
        `columns`.
    columns : int
        Gradient columns an instance; then `V` is ``(rows, l*columns)`` and `Z`
        ``(rows, l)``, one instance a column.

    Returns
    -------
    ndarray
        `V` itself.

    Raises
    ------
    ValueError
        Where the shapes do not fit, or an array is not in Fortran order.
    """
    fits = V.shape == (Z.shape[0], Z.shape[1] * columns)
    if not (fits and V.flags.f_contiguous and Z.flags.f_contiguous):
        raise ValueError(
            f"V has shape {V.shape}, Z {Z.shape}; with {columns} gradient columns an instance "
            f"V must be ({Z.shape[0]}, {Z.shape[1] * columns}), both in Fortran order"
        )
    kernels.mask(V.T, Z.T, columns)
    return V
