"""Jv: the R-operator, a small network's derivative in a direction.

The network has one or two convolutional layers and then ONE fully connected layer, which is linear:

    Z^{m+1} = pool(sigma(W phi(pad(Z^m)) + bias 1')),        z^{L+1} = W vec(Z^L) + bias,

vec(Z^L) taken of each instance.  Its parameters move along v: every W along its part V of v, and
every bias along its part v_bias.  R{X} is the derivative of X in this direction, and it is carried
forwards beside the network itself (section B):

    R{Z^1} = 0                                                  the input has no parameters
    R{S} = W phi(pad(R{Z^m})) + V phi(pad(Z^m)) + v_bias 1'     the product rule
    R{Z^{m+1}} = R{S}, pooled with the indices that Z^{m+1} was pooled with, .* I[Z^{m+1}]

where I[.] is 1 where > 0, else 0.  At the last layer, R{z^{L+1}} = W R{z} + V z + v_bias, without a
mask.  That is J_n v for every instance n: a pass forwards, and J is never formed.

layers is a list of dicts.  layer["W"] and layer["bias"] are a layer's parameters; layer["g"] has
the sizes of a convolutional layer, and the last, fully connected one has no "g".  v is one flat
vector in the order of theta: of the first layer vec(V), then v_bias, then the same of the next
layer.  vec stacks columns.

Example: one image of 2 x 1 pixels, one 1 x 1 filter 3 with bias -5, no pooling, two outputs.

    Z = [1 2],  S = [-2 1],  Z^2 = [0 1];     V = 1, v_bias = 0:  R{S} = 3*0 + 1*[1 2] + 0 = [1 2]

sigma stops the first pixel, so R{Z^2} = [0 2].  With W = [1 3; 2 4], V all ones and v_bias = 0 the
last layer has R{z} = [6 8]' + [1 1]':

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(a=2, b=1, d=1, p=0, h=1, s=1, d_next=1, h_pool=1, a_pad=2, b_pad=1,
...                     a_conv=2, b_conv=1, a_next=2, b_next=1, hhd=1)
>>> layers = [{"W": np.array([[3.0]]), "bias": np.array([-5.0]), "g": g},
...           {"W": np.array([[1.0, 3.0], [2.0, 4.0]]), "bias": np.array([0.0, 0.0])}]
>>> Jv(np.array([[1.0, 2.0]]), layers, np.array([1.0, 0, 1, 1, 1, 1, 0, 0]))
array([[7.],
       [9.]])
"""

import numpy as np


def padding_and_phiZ(Z: np.ndarray, g) -> np.ndarray:
    """Leave this as it is: in a check your own routine, or the reference, stands in for it."""
    raise NotImplementedError("copy your padding_and_phiZ here to run this file by itself")


def layer_forward(
    Z: np.ndarray, W: np.ndarray, bias: np.ndarray, g
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leave this as it is, too.

    It returns Z^{m+1}, phi(pad(Z)) and idx_pool, of shape (d_next*a_next*b_next, l): column n has
    the places in vec(S) of instance n that pooling selected, in the order of vec(Z^{m+1}).
    """
    raise NotImplementedError("copy your layer_forward here to run this file by itself")


def Jv(Z: np.ndarray, layers: list[dict], v: np.ndarray) -> np.ndarray:
    """Return J_n v of every instance, one a column: shape (nL, l), nL the number of outputs.

    Z is the input of the network, shape (d, a*b*l), Fortran order; l follows from it and from the
    sizes of the first layer.
    """
    raise NotImplementedError("Jv has no code yet")
