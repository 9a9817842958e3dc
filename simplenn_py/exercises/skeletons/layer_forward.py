"""layer_forward: the forward pass through one convolutional layer, for the whole batch.

A layer of the lecture computes

    S = W phi(pad(Z)) + bias 1',        Z^{m+1} = pool(sigma(S)),

where sigma is the ReLU, max(., 0) entry by entry.  Z contains the images of the batch side by side,
shape (d, a*b*l), so ONE matrix product computes the convolution of all of them.  W has one row per
filter, shape (d_next, h*h*d), with its columns in the order of the rows of phi(pad(Z)).  bias has
one entry per filter, and bias 1' adds entry f to the whole row f of S.  Pooling comes after the
ReLU.

padding_and_phiZ and maxpooling are the routines of the earlier exercises.  Return three arrays that
later steps need: Z^{m+1} is the input of the next layer, phi(pad(Z)) is needed for the gradient
(4), and idx_pool is needed for (3) in the backward pass.

Example: a 3 x 3 image, one 2 x 2 filter that subtracts a pixel from the pixel below it, bias -1,
and pooling of 2 x 2 windows:

    3 1 2                  -3 3             0 3
    1 5 6       S =         2 3    sigma    2 3    pool    3
    4 9 5                          ->              ->

The maximum 3 occurs twice.  The first one is at (0, 1), which is entry 2 of vec(S).

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
    """Leave this unchanged: a check uses your own routine, or the model solution."""
    raise NotImplementedError("copy your padding_and_phiZ here to run this file by itself")


def maxpooling(S: np.ndarray, g) -> tuple[np.ndarray, np.ndarray]:
    """Leave this unchanged: a check uses your own routine, or the model solution."""
    raise NotImplementedError("copy your maxpooling here to run this file by itself")


def layer_forward(
    Z: np.ndarray, W: np.ndarray, bias: np.ndarray, g
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Z^{m+1}, phi(pad(Z)) and idx_pool.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order
        Input of the layer.
    W : ndarray, shape (d_next, h*h*d)
        One row per filter.
    bias : ndarray, shape (d_next,)
        One entry per filter.
    g : object
        All sizes of the layer.

    Returns
    -------
    Z_next : ndarray, shape (d_next, a_next*b_next*l)
        Z^{m+1}.
    phiZ : ndarray, shape (h*h*d, a_conv*b_conv*l)
        phi(pad(Z)).
    idx_pool : ndarray of integers, shape (d_next*a_next*b_next, l)
        Indices of the entries that pooling selected.
    """
    raise NotImplementedError("layer_forward has no code yet")
