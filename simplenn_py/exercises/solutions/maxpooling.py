"""A solution of maxpooling: loops over windows, then within a window in the order u + h_pool*w."""

import numpy as np


def maxpooling(S: np.ndarray, g) -> tuple[np.ndarray, np.ndarray]:
    """Return Z, shape (d_next, a_next*b_next*l), and idx_pool, shape (d_next*a_next*b_next, l)."""
    d, size = g.d_next, g.h_pool
    n_conv, n_next = g.a_conv * g.b_conv, g.a_next * g.b_next
    l = S.shape[1] // n_conv
    Z = np.zeros((d, n_next * l), S.dtype, order="F")
    idx_pool = np.zeros((d * n_next, l), np.int64, order="F")
    for n in range(l):
        for j in range(g.b_next):
            for i in range(g.a_next):
                for c in range(d):
                    best, index = -np.inf, 0
                    for w in range(size):
                        for u in range(size):
                            pixel = (i * size + u) + g.a_conv * (j * size + w)
                            value = S[c, pixel + n_conv * n]
                            if value > best:
                                best, index = value, c + d * pixel
                    Z[c, i + g.a_next * j + n_next * n] = best
                    idx_pool[c + d * (i + g.a_next * j), n] = index
    return Z, idx_pool
