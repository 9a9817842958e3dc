"""newton_step: one iteration of the Gauss-Newton method.

At theta, with the gradient g and the Gauss-Newton matrix G, an iteration (section B)

    1. solves (G + lambda I) s = -g by conjugate gradients;
    2. halves alpha = 1, 1/2, 1/4 ... until

           f(theta + alpha s) - f(theta) <= eta alpha g's                    (sufficient decrease)

    3. compares the change of f with the one that the quadratic model predicted,

           actred = f(theta + alpha s) - f(theta)
           prered = alpha g's + (alpha^2/2) s'G s              with G, not with G + lambda I
           rho    = actred / prered

    4. trusts the model more or less the next time, as Levenberg and Marquardt do:

           lambda <- boost * lambda     if rho < 1/4
           lambda <- drop * lambda      if rho >= 3/4
           lambda                       otherwise

where drop < 1 < boost.  A large lambda makes a short step along -g, a small one Newton's own step.

Example: f = theta^2 at theta = 3 has g = 6 and G = 2.  With lambda = 1 the step is s = -6/3 = -2.
f falls from 9 to 1, and the model, which is f itself here, said so: -12 + 2*4/2 = -8.  So rho is 1,
and lambda becomes 2/3:

>>> theta, lambda_, alpha, rho = newton_step(
...     lambda t: float(t @ t), lambda t: 2 * t, lambda v: 2 * v,
...     np.array([3.0]), 1.0, 0.1, 250, 2 / 3, 3 / 2, 1e-4,
... )
>>> theta, round(lambda_, 6), alpha, round(float(rho), 6)
(array([1.]), 0.666667, 1.0, 1.0)

A check makes the functions from numbers: f = theta'theta/(2C) + the mean of xi(t_i), where
t = X theta - y and xi(t) is t^2 ("squared", f is quadratic) or sqrt(1 + t^2) ("root", it is not).
"""

from collections.abc import Callable

import numpy as np


def cg(G: Callable[[np.ndarray], np.ndarray], g: np.ndarray, xi: float, CGmax: int) -> np.ndarray:
    """Leave this as it is: in a check your own routine, or the reference, stands in for it."""
    raise NotImplementedError("copy your cg here to run this file by itself")


def newton_step(
    fun: Callable[[np.ndarray], float],
    grad: Callable[[np.ndarray], np.ndarray],
    Gv: Callable[[np.ndarray], np.ndarray],
    theta: np.ndarray,
    lambda_: float,
    xi: float,
    CGmax: int,
    drop: float,
    boost: float,
    eta: float,
) -> tuple[np.ndarray, float, float, float]:
    """Return the new theta, the new lambda, alpha and rho.

    fun(theta) returns f, grad(theta) its gradient, and Gv(v) the product G v, with G taken at the
    theta given here and without lambda.  xi and CGmax are those of cg(G, g, xi, CGmax).  theta must
    not be changed in place.
    """
    raise NotImplementedError("newton_step has no code yet")
