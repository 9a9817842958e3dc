"""The filters in the orders in which the kernels read them, and the gradient back in the lecture's.

``W`` is ``(d_next, h*h*d)`` in Fortran order: entry ``k + d_next*(u + h*w + h*h*c)``.  Behind the
last channel, packed blocks are filled with zeros.
"""

from numba import prange

from .policy import compiled
from .winograd import transform_filters

#: The orders of :func:`pack`.
TILE, WINOGRAD, TRANSPOSED, FILTERS = range(4)


@compiled()
def _for_tile(s, W, task, out):
    """``out[block, w, u, c, k]``: one row of vectors a patch entry, in the order of ``pad(Z)``."""
    block, w = task // s.h, task % s.h
    k_first = block * s.width
    channels = min(s.width, s.d_next - k_first)
    for u in range(s.h):
        for c in range(s.d):
            source = k_first + s.d_next * (u + s.h * (w + s.h * c))
            target = ((task * s.h + u) * s.d + c) * s.width
            for k in range(channels):
                out[target + k] = W[source + k]
            for k in range(channels, s.width):
                out[target + k] = 0


@compiled()
def _transposed(s, W, task, out):
    """``out[block, w, u, k, c]``: one row of vectors an output channel, for ``W' dxi/dS``."""
    block, offset = task // (s.h * s.h), task % (s.h * s.h)
    w, u = offset // s.h, offset % s.h
    c_first = block * s.width
    channels = min(s.width, s.d - c_first)
    start = task * s.d_next * s.width
    for c in range(s.width):
        source = s.d_next * (u + s.h * (w + s.h * (c_first + c)))
        for k in range(s.d_next):
            out[start + k * s.width + c] = W[source + k] if c < channels else 0


@compiled()
def _rows(s, W, k, out):
    """``out[k, w, u, c]``: a row a filter, its channels filled up to whole vectors."""
    for w in range(s.h):
        for u in range(s.h):
            target = ((k * s.h + w) * s.h + u) * s.channels
            for c in range(s.d):
                out[target + c] = W[k + s.d_next * (u + s.h * (w + s.h * c))]
            for c in range(s.d, s.channels):
                out[target + c] = 0


@compiled(parallel=True)
def pack(order, s, W, out):
    """Write the filters in one of the four orders; one kernel, as each costs a second to compile.

    TILE and WINOGRAD are for the forward pass, TRANSPOSED for the dense and FILTERS for the sparse
    way back.
    """
    if order == TILE:
        tasks = s.d_next_blocks * s.h
    elif order == WINOGRAD:
        tasks = s.d_next_blocks * s.d
    elif order == TRANSPOSED:
        tasks = s.d_blocks * s.h * s.h
    else:
        tasks = s.d_next
    for task in prange(tasks):
        if order == TILE:
            _for_tile(s, W, task, out)
        elif order == WINOGRAD:
            transform_filters(s, W, task // s.d, task % s.d, out)
        elif order == TRANSPOSED:
            _transposed(s, W, task, out)
        else:
            _rows(s, W, task, out)


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
