"""phi(pad(Z)) and its adjoint, compiled."""

from numba import prange

from .policy import compiled


@compiled(parallel=True)
def padding(Z, p, out):
    """Copy images into the middle of ``out``, zeros around: ``[l, b_pad, a_pad, d]``."""
    l, b, a, d = Z.shape
    b_pad, a_pad = out.shape[1], out.shape[2]
    for q in prange(l * b_pad):
        n = q // b_pad
        j = q % b_pad - p
        for i in range(a_pad):
            inside = 0 <= j < b and 0 <= i - p < a
            for c in range(d):
                out[n, q % b_pad, i, c] = Z[n, j, i - p, c] if inside else 0


@compiled(parallel=True)
def unpad(V, p, out):
    """Keep the middle of ``V``: the adjoint of `padding`."""
    l, b, a, d = out.shape
    for q in prange(l * b):
        n = q // b
        j = q % b
        for i in range(a):
            for c in range(d):
                out[n, j, i, c] = V[n, j + p, i + p, c]


@compiled(parallel=True)
def padding_and_phiZ(Z, p, s, out):
    """Write every patch of pad(Z) into its column; ``out[n, j, i, c, w, u]``.

    pad(Z) is not formed: a pixel of its border is a zero.  The channel loop is innermost
    because the channels of a pixel are neighbours in ``Z``.
    """
    l, b_conv, a_conv, d, h = out.shape[:5]
    b, a = Z.shape[1], Z.shape[2]
    for q in prange(l * b_conv):
        n = q // b_conv
        j = q % b_conv
        for i in range(a_conv):
            for w in range(h):
                column = j * s + w - p
                for u in range(h):
                    row = i * s + u - p
                    if 0 <= column < b and 0 <= row < a:
                        for c in range(d):
                            out[n, j, i, c, w, u] = Z[n, column, row, c]
                    else:
                        for c in range(d):
                            out[n, j, i, c, w, u] = 0


@compiled(parallel=True)
def vTP_phi(V, s, out):
    """Add every entry of ``V`` to the pixel of pad(Z) that phi took it from.

    Each index of the parallel loop owns one image column of ``out`` and gathers what
    belongs there, in a fixed order: no two threads ever add to the same pixel.
    """
    b_conv, a_conv, d, h = V.shape[1:5]
    l, b_pad = out.shape[:2]
    for q in prange(l * b_pad):
        n = q // b_pad
        column = q % b_pad
        own = out[n, column]
        own[:] = 0
        for w in range(h):
            j, skipped = divmod(column - w, s)
            if skipped == 0 and 0 <= j < b_conv:
                for i in range(a_conv):
                    for u in range(h):
                        for c in range(d):
                            own[i * s + u, c] += V[n, j, i, c, w, u]
