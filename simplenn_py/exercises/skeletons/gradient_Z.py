"""gradient_Z: the derivative goes back through a convolution, to the layer's input.

Equation (5) of the lecture:

    dxi/dvec(Z)' = vec( W' dxi/dS )' P_phi P_pad.

W' dxi/dS is the derivative by phi(pad(Z)), one patch a column.  v' P_phi adds the entries of all
patches up at their pixels: vTP_phi of the earlier exercise does that and returns an array as large
as pad(Z), (d, a_pad*b_pad*l).  The last factor, P_pad, drops the border: a padded zero is no entry
of Z, so what arrived there is lost, and pixel (i, j) of Z is pixel (i + p, j + p) of pad(Z).

Example: a 2 x 1 image, p = 1, is 4 x 3 when padded; a 2 x 2 filter of stride 2 has two patches, one
above the other, and the second column of the padded image is the middle one.

    pad(Z) = 0 0  0         first patch: pixel 0 of Z at offset (u, w) = (1, 1);
             0 z0 0         second patch: pixel 1 of Z at offset (0, 1).
             0 z1 0
             0 0  0

With W = [1 2 3 4] and dS = [10, 100], z0 receives 4*10 (row u + 2*w = 3 of the first patch) and z1
receives 3*100 (row 2 of the second); the other six products fall on the border.

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(a=2, b=1, d=1, p=1, h=2, s=2, a_pad=4, b_pad=3, a_conv=2, b_conv=1, hhd=4)
>>> gradient_Z(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[10.0, 100.0]]), g)
array([[ 40., 300.]])
"""

import numpy as np


def vTP_phi(V: np.ndarray, g) -> np.ndarray:
    """Leave this as it is: in a check your own routine, or the reference, stands in for it."""
    raise NotImplementedError("copy your vTP_phi here to run this file by itself")


def gradient_Z(W: np.ndarray, dS: np.ndarray, g) -> np.ndarray:
    """Return dxi/dZ, shape (d, a*b*l).

    W has shape (d_next, h*h*d), dS is dxi/dS of shape (d_next, a_conv*b_conv*l), both in Fortran
    order, and g has all sizes of the layer.
    """
    raise NotImplementedError("gradient_Z has no code yet")
