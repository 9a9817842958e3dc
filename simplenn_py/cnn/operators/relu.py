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
        One entry per row of `S`.
    activate : bool
        Whether to apply the ReLU; False for the last layer, which is linear.

    Returns
    -------
    ndarray
        `S` itself.

    Raises
    ------
    ValueError
        If `S` is not in Fortran order, and so could not be changed in place, or if `bias` has
        another length.

    Notes
    -----
    Section A of the lecture.  A NaN stays a NaN, so that it reaches the loss and training
    stops.
    """
    if not S.flags.f_contiguous or bias.shape != S.shape[:1]:
        raise ValueError(
            f"S has shape {S.shape}, bias {bias.shape}; S must be in Fortran order with one "
            "row per entry of bias"
        )
    kernels.add_bias(S.T, bias, activate)
    return S


def relu(S: Array) -> Array:
    """Compute ``sigma(S) = max(S, 0)``, entry by entry.

    Parameters
    ----------
    S : ndarray, any shape

    Returns
    -------
    ndarray, the shape and dtype of `S`
        A new array.

    Notes
    -----
    Section A of the lecture.

    Examples
    --------
    >>> import numpy as np
    >>> from simplenn_py import relu
    >>> relu(np.array([[-1.0, 0.0, 2.0]]))
    array([[0., 0., 2.]])
    """
    return np.maximum(S, 0)


def indicator(Z: Array) -> Array:
    """Compute the indicator ``I[Z]`` of the positive entries.

    Parameters
    ----------
    Z : ndarray, any shape

    Returns
    -------
    ndarray of bool, the shape of `Z`
        True for an entry above 0; False at 0.

    Notes
    -----
    Equation (3).

    Examples
    --------
    >>> import numpy as np
    >>> from simplenn_py import indicator
    >>> indicator(np.array([[-1.0, 0.0, 2.0]]))
    array([[False, False,  True]])
    """
    return np.asarray(Z) > 0


def mask(V: Array, Z: Array, columns: int = 1) -> Array:
    """Compute ``V .* I[Z]`` in place, the first step of equation (3).

    Parameters
    ----------
    V : ndarray, shape (d, n*columns), Fortran order, float
        Gradients ``dxi/dZ^{m+1}``; overwritten.
    Z : ndarray, shape (d, n), Fortran order
        The layer's output ``Z^{m+1}``, as ``(d, a*b*l)`` storage.  If `columns` is above 1,
        the same values with one column per instance, ``(d*a*b, l)``.
    columns : int
        Number of gradients per instance, stored side by side in `V`: 1 for back-propagation,
        ``nL`` for a stored Jacobian.

    Returns
    -------
    ndarray
        `V` itself.

    Raises
    ------
    ValueError
        If the shapes do not fit, or an array is not in Fortran order.
    """
    fits = V.shape == (Z.shape[0], Z.shape[1] * columns)
    if not (fits and V.flags.f_contiguous and Z.flags.f_contiguous):
        raise ValueError(
            f"V has shape {V.shape}, Z {Z.shape}; with columns={columns}, "
            f"V must be ({Z.shape[0]}, {Z.shape[1] * columns}), both in Fortran order"
        )
    kernels.mask(V.T, Z.T, columns)
    return V
