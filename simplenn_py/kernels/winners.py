"""The backward pass behind a max pool: (4) and (5) for the winners alone.

At most one entry of dxi/dS per h_pool x h_pool window is not zero, and none is if the ReLU let
nothing through: the forward pass kept which one.  Both products are sums over these winners,

    dxi/dW[k, :]      = sum over winners of channel k of   g * patch of the winner
    dxi/dpad(Z)       = sum over winners, at its patch, of g * filter k

at least h_pool^2 times less work than the dense products for the same sums.  (A small layer
without a pool or Winograd's tiles runs this way too: every entry that the ReLU let through is a
winner.)  So the winners are first sorted into lists, by channel for (4) and by window and offset
for (5).  Then each list is run over its row of vectors (``tile.sparse_tile``).
"""

from numba import prange

from .cover import clear
from .emitter import FLOAT32_LANES, at
from .groups import Offsets, Target, WinnerLists
from .policy import compiled
from .tile import sparse_tile
from .vectors import add_row, copy_row, list_by_channel, list_by_offset, sum_row

#: Vectors of one pass over a list: as many accumulators as registers allow.  Shorter rows have
#: passes of 12, 6 and 5 vectors: 5 is a 5x5 filter of few channels, the usual first layer.
MOST = 18 if FLOAT32_LANES == 16 else 12


@compiled()
def run_lists(n_lists, lists, source, offsets, vectors, pass_vectors, target):
    """Run lists over rows of vectors, a few vectors at a time for all lists.

    Passes are the outer loop: the part of `source` that one of them reads then stays in the
    first-level cache for all lists.

    Parameters
    ----------
    n_lists : int
    lists : groups.WinnerLists
    source : pointer to floats
    offsets : groups.Offsets
        Where each vector of a row is in `source` and in `target`.
    vectors : int
        Number of vectors in a row.
    pass_vectors : int
        Maximum number of vectors in a pass.
    target : groups.Target
        One row per list; added to.
    """
    done = 0
    while done < vectors:
        left = min(vectors - done, pass_vectors)
        if left > 12:
            for q in range(n_lists):
                sparse_tile(MOST, lists, q, source, offsets, done, target)
            done += MOST
        elif left > 6:
            for q in range(n_lists):
                sparse_tile(12, lists, q, source, offsets, done, target)
            done += 12
        elif left > 5:
            for q in range(n_lists):
                sparse_tile(6, lists, q, source, offsets, done, target)
            done += 6
        else:
            for q in range(n_lists):
                sparse_tile(5, lists, q, source, offsets, done, target)
            done += 5


@compiled()
def _list_patch(layer, lanes, offsets):
    """List where a patch's vectors are in ``pad(Z)`` and in a row of (4); return their number."""
    run = layer.h * layer.d
    vectors = -(-run // lanes)
    for w in range(layer.h):
        for v in range(vectors):
            offsets.read[w * vectors + v] = w * layer.a_pad * layer.d + v * lanes
            offsets.write[w * vectors + v] = (w * vectors + v) * lanes
    return _repeat_last(layer.h * vectors, offsets)


@compiled()
def _list_filter(layer, lanes, offsets):
    """List where a filter's vectors are in its row and in the padded gradient; return their number.

    The row is that of ``pack.pack`` in the order FILTERS.
    """
    vectors = -(-layer.d // lanes)
    for w in range(layer.h):
        for u in range(layer.h):
            for v in range(vectors):
                at = (w * layer.h + u) * vectors + v
                offsets.read[at] = at * lanes
                offsets.write[at] = ((w * layer.a_pad + u) * vectors + v) * lanes
    return _repeat_last(layer.h * layer.h * vectors, offsets)


@compiled()
def _repeat_last(count, offsets):
    """Give a partial pass something to read; return `count`."""
    for extra in range(MOST):
        offsets.read[count + extra] = offsets.read[count - 1]
        offsets.write[count + extra] = offsets.write[count - 1]
    return count


@compiled()
def _list_shifts(layer, step, shifts):
    """List how far each offset of a window is from its first pixel, in pixels times `step`."""
    shifts[0] = 0  # of the entries that do not pass
    for w in range(layer.h_pool):
        for u in range(layer.h_pool):
            shifts[1 + u + layer.h_pool * w] = (w * layer.a_pad + u) * layer.s * step


@compiled(parallel=True)
def winners_dW(layer, l, Z, gradient, parts, splits, room):
    """Equation (4) in parts, from the winners.

    The lists are long enough that a list is worth its pass, and short enough that the part of `Z`
    that it reads stays in the cache.

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
        ``parts.dW[chunk]`` is ``[k, patch vector]``; written.
    splits : int
        Number of tasks among which the output channels of a chunk are divided.
    room : groups.ListRoom
    """
    lanes = FLOAT32_LANES * 4 // Z.itemsize
    chunks = parts.dW.shape[0]
    for task in prange(chunks * splits):
        chunk, split = task // splits, task % splits
        k_first, k_last = split * layer.d_next // splits, (split + 1) * layer.d_next // splits
        channels = k_last - k_first
        tables = room.tables
        counts, shifts, starts = tables[task, 0], tables[task, 3], tables[task, 4]
        offsets = Offsets(tables[task, 1], tables[task, 2])
        lists = WinnerLists(
            at(room.values[task], 0), at(room.places[task], 0), at(counts, 0), layer.list_capacity
        )
        part, bias = parts.dW[chunk], parts.dbias[chunk]
        vectors = _list_patch(layer, lanes, offsets)
        row = vectors * lanes
        _list_shifts(layer, layer.d, shifts)
        clear(part, k_first * row, k_last * row)
        clear(bias, k_first, k_last)
        for k in range(channels):
            starts[k] = (k_first + k) * row
        target = Target(at(part, 0), at(starts, 0))
        last = (chunk + 1) * l // chunks
        for n_first in range(chunk * l // chunks, last, layer.list_instances):
            for j_first in range(0, layer.b_next, layer.list_columns):
                clear(counts, 0, channels)
                for n in range(n_first, min(n_first + layer.list_instances, last)):
                    for j in range(j_first, min(j_first + layer.list_columns, layer.b_next)):
                        for i in range(layer.a_next):
                            pixel = (n * layer.b_next + j) * layer.a_next + i
                            entry = pixel * layer.d_next + k_first
                            column = n * layer.b_pad + j * layer.h_pool * layer.s
                            corner = column * layer.a_pad + i * layer.h_pool * layer.s
                            add_row(gradient, entry, channels, bias, k_first)
                            list_by_channel(
                                gradient, entry, channels, corner * layer.d, shifts, lists
                            )
                run_lists(channels, lists, at(Z, 0), offsets, vectors, vectors, target)


@compiled(parallel=True)
def add_winner_parts(layer, parts, dW, dbias):
    """Add the chunks' parts in a fixed order, and restore the order of W.

    Parameters
    ----------
    layer : Sizes
    parts : groups.Parts
        From :func:`winners_dW`; the first chunk's is overwritten by the sum.
    dW : 1-d float array
        In the order of W; written.
    dbias : float array, shape (d_next,)
        Written.
    """
    sums, bias_sums = parts.dW, parts.dbias
    lanes = FLOAT32_LANES * 4 // sums.itemsize
    vectors = -(-layer.h * layer.d // lanes)
    row = layer.h * vectors * lanes
    for task in prange(-(-layer.d_next // lanes)):  # neighbouring filters share lines of the cache
        k_first = task * lanes
        k_last = min(k_first + lanes, layer.d_next)
        for k in range(k_first, k_last):
            dbias[k] = bias_sums[0, k]
            for chunk in range(1, sums.shape[0]):
                dbias[k] += bias_sums[chunk, k]
        for chunk in range(1, sums.shape[0]):
            start = chunk * sums.shape[1] + k_first * row
            sum_row(sums, start, (k_last - k_first) * row, sums, k_first * row)
        for w in range(layer.h):
            for u in range(layer.h):
                for c in range(layer.d):
                    source = w * vectors * lanes + u * layer.d + c
                    target = layer.d_next * (u + layer.h * (w + layer.h * c))
                    for k in range(k_first, k_last):
                        dW[target + k] = sums[0, k * row + source]


@compiled(parallel=True)
def winners_dZ(layer, n_gradients, gradient, filters, out, scratch, room):
    """Equation (5) from the winners: each window adds its filters where their patches lie.

    The winners of ``pass_windows`` windows are sorted before their lists are run.  A pass has so
    few vectors that those of all filters fit into the first-level cache, where the windows share
    them.

    Parameters
    ----------
    layer : Sizes
    n_gradients : int
        Number of gradient columns.
    gradient : groups.Gradient
    filters : 1-d float array
        From ``pack.pack`` in the order FILTERS.
    out : 1-d float array
        ``[gradient column, b, a, d]``, without padding; written.
    scratch : float array, shape (chunks, ...)
        For the padded gradient of one column, channels filled up to whole vectors.
    room : groups.ListRoom
        For ``h_pool*h_pool + 1`` lists per window.
    """
    lanes = FLOAT32_LANES * 4 // out.itemsize
    chunks = scratch.shape[0]
    row = layer.h * layer.h * layer.d_rounded
    per_window = 1 + layer.h_pool * layer.h_pool
    pool = layer.h_pool * layer.s
    windows = layer.b_next * layer.a_next
    size = windows * layer.d_next
    for chunk in prange(chunks):
        tables, dpad = room.tables, scratch[chunk]
        counts, shifts, starts = tables[chunk, 0], tables[chunk, 3], tables[chunk, 4]
        offsets = Offsets(tables[chunk, 1], tables[chunk, 2])
        lists = WinnerLists(
            at(room.values[chunk], 0), at(room.places[chunk], 0), at(counts, 0), layer.d_next
        )
        target = Target(at(dpad, 0), at(starts, 0))
        vectors = _list_filter(layer, lanes, offsets)
        _list_shifts(layer, layer.d_rounded, shifts)
        for n in range(chunk * n_gradients // chunks, (chunk + 1) * n_gradients // chunks):
            clear(dpad, 0, layer.b_pad * layer.a_pad * layer.d_rounded)
            own = n // gradient.columns
            for first in range(0, windows, layer.pass_windows):
                n_lists = 0
                for ij in range(first, min(first + layer.pass_windows, windows)):
                    corner = (ij // layer.a_next * layer.a_pad + ij % layer.a_next) * pool
                    clear(counts, n_lists, n_lists + per_window)
                    for t in range(per_window):
                        starts[n_lists + t] = corner * layer.d_rounded + shifts[t]
                    pixel = ij * layer.d_next
                    list_by_offset(
                        gradient, n * size + pixel, own * size + pixel, layer.d_next, row,
                        lists, n_lists,
                    )  # fmt: skip
                    counts[n_lists] = 0  # of those without a winner
                    n_lists += per_window
                run_lists(
                    n_lists, lists, at(filters, 0), offsets, vectors, layer.pass_vectors, target
                )
            for j in range(layer.b):
                for i in range(layer.a):
                    source = ((j + layer.p) * layer.a_pad + i + layer.p) * layer.d_rounded
                    pixel = (n * layer.b + j) * layer.a + i
                    copy_row(dpad, source, layer.d, out, pixel * layer.d)
