"""The filters in the orders in which the kernels read them, and the gradient in the lecture's.

``W`` is ``(d_next, h*h*d)`` in Fortran order: entry ``k + d_next*(u + h*w + h*h*c)``.  Behind the
last channel, packed blocks are filled with zeros.
"""

from numba import prange

from .policy import compiled
from .vectors import copy_row, fill_row
from .winograd import transform_filters

#: The orders of :func:`pack`.
DIRECT, WINOGRAD, TRANSPOSED, FILTERS = range(4)
#: Channels per task: in a large layer, a task then reads and writes few pages of memory, and the
#: tasks that follow find them in the cache.
GROUP = 32


@compiled()
def _direct(layer, W, block, c_first, c_last, out):
    """``out[block, w, u, c, k]``: one row of vectors per patch entry, ordered as ``pad(Z)``."""
    k_first = block * layer.width
    channels = min(layer.width, layer.d_next - k_first)
    for c in range(c_first, c_last):
        for w in range(layer.h):
            for u in range(layer.h):
                source = k_first + layer.d_next * (u + layer.h * (w + layer.h * c))
                row = ((block * layer.h + w) * layer.h + u) * layer.d + c
                fill_row(W, source, channels, out, row * layer.width, layer.width)


@compiled()
def _transposed(layer, W, block, k_first, k_last, out):
    """``out[block, w, u, k, c]``: one row of vectors per output channel, for ``W' dxi/dS``."""
    c_first = block * layer.width
    for w in range(layer.h):
        for u in range(layer.h):
            start = ((block * layer.h + w) * layer.h + u) * layer.d_next * layer.width
            for c in range(layer.width):
                source = layer.d_next * (u + layer.h * (w + layer.h * (c_first + c)))
                inside = c_first + c < layer.d
                for k in range(k_first, k_last):
                    out[start + k * layer.width + c] = W[source + k] if inside else 0


@compiled()
def _filters(layer, W, block, c_first, c_last, out):
    """``out[k, w, u, c]``: one row per filter, its channels filled up to whole vectors."""
    k_first, step = block * layer.width, layer.d_next * layer.h * layer.h
    for w in range(layer.h):
        for u in range(layer.h):
            for k in range(k_first, min(k_first + layer.width, layer.d_next)):
                target = ((k * layer.h + w) * layer.h + u) * layer.d_rounded
                source = k + layer.d_next * (u + layer.h * w)
                for c in range(c_first, c_last):
                    out[target + c] = W[source + c * step]
                if c_last == layer.d:
                    for c in range(layer.d, layer.d_rounded):
                        out[target + c] = 0


@compiled(parallel=True)
def pack(order, layer, W, out):
    """Write the filters in one of the four orders; one kernel, as each costs time to compile.

    Parameters
    ----------
    order : int
        DIRECT or WINOGRAD for the forward pass, TRANSPOSED for the dense backward pass, FILTERS
        for the sparse one.
    layer : Sizes
    W : 1-d float array
        The lecture's W, Fortran order.
    out : 1-d float array
        Written.
    """
    blocks = layer.d_blocks if order == TRANSPOSED else layer.d_next_blocks
    entries = layer.d_next if order == TRANSPOSED else layer.d
    for task in prange(-(-entries // GROUP) * blocks):
        group, block = task // blocks, task % blocks
        first, last = group * GROUP, min((group + 1) * GROUP, entries)
        if order == DIRECT:
            _direct(layer, W, block, first, last, out)
        elif order == WINOGRAD:
            transform_filters(layer, W, block, first, last, out)
        elif order == TRANSPOSED:
            _transposed(layer, W, block, first, last, out)
        else:
            _filters(layer, W, block, first, last, out)


@compiled(parallel=True)
def add_parts(layer, parts, dW, dbias):
    """Add the chunks' parts of the dense (4) in a fixed order, and restore the order of W.

    Parameters
    ----------
    layer : Sizes
    parts : groups.Parts
        From ``direct_backward.dense_dW``.
    dW : 1-d float array
        In the order of W; written.
    dbias : float array, shape (d_next,)
        Written.
    """
    sums, bias_sums = parts.dW, parts.dbias
    run = layer.h * layer.d
    for task in prange(layer.d_next_blocks * layer.h):
        block, w = task // layer.h, task % layer.h
        k_first = block * layer.width
        channels = min(layer.width, layer.d_next - k_first)
        for u in range(layer.h):
            for c in range(layer.d):
                target = k_first + layer.d_next * (u + layer.h * (w + layer.h * c))
                source = ((block * layer.h + w) * run + u * layer.d + c) * layer.width
                copy_row(sums[0], source, channels, dW, target)
                for chunk in range(1, sums.shape[0]):
                    for k in range(channels):
                        dW[target + k] += sums[chunk, source + k]
        if w == 0:
            for k in range(k_first, k_first + channels):
                dbias[k] = bias_sums[0, k]
                for chunk in range(1, sums.shape[0]):
                    dbias[k] += bias_sums[chunk, k]
