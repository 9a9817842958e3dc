"""vTP_pool: v' P_pool, back from the pooled images to the pixels that were pooled.

Equation (3) of the lecture takes a derivative back through pooling and the ReLU,

    dxi/dvec(S)' = ( dxi/dvec(Z^{m+1})' .* vec(I[Z^{m+1}])' ) P_pool.

This exercise is the factor P_pool; V stands for the masked derivative in front of it.  P_pool has
one 1 in each row: it selects entry idx_pool[k, n] of vec(S) of instance n as entry k of
vec(Z^{m+1}) of that instance.  So v' P_pool puts

    entry k of vec(V) of instance n     at entry idx_pool[k, n] of vec(S) of instance n,

and zeros everywhere else: what was no maximum has no influence on the loss.  P_pool itself is never
formed.  idx_pool is what maxpooling returned, all counted from 0: entry k = c + d_next*(i +
a_next*j) belongs to channel c of window (i, j), and its value c + d_next*(row + a_conv*column) to
the pixel (row, column) of S that was selected.

Example: one channel, 3 x 2 pixels, h_pool = 2.  The only complete window has its maximum at pixel
(1, 0), entry 1 of vec(S); the third row was left over:

    S = 1 4                           0 0
        4 2       V = [[5]] gives     5 0
        9 8                           0 0

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(d_next=1, h_pool=2, a_conv=3, b_conv=2, a_next=1, b_next=1)
>>> vTP_pool(np.array([[5.0]]), np.array([[1]]), g)
array([[0., 5., 0., 0., 0., 0.]])
"""

import numpy as np


def vTP_pool(V: np.ndarray, idx_pool: np.ndarray, g) -> np.ndarray:
    """Return v' P_pool, shape (d_next, a_conv*b_conv*l).

    V has shape (d_next, a_next*b_next*l), Fortran order, idx_pool shape (d_next*a_next*b_next, l),
    integers, and g the sizes g.d_next, g.h_pool, g.a_conv, g.b_conv, g.a_next, g.b_next.
    """
    raise NotImplementedError("vTP_pool has no code yet")
