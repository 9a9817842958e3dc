"""vTP_phi_bincount: v' P_phi, by np.bincount.

Equation (5) of the lecture sends a derivative back from the patches to the pixels,

    dxi/dvec(Z)' = vec( W' dxi/dS )' P_phi P_pad.

P_phi has one 1 in each row, so v' P_phi adds every entry of V = W' dxi/dS to the entry of
vec(pad(Z)) that phi copied it from: row u + h*w + h*h*c, output pixel (i, j) of instance n goes to

    channel c of pixel (i*s + u, j*s + w) of pad(Z^n).

Patches overlap, so a pixel receives as many values as there are patches that contain it: they
add up.  P_phi itself is never formed.

Example: a 3 x 2 image without padding, a 2 x 2 filter, stride 1: two patches, one below the other.

    V = 1 5         pixel (0,0) is in the first patch alone, 1; (1,0) is its second row and the
        2 6         first row of the other patch, 2 + 5; (2,0) is 6; and so for the next column.
        3 7
        4 8

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(d=1, h=2, s=1, a_pad=3, b_pad=2, a_conv=2, b_conv=1, hhd=4)
>>> V = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0], [4.0, 8.0]], order="F")
>>> vTP_phi(V, g)
array([[ 1.,  7.,  6.,  3., 11.,  8.]])

Write no loop over entries: np.bincount(index, weights, minlength) adds weights[k] to its entry
index[k], as MATLAB's accumarray does, and the indices are those of find_index_phiZ, shifted by
d*a_pad*b_pad for each further instance.
"""

import numpy as np


def find_index_phiZ(g) -> np.ndarray:
    """Leave this as it is: in a check your own routine, or the reference, stands in for it."""
    raise NotImplementedError("copy your find_index_phiZ here to run this file by itself")


def vTP_phi(V: np.ndarray, g) -> np.ndarray:
    """Return v' P_phi, shape (d, a_pad*b_pad*l), with the border that pad added.

    V has shape (h*h*d, a_conv*b_conv*l), Fortran order, and g the sizes: g.d, g.h, g.s, g.a_pad,
    g.b_pad, g.a_conv, g.b_conv, g.hhd.  l follows from V.shape.
    """
    raise NotImplementedError("vTP_phi has no code yet")
