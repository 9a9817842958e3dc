"""A solution of find_index_phiZ: the formula, in loops in the order of vec."""

import numpy as np


def find_index_phiZ(g) -> np.ndarray:
    """Return the indices, shape (h*h*d*a_conv*b_conv,)."""
    index = np.empty(g.h * g.h * g.d * g.a_conv * g.b_conv, dtype=np.int64)
    k = 0
    for j in range(g.b_conv):
        for i in range(g.a_conv):
            for c in range(g.d):
                for w in range(g.h):
                    for u in range(g.h):
                        index[k] = c + g.d * ((i * g.s + u) + g.a_pad * (j * g.s + w))
                        k += 1
    return index
