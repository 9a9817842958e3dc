"""padding_and_phiZ: form phi(pad(Z)), one patch a column.

Z is the storage (1) of the lecture: shape (d, a*b*l), Fortran order; a row is a channel, and
pixel (i, j) of instance n is column i + a*j + a*b*n.  pad adds p rows and columns of zeros on
every side of every image.  Then

    vec(phi(pad(Z))) = P_phi P_pad vec(Z),

an array of h*h*d rows and a_conv*b_conv*l columns: row u + h*w + h*h*c of the column of output
pixel (i, j) of instance n,

    i + a_conv*j + a_conv*b_conv*n,

is channel c of pixel (i*s + u, j*s + w) of pad(Z^n).  With it the convolution of the whole batch is
one matrix product, S = W phi(pad(Z)) + bias 1'.

Example: a 2 x 2 image with p = 1 becomes

    1 3             0 0 0 0
    2 4     pad     0 1 3 0      and a 2 x 2 filter of stride 2 sees four patches,
            ->      0 2 4 0
                    0 0 0 0

each with one of the four pixels in another corner:

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(a=2, b=2, d=1, p=1, h=2, s=2, a_pad=4, b_pad=4, a_conv=2, b_conv=2, hhd=4)
>>> padding_and_phiZ(np.array([[1, 2, 3, 4]]), g)
array([[0, 0, 0, 4],
       [0, 0, 3, 0],
       [0, 2, 0, 0],
       [1, 0, 0, 0]])

Return the array in Fortran order, as the lecture stores everything: a patch then lies in one piece.
"""

import numpy as np


def padding_and_phiZ(Z: np.ndarray, g) -> np.ndarray:
    """Return phi(pad(Z)), shape (h*h*d, a_conv*b_conv*l), Fortran order, the dtype of Z.

    Z has shape (d, a*b*l), and g the sizes: g.a, g.b, g.d, g.p, g.h, g.s, g.a_pad, g.b_pad,
    g.a_conv, g.b_conv, g.hhd.  The number of instances l follows from Z.shape.
    """
    raise NotImplementedError("padding_and_phiZ has no code yet")
