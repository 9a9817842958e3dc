"""The filters in the orders in which the tile reads them, and the gradient back in the lecture's.

``W`` is ``(d_next, h*h*d)`` in Fortran order: entry ``k + d_next*(u + h*w + h*h*c)``.  Behind the
last channel, packed blocks are filled with zeros.
"""

from numba import prange

from .policy import compiled


@compiled(parallel=True)
def pack_forward(s, W, bias, out, out_bias):
    """``out[block, w, u, c, k]``: one row of vectors a patch entry, in the order of ``pad(Z)``."""
    run = s.h * s.d
    for task in prange(s.d_next_blocks * s.h):
        block, w = task // s.h, task % s.h
        k_first = block * s.width
        channels = min(s.width, s.d_next - k_first)
        for u in range(s.h):
            for c in range(s.d):
                source = k_first + s.d_next * (u + s.h * (w + s.h * c))
                target = ((block * s.h + w) * run + u * s.d + c) * s.width
                for k in range(channels):
                    out[target + k] = W[source + k]
                for k in range(channels, s.width):
                    out[target + k] = 0
        if w == 0:
            for k in range(s.width):
                out_bias[k_first + k] = bias[k_first + k] if k < channels else 0


@compiled(parallel=True)
def pack_transposed(s, W, out):
    """``out[block, w, u, k, c]``: one row of vectors an output channel, for ``W' dxi/dS``."""
    hh = s.h * s.h
    for task in prange(s.d_blocks * hh):
        block, offset = task // hh, task % hh
        w, u = offset // s.h, offset % s.h
        c_first = block * s.width
        channels = min(s.width, s.d - c_first)
        start = task * s.d_next * s.width
        for c in range(channels):
            source = s.d_next * (u + s.h * (w + s.h * (c_first + c)))
            for k in range(s.d_next):
                out[start + k * s.width + c] = W[source + k]
        for c in range(channels, s.width):
            for k in range(s.d_next):
                out[start + k * s.width + c] = 0


@compiled(parallel=True)
def add_parts(s, parts, bias_parts, dW, dbias):
    """Add the chunks' parts of (4) in a fixed order, back in the lecture's order of entries."""
    run = s.h * s.d
    for task in prange(s.d_next_blocks * s.h):
        block, w = task // s.h, task % s.h
        k_first = block * s.width
        channels = min(s.width, s.d_next - k_first)
        for u in range(s.h):
            for c in range(s.d):
                target = k_first + s.d_next * (u + s.h * (w + s.h * c))
                source = ((block * s.h + w) * run + u * s.d + c) * s.width
                for k in range(channels):
                    dW[target + k] = parts[0, source + k]
                for part in range(1, parts.shape[0]):
                    for k in range(channels):
                        dW[target + k] += parts[part, source + k]
        if w == 0:
            for k in range(k_first, k_first + channels):
                dbias[k] = bias_parts[0, k]
                for part in range(1, parts.shape[0]):
                    dbias[k] += bias_parts[part, k]
