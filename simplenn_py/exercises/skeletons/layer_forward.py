"""layer_forward: one convolutional layer, forwards, for the whole batch.

A layer of the lecture is

    S = W phi(pad(Z)) + bias 1',        Z^{m+1} = pool(sigma(S)),

with sigma the ReLU, max(., 0) entry by entry.  Z holds the batch side by side, (d, a*b*l), so ONE
matrix product convolves all of it.  W has a filter in each row, (d_next, h*h*d), its columns in the
order of the rows of phi(pad(Z)); bias has d_next entries, one a filter, and bias 1' adds entry f to
all of row f of S.  Pooling comes after the ReLU.

padding_and_phiZ and maxpooling are those of the earlier exercises.  Return what later steps need:
Z^{m+1}, which the next layer takes; phi(pad(Z)), from which (4) makes the gradient; and idx_pool,
which (3) needs on the way back.

Example: a 3 x 3 image, one 2 x 2 filter that subtracts a pixel from the one below it, bias -1, and
pooling of 2 x 2 windows:

    3 1 2                  -3 3             0 3
    1 5 6       S =         2 3    sigma    2 3    pool    3, which stood at (0, 1): of the equal
    4 9 5                          ->              ->      ones it is the first, entry 2 of vec(S).

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(a=3, b=3, d=1, p=0, h=2, s=1, d_next=1, h_pool=2,
...                     a_pad=3, b_pad=3, a_conv=2, b_conv=2, a_next=1, b_next=1, hhd=4)
>>> Z = np.array([[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0]], order="F")
>>> W, bias = np.array([[-1.0, 1.0, 0.0, 0.0]]), np.array([-1.0])
>>> Z_next, phiZ, idx_pool = layer_forward(Z, W, bias, g)
>>> Z_next
array([[3.]])
>>> phiZ
array([[3., 1., 1., 5.],
       [1., 4., 5., 9.],
       [1., 5., 2., 6.],
       [5., 9., 6., 5.]])
>>> idx_pool
array([[2]])
"""

import numpy as np


def padding_and_phiZ(Z: np.ndarray, g) -> np.ndarray:
    """Leave this as it is: in a check your own routine, or the reference, stands in for it."""
    raise NotImplementedError("copy your padding_and_phiZ here to run this file by itself")


def maxpooling(S: np.ndarray, g) -> tuple[np.ndarray, np.ndarray]:
    """Leave this as it is: in a check your own routine, or the reference, stands in for it."""
    raise NotImplementedError("copy your maxpooling here to run this file by itself")


def layer_forward(
    Z: np.ndarray, W: np.ndarray, bias: np.ndarray, g
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Z^{m+1}, phi(pad(Z)) and idx_pool.

    Z has shape (d, a*b*l), Fortran order, W shape (d_next, h*h*d), bias shape (d_next,), and g all
    sizes of the layer.  Z^{m+1} has shape (d_next, a_next*b_next*l), phi(pad(Z)) shape (h*h*d,
    a_conv*b_conv*l), idx_pool shape (d_next*a_next*b_next, l).
    """
    raise NotImplementedError("layer_forward has no code yet")
