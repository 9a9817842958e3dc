"""A layer's sizes, and a list of pixels covered by register tiles."""

from typing import NamedTuple

from .policy import compiled
from .tile import ROWS, VECTORS, tile

#: Rows of the smaller tile.  Images have 8, 16, 32 pixels a side more often than others.
HALF = 8 if ROWS == 14 else 4


class Sizes(NamedTuple):
    """A layer's sizes as its kernels see them, all int64.

    The letters are the lecture's.  ``a_use``, ``b_use`` are the rows and columns of S that fall
    into complete pooling windows: only those are computed.  ``p_next`` is the padding of the
    next layer, into whose ``pad(Z)`` this one writes.  ``width`` channels, the tile's vectors,
    make a block; d has ``d_blocks`` of them, d_next ``d_next_blocks``.  A block of pixels is
    ``columns`` pooled columns of ``group`` instances; ``group > 1`` only where a whole instance
    has few pixels, and then ``columns = b_next``; the dense (4) takes ``dW_group`` instances.
    """

    a: int
    b: int
    d: int
    p: int
    a_pad: int
    b_pad: int
    h: int
    s: int
    d_next: int
    h_pool: int
    a_next: int
    b_next: int
    p_next: int
    a_use: int
    b_use: int
    width: int
    vectors: int
    d_blocks: int
    d_next_blocks: int
    columns: int
    group: int
    dW_group: int
    winograd: int
    a_block: int
    channels: int


@compiled()
def clear(array, start, stop):
    """Set part of an array to 0."""
    part = array[start:stop]  # its indices are not negative, as LLVM can see
    for k in range(part.size):
        part[k] = 0


def halves(n: int) -> int:
    """How many tiles of HALF rows to end a list of `n` with, after those of ROWS rows.

    One, two or three, where that covers little more than n rows: 16 are two of 8, not 14 and 8.
    """
    rest = n % ROWS
    if rest == 0:
        return 0
    if n > ROWS and rest <= 2 * HALF - ROWS:
        return 2
    if n > ROWS and HALF < rest <= 3 * HALF - ROWS:
        return 3
    return 1 if rest <= HALF else 0


_halves = compiled()(halves)


@compiled()
def cover(
    vectors, n, z, z_start, offsets, segments, segment_stride, steps,
    w, w_start, w_stride, out, out_start, targets, add,
):  # fmt: skip
    """Cover a list of `n` pixels with tiles: of ROWS rows, the last perhaps of HALF."""
    whole, done = n - HALF * _halves(n), 0
    while done < n:
        if vectors == VECTORS:
            if done < whole:
                tile(ROWS, VECTORS, z, z_start, offsets, done, segments, segment_stride, steps,
                     w, w_start, w_stride, out, out_start, targets, add)  # fmt: skip
            else:
                tile(HALF, VECTORS, z, z_start, offsets, done, segments, segment_stride, steps,
                     w, w_start, w_stride, out, out_start, targets, add)  # fmt: skip
        elif done < whole:
            tile(ROWS, 1, z, z_start, offsets, done, segments, segment_stride, steps,
                 w, w_start, w_stride, out, out_start, targets, add)  # fmt: skip
        else:
            tile(HALF, 1, z, z_start, offsets, done, segments, segment_stride, steps,
                 w, w_start, w_stride, out, out_start, targets, add)  # fmt: skip
        done += ROWS if done < whole else HALF
