"""gradient_check: tell a right gradient from a wrong one, and a right J' from a wrong one.

Whoever writes derivatives by hand checks them (section E).  Two checks find nearly every mistake.

By central differences.  For each component k of theta, with e_k the unit vector,

    D_k = ( f(theta + h e_k) - f(theta - h e_k) ) / (2h),      h = 1e-5 * max(1, |theta_k|),

is df/dtheta_k up to a small error: h^2/6 times the third derivative, as long as h is not so small
that the rounding of f, divided by h, is larger.  A one-sided difference has h/2 times the SECOND
derivative, which is too much.  Compare relative to the size of what is compared:

    error = max_k |D_k - g_k| / max( max_k |D_k|, max_k |g_k| )

where g is the gradient to be checked, and error = 0 where both are 0.  A right gradient has an
error below 1e-6, a wrong one nearly always far above.

By the adjoint identity.  J' is right if <u, J v> = <J'u, v> for all u and v.  It is exact, without
any h, and one pair of random vectors suffices, if u and v are independent of each other:

    error = |<u, J v> - <J'u, v>| / (||u|| ||J v||),     0 where the difference is 0.

Example: f = theta_1^2 + 3 theta_2 has the gradient [2 theta_1, 3].  At (2, 1) someone has
forgotten the factor 2, so that D is [4 3] and g [2 3]:

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

In a check, errors below 1e-6 of the first kind and below 1e-9 of the second are reported as 0.
"""

from collections.abc import Callable

import numpy as np


def gradient_check(
    fun: Callable[[np.ndarray], float], grad: Callable[[np.ndarray], np.ndarray], theta: np.ndarray
) -> float:
    """Return the error of grad(theta), by central differences of fun; NaN if it has a NaN.

    theta has shape (n,) and must not be changed.
    """
    raise NotImplementedError("gradient_check has no code yet")


def adjoint_check(
    Jv: Callable[[np.ndarray], np.ndarray], JTv: Callable[[np.ndarray], np.ndarray], n: int, m: int
) -> float:
    """Return the error of the adjoint identity for one pair of random vectors.

    Jv(v) takes a vector of n numbers and returns one of m; JTv(u) takes m and returns n.
    """
    raise NotImplementedError("gradient_check has no code yet")
