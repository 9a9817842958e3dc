"""The direct engine's forward pass: convolution straight from the stored ``pad(Z)``.

phi is never formed.  A block of output pixels is a list of places in ``pad(Z)``; the tile reads
every patch from there, and bias, ReLU and pooling are done on the block's result while it is
still in the first-level cache.  A fully connected layer is the same with one pixel an instance.
"""

from numba import prange

from .cover import cover
from .policy import compiled
from .tile import ROWS
from .vectors import pool_row, select_row
from .winograd import (
    PIECE,
    TILE,
    list_tiles,
    multiply_places,
    transform_pieces,
    transform_products,
)


@compiled()
def list_patches(s, n_first, n_last, j_first, j_last, offsets, targets):
    """List where the patches of some output pixels begin in ``pad(Z)``; return how many.

    The pixels are the rows ``0..a_use`` of columns ``j_first..j_last`` of the instances, rows
    fastest; `targets` numbers them by ``width``.  ROWS more entries repeat the last one, so that
    a partial tile has something to read.
    """
    k = 0
    for n in range(n_first, n_last):
        for j in range(j_first, j_last):
            for i in range(s.a_use):
                offsets[k] = ((n * s.b_pad + j * s.s) * s.a_pad + i * s.s) * s.d
                targets[k] = k * s.width
                k += 1
    for extra in range(ROWS):
        offsets[k + extra] = offsets[k - 1]
        targets[k + extra] = targets[k - 1]
    return k


@compiled()
def _forward_block(
    s, l, task, Z, w, bias, activate, out, keep, winner, scratch, offsets, targets
):  # fmt: skip
    """One block of pixels, all output channels: products, then bias, ReLU and pooling."""
    pixels = s.group * -(-s.columns * s.h_pool // TILE) * TILE * s.a_block
    U = pixels * s.width  # where in the scratch memory what Winograd needs begins, behind S
    M = U + pixels * PIECE * PIECE // (TILE * TILE) * s.channels
    strips = -(-s.b_next // s.columns)
    n_first = task // strips * s.group
    n_last = min(n_first + s.group, l)
    j_first = task % strips * s.columns
    j_last = min(j_first + s.columns, s.b_next)
    j_conv, j_end = j_first * s.h_pool, j_last * s.h_pool
    if s.winograd:
        tiles = list_tiles(s, n_first, n_last, j_conv, j_end, offsets, targets)
        transform_pieces(s, n_first, n_last, j_conv, j_end, Z, tiles, scratch, U)
    else:
        tiles = list_patches(s, n_first, n_last, j_conv, j_end, offsets, targets)
    run = s.h * s.d
    a_pad_next, b_pad_next = s.a_next + 2 * s.p_next, s.b_next + 2 * s.p_next
    for block in range(s.d_next_blocks):
        k = block * s.width
        if s.winograd:
            multiply_places(s, tiles, w, block, scratch, U, M, offsets, targets, 0)
            transform_products(s, tiles, scratch, M)
        else:
            cover(
                s.vectors, tiles, Z, 0, offsets, s.h, s.a_pad * s.d, run,
                w, k * s.h * run, s.width, scratch, 0, targets, 0,
            )  # fmt: skip
        channels = min(s.width, s.d_next - k)
        column = 0  # of S, counted through the block
        for n in range(n_first, n_last):
            for j in range(j_first, j_last):
                for i in range(s.a_next):
                    start = (column * s.a_block + i * s.h_pool) * s.width
                    pad_j, pad_i = j + s.p_next, i + s.p_next
                    target = ((n * b_pad_next + pad_j) * a_pad_next + pad_i) * s.d_next + k
                    kept = ((n * s.b_next + j) * s.a_next + i) * s.d_next + k
                    pool_row(
                        scratch, start, s.width, s.a_block * s.width, s.h_pool,
                        bias, k, activate, channels, out, target, keep, winner, kept,
                    )  # fmt: skip
                column += s.h_pool
            if s.winograd:
                column += -column % TILE  # an instance begins on a tile of its own


@compiled(parallel=True)
def forward(s, l, Z, w, bias, activate, out, keep, winner, scratch, lists):
    """``Z^{m+1} = pool(sigma(W phi(pad(Z^m)) + bias 1'))``, written into the next ``pad(Z)``.

    Parameters
    ----------
    s : Sizes
    l : int
    Z, out : 1-d float arrays
        ``pad(Z^m)`` and ``pad(Z^{m+1})`` as stored, a vector's room behind them.
    w, bias : 1-d float arrays
        Filters from ``pack.pack`` in the order TILE, or WINOGRAD where ``s.winograd``.
    activate : int
        0 leaves the ReLU out.
    keep : int
        1 keeps the winners for the way back, 0 not.
    winner : 1-d array of integers as wide as the floats
        ``u + h_pool*w`` of each pooled entry's maximum, -1 where the ReLU let nothing through.
    scratch : float array, shape (chunks, ...)
    lists : int64 array, shape (chunks, 2, ...)
        Each chunk of blocks has its own; a block's result depends on no other block.
    """
    chunks = scratch.shape[0]
    tasks = -(-l // s.group) * -(-s.b_next // s.columns)
    for chunk in prange(chunks):
        for task in range(chunk * tasks // chunks, (chunk + 1) * tasks // chunks):
            _forward_block(
                s, l, task, Z, w, bias, activate, out, keep, winner,
                scratch[chunk], lists[chunk, 0], lists[chunk, 1],
            )  # fmt: skip


@compiled()
def _tangent_block(
    s, l, task, first, RZ, Z, w, v, v_bias, winner, out, scratch, offsets, targets
):  # fmt: skip
    """One block of pixels of R{S}, pooled by the winners of the forward pass."""
    pixels = s.group * -(-s.columns * s.h_pool // TILE) * TILE * s.a_block
    places = pixels * PIECE * PIECE // (TILE * TILE)
    U = pixels * s.width
    RU = U + places * s.channels
    M = RU + places * s.channels
    strips = -(-s.b_next // s.columns)
    n_first = task // strips * s.group
    n_last = min(n_first + s.group, l)
    j_first = task % strips * s.columns
    j_last = min(j_first + s.columns, s.b_next)
    j_conv, j_end = j_first * s.h_pool, j_last * s.h_pool
    if s.winograd:
        tiles = list_tiles(s, n_first, n_last, j_conv, j_end, offsets, targets)
        transform_pieces(s, n_first, n_last, j_conv, j_end, Z, tiles, scratch, U)
        if not first:
            transform_pieces(s, n_first, n_last, j_conv, j_end, RZ, tiles, scratch, RU)
    else:
        tiles = list_patches(s, n_first, n_last, j_conv, j_end, offsets, targets)
    run = s.h * s.d
    a_pad_next, b_pad_next = s.a_next + 2 * s.p_next, s.b_next + 2 * s.p_next
    for block in range(s.d_next_blocks):
        k = block * s.width
        for term in range(1 if first else 2):
            if s.winograd:
                multiply_places(
                    s, tiles, w if term else v, block, scratch, RU if term else U, M,
                    offsets, targets, term,
                )  # fmt: skip
            else:
                cover(
                    s.vectors, tiles, RZ if term else Z, 0, offsets, s.h, s.a_pad * s.d, run,
                    w if term else v, k * s.h * run, s.width, scratch, 0, targets, term,
                )  # fmt: skip
        if s.winograd:
            transform_products(s, tiles, scratch, M)
        channels = min(s.width, s.d_next - k)
        column = 0
        for n in range(n_first, n_last):
            for j in range(j_first, j_last):
                for i in range(s.a_next):
                    start = (column * s.a_block + i * s.h_pool) * s.width
                    pad_j, pad_i = j + s.p_next, i + s.p_next
                    target = ((n * b_pad_next + pad_j) * a_pad_next + pad_i) * s.d_next + k
                    kept = ((n * s.b_next + j) * s.a_next + i) * s.d_next + k
                    select_row(
                        scratch, start, s.width, s.a_block * s.width, s.h_pool,
                        v_bias, k, winner, kept, channels, out, target,
                    )  # fmt: skip
                column += s.h_pool
            if s.winograd:
                column += -column % TILE


@compiled(parallel=True)
def tangent(s, l, first, RZ, Z, w, v, v_bias, winner, out, scratch, lists):
    """``R{S} = W phi(pad(R{Z})) + V phi(pad(Z)) + v_bias 1'``, pooled and masked by the winners.

    Parameters as for :func:`forward`; `v` and `v_bias` are the packed direction, `RZ` and `out`
    are stored as ``pad(Z)`` is.  `first` leaves `RZ` out: of the images it is 0.
    """
    chunks = scratch.shape[0]
    tasks = -(-l // s.group) * -(-s.b_next // s.columns)
    for chunk in prange(chunks):
        for task in range(chunk * tasks // chunks, (chunk + 1) * tasks // chunks):
            _tangent_block(
                s, l, task, first, RZ, Z, w, v, v_bias, winner, out,
                scratch[chunk], lists[chunk, 0], lists[chunk, 1],
            )  # fmt: skip


@compiled()
def _scale_line(source, scale, offset, out):
    """One image column; a function of its own, so that LLVM makes vectors of it."""
    number = out.dtype.type  # else a byte times a float32 would be a float64
    for k in range(out.size):
        out[k] = number(source[k]) * scale - offset[k]


@compiled(parallel=True)
def gather_padded(images, indices, flips, scale, offset, s, out):
    """``pad(Z^1)`` of chosen images, scaled and centred: ``images[n]*scale - offset`` inside.

    The columns of an image change places where ``flips[n]``.
    """
    line = s.a * s.d
    for n in prange(indices.size):
        image = images[indices[n]]
        for j in range(s.b):
            start = (s.b - 1 - j if flips[n] else j) * line
            first = ((n * s.b_pad + j + s.p) * s.a_pad + s.p) * s.d
            _scale_line(
                image[start : start + line], scale, offset[j * line : (j + 1) * line],
                out[first : first + line],
            )  # fmt: skip
