"""The direct engine's dense backward pass: (3), (4), (5) on the register tile, for any layer.

One instance (or a few small ones) at a time, dxi/dS is formed in scratch memory that stays in the
cache, then multiplied.  Behind a max pool most of it is zero: see ``winners``.
"""

from numba import prange

from .cover import clear, cover, outer_cover
from .emitter import at
from .groups import Offsets, Panel, Pixels, Rows, Target
from .policy import compiled
from .tile import ROWS
from .vectors import copy_row, scatter_row


@compiled()
def form_dS(layer, n_first, n_last, gradient, k, channels, dS, stride, rows):
    """Equation (3) for some instances: one row of `channels`, from `k` on, per pixel of S.

    The winner says both where the entry goes, P_pool, and whether it passes, ``I[Z^{m+1}]``: it
    is -1 if the ReLU let nothing through.

    Parameters
    ----------
    layer : Sizes
    n_first, n_last : int
        The gradient columns.
    gradient : groups.Gradient
    k, channels : int
        The first output channel and the number of output channels.
    dS : 1-d float array
        One row per pixel, `stride` apart; written, in whole vectors.
    stride : int
    rows : int
        Rows per column of `dS`: ``a_use``, or ``a_block`` for Winograd's tiles.
    """
    column = 0
    for n in range(n_first, n_last):
        own = n // gradient.columns
        for j in range(layer.b_next):
            for i in range(layer.a_next):
                source = ((n * layer.b_next + j) * layer.a_next + i) * layer.d_next + k
                kept = ((own * layer.b_next + j) * layer.a_next + i) * layer.d_next + k
                for w in range(layer.h_pool):
                    for u in range(layer.h_pool):
                        pixel = (column + w) * rows + i * layer.h_pool + u
                        scatter_row(
                            gradient, source, kept, u + layer.h_pool * w, channels,
                            dS, pixel * stride,
                        )  # fmt: skip
            column += layer.h_pool


@compiled()
def add_rows(rows, n, stride, channels, out, out_start):
    """Add up rows: dxi/dbias = dxi/dS 1.

    Parameters
    ----------
    rows : 1-d float array
    n, stride : int
        Number of rows, and their distance.
    channels : int
        Length of a row.
    out : 1-d float array
        Added to, from `out_start` on.
    out_start : int
    """
    for r in range(n):
        for k in range(channels):
            out[out_start + k] += rows[r * stride + k]


@compiled()
def _dW_block(layer, n_first, n_last, block, Z, dS, part):
    """Equation (4) for some instances and one block of output channels, added to `part`."""
    run = layer.h * layer.d
    count, instance = n_last - n_first, layer.b_pad * layer.a_pad * layer.d
    down, right = layer.s * layer.d, layer.s * layer.a_pad * layer.d
    panel = Panel(at(dS, 0), layer.width)
    for w in range(layer.h):
        z = n_first * instance + w * layer.a_pad * layer.d
        target = (block * layer.h + w) * run * layer.width
        done = 0
        while done < run:
            patches = at(Z, z + done)
            pixels = Pixels(patches, count, instance, layer.b_use, right, layer.a_use, down)
            entries = Panel(at(part, target + done * layer.width), layer.width)
            done += outer_cover(layer.vectors, run - done, pixels, panel, entries)


@compiled(parallel=True)
def dense_dW(layer, l, Z, gradient, parts, splits, scratch):
    """Equation (4): ``dxi/dW = dxi/dS phi(pad(Z))'`` and ``dxi/dbias = dxi/dS 1``, in parts.

    Part c sums over the instances of chunk c.  The number of parts does not depend on the number
    of threads, so neither does the sum.

    Parameters
    ----------
    layer : Sizes
    l : int
        Number of instances.
    Z : 1-d float array
        ``pad(Z^m)`` as stored.
    gradient : groups.Gradient
        With one gradient column per instance.
    parts : groups.Parts
        ``parts.dW[chunk]`` is ``[block, w, u, c, k]``, with ``d_next_blocks*width`` output
        channels; written.
    splits : int
        Number of tasks among which the output channels of a chunk are divided.
    scratch : float array, shape (chunks*splits, ...)
        For dxi/dS of ``dW_instances`` instances, one block of output channels.
    """
    chunks = parts.dW.shape[0]
    for task in prange(chunks * splits):
        chunk, split = task // splits, task % splits
        first, last = chunk * l // chunks, (chunk + 1) * l // chunks
        blocks = split * layer.d_next_blocks // splits, (split + 1) * layer.d_next_blocks // splits
        part, bias = parts.dW[chunk], parts.dbias[chunk]
        dS = scratch[task]
        for block in range(blocks[0], blocks[1]):
            k = block * layer.width
            size = layer.h * layer.h * layer.d * layer.width
            clear(part, block * size, (block + 1) * size)
            clear(bias, k, k + layer.width)
            channels = min(layer.width, layer.d_next - k)
            for n in range(first, last, layer.dW_instances):
                n_last = min(n + layer.dW_instances, last)
                form_dS(layer, n, n_last, gradient, k, channels, dS, layer.width, layer.a_use)
                pixels = (n_last - n) * layer.a_use * layer.b_use
                add_rows(dS, pixels, layer.width, channels, bias, k)
                _dW_block(layer, n, n_last, block, Z, dS, part)


@compiled()
def list_pixels(layer, count, stride, u, w, offsets):
    """List the rows of dxi/dS of `count` instances, and the pixels of pad(Z) at (u, w) of each.

    Return their number.  ROWS more entries repeat the last one.

    Parameters
    ----------
    layer : Sizes
    count : int
        Number of instances.
    stride : int
        Distance between rows of dxi/dS.
    u, w : int
        Row and column of the filter.
    offsets : groups.Offsets
        Written.
    """
    read, write = offsets.read, offsets.write
    k = 0
    for n in range(count):
        for j in range(layer.b_use):
            for i in range(layer.a_use):
                read[k] = k * stride
                pixel = (n * layer.b_pad + j * layer.s + w) * layer.a_pad + i * layer.s + u
                write[k] = pixel * layer.width
                k += 1
    for extra in range(ROWS):
        read[k + extra] = read[k - 1]
        write[k + extra] = write[k - 1]
    return k


@compiled(parallel=True)
def dense_dZ(layer, n_gradients, gradient, w_transposed, out, scratch, dpad_start, lists):
    """Equation (5): ``dxi/dvec(Z)' = vec(W' dxi/dS)' P_phi P_pad``; the patches are never formed.

    For every filter offset (u, w) the tile multiplies dxi/dS by that slice of W and adds the
    result to the pixels that stand there, in the fixed order of the offsets.

    Parameters
    ----------
    layer : Sizes
    n_gradients : int
        Number of gradient columns.
    gradient : groups.Gradient
    w_transposed : 1-d float array
        Filters from ``pack.pack`` in the order TRANSPOSED.
    out : 1-d float array
        ``[gradient column, b, a, d]``, without padding; written.
    scratch : float array, shape (chunks, ...)
        For dxi/dS and, from `dpad_start` on, the padded gradient of ``strip_instances`` instances.
    dpad_start : int
    lists : int64 array, shape (chunks, 2, ...)
    """
    chunks = scratch.shape[0]
    tasks = -(-n_gradients // layer.strip_instances)
    stride = layer.d_next_blocks * layer.width
    pad_size = layer.a_pad * layer.b_pad * layer.width
    for chunk in prange(chunks):
        dS, dpad = scratch[chunk], scratch[chunk, dpad_start:]
        offsets = Offsets(lists[chunk, 0], lists[chunk, 1])
        for task in range(chunk * tasks // chunks, (chunk + 1) * tasks // chunks):
            n = task * layer.strip_instances
            n_last = min(n + layer.strip_instances, n_gradients)
            form_dS(layer, n, n_last, gradient, 0, layer.d_next, dS, stride, layer.a_use)
            for block in range(layer.d_blocks):
                clear(dpad, 0, (n_last - n) * pad_size)
                for w in range(layer.h):
                    for u in range(layer.h):
                        pixels = list_pixels(layer, n_last - n, stride, u, w, offsets)
                        start = ((block * layer.h + w) * layer.h + u) * layer.d_next * layer.width
                        cover(
                            layer.vectors,
                            pixels,
                            Rows(at(dS, 0), at(offsets.read, 0), 1, 0, layer.d_next),
                            Panel(at(w_transposed, start), layer.width),
                            Target(at(dpad, 0), at(offsets.write, 0)),
                            1,
                        )
                unpad_rows(layer, n, n_last, block, dpad, out)


@compiled()
def unpad_rows(layer, n_first, n_last, block, dpad, out):
    """Copy one block of channels of the middle of pad(Z): P_pad.

    Parameters
    ----------
    layer : Sizes
    n_first, n_last : int
        The gradient columns.
    block : int
        Index of the block of channels.
    dpad : 1-d float array
        ``[n, column, row, channel]`` from `n_first` on, one block of channels.
    out : 1-d float array
        ``[gradient column, b, a, d]``; written.
    """
    c = block * layer.width
    channels = min(layer.width, layer.d - c)
    for n in range(n_first, n_last):
        for j in range(layer.b):
            for i in range(layer.a):
                pixel = ((n - n_first) * layer.b_pad + j + layer.p) * layer.a_pad + i + layer.p
                target = ((n * layer.b + j) * layer.a + i) * layer.d + c
                copy_row(dpad, pixel * layer.width, channels, out, target)
