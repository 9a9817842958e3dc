"""A solution of layer_forward: the formula, computed from the inside out."""

import numpy as np


def padding_and_phiZ(Z: np.ndarray, g) -> np.ndarray:
    raise NotImplementedError("copy your padding_and_phiZ here to run this file by itself")


def maxpooling(S: np.ndarray, g) -> tuple[np.ndarray, np.ndarray]:
    raise NotImplementedError("copy your maxpooling here to run this file by itself")


def layer_forward(
    Z: np.ndarray, W: np.ndarray, bias: np.ndarray, g
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Z^{m+1}, shape (d_next, a_next*b_next*l), phi(pad(Z)) and idx_pool."""
    phiZ = padding_and_phiZ(Z, g)
    S = W @ phiZ + bias[:, np.newaxis]
    Z_next, idx_pool = maxpooling(np.maximum(S, 0.0), g)
    return Z_next, phiZ, idx_pool
