"""The checker that every derivative here must pass: random directions, central differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.testing import assert_allclose

RTOL = 1e-6  # central differences in float64 reach about 1e-9; a factor 1.001 is off by 1e-3


def directional_derivative(
    fun: Callable[[np.ndarray], np.ndarray], x: np.ndarray, v: np.ndarray, step: float
) -> np.ndarray:
    """Return ``(fun(x + step*v) - fun(x - step*v)) / (2*step)``."""
    return (fun(x + step * v) - fun(x - step * v)) / (2 * step)


def check_derivative(
    fun: Callable[[np.ndarray], np.ndarray],
    product: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    rng: np.random.Generator,
    directions: int = 4,
    step: float = 1e-6,
) -> None:
    """Check that ``product(v)`` is the derivative of `fun` at `x` along v, scalar or array.

    The directions are random unit vectors.  The error allowed is `RTOL` of the product, plus
    as much of what a typical entry of the products is.

    Raises
    ------
    AssertionError
        Where they disagree.
    """
    pairs = []
    for _ in range(directions):
        v = rng.standard_normal(x.shape)
        v /= np.linalg.norm(v)
        pairs.append((np.asarray(product(v)), directional_derivative(fun, x, v, step)))
    typical = np.sqrt(np.mean([products**2 for products, _ in pairs]))
    assert typical > 0, "the derivative is zero in every direction: this checks nothing"
    for products, differences in pairs:
        assert_allclose(products, differences, rtol=RTOL, atol=RTOL * typical)


def check_gradient(
    fun: Callable[[np.ndarray], float],
    gradient: np.ndarray,
    x: np.ndarray,
    rng: np.random.Generator,
    step: float = 1e-6,
) -> None:
    """Check that `gradient` is that of the scalar function `fun` at `x`."""
    check_derivative(fun, lambda v: np.vdot(gradient, v), x, rng, step=step)
