"""JTv: the whole pass back of a small network.

The network has one or two convolutional layers and then ONE fully connected layer, which is linear:

    Z^{m+1} = pool(sigma(W phi(pad(Z^m)) + bias 1')),        z^{L+1} = W vec(Z^L) + bias,

with vec(Z^L) of each instance.  Column n of V is v_n = dxi_n/dz^{L+1} of instance n.  The pass
back returns sum_n J_n' v_n with J_n = dz^{L+1,n}/dtheta': the gradient of the summed loss by all
parameters.  From the last layer to the first:

    fully connected     dxi/dW = V z',   dxi/dbias = V 1,   dxi/dz = W' V,   z one instance a column

    (3)  dxi/dvec(S)' = ( dxi/dvec(Z^{m+1})' .* vec(I[Z^{m+1}])' ) P_pool,   I[.] = 1 where > 0
    (4)  dxi/dW = dxi/dS phi(pad(Z^m))',   dxi/dbias = dxi/dS 1
    (5)  dxi/dvec(Z^m)' = vec( W' dxi/dS )' P_phi P_pad

layers is a list of dicts.  layer["W"] and layer["bias"] are a layer's parameters; layer["g"] has
the sizes of a convolutional layer, and the last, fully connected one has no "g".  The result is one
flat vector in the order of theta: of the first layer vec(dxi/dW), then dxi/dbias, then the same of
the next layer.  vec stacks columns.

Example: one image of 2 x 1 pixels, one 1 x 1 filter 3 with bias -5, no pooling, two outputs.

    Z = [1 2],  S = [-2 1],  Z^2 = [0 1],  V = [1 1]'

The fully connected layer has dxi/dW = V [0 1] and dxi/dbias = V; with W = [1 3; 2 4] it sends W'V =
[3 7]' back.  sigma stopped the first pixel, so dxi/dS = [0 7], dxi/dW = 0*1 + 7*2 = 14 and
dxi/dbias = 7.

>>> from types import SimpleNamespace
>>> g = SimpleNamespace(a=2, b=1, d=1, p=0, h=1, s=1, d_next=1, h_pool=1, a_pad=2, b_pad=1,
...                     a_conv=2, b_conv=1, a_next=2, b_next=1, hhd=1)
>>> layers = [{"W": np.array([[3.0]]), "bias": np.array([-5.0]), "g": g},
...           {"W": np.array([[1.0, 3.0], [2.0, 4.0]]), "bias": np.array([0.0, 0.0])}]
>>> JTv(np.array([[1.0, 2.0]]), layers, np.array([[1.0], [1.0]]))
array([14.,  7.,  0.,  0.,  1.,  1.,  1.,  1.])
"""

import numpy as np


def layer_forward(
    Z: np.ndarray, W: np.ndarray, bias: np.ndarray, g
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leave this as it is: in a check your own routine, or the reference, stands in for it.

    It returns Z^{m+1}, phi(pad(Z)) and idx_pool.
    """
    raise NotImplementedError("copy your layer_forward here to run this file by itself")


def vTP_pool(V: np.ndarray, idx_pool: np.ndarray, g) -> np.ndarray:
    """Leave this as it is, too."""
    raise NotImplementedError("copy your vTP_pool here to run this file by itself")


def gradient_W_bias(dS: np.ndarray, phiZ: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave this as it is, too."""
    raise NotImplementedError("copy your gradient_W_bias here to run this file by itself")


def gradient_Z(W: np.ndarray, dS: np.ndarray, g) -> np.ndarray:
    """Leave this as it is, too."""
    raise NotImplementedError("copy your gradient_Z here to run this file by itself")


def JTv(Z: np.ndarray, layers: list[dict], V: np.ndarray) -> np.ndarray:
    """Return the gradient, a flat vector in the order of theta.

    Z is the input of the network, shape (d, a*b*l), and V has shape (nL, l), both in Fortran order.
    First go forwards, and keep what the way back needs.
    """
    raise NotImplementedError("JTv has no code yet")
