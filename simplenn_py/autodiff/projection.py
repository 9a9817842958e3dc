"""Back-propagation on tensors: differentiate a projection, never form dS/dW."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .tape import GradientTape, Value, Variable, plain


def projection_gradient(S: Callable[..., Value], delta: Any, *parameters: Any) -> list[Any]:
    """Differentiate the scalar ``s_P = <S(parameters), delta>`` with `delta` held fixed.

    With ``delta = dL/dS`` this is ``dL/dparameter``: what a layer offers back-propagation.

    Parameters
    ----------
    S : callable
        Of the parameters; returns an array.
    delta : array_like, the shape of S
        Held fixed, even where it is watched.
    *parameters : array_like, any shapes

    Returns
    -------
    list of ndarray
        One gradient a parameter, in its shape.

    Raises
    ------
    ValueError
        Where `delta` does not have the shape of S.

    Examples
    --------
    For the last linear layer ``S = X W'``, ``ds_P/dW = delta' X`` and ``ds_P/dX = delta W``:

    >>> X, W = np.ones((2, 3)), np.ones((4, 3))
    >>> dX, dW = projection_gradient(lambda X, W: X @ W.T, np.ones((2, 4)), X, W)
    >>> dW.shape
    (4, 3)

    Notes
    -----
    Section E of the lecture.
    """
    delta = np.asarray(plain(delta))
    with GradientTape() as tape:
        watched = [tape.watch(x) for x in parameters]
        result = S(*watched)
        if np.shape(result) != delta.shape:
            raise ValueError(
                f"delta has shape {delta.shape}; it must be that of S, {np.shape(result)}"
            )
        s_P = np.sum(result * delta)
    if not (isinstance(s_P, Variable) and s_P.trace is tape):  # S does not depend on any
        return [np.zeros(x.shape, x.dtype)[()] for x in watched]
    return list(tape.gradient(s_P, watched))


@dataclass(frozen=True)
class JacobianMemory:
    """What the derivative of a layer takes: as a gradient, and as an explicit Jacobian."""

    gradient_entries: int
    jacobian_entries: int
    itemsize: int

    @property
    def gradient_bytes(self) -> int:
        return self.gradient_entries * self.itemsize

    @property
    def jacobian_bytes(self) -> int:
        return self.jacobian_entries * self.itemsize

    def __str__(self) -> str:
        return (
            f"dL/dW: {self.gradient_entries:.3g} numbers, {_size(self.gradient_bytes)}; "
            f"dS/dW: {self.jacobian_entries:.3g} numbers, {_size(self.jacobian_bytes)}"
        )


def jacobian_memory(
    S_shape: tuple[int, ...], W_shape: tuple[int, ...], dtype: DTypeLike = np.float32
) -> JacobianMemory:
    """Count the numbers of ``dL/dW`` and of the explicit ``dS/dW``.

    Parameters
    ----------
    S_shape, W_shape : tuple of int
        Of the layer's result and of its parameter.
    dtype : dtype
        Of the numbers.

    Raises
    ------
    ValueError
        For a negative size.

    Examples
    --------
    The last layer of section E, batch N = 100, m = 4096 inputs, K = 1000 classes:

    >>> print(jacobian_memory((100, 1000), (1000, 4096)))
    dL/dW: 4.1e+06 numbers, 16.4 MB; dS/dW: 4.1e+11 numbers, 1.64 TB
    """
    if min((*S_shape, *W_shape), default=0) < 0:
        raise ValueError(f"the shapes are {S_shape} and {W_shape}; no size may be negative")
    entries = math.prod(W_shape)
    return JacobianMemory(entries, math.prod(S_shape) * entries, np.dtype(dtype).itemsize)


def _size(n: float) -> str:
    unit = 0
    while n >= 1000 and unit < 6:
        n, unit = n / 1000, unit + 1
    return f"{n:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB')[unit]}"
