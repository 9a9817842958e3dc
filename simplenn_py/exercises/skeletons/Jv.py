"""Jv: the R-operator, the derivative of a small network in a direction.

The network has one or two convolutional layers and then ONE fully connected layer, which is linear:

    Z^{m+1} = pool(sigma(W phi(pad(Z^m)) + bias 1')),        z^{L+1} = W vec(Z^L) + bias,

where vec(Z^L) is taken for each instance.  The direction v has a part V for every W and a part
v_bias for every bias.  R{X} is the derivative of X in the direction v.  It is computed together
with X in the forward pass (section B):

    R{Z^1} = 0                                                  the input has no parameters
    R{S} = W phi(pad(R{Z^m})) + V phi(pad(Z^m)) + v_bias 1'     the product rule
    R{Z^{m+1}} = (R{S} pooled with the indices of Z^{m+1}) .* I[Z^{m+1}]

where I[.] is 1 for positive entries and 0 for the others.  The last layer has no mask:
R{z^{L+1}} = W R{z} + V z + v_bias.  This is J_n v for every instance n.  It takes one forward pass,
and J is never formed.

layers is a list of dicts.  layer["W"] and layer["bias"] are the parameters of a layer.  layer["g"]
has the sizes of a convolutional layer.  The last layer is fully connected and has no "g".  v is one
flat vector in the order of theta: vec(V) of the first layer, then its v_bias, then the same for the
next layer.  vec stacks columns.

Example: one image of 2 x 1 pixels, one 1 x 1 filter with weight 3 and bias -5, no pooling, two
outputs.

    Z = [1 2],  S = [-2 1],  Z^2 = [0 1];     V = 1, v_bias = 0:  R{S} = 3*0 + 1*[1 2] + 0 = [1 2]

The ReLU sets the first pixel to 0, so R{Z^2} = [0 2].  In the last layer W = [1 3; 2 4], V has only
ones and v_bias = 0, so R{z^{L+1}} = [6 8]' + [1 1]':

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
    """Leave this unchanged: a check uses your own routine, or the model solution."""
    raise NotImplementedError("copy your padding_and_phiZ here to run this file by itself")


def layer_forward(
    Z: np.ndarray, W: np.ndarray, bias: np.ndarray, g
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leave this unchanged, too.

    It returns Z^{m+1}, phi(pad(Z)) and idx_pool.  idx_pool has shape (d_next*a_next*b_next, l):
    column n has the indices of the entries of vec(S) of instance n that pooling selected, in the
    order of vec(Z^{m+1}).
    """
    raise NotImplementedError("copy your layer_forward here to run this file by itself")


def Jv(Z: np.ndarray, layers: list[dict], v: np.ndarray) -> np.ndarray:
    """Return J_n v for every instance n.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order
        Input of the network.  The number of instances l follows from its shape and from the sizes
        of the first layer.
    layers : list of dict
        Layers of the network.
    v : ndarray, shape (n,)
        Direction, in the order of theta, which has n entries.

    Returns
    -------
    ndarray, shape (nL, l)
        One column per instance; nL is the number of outputs.
    """
    raise NotImplementedError("Jv has no code yet")
