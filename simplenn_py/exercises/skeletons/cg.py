"""cg: solve G d = -g by conjugate gradients.

Newton's method needs a direction d with G d = -g, where g is the gradient (section B).  G is never
formed.  There is only a function that computes G v for a vector v, and each call costs as much as a
forward and a backward pass through the network.  Conjugate gradients need one product per step:

    d = 0,   r = -g,   q = r                    the residual is always r = -g - G d

    alpha = r'r / (q'G q)
    d <- d + alpha q
    r <- r - alpha G q
    stop if ||r|| <= cg_tol ||g||
    beta = (new r'r) / (r'r before this step)
    q <- r + beta q

These steps are repeated until ||r|| = ||G d + g|| <= cg_tol ||g||, or until CGmax steps are done.
(The lecture calls this tolerance xi, like the loss.)  The stopping rule is relative: it asks for
the same number of digits for large and small g.  G is symmetric and positive definite.  If g is 0,
then d = 0, and no product is needed.

Example: G = [4 1; 1 3] and g = [-1; -2].  The first step has the direction -g and alpha = 5/20.
There are two unknowns, so CG ends after the second step:

>>> matrix = np.array([[4.0, 1.0], [1.0, 3.0]])
>>> g = np.array([-1.0, -2.0])
>>> cg(lambda v: matrix @ v, g, cg_tol=0.01, CGmax=1)
array([0.25, 0.5 ])
>>> cg(lambda v: matrix @ v, g, cg_tol=0.01, CGmax=10).round(6)
array([0.090909, 0.636364])

A check makes the function G from a matrix and counts its calls: exactly one per step.
"""

from collections.abc import Callable

import numpy as np


def cg(
    G: Callable[[np.ndarray], np.ndarray], g: np.ndarray, cg_tol: float, CGmax: int
) -> np.ndarray:
    """Return the direction d.

    Parameters
    ----------
    G : callable
        ``G(v)`` returns the product G v, shape (n,).
    g : ndarray, shape (n,)
        Gradient; it must not be changed.
    cg_tol : float
        Relative tolerance of the residual.
    CGmax : int
        Maximum number of steps.

    Returns
    -------
    ndarray, shape (n,)
    """
    raise NotImplementedError("cg has no code yet")
