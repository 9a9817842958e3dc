"""cg: solve G d = -g by conjugate gradients.

Newton's method asks for a direction d with G d = -g, where g is the gradient (section B).  G is
never formed: there is only a function that computes G v for a vector v, and each call is as
expensive as a pass through the network and back.  Conjugate gradients ask for one product a step:

    d = 0,   r = -g,   q = r                    the residual is always r = -g - G d

    alpha = r'r / (q'G q)
    d <- d + alpha q
    r <- r - alpha G q
    stop if ||r|| <= xi ||g||
    beta = (r'r now) / (r'r before this step)
    q <- r + beta q

until the rule holds, ||G d + g|| <= xi ||g||, or CGmax steps are done.  The rule is relative: it
asks for the same number of digits whether g is large or small.  G is symmetric and positive
definite.  If g is 0, then d = 0, without any product.

Example: G = [4 1; 1 3] and g = [-1; -2].  The first step goes along -g, with alpha = 5/20; after
the second, CG is done, since there are two unknowns:

>>> matrix = np.array([[4.0, 1.0], [1.0, 3.0]])
>>> g = np.array([-1.0, -2.0])
>>> cg(lambda v: matrix @ v, g, xi=0.01, CGmax=1)
array([0.25, 0.5 ])
>>> cg(lambda v: matrix @ v, g, xi=0.01, CGmax=10).round(6)
array([0.090909, 0.636364])

A check makes G from a matrix, and counts its calls: one a step, and none besides.
"""

from collections.abc import Callable

import numpy as np


def cg(G: Callable[[np.ndarray], np.ndarray], g: np.ndarray, xi: float, CGmax: int) -> np.ndarray:
    """Return d, shape (n,), after at most CGmax steps.

    G(v) returns the product G v, shape (n,); g is the gradient, shape (n,), and must not be
    changed.
    """
    raise NotImplementedError("cg has no code yet")
