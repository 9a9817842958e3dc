"""gradient_W_bias: the gradient of a layer's weights and of its bias.

Equation (4) of the lecture:

    dxi/dW = dxi/dS phi(pad(Z))',       dxi/dbias = dxi/dS 1,

where xi is the sum of the losses of the batch and S = W phi(pad(Z)) + bias 1' holds the whole batch
side by side.  Column k of dxi/dS belongs to column k of phi(pad(Z)), one patch of one instance.
Each column gives a product of a column and a row; the sum of them all, over the patches of an
instance and over the instances, is ONE matrix product.  A filter's bias is added to all of its row
of S, so its derivative is the sum of that row.  W and bias have the same shapes as their gradients:
(d_next, h*h*d) and (d_next,).

Example: two filters, patches of two entries, three columns.

    dS = 1 0 2      phiZ = 1 2 3        dW[0, 0] = 1*1 + 0*2 + 2*3 = 7,   dbias[0] = 1 + 0 + 2.
         0 1 0             4 5 6

>>> dS = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
>>> phiZ = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
>>> gradient_W_bias(dS, phiZ)
(array([[ 7., 16.],
       [ 2.,  5.]]), array([3., 1.]))

A fully connected layer is the same with z, one instance a column, in place of phi(pad(Z)).
"""

import numpy as np


def gradient_W_bias(dS: np.ndarray, phiZ: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return dxi/dW, shape (d_next, h*h*d), and dxi/dbias, shape (d_next,).

    dS is dxi/dS, shape (d_next, a_conv*b_conv*l), and phiZ is phi(pad(Z)), shape (h*h*d,
    a_conv*b_conv*l), both in Fortran order.
    """
    raise NotImplementedError("gradient_W_bias has no code yet")
