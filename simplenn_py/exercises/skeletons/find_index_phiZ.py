"""find_index_phiZ: which entry of vec(pad(Z)) is each entry of vec(phi(pad(Z)))?

phi(pad(Z)) of one image has h*h*d rows and a_conv*b_conv columns, one column a patch.  Row

    u + h*w + h*h*c     is filter offset (u, w) of channel c: u runs fastest, then w, then c;

column

    i + a_conv*j        is output pixel (i, j): i runs fastest.

The entry in that row and that column is a copy of entry

    c + d*((i*s + u) + a_pad*(j*s + w))                                             (section A)

of vec(pad(Z)).  All count from 0 (MATLAB's from 1), and vec stacks columns.  Return these numbers
for all entries, in the order of vec(phi(pad(Z))): they are where P_phi has its ones.

Example: a 3 x 3 image of one channel, without padding, has the pixels

    0 3 6
    1 4 7        numbered as vec(pad(Z)) has them.
    2 5 8

A 2 x 2 filter of stride 1 fits at (i, j) = (0,0), (1,0), (0,1), (1,1), and the first patch has
0 at (u, w) = (0, 0), 1 at (1, 0), 3 at (0, 1) and 4 at (1, 1):

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(d=1, h=2, s=1, a_pad=3, b_pad=3, a_conv=2, b_conv=2)
>>> find_index_phiZ(g)
array([0, 1, 3, 4, 1, 2, 4, 5, 3, 4, 6, 7, 4, 5, 7, 8])
"""

import numpy as np


def find_index_phiZ(g) -> np.ndarray:
    """Return the index of every entry of vec(phi(pad(Z))) of one image in vec(pad(Z)).

    g has the sizes of the layer as attributes: g.d, g.h, g.s, g.a_pad, g.b_pad, g.a_conv,
    g.b_conv, and others.  Return a 1-d array of h*h*d*a_conv*b_conv integers.
    """
    raise NotImplementedError("find_index_phiZ has no code yet")
