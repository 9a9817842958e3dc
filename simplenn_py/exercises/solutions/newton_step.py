"""A solution of newton_step: direction, line search, lambda."""

from collections.abc import Callable

import numpy as np


def cg(G: Callable[[np.ndarray], np.ndarray], g: np.ndarray, xi: float, CGmax: int) -> np.ndarray:
    raise NotImplementedError("copy your cg here to run this file by itself")


def newton_step(fun, grad, Gv, theta, lambda_, xi, CGmax, drop, boost, eta):
    f, g = fun(theta), grad(theta)
    s = cg(lambda v: Gv(v) + lambda_ * v, g, xi, CGmax)
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
