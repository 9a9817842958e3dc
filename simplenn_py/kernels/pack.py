"""The filters in the orders in which the kernels read them, and the gradient back in the lecture's.

``W`` is ``(d_next, h*h*d)`` in Fortran order: entry ``k + d_next*(u + h*w + h*h*c)``.  Behind the
last channel, packed blocks are filled with zeros.
"""

from numba import prange

from .policy import compiled
from .vectors import copy_row, fill_row
from .winograd import transform_filters

#: The orders of :func:`pack`.
TILE, WINOGRAD, TRANSPOSED, FILTERS = range(4)
#: Channels of a task: what it reads and writes of a large layer lies on few pages of memory, and
#: the tasks that follow find it in the cache.
GROUP = 32


@compiled()
def _for_tile(s, W, block, c_first, c_last, out):
    """``out[block, w, u, c, k]``: one row of vectors a patch entry, in the order of ``pad(Z)``."""
    k_first = block * s.width
    channels = min(s.width, s.d_next - k_first)
    for c in range(c_first, c_last):
        for w in range(s.h):
            for u in range(s.h):
                source = k_first + s.d_next * (u + s.h * (w + s.h * c))
                target = (((block * s.h + w) * s.h + u) * s.d + c) * s.width
                fill_row(W, source, channels, out, target, s.width)


@compiled()
def _transposed(s, W, block, k_first, k_last, out):
    """``out[block, w, u, k, c]``: one row of vectors an output channel, for ``W' dxi/dS``."""
    c_first = block * s.width
    for w in range(s.h):
        for u in range(s.h):
            start = ((block * s.h + w) * s.h + u) * s.d_next * s.width
            for c in range(s.width):
                source = s.d_next * (u + s.h * (w + s.h * (c_first + c)))
                for k in range(k_first, k_last):
                    out[start + k * s.width + c] = W[source + k] if c_first + c < s.d else 0


@compiled()
def _rows(s, W, block, c_first, c_last, out):
    """``out[k, w, u, c]``: a row a filter, its channels filled up to whole vectors."""
    k_first, step = block * s.width, s.d_next * s.h * s.h
    for w in range(s.h):
        for u in range(s.h):
            for k in range(k_first, min(k_first + s.width, s.d_next)):
                target = ((k * s.h + w) * s.h + u) * s.channels
                source = k + s.d_next * (u + s.h * w)
                for c in range(c_first, c_last):
                    out[target + c] = W[source + c * step]
                if c_last == s.d:
                    for c in range(s.d, s.channels):
                        out[target + c] = 0


@compiled(parallel=True)
def pack(order, s, W, out):
    """Write the filters in one of the four orders; one kernel, as each costs time to compile.

    TILE and WINOGRAD are for the forward pass, TRANSPOSED for the dense and FILTERS for the sparse
    way back.
    """
    blocks = s.d_blocks if order == TRANSPOSED else s.d_next_blocks
    entries = s.d_next if order == TRANSPOSED else s.d
    for task in prange(-(-entries // GROUP) * blocks):
        group, block = task // blocks, task % blocks
        first, last = group * GROUP, min((group + 1) * GROUP, entries)
        if order == TILE:
            _for_tile(s, W, block, first, last, out)
        elif order == WINOGRAD:
            transform_filters(s, W, block, first, last, out)
        elif order == TRANSPOSED:
            _transposed(s, W, block, first, last, out)
        else:
            _rows(s, W, block, first, last, out)


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
                copy_row(parts[0], source, channels, dW, target)
                for part in range(1, parts.shape[0]):
                    for k in range(channels):
                        dW[target + k] += parts[part, source + k]
        if w == 0:
            for k in range(k_first, k_first + channels):
                dbias[k] = bias_parts[0, k]
                for part in range(1, parts.shape[0]):
                    dbias[k] += bias_parts[part, k]
