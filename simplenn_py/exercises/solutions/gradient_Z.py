"""A solution of gradient_Z: the product, v' P_phi, and the interior of every padded image."""

import numpy as np


def vTP_phi(V: np.ndarray, g) -> np.ndarray:
    raise NotImplementedError("copy your vTP_phi here to run this file by itself")


def gradient_Z(W: np.ndarray, dS: np.ndarray, g) -> np.ndarray:
    """Return dxi/dZ, shape (d, a*b*l)."""
    padded = vTP_phi(np.asfortranarray(W.T @ dS), g)
    # [instance, column, row, channel]
    images = padded.T.reshape(-1, g.b_pad, g.a_pad, g.d)
    inside = images[:, g.p : g.p + g.b, g.p : g.p + g.a]
    return inside.reshape(-1, g.d).T
