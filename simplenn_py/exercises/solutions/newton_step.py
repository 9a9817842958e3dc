"""A solution of newton_step: direction, line search, damping."""

from collections.abc import Callable

import numpy as np


def cg(
    G: Callable[[np.ndarray], np.ndarray], g: np.ndarray, cg_tol: float, CGmax: int
) -> np.ndarray:
    raise NotImplementedError("copy your cg here to run this file by itself")


def newton_step(fun, grad, Gv, theta, lambda_, cg_tol, CGmax, drop, boost, eta):
    """Return the new theta, shape (n,), the new lambda, alpha and rho."""
    f, g = fun(theta), grad(theta)
    s = cg(lambda v: Gv(v) + lambda_ * v, g, cg_tol, CGmax)
    gs, sGs = g @ s, s @ Gv(s)
    alpha = 1.0
    while fun(theta + alpha * s) - f > eta * alpha * gs:
        alpha /= 2
    theta = theta + alpha * s
    actred = fun(theta) - f
    prered = alpha * gs + alpha**2 / 2 * sGs
    rho = actred / prered
    if rho < 1 / 4:
        lambda_ *= boost
    elif rho >= 3 / 4:
        lambda_ *= drop
    return theta, lambda_, alpha, rho
