"""gradient_Z: compute the derivative with respect to the input of a convolutional layer.

Equation (5) of the lecture:

    dxi/dvec(Z)' = vec( W' dxi/dS )' P_phi P_pad.

W' dxi/dS is the derivative with respect to phi(pad(Z)), one column per patch.  v' P_phi adds the
entries of all patches to their pixels: use vTP_phi of the earlier exercise, which returns an array
of the size of pad(Z), (d, a_pad*b_pad*l).  The last factor, P_pad, drops the border.  A padded zero
is not an entry of Z, so its derivative is not used.  Pixel (i, j) of Z is pixel (i + p, j + p) of
pad(Z).

Example: a 2 x 1 image with p = 1 is padded to 4 x 3.  A 2 x 2 filter with stride 2 has two patches,
one above the other.

    pad(Z) = 0 0  0         First patch: pixel z0 of Z is at offset (u, w) = (1, 1).
             0 z0 0         Second patch: pixel z1 of Z is at offset (0, 1).
             0 z1 0
             0 0  0

With W = [1 2 3 4] and dS = [10, 100], z0 receives 4*10 (row u + 2*w = 3 of the first patch) and z1
receives 3*100 (row 2 of the second patch).  The other six products belong to the border.

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(a=2, b=1, d=1, p=1, h=2, s=2, a_pad=4, b_pad=3, a_conv=2, b_conv=1, hhd=4)
>>> gradient_Z(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[10.0, 100.0]]), g)
array([[ 40., 300.]])
"""

import numpy as np


def vTP_phi(V: np.ndarray, g) -> np.ndarray:
    """Leave this unchanged: a check uses your own routine, or the model solution."""
    raise NotImplementedError("copy your vTP_phi here to run this file by itself")


def gradient_Z(W: np.ndarray, dS: np.ndarray, g) -> np.ndarray:
    """Return dxi/dZ.

    Parameters
    ----------
    W : ndarray, shape (d_next, h*h*d), Fortran order
        One row per filter.
    dS : ndarray, shape (d_next, a_conv*b_conv*l), Fortran order
        dxi/dS.
    g : object
        All sizes of the layer.

    Returns
    -------
    ndarray, shape (d, a*b*l)
    """
    raise NotImplementedError("gradient_Z has no code yet")
