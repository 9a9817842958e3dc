"""maxpooling: keep the largest entry of every window, and remember where it was.

S is what the ReLU has let through, shape (d_next, a_conv*b_conv*l), Fortran order: pixel (i, j) of
instance n is column i + a_conv*j + a_conv*b_conv*n.  Every image is cut into windows of
h_pool x h_pool pixels, side by side, and pooling selects one entry of each, channel by channel:

    vec(Z^{m+1}) = P_pool vec(sigma(S)).

Only complete windows count, so a_next = floor(a_conv/h_pool) and b_next = floor(b_conv/h_pool), and
rows or columns that are left over at the end are dropped.  Of equal maxima the first is taken, in
the order u + h_pool*w of the offset (u, w) in the window: the row offset u runs fastest.

Return two arrays.  Z has shape (d_next, a_next*b_next*l).  idx_pool has shape
(d_next*a_next*b_next, l): for each entry of vec(Z) of instance n, its place in vec(S) OF THIS
INSTANCE,

    c + d_next*(i + a_conv*j),      from 0,

where (i, j) is the pixel of S that was selected.  These are the columns of the ones in P_pool; the
way back, vTP_pool, needs them.

Example: one channel, 3 x 2 pixels, h_pool = 2.  There is one complete window, the third row is left
over, and the largest entry, 4, occurs twice:

    1 4
    4 2       the first 4 in the order (0,0), (1,0), (0,1), (1,1) is at (1, 0), entry 1 of vec(S).
    9 8

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(d_next=1, h_pool=2, a_conv=3, b_conv=2, a_next=1, b_next=1)
>>> maxpooling(np.array([[1.0, 4.0, 9.0, 4.0, 2.0, 8.0]]), g)
(array([[4.]]), array([[1]]))
"""

import numpy as np


def maxpooling(S: np.ndarray, g) -> tuple[np.ndarray, np.ndarray]:
    """Return Z and idx_pool, the second of integers.

    g has the sizes g.d_next, g.h_pool, g.a_conv, g.b_conv, g.a_next, g.b_next; l follows from
    S.shape.
    """
    raise NotImplementedError("maxpooling has no code yet")
