"""gradient_check: find out whether a gradient, or a product with J', is correct.

If you write derivatives by hand, check them (section E).  Two checks find nearly every mistake.

Check 1: central differences.  For each component k of theta, with the unit vector e_k,

    D_k = ( f(theta + h e_k) - f(theta - h e_k) ) / (2h),      h = 1e-5 * max(1, |theta_k|),

is df/dtheta_k up to a small error, h^2/6 times the third derivative.  (If h is too small, the
rounding error of f, divided by h, is larger.)  A one-sided difference has the error h/2 times the
SECOND derivative, which is too large.  Measure the error relative to the size of D and g:

    error = max_k |D_k - g_k| / max( max_k |D_k|, max_k |g_k| )

where g is the gradient to be checked.  If D and g are both 0, the error is 0.  A correct gradient
has an error below 1e-6, and the error of a wrong gradient is nearly always much larger.

Check 2: the adjoint identity.  J' is correct if <u, J v> = <J'u, v> for all u and v.  The identity
is exact and has no h.  One pair of random vectors is enough if u and v are independent of each
other:

    error = |<u, J v> - <J'u, v>| / (||u|| ||J v||),     0 if the difference is 0.

Example: f = theta_1^2 + 3 theta_2 has the gradient [2 theta_1, 3].  Without the factor 2, the
gradient at (2, 1) is g = [2 3], while D is [4 3]:

>>> f = lambda t: t[0] ** 2 + 3 * t[1]
>>> theta = np.array([2.0, 1.0])
>>> round(float(gradient_check(f, lambda t: np.array([t[0], 3.0]), theta)), 6)
0.5
>>> bool(gradient_check(f, lambda t: np.array([2 * t[0], 3.0]), theta) < 1e-6)
True
>>> J = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
>>> bool(adjoint_check(lambda v: J @ v, lambda u: J.T @ u, 3, 2) < 1e-9)
True
>>> bool(adjoint_check(lambda v: J @ v, lambda u: -J.T @ u, 3, 2) < 1e-9)
False

The report of `simplenn exercise check` shows errors below 1e-6 (check 1) and 1e-9 (check 2) as 0.
"""

from collections.abc import Callable

import numpy as np


def gradient_check(
    fun: Callable[[np.ndarray], float], grad: Callable[[np.ndarray], np.ndarray], theta: np.ndarray
) -> float:
    """Return the error of grad(theta), measured by central differences of fun.

    Parameters
    ----------
    fun : callable
        ``fun(theta)`` returns f.
    grad : callable
        ``grad(theta)`` returns the gradient to be checked, shape (n,).
    theta : ndarray, shape (n,)
        Point of the check; it must not be changed.

    Returns
    -------
    float
        Relative error; NaN if the gradient has a NaN.
    """
    raise NotImplementedError("gradient_check has no code yet")


def adjoint_check(
    Jv: Callable[[np.ndarray], np.ndarray], JTv: Callable[[np.ndarray], np.ndarray], n: int, m: int
) -> float:
    """Return the error of the adjoint identity for one pair of random vectors.

    Parameters
    ----------
    Jv : callable
        ``Jv(v)`` takes a vector of shape (n,) and returns J v, shape (m,).
    JTv : callable
        ``JTv(u)`` takes a vector of shape (m,) and returns J'u, shape (n,).
    n, m : int
        Sizes of v and u.

    Returns
    -------
    float
        Relative error.
    """
    raise NotImplementedError("gradient_check has no code yet")
