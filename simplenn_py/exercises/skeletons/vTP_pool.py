"""vTP_pool: compute v' P_pool, from the pooled images to the pixels that were selected.

Equation (3) of the lecture propagates the derivative backwards through pooling and the ReLU:

    dxi/dvec(S)' = ( dxi/dvec(Z^{m+1})' .* vec(I[Z^{m+1}])' ) P_pool.

This exercise is the factor P_pool.  V stands for the masked derivative in front of it, and v =
vec(V).  P_pool has one 1 in each row: for entry k of vec(Z^{m+1}) of instance n, it selects entry
idx_pool[k, n] of vec(S) of the same instance.  So v' P_pool puts

    entry k of vec(V) of instance n     at entry idx_pool[k, n] of vec(S) of instance n,

and zeros everywhere else, since an entry that is not a maximum does not influence the loss.  P_pool
itself is never formed.

idx_pool is the array that maxpooling returned.  All indices count from 0.  Entry
k = c + d_next*(i + a_next*j) belongs to channel c of window (i, j).  The value
c + d_next*(row + a_conv*column) is the index in vec(S) of the selected pixel (row, column).

Example: one channel, 3 x 2 pixels, h_pool = 2.  The only complete window has its maximum at pixel
(1, 0), which is entry 1 of vec(S).  The third row was dropped.

    S = 1 4                                   0 0
        4 2       V = [[5]]     v' P_pool:    5 0
        9 8                                   0 0

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(d_next=1, h_pool=2, a_conv=3, b_conv=2, a_next=1, b_next=1)
>>> vTP_pool(np.array([[5.0]]), np.array([[1]]), g)
array([[0., 5., 0., 0., 0., 0.]])
"""

import numpy as np


def vTP_pool(V: np.ndarray, idx_pool: np.ndarray, g) -> np.ndarray:
    """Return v' P_pool.

    Parameters
    ----------
    V : ndarray, shape (d_next, a_next*b_next*l), Fortran order
        Masked derivative with respect to Z^{m+1}.
    idx_pool : ndarray of integers, shape (d_next*a_next*b_next, l)
        Indices of the entries that pooling selected.
    g : object
        Sizes of the layer: g.d_next, g.h_pool, g.a_conv, g.b_conv, g.a_next, g.b_next.

    Returns
    -------
    ndarray, shape (d_next, a_conv*b_conv*l)
    """
    raise NotImplementedError("vTP_pool has no code yet")
