"""Back-propagation on tensors: differentiate a projection, and never form dS/dW."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .box import Value, plain
from .functions import jacobian
from .tape import GradientTape, Variable

_LARGEST_BYTES = 10**9


def projection_gradient(S: Callable[..., Value], delta: Any, *parameters: Any) -> list[Any]:
    """Differentiate the scalar ``s_P = <S(parameters), delta>`` with `delta` held fixed.

    If ``delta = dL/dS``, the result is ``dL/dparameter``, the vector-Jacobian product that every
    layer offers to back-propagation.

    Parameters
    ----------
    S : callable
        Function of the parameters that returns an array.
    delta : array_like, the shape of the result of S
        Direction of the projection; it is held fixed even if it is watched.
    *parameters : array_like, any shapes
        Points at which to differentiate.

    Returns
    -------
    list of ndarray
        One gradient per parameter, in its shape.

    Raises
    ------
    ValueError
        If `delta` does not have the shape of S.

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
    """Memory of a layer's derivative, as a gradient and as an explicit Jacobian.

    Attributes
    ----------
    gradient_entries, jacobian_entries : int
        Number of entries of ``dL/dW`` and of ``dS/dW``.
    itemsize : int
        Bytes per entry.
    """

    gradient_entries: int
    jacobian_entries: int
    itemsize: int

    @property
    def gradient_bytes(self) -> int:
        """Bytes of ``dL/dW``."""
        return self.gradient_entries * self.itemsize

    @property
    def jacobian_bytes(self) -> int:
        """Bytes of ``dS/dW``."""
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
        Shapes of the layer's result and of its parameter.
    dtype : dtype
        Type of the numbers.

    Returns
    -------
    JacobianMemory
        The counts; nothing is allocated.

    Raises
    ------
    ValueError
        If a size is negative.

    Notes
    -----
    Section E of the lecture.

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


@dataclass(frozen=True)
class JacobianCost:
    """Cost of ``dL/dW`` for one linear layer ``S = X W'``, computed in two ways.

    Attributes
    ----------
    N, m, K : int
        Batch size, number of inputs, and number of classes: W is ``(K, m)``.
    jacobian_bytes, jacobian_seconds : int, float
        Size of the explicit ``dS/dW``, and the time to form it and multiply it by delta.
    projection_bytes, projection_seconds : int, float
        Size of the gradient of ``s_P = <S, delta>``, and its time.
    difference : float
        Largest difference of the two results, relative to the largest entry.
    """

    N: int
    m: int
    K: int
    jacobian_bytes: int
    jacobian_seconds: float
    projection_bytes: int
    projection_seconds: float
    difference: float


def jacobian_experiment(
    sizes: Sequence[tuple[int, int, int]] = ((4, 16, 8), (8, 32, 16), (16, 64, 32), (24, 96, 48)),
    dtype: DTypeLike = np.float64,
    seed: int = 0,
) -> list[JacobianCost]:
    """Compute ``dL/dW`` of linear layers by the explicit Jacobian and by projection.

    Parameters
    ----------
    sizes : sequence of (N, m, K)
        Batch size, number of inputs, and number of classes of every layer.  The explicit Jacobian
        has ``N K K m`` numbers: twice the sizes need 16 times as many.
    dtype : {float64, float32}
        Precision of the arrays.
    seed : int
        Seed of the random X, W and delta.

    Returns
    -------
    list of JacobianCost
        One per entry of `sizes`.  Each time is that of one run; for the projection a run that is
        not timed comes first.

    Raises
    ------
    ValueError
        If a Jacobian would take more than 1 GB.

    Notes
    -----
    Section E of the lecture, at sizes that fit into memory; :func:`jacobian_memory` counts the
    numbers for larger sizes.
    """
    rng = np.random.default_rng(seed)
    for N, m, K in sizes:
        need = jacobian_memory((N, K), (K, m), dtype).jacobian_bytes
        if need > _LARGEST_BYTES:
            raise ValueError(
                f"the Jacobian for N, m, K = {N}, {m}, {K} has {_size(need)}; give sizes whose "
                f"Jacobian has at most {_size(_LARGEST_BYTES)} (jacobian_memory counts larger ones)"
            )
    found = []
    for N, m, K in sizes:
        X, W, delta = (
            rng.standard_normal(shape).astype(dtype) for shape in ((N, m), (K, m), (N, K))
        )
        began = time.perf_counter()
        J = jacobian(lambda W, X=X: X @ W.T)(W)  # (N, K, K, m)
        explicit = np.tensordot(delta, J, axes=2)
        seconds = time.perf_counter() - began
        for _ in range(2):
            began = time.perf_counter()
            (dW,) = projection_gradient(lambda W, X=X: X @ W.T, delta, W)
            projected = time.perf_counter() - began
        difference = float(np.max(np.abs(explicit - dW)) / np.max(np.abs(dW)))
        found.append(JacobianCost(N, m, K, J.nbytes, seconds, dW.nbytes, projected, difference))
    return found


def _size(n: float) -> str:
    unit = 0
    while n >= 1000 and unit < 6:
        n, unit = n / 1000, unit + 1
    return f"{n:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB')[unit]}"
