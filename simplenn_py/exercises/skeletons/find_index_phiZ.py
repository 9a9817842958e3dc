"""find_index_phiZ: find the entry of vec(pad(Z)) that each entry of vec(phi(pad(Z))) is a copy of.

phi(pad(Z)) of one image has h*h*d rows and a_conv*b_conv columns, one column per patch.

    Row u + h*w + h*h*c     belongs to filter offset (u, w) of channel c: u runs fastest, then w,
                            then c.
    Column i + a_conv*j     belongs to output pixel (i, j): i runs fastest.

The entry in this row and this column is a copy of entry

    c + d*((i*s + u) + a_pad*(j*s + w))                                             (section A)

of vec(pad(Z)).  All indices count from 0 (in MATLAB from 1), and vec stacks columns.  Return these
indices for all entries, in the order of vec(phi(pad(Z))).  They are the columns of the ones in
P_phi.

Example: a 3 x 3 image with one channel and without padding has the pixels

    0 3 6
    1 4 7        numbered as in vec(pad(Z)).
    2 5 8

A 2 x 2 filter with stride 1 fits at (i, j) = (0,0), (1,0), (0,1), (1,1).  The first patch has pixel
0 at (u, w) = (0, 0), pixel 1 at (1, 0), pixel 3 at (0, 1) and pixel 4 at (1, 1):

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(d=1, h=2, s=1, a_pad=3, b_pad=3, a_conv=2, b_conv=2)
>>> find_index_phiZ(g)
array([0, 1, 3, 4, 1, 2, 4, 5, 3, 4, 6, 7, 4, 5, 7, 8])
"""

import numpy as np


def find_index_phiZ(g) -> np.ndarray:
    """Return the index in vec(pad(Z)) of every entry of vec(phi(pad(Z))), for one image.

    Parameters
    ----------
    g : object
        Sizes of the layer as attributes: g.d, g.h, g.s, g.a_pad, g.b_pad, g.a_conv, g.b_conv, and
        others.

    Returns
    -------
    ndarray of integers, shape (h*h*d*a_conv*b_conv,)
    """
    raise NotImplementedError("find_index_phiZ has no code yet")
