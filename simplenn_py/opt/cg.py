"""Conjugate gradients for the Newton direction."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..layout import Array


@dataclass
class CGResult:
    """What CG found.

    Parameters
    ----------
    step : ndarray, shape (n,)
        The direction, s in the lecture.
    steps : int
        Products with the matrix.
    residuals : list of float
        ``||r||/||grad f||`` before the first step and after each.
    G_step : ndarray, shape (n,)
        ``(G + lambda I) step``, which the residual holds anyway.
    reason : str
        Why it stopped: "tolerance", "CGmax", "curvature" (a direction d with ``d'Ad <= 0``, which
        only rounding can bring about here) or "stopped" from outside.
    """

    step: Array
    steps: int
    residuals: list[float]
    G_step: Array
    reason: str


def dot(x: Array, y: Array) -> float:
    """Return ``x'y``, added up in float64 and in one order for any number of threads."""
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
    cg_tol : float
        Tolerance; the option ``xi`` of simpleNN.
    CGmax : int
        Most steps.
    stop : callable
        Asked after every step; True ends it.

    Returns
    -------
    CGResult

    Notes
    -----
    Section B of the lecture; simpleNN's ``CG``.
    """
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
