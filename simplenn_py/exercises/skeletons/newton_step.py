"""newton_step: one iteration of the Gauss-Newton method.

An iteration at theta, with the gradient g and the Gauss-Newton matrix G, has four steps (section
B):

    1. Solve (G + lambda I) s = -g by conjugate gradients.
    2. Try alpha = 1, 1/2, 1/4 ... until

           f(theta + alpha s) - f(theta) <= eta alpha g's                    (sufficient decrease)

    3. Compare the change of f with the change that the quadratic model predicts:

           actred = f(theta + alpha s) - f(theta)
           prered = alpha g's + (alpha^2/2) s'G s              with G, not with G + lambda I
           rho    = actred / prered

    4. Change the damping lambda for the next iteration (Levenberg-Marquardt):

           lambda <- boost * lambda     if rho < 1/4
           lambda <- drop * lambda      if rho >= 3/4
           lambda is not changed        otherwise

where drop < 1 < boost.  A large lambda gives a short step in the direction -g.  With a small lambda
the step is close to the Newton step.

Example: f = theta^2 at theta = 3 has g = 6 and G = 2.  With lambda = 1 the step is s = -6/3 = -2.
f decreases from 9 to 1.  The model is exact here and predicts the change -12 + 2*4/2 = -8.  So rho
is 1, and lambda becomes 2/3:

>>> theta, lambda_, alpha, rho = newton_step(
...     lambda t: float(t @ t), lambda t: 2 * t, lambda v: 2 * v,
...     np.array([3.0]), 1.0, 0.1, 250, 2 / 3, 3 / 2, 1e-4,
... )
>>> theta, round(lambda_, 6), alpha, round(float(rho), 6)
(array([1.]), 0.666667, 1.0, 1.0)

A check makes the functions from numbers: f = theta'theta/(2C) + the mean of xi(t_i), where
t = X theta - y, and the loss xi(t) is t^2 ("squared": f is quadratic) or sqrt(1 + t^2) ("root": f
is not quadratic).
"""

from collections.abc import Callable

import numpy as np


def cg(
    G: Callable[[np.ndarray], np.ndarray], g: np.ndarray, cg_tol: float, CGmax: int
) -> np.ndarray:
    """Leave this unchanged: a check uses your own routine, or the model solution."""
    raise NotImplementedError("copy your cg here to run this file by itself")


def newton_step(
    fun: Callable[[np.ndarray], float],
    grad: Callable[[np.ndarray], np.ndarray],
    Gv: Callable[[np.ndarray], np.ndarray],
    theta: np.ndarray,
    lambda_: float,
    cg_tol: float,
    CGmax: int,
    drop: float,
    boost: float,
    eta: float,
) -> tuple[np.ndarray, float, float, float]:
    """Return the new theta, the new lambda, alpha and rho.

    Parameters
    ----------
    fun : callable
        ``fun(theta)`` returns f.
    grad : callable
        ``grad(theta)`` returns the gradient of f, shape (n,).
    Gv : callable
        ``Gv(v)`` returns the product G v, shape (n,), with G at the given theta and without lambda.
    theta : ndarray, shape (n,)
        Parameters; the array must not be changed in place.
    lambda_ : float
        Damping of this iteration.
    cg_tol : float
        Relative tolerance of cg.
    CGmax : int
        Maximum number of steps of cg.
    drop, boost : float
        Factors of lambda.
    eta : float
        Constant of the sufficient decrease.

    Returns
    -------
    theta : ndarray, shape (n,)
    lambda_, alpha, rho : float
    """
    raise NotImplementedError("newton_step has no code yet")
