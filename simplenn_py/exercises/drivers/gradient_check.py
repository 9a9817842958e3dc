"""Makes the functions for the student's checks from their descriptions."""

from collections.abc import Callable

import numpy as np


def _c(theta):
    return np.arange(1.0, theta.size + 1)


#: f and its correct gradient.
FUNCTIONS: dict[str, tuple[Callable, Callable]] = {
    "c'theta, c = 1, 2 ...": (lambda t: _c(t) @ t, _c),
    "1e-8 c'theta, c = 1, 2 ...": (lambda t: 1e-8 * (_c(t) @ t), lambda t: 1e-8 * _c(t)),
    "sum of sin(10 theta_k)": (lambda t: np.sin(10 * t).sum(), lambda t: 10 * np.cos(10 * t)),
    "sum of exp(50 theta_k)": (lambda t: np.exp(50 * t).sum(), lambda t: 50 * np.exp(50 * t)),
    "theta'theta / 2": (lambda t: t @ t / 2, lambda t: t.copy()),
    "(sum of theta_k)^2": (lambda t: t.sum() ** 2, lambda t: np.full(t.size, 2 * t.sum())),
    "7, whatever theta is": (lambda t: 7.0, lambda t: np.zeros(t.size)),
}


def _with(k: int, value: float) -> Callable:
    def changed(g):
        g = g.copy()
        g[k] = value
        return g

    return changed


RIGHT = "right"
#: Changes that make a gradient wrong.
GRADIENTS: dict[str, Callable] = {
    RIGHT: lambda g: g,
    "wrong: its last entry is 0": _with(-1, 0.0),
    "wrong: its sign": lambda g: -g,
    "wrong: half of it": lambda g: g / 2,
    "wrong: twice as large": lambda g: 2 * g,
    "wrong: 0.1 % too large": lambda g: 1.001 * g,
    "wrong: the first entry is NaN": _with(0, np.nan),
}
#: Changes that make J' wrong.
ADJOINTS: dict[str, Callable] = {
    RIGHT: lambda J: J.T,
    "wrong: J instead of J'": lambda J: J,
    "wrong: its rows in another order": lambda J: np.roll(J.T, 1, axis=0),
    "wrong: its sign": lambda J: -J.T,
    "wrong: twice as large": lambda J: 2 * J.T,
    "wrong: one row is 0": lambda J: J.T * (np.arange(J.shape[1]) > 0)[:, None],
}
#: Smaller errors are rounding errors, of differences and of products.
ROUNDING = {"gradient_check": 1e-6, "adjoint_check": 1e-9}


def call(student, function, *args):
    routine = getattr(student, function)
    if function == "gradient_check":
        name, which, theta = args
        fun, grad = FUNCTIONS[name]
        error = routine(fun, lambda t: GRADIENTS[which](grad(t)), theta)
    else:
        J, which, n, m = args
        JT = ADJOINTS[which](J)
        error = routine(lambda v: J @ v, lambda u: JT @ u, n, m)
    if isinstance(error, bool | np.bool_) or not isinstance(error, int | float | np.generic):
        raise TypeError(f"{function} must return the error, a number; it returned {error!r}")
    return np.float64(0.0 if abs(error) < ROUNDING[function] else error)
