"""vTP_phi_numba: compute v' P_phi fast, with loops compiled by Numba.

Equation (5) of the lecture propagates the derivative from the patches to the pixels:

    dxi/dvec(Z)' = vec( W' dxi/dS )' P_phi P_pad.

Let V = W' dxi/dS and v = vec(V).  P_phi has one 1 in each row.  So v' P_phi adds every entry of V
to the entry of vec(pad(Z)) that phi copied it from.  The entry of V in

    row     u + h*w + h*h*c                      offset (u, w), channel c
    column  i + a_conv*j + a_conv*b_conv*n       output pixel (i, j), instance n

is added to channel c of pixel (i*s + u, j*s + w) of pad(Z^n).  Patches overlap, so a pixel receives
one value from each patch that contains it, and these values add up.  P_phi itself is never formed.

Example: a 3 x 2 image without padding and a 2 x 2 filter with stride 1 have two patches, one below
the other.

    V = 1 5         Pixel (0,0) is only in the first patch, so it receives 1.
        2 6         Pixel (1,0) is in both patches and receives 2 + 5.
        3 7         Pixel (2,0) is only in the second patch and receives 6.
        4 8         The second column is analogous: 3, 4 + 7 and 8.

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(d=1, h=2, s=1, a_pad=3, b_pad=2, a_conv=2, b_conv=1, hhd=4)
>>> V = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0], [4.0, 8.0]], order="F")
>>> vTP_phi(V, g)
array([[ 1.,  7.,  6.,  3., 11.,  8.]])

The loops are those of vTP_phi_loop, but they are compiled.  Write an inner function with @njit that
takes arrays and numbers (Numba does not accept g) and writes into an array.  Some of the points are
for speed: read V in the order in which it is stored in memory.  Threads are allowed (parallel=True,
prange), but two threads must never add to the same pixel.
"""

import numpy as np
from numba import njit


@njit
def scatter(V, s, out):
    """Add every entry of V to its pixel in out; all arguments are arrays or numbers."""


def vTP_phi(V: np.ndarray, g) -> np.ndarray:
    """Return v' P_phi, including the border that pad added.

    Parameters
    ----------
    V : ndarray, shape (h*h*d, a_conv*b_conv*l), Fortran order
        One column per patch.  The number of instances l follows from its shape.
    g : object
        Sizes of the layer: g.d, g.h, g.s, g.a_pad, g.b_pad, g.a_conv, g.b_conv, g.hhd.

    Returns
    -------
    ndarray, shape (d, a_pad*b_pad*l)
    """
    raise NotImplementedError("vTP_phi has no code yet")
