"""padding_and_phiZ: compute phi(pad(Z)), one column per patch.

Z is stored as in (1) of the lecture: shape (d, a*b*l), Fortran order, one row per channel.  Pixel
(i, j) of instance n is column i + a*j + a*b*n.  pad adds p rows and columns of zeros on every side
of every image.  Then

    vec(phi(pad(Z))) = P_phi P_pad vec(Z),

where phi(pad(Z)) has h*h*d rows and a_conv*b_conv*l columns.  Its entry in

    row     u + h*w + h*h*c                      offset (u, w), channel c
    column  i + a_conv*j + a_conv*b_conv*n       output pixel (i, j), instance n

is channel c of pixel (i*s + u, j*s + w) of pad(Z^n).  With phi(pad(Z)), the convolution of the
whole batch is one matrix product, S = W phi(pad(Z)) + bias 1'.

Example: pad with p = 1 changes a 2 x 2 image to

    1 3             0 0 0 0
    2 4     pad     0 1 3 0
            ->      0 2 4 0
                    0 0 0 0

A 2 x 2 filter with stride 2 has four patches.  Each contains one pixel of the image, each time in a
different corner:

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(a=2, b=2, d=1, p=1, h=2, s=2, a_pad=4, b_pad=4, a_conv=2, b_conv=2, hhd=4)
>>> padding_and_phiZ(np.array([[1, 2, 3, 4]]), g)
array([[0, 0, 0, 4],
       [0, 0, 3, 0],
       [0, 2, 0, 0],
       [1, 0, 0, 0]])

Return the array in Fortran order, as the lecture stores all arrays, so that each patch is
contiguous in memory.
"""

import numpy as np


def padding_and_phiZ(Z: np.ndarray, g) -> np.ndarray:
    """Return phi(pad(Z)).

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order
        Input of the layer.  The number of instances l follows from its shape.
    g : object
        Sizes of the layer: g.a, g.b, g.d, g.p, g.h, g.s, g.a_pad, g.b_pad, g.a_conv, g.b_conv,
        g.hhd.

    Returns
    -------
    ndarray with the dtype of Z, shape (h*h*d, a_conv*b_conv*l), Fortran order
    """
    raise NotImplementedError("padding_and_phiZ has no code yet")
