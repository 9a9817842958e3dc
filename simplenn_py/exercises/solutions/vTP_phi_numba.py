"""A solution of vTP_phi_numba: the loops of vTP_phi_loop, compiled, in the memory order of V."""

import numpy as np
from numba import njit


@njit
def scatter(V, s, out):
    """Add V[n, j, i, c, w, u] to its pixel out[n, column, row, c]."""
    l, b_conv, a_conv, d, h, _ = V.shape
    for n in range(l):
        for j in range(b_conv):
            for i in range(a_conv):
                for c in range(d):
                    for w in range(h):
                        for u in range(h):
                            out[n, j * s + w, i * s + u, c] += V[n, j, i, c, w, u]


def vTP_phi(V: np.ndarray, g) -> np.ndarray:
    """Return v' P_phi, shape (d, a_pad*b_pad*l), from V, shape (h*h*d, a_conv*b_conv*l)."""
    patches = np.ascontiguousarray(V.T).reshape(-1, g.b_conv, g.a_conv, g.d, g.h, g.h)
    out = np.zeros((len(patches), g.b_pad, g.a_pad, g.d), V.dtype)
    scatter(patches, g.s, out)
    return out.reshape(-1, g.d).T
