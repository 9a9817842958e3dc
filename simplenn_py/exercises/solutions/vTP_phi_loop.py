"""A solution of vTP_phi_loop: one += per entry of V."""

import numpy as np


def vTP_phi(V: np.ndarray, g) -> np.ndarray:
    """Return v' P_phi, shape (d, a_pad*b_pad*l), from V, shape (h*h*d, a_conv*b_conv*l)."""
    n_conv, n_pad = g.a_conv * g.b_conv, g.a_pad * g.b_pad
    l = V.shape[1] // n_conv
    out = np.zeros((g.d, n_pad * l), V.dtype, order="F")
    for n in range(l):
        for j in range(g.b_conv):
            for i in range(g.a_conv):
                patch = V[:, i + g.a_conv * j + n_conv * n]
                for c in range(g.d):
                    for w in range(g.h):
                        for u in range(g.h):
                            pixel = (i * g.s + u) + g.a_pad * (j * g.s + w)
                            out[c, pixel + n_pad * n] += patch[u + g.h * w + g.h * g.h * c]
    return out
