"""A solution of gradient_W_bias: the product and the sum in (4)."""

import numpy as np


def gradient_W_bias(dS: np.ndarray, phiZ: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return dxi/dW, shape (d_next, h*h*d), and dxi/dbias, shape (d_next,)."""
    dW = dS @ phiZ.T
    dbias = dS.sum(axis=1)
    return dW, dbias
