"""gradient_W_bias: compute the gradient of a layer's weights and bias.

Equation (4) of the lecture:

    dxi/dW = dxi/dS phi(pad(Z))',       dxi/dbias = dxi/dS 1,

where xi is the sum of the losses in the batch, and S = W phi(pad(Z)) + bias 1' contains the whole
batch.  Column k of dxi/dS belongs to column k of phi(pad(Z)), which is one patch of one instance.
Each k contributes the product of a column and a row.  The sum over all patches and instances is ONE
matrix product.  The bias of a filter is added to a whole row of S, so its derivative is the sum of
the same row of dxi/dS.  The gradients have the shapes of W and bias: (d_next, h*h*d) and (d_next,).

Example: two filters, patches with two entries, three columns.

    dS = 1 0 2      phiZ = 1 2 3        dW[0, 0] = 1*1 + 0*2 + 2*3 = 7,   dbias[0] = 1 + 0 + 2.
         0 1 0             4 5 6

>>> dS = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
>>> phiZ = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
>>> gradient_W_bias(dS, phiZ)
(array([[ 7., 16.],
       [ 2.,  5.]]), array([3., 1.]))

The same routine works for a fully connected layer: phi(pad(Z)) is replaced by z, one column per
instance.
"""

import numpy as np


def gradient_W_bias(dS: np.ndarray, phiZ: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return dxi/dW and dxi/dbias.

    Parameters
    ----------
    dS : ndarray, shape (d_next, a_conv*b_conv*l), Fortran order
        dxi/dS.
    phiZ : ndarray, shape (h*h*d, a_conv*b_conv*l), Fortran order
        phi(pad(Z)).

    Returns
    -------
    dW : ndarray, shape (d_next, h*h*d)
    dbias : ndarray, shape (d_next,)
    """
    raise NotImplementedError("gradient_W_bias has no code yet")
