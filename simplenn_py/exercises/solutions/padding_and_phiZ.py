"""A solution of padding_and_phiZ: one slice per offset (u, w) has the entries of all patches."""

import numpy as np


def padding_and_phiZ(Z: np.ndarray, g) -> np.ndarray:
    """Return phi(pad(Z)), shape (h*h*d, a_conv*b_conv*l), from Z, shape (d, a*b*l)."""
    l = Z.shape[1] // (g.a * g.b)
    # [instance, column, row, channel]: Fortran order, read in C order with the fastest index last.
    padded = np.zeros((l, g.b_pad, g.a_pad, g.d), Z.dtype)
    padded[:, g.p : g.p + g.b, g.p : g.p + g.a] = Z.T.reshape(l, g.b, g.a, g.d)
    phiZ = np.zeros((l, g.b_conv, g.a_conv, g.d, g.h, g.h), Z.dtype)
    for w in range(g.h):
        for u in range(g.h):
            columns = slice(w, w + g.s * g.b_conv, g.s)
            rows = slice(u, u + g.s * g.a_conv, g.s)
            phiZ[:, :, :, :, w, u] = padded[:, columns, rows]
    return phiZ.reshape(-1, g.hhd).T
