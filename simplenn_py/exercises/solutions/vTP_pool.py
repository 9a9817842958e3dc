"""A solution of vTP_pool: the indices of the whole batch, and one assignment."""

import numpy as np


def vTP_pool(V: np.ndarray, idx_pool: np.ndarray, g) -> np.ndarray:
    """Return v' P_pool, shape (d_next, a_conv*b_conv*l)."""
    l = idx_pool.shape[1]
    size = g.d_next * g.a_conv * g.b_conv
    index = idx_pool + size * np.arange(l)
    dS = np.zeros(size * l, V.dtype)
    # Windows do not overlap, so no index occurs twice, and an assignment is enough.
    dS[index.reshape(-1, order="F")] = V.reshape(-1, order="F")
    return dS.reshape((g.d_next, -1), order="F")
