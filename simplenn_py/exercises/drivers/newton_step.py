"""Makes the functions fun, grad and Gv from the numbers of a problem.

    f(theta) = theta'theta/(2C) + (1/l) sum_i xi(t_i),    t = X theta - y,

with xi(t) = t^2 ("squared": f is quadratic) or sqrt(1 + t^2) ("root": f is not quadratic).
"""

from collections.abc import Callable

import numpy as np


def functions(
    X: np.ndarray, y: np.ndarray, C: float, loss: str, theta: np.ndarray
) -> tuple[Callable, Callable, Callable]:
    """Return fun, grad and Gv at theta.

    X has shape (l, n), y shape (l,) and theta shape (n,).
    """
    l = len(y)

    def fun(at):
        t = X @ at - y
        losses = t**2 if loss == "squared" else np.sqrt(1 + t**2)
        return float(at @ at / (2 * C) + losses.sum() / l)

    def grad(at):
        t = X @ at - y
        return at / C + X.T @ (2 * t if loss == "squared" else t / np.sqrt(1 + t**2)) / l

    t = X @ theta - y
    B = np.full(l, 2.0) if loss == "squared" else (1 + t**2) ** -1.5

    def Gv(v):
        return v / C + X.T @ (B * (X @ v)) / l

    return fun, grad, Gv


def call(student, function, X, y, C, loss, theta, *options):
    routine = getattr(student, function)
    return routine(*functions(X, y, C, loss, theta.copy()), theta, *options)
