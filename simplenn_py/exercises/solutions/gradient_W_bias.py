"""A solution of gradient_W_bias: the product and the sum of (4)."""

import numpy as np


def gradient_W_bias(dS: np.ndarray, phiZ: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    dW = dS @ phiZ.T
    dbias = dS.sum(axis=1)
    return dW, dbias
