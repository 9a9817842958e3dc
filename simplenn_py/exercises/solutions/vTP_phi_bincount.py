"""A solution of vTP_phi_bincount: the indices of all instances, and one bincount."""

import numpy as np


def find_index_phiZ(g) -> np.ndarray:
    raise NotImplementedError("copy your find_index_phiZ here to run this file by itself")


def vTP_phi(V: np.ndarray, g) -> np.ndarray:
    """Return v' P_phi, shape (d, a_pad*b_pad*l), from V, shape (h*h*d, a_conv*b_conv*l)."""
    l = V.shape[1] // (g.a_conv * g.b_conv)
    size = g.d * g.a_pad * g.b_pad
    index = find_index_phiZ(g)[:, np.newaxis] + size * np.arange(l)
    sums = np.bincount(index.reshape(-1, order="F"), V.reshape(-1, order="F"), minlength=size * l)
    return sums.astype(V.dtype).reshape((g.d, -1), order="F")
