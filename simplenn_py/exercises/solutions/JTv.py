"""A solution of JTv: a forward pass that keeps the arrays for (3) and (4), then backward."""

import numpy as np


def layer_forward(
    Z: np.ndarray, W: np.ndarray, bias: np.ndarray, g
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    raise NotImplementedError("copy your layer_forward here to run this file by itself")


def vTP_pool(V: np.ndarray, idx_pool: np.ndarray, g) -> np.ndarray:
    raise NotImplementedError("copy your vTP_pool here to run this file by itself")


def gradient_W_bias(dS: np.ndarray, phiZ: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    raise NotImplementedError("copy your gradient_W_bias here to run this file by itself")


def gradient_Z(W: np.ndarray, dS: np.ndarray, g) -> np.ndarray:
    raise NotImplementedError("copy your gradient_Z here to run this file by itself")


def JTv(Z: np.ndarray, layers: list[dict], V: np.ndarray) -> np.ndarray:
    """Return the gradient, shape (n,), from Z, shape (d, a*b*l), and V, shape (nL, l)."""
    *convolutional, last = layers
    kept = []
    for layer in convolutional:
        Z, phiZ, idx_pool = layer_forward(Z, layer["W"], layer["bias"], layer["g"])
        kept.append((layer, Z, phiZ, idx_pool))
    z = Z.reshape((-1, V.shape[1]), order="F")
    gradients = [gradient_W_bias(V, z)]
    dZ = (last["W"].T @ V).reshape(Z.shape, order="F")
    for layer, Z_next, phiZ, idx_pool in reversed(kept):
        dS = vTP_pool(dZ * (Z_next > 0), idx_pool, layer["g"])  # (3)
        gradients.append(gradient_W_bias(dS, phiZ))  # (4)
        if layer is not layers[0]:
            dZ = gradient_Z(layer["W"], dS, layer["g"])  # (5)
    parts = []
    for dW, dbias in reversed(gradients):
        parts += [dW.reshape(-1, order="F"), dbias]
    return np.concatenate(parts)
