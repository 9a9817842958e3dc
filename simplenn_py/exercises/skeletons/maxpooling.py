"""maxpooling: keep the largest entry of every window and its index.

S is the output of the ReLU, shape (d_next, a_conv*b_conv*l), Fortran order: pixel (i, j) of
instance n is column i + a_conv*j + a_conv*b_conv*n.  Every image is divided into windows of
h_pool x h_pool pixels that do not overlap.  In each window and each channel, pooling selects one
entry:

    vec(Z^{m+1}) = P_pool vec(sigma(S)).

Only complete windows count, so a_next = floor(a_conv/h_pool) and b_next = floor(b_conv/h_pool), and
the remaining rows and columns at the end are dropped.  If several entries are the maximum, take the
first one in the order u + h_pool*w, where (u, w) is the offset in the window: the row offset u runs
fastest.

Return two arrays.  Z has shape (d_next, a_next*b_next*l).  idx_pool has shape
(d_next*a_next*b_next, l).  Column n of idx_pool has, for each entry of vec(Z) of instance n, the
index of the selected entry in vec(S) OF THIS INSTANCE:

    c + d_next*(i + a_conv*j),      counted from 0,

where (i, j) is the selected pixel of S.  These are the columns of the ones in P_pool.  The backward
pass, vTP_pool, needs them.

Example: one channel, 3 x 2 pixels, h_pool = 2.  There is one complete window, and the third row is
dropped.  The maximum of the window is 4, which occurs twice:

    1 4
    4 2       In the order (0,0), (1,0), (0,1), (1,1) the first 4 is at (1, 0), entry 1 of vec(S).
    9 8

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(d_next=1, h_pool=2, a_conv=3, b_conv=2, a_next=1, b_next=1)
>>> maxpooling(np.array([[1.0, 4.0, 9.0, 4.0, 2.0, 8.0]]), g)
(array([[4.]]), array([[1]]))
"""

import numpy as np


def maxpooling(S: np.ndarray, g) -> tuple[np.ndarray, np.ndarray]:
    """Return the pooled images and the index of each selected entry.

    Parameters
    ----------
    S : ndarray, shape (d_next, a_conv*b_conv*l), Fortran order
        Output of the ReLU.  The number of instances l follows from its shape.
    g : object
        Sizes of the layer: g.d_next, g.h_pool, g.a_conv, g.b_conv, g.a_next, g.b_next.

    Returns
    -------
    Z : ndarray, shape (d_next, a_next*b_next*l)
    idx_pool : ndarray of integers, shape (d_next*a_next*b_next, l)
    """
    raise NotImplementedError("maxpooling has no code yet")
