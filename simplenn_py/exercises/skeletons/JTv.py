"""JTv: the whole backward pass of a small network.

The network has one or two convolutional layers and then ONE fully connected layer, which is linear:

    Z^{m+1} = pool(sigma(W phi(pad(Z^m)) + bias 1')),        z^{L+1} = W vec(Z^L) + bias,

where vec(Z^L) is taken for each instance.  Column n of V is v_n = dxi_n/dz^{L+1} of instance n.
The backward pass returns sum_n J_n' v_n with J_n = dz^{L+1,n}/dtheta', which is the gradient of the
summed loss with respect to all parameters.  From the last layer to the first:

    fully connected     dxi/dW = V z',   dxi/dbias = V 1,   dxi/dz = W' V     (one column of z per
                                                                              instance)

    (3)  dxi/dvec(S)' = ( dxi/dvec(Z^{m+1})' .* vec(I[Z^{m+1}])' ) P_pool
    (4)  dxi/dW = dxi/dS phi(pad(Z^m))',   dxi/dbias = dxi/dS 1
    (5)  dxi/dvec(Z^m)' = vec( W' dxi/dS )' P_phi P_pad

I[.] is 1 for positive entries and 0 for the others.

layers is a list of dicts.  layer["W"] and layer["bias"] are the parameters of a layer.  layer["g"]
has the sizes of a convolutional layer.  The last layer is fully connected and has no "g".  The
result is one flat vector in the order of theta: vec(dxi/dW) of the first layer, then its dxi/dbias,
then the same for the next layer.  vec stacks columns.

Example: one image of 2 x 1 pixels, one 1 x 1 filter with weight 3 and bias -5, no pooling, two
outputs.

    Z = [1 2],  S = [-2 1],  Z^2 = [0 1],  V = [1 1]'

In the fully connected layer, dxi/dW = V [0 1] and dxi/dbias = V.  With W = [1 3; 2 4], its
derivative with respect to z is W'V = [3 7]'.  The ReLU has set the first pixel to 0, so
dxi/dS = [0 7], dxi/dW = 0*1 + 7*2 = 14 and dxi/dbias = 7.

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
    """Leave this unchanged: a check uses your own routine, or the model solution.

    It returns Z^{m+1}, phi(pad(Z)) and idx_pool.
    """
    raise NotImplementedError("copy your layer_forward here to run this file by itself")


def vTP_pool(V: np.ndarray, idx_pool: np.ndarray, g) -> np.ndarray:
    """Leave this unchanged, too."""
    raise NotImplementedError("copy your vTP_pool here to run this file by itself")


def gradient_W_bias(dS: np.ndarray, phiZ: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave this unchanged, too."""
    raise NotImplementedError("copy your gradient_W_bias here to run this file by itself")


def gradient_Z(W: np.ndarray, dS: np.ndarray, g) -> np.ndarray:
    """Leave this unchanged, too."""
    raise NotImplementedError("copy your gradient_Z here to run this file by itself")


def JTv(Z: np.ndarray, layers: list[dict], V: np.ndarray) -> np.ndarray:
    """Return the gradient with respect to theta.

    Start with the forward pass, and keep the arrays that the backward pass needs.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order
        Input of the network.
    layers : list of dict
        Layers of the network.
    V : ndarray, shape (nL, l), Fortran order
        Derivative with respect to the outputs, one column per instance.

    Returns
    -------
    ndarray, shape (n,)
        Flat vector in the order of theta, which has n entries.
    """
    raise NotImplementedError("JTv has no code yet")
