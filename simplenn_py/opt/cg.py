"""Conjugate gradients for the Newton direction."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from ..layout import Array
from ..runtime.arguments import described, expect


@dataclass
class CGResult:
    """The result of :func:`CG`.

    Parameters
    ----------
    step : ndarray, shape (n,)
        The direction, s in the lecture.
    steps : int
        Number of CG steps, each with one product.
    residuals : list of float
        ``||r||/||grad f||`` before the first step and after each step.
    G_step : ndarray, shape (n,)
        ``(G + lambda I) step``, computed from the residual without another product.
    reason : {"tolerance", "CGmax", "curvature", "stopped"}
        Why CG ended: the tolerance or the maximum number of steps was reached; a direction d
        had ``d'Ad <= 0``, which here only rounding can cause; or `stop` returned True.
    """

    step: Array
    steps: int
    residuals: list[float]
    G_step: Array
    reason: str


def dot(x: Array, y: Array) -> float:
    """Return ``x'y``, the same for any number of threads.

    Parameters
    ----------
    x, y : ndarray, shape (n,)

    Returns
    -------
    float
        The products are added up in float64, always in the same order.
    """
    return float(np.sum(x * y, dtype=np.float64))


def CG(
    product: Callable[[Array], Array],
    gradient: Array,
    *,
    cg_tol: float = 0.1,
    CGmax: int = 250,
    stop: Callable[[], bool] = lambda: False,
) -> CGResult:
    """Solve ``A step = -grad f`` until ``||r|| <= cg_tol ||grad f||``, ``r = -grad f - A step``.

    Parameters
    ----------
    product : callable
        ``v -> A v`` with A symmetric and positive definite, here ``G + lambda I``.
    gradient : ndarray, shape (n,)
        ``grad f``.
    cg_tol : float
        Tolerance; the option ``xi`` of simpleNN.
    CGmax : int
        Maximum number of steps.
    stop : callable
        Called without arguments after every step; CG ends if it returns True.

    Returns
    -------
    CGResult

    Raises
    ------
    UserError
        If `product` is not callable, or `gradient` is not such an array.

    Notes
    -----
    Section B of the lecture; simpleNN's ``CG``.

    Examples
    --------
    In exact arithmetic a system of two equations takes at most two steps:

    >>> import numpy as np
    >>> from simplenn_py import CG
    >>> A = np.array([[4.0, 1.0], [1.0, 3.0]])
    >>> result = CG(lambda v: A @ v, np.array([-1.0, -2.0]), cg_tol=1e-8)
    >>> result.step.round(6).tolist()
    [0.090909, 0.636364]
    >>> result.steps, result.reason
    (2, 'tolerance')
    """
    if not callable(product):
        raise UserError(
            f"product is {described(product)}; it must be a function v -> A v: for a matrix, give "
            "lambda v: A @ v"
        )
    expect("gradient", gradient, np.ndarray, "an array (n,) of float32 or float64")
    if gradient.ndim != 1 or gradient.dtype.kind != "f":
        raise UserError(
            f"gradient has shape {gradient.shape} and dtype {gradient.dtype}; it must be an array "
            "(n,) of float32 or float64"
        )
    step = np.zeros_like(gradient)
    r = -gradient
    d = r.copy()
    rr = dot(r, r)
    norm = math.sqrt(rr)
    residuals = [1.0]
    reason = "CGmax"
    number = gradient.dtype.type
    while len(residuals) <= CGmax:
        Ad = product(d)
        curvature = dot(d, Ad)
        if not curvature > 0:
            reason = "curvature"
            break
        alpha = number(rr / curvature)
        step += alpha * d
        r -= alpha * Ad
        rr, before = dot(r, r), rr
        residuals.append(math.sqrt(rr) / norm)
        if stop():
            reason = "stopped"
            break
        if residuals[-1] <= cg_tol:
            reason = "tolerance"
            break
        d *= number(rr / before)
        d += r
    return CGResult(step, len(residuals) - 1, residuals, -gradient - r, reason)
