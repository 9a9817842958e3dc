"""The way back behind a max pool: (4) and (5) for the winners alone.

Of every h_pool x h_pool window at most one entry of dxi/dS is not zero, and none where the ReLU
let nothing through: the forward pass kept which.  Both products are sums over these winners,

    dxi/dW[k, :]      = sum over winners of channel k of   g * patch of the winner
    dxi/dpad(Z)       = sum over winners, at its patch, of g * filter k

at least h_pool^2 times less work than the dense products for the same sums.  (A small layer
without a pool goes this way too: all that the ReLU lets through are winners.)  So the
winners are first sorted into lists, by channel for (4) and by window and offset for (5); then
each list is run over its row of vectors (``tile.sparse_tile``).
"""

from numba import prange

from .cover import clear
from .emitter import FLOAT32_LANES
from .policy import compiled
from .tile import sparse_tile
from .vectors import add_row, copy_row, list_row, sum_row

#: Vectors of one pass over a list: as many accumulators as registers allow.  Shorter rows have
#: passes of 12, 6 and 5 vectors: 5 is a 5x5 filter of few channels, the usual first layer.
MOST = 18 if FLOAT32_LANES == 16 else 12


@compiled()
def run_lists(lists, most, counts, g, places, z, columns, vectors, pass_, out, starts, targets):
    """Run lists over rows of `vectors` vectors, at most `pass_` at a time for all lists.

    Row q of the result begins at ``starts[q]`` in `out`.  Passes are the outer loop: what one of
    them reads of `z` then stays in the first-level cache for all lists.
    """
    done = 0
    while done < vectors:
        left = min(vectors - done, pass_)
        if left > 12:
            for q in range(lists):
                sparse_tile(MOST, g, places, q * most, counts[q], z, columns, done,
                            out, starts[q], targets)  # fmt: skip
            done += MOST
        elif left > 6:
            for q in range(lists):
                sparse_tile(12, g, places, q * most, counts[q], z, columns, done,
                            out, starts[q], targets)  # fmt: skip
            done += 12
        elif left > 5:
            for q in range(lists):
                sparse_tile(6, g, places, q * most, counts[q], z, columns, done,
                            out, starts[q], targets)  # fmt: skip
            done += 6
        else:
            for q in range(lists):
                sparse_tile(5, g, places, q * most, counts[q], z, columns, done,
                            out, starts[q], targets)  # fmt: skip
            done += 5


@compiled()
def _patch_columns(s, lanes, columns, targets):
    """Where a patch's vectors are in ``pad(Z)``, and in a row of the result; how many."""
    run = s.h * s.d
    vectors = -(-run // lanes)
    for w in range(s.h):
        for v in range(vectors):
            columns[w * vectors + v] = w * s.a_pad * s.d + v * lanes
            targets[w * vectors + v] = (w * vectors + v) * lanes
    return _repeat_last(s.h * vectors, columns, targets)


@compiled()
def _filter_columns(s, lanes, columns, targets):
    """Where a filter's vectors are in its packed row, and in the padded gradient; how many."""
    vectors = -(-s.d // lanes)
    for w in range(s.h):
        for u in range(s.h):
            for v in range(vectors):
                at = (w * s.h + u) * vectors + v
                columns[at] = at * lanes
                targets[at] = ((w * s.a_pad + u) * vectors + v) * lanes
    return _repeat_last(s.h * s.h * vectors, columns, targets)


@compiled()
def _repeat_last(count, columns, targets):
    """Give a partial pass something to read."""
    for extra in range(MOST):
        columns[count + extra] = columns[count - 1]
        targets[count + extra] = targets[count - 1]
    return count


@compiled()
def _window_shifts(s, step, shifts):
    """How far each offset of a window is from its first pixel, in pixels times `step`."""
    shifts[0] = 0  # of those that do not pass
    for w in range(s.h_pool):
        for u in range(s.h_pool):
            shifts[1 + u + s.h_pool * w] = (w * s.a_pad + u) * s.s * step


@compiled(parallel=True)
def winners_dW(
    s, l, Z, V, winner, lanes, strip, group, splits, parts, bias_parts, g, places, tables
):  # fmt: skip
    """Equation (4) in parts, from the winners: ``parts[chunk, k, patch vector]``.

    Parameters
    ----------
    strip, group : int
        A list's windows: so many pooled columns of so many instances, enough that a list is
        worth its pass and few enough that what it reads stays in the cache.
    splits : int
        Tasks among which the output channels of a chunk are divided.
    g, places : float and int64 arrays, shape (tasks, d_next*(windows + 1))
    tables : int64 array, shape (tasks, 6, ...)
    """
    chunks = parts.shape[0]
    most = group * strip * s.a_next + 1
    for task in prange(chunks * splits):
        chunk, split = task // splits, task % splits
        k_first, k_last = split * s.d_next // splits, (split + 1) * s.d_next // splits
        channels = k_last - k_first
        columns, targets, counts = tables[task, 0], tables[task, 1], tables[task, 2]
        shifts, starts = tables[task, 3], tables[task, 4]
        own_g, own_places = g[task], places[task]
        part, bias = parts[chunk], bias_parts[chunk]
        vectors = _patch_columns(s, lanes, columns, targets)
        row = vectors * lanes
        _window_shifts(s, s.d, shifts)
        clear(part, k_first * row, k_last * row)
        clear(bias, k_first, k_last)
        for k in range(channels):
            starts[k] = (k_first + k) * row
        last = (chunk + 1) * l // chunks
        for n_first in range(chunk * l // chunks, last, group):
            for j_first in range(0, s.b_next, strip):
                clear(counts, 0, channels)
                for n in range(n_first, min(n_first + group, last)):
                    for j in range(j_first, min(j_first + strip, s.b_next)):
                        for i in range(s.a_next):
                            entry = ((n * s.b_next + j) * s.a_next + i) * s.d_next + k_first
                            column = n * s.b_pad + j * s.h_pool * s.s
                            corner = (column * s.a_pad + i * s.h_pool * s.s) * s.d
                            add_row(V, entry, winner, entry, channels, bias, k_first)
                            list_row(V, entry, winner, entry, channels, corner, 0,
                                     0, shifts, most, counts, own_g, own_places)  # fmt: skip
                run_lists(channels, most, counts, own_g, own_places, Z, columns, vectors,
                          vectors, part, starts, targets)  # fmt: skip


@compiled(parallel=True)
def add_winner_parts(s, parts, bias_parts, lanes, dW, dbias):
    """Add the chunks' parts in a fixed order, back in the lecture's order of entries."""
    vectors = -(-s.h * s.d // lanes)
    row = s.h * vectors * lanes
    for task in prange(-(-s.d_next // lanes)):  # neighbouring filters share lines of the cache
        k_first = task * lanes
        k_last = min(k_first + lanes, s.d_next)
        for k in range(k_first, k_last):
            dbias[k] = bias_parts[0, k]
            for part in range(1, parts.shape[0]):
                dbias[k] += bias_parts[part, k]
        for part in range(1, parts.shape[0]):
            start = part * parts.shape[1] + k_first * row
            sum_row(parts, start, (k_last - k_first) * row, parts, k_first * row)
        for w in range(s.h):
            for u in range(s.h):
                for c in range(s.d):
                    source = w * vectors * lanes + u * s.d + c
                    target = s.d_next * (u + s.h * (w + s.h * c))
                    for k in range(k_first, k_last):
                        dW[target + k] = parts[0, k * row + source]


@compiled(parallel=True)
def winners_dZ(
    s, count, repeat, V, winner, lanes, windows, pass_, rows, out, scratch, g, places, tables
):  # fmt: skip
    """Equation (5) from the winners: each window adds its filters where their patches lie.

    Parameters
    ----------
    count, repeat : int
        Gradient columns, and how many of them an instance has.
    windows, pass_ : int
        Windows that are sorted before their lists are run, and vectors of a pass: so few that
        those of all filters fit into the first-level cache, where the windows share them.
    rows : 1-d float array
        From ``pack.pack`` in the order FILTERS.
    out : 1-d float array
        ``(count, b, a, d)``, without padding.
    scratch : float array, shape (chunks, ...)
        The padded gradient of one column, channels filled up to whole vectors.
    g, places, tables
        As for :func:`winners_dW`, with ``h_pool*h_pool + 1`` lists a window.
    """
    chunks = scratch.shape[0]
    channels = -(-s.d // lanes) * lanes
    row = s.h * s.h * channels
    offsets = s.h_pool * s.h_pool
    pool = s.h_pool * s.s
    most = s.d_next
    size = s.b_next * s.a_next * s.d_next
    for chunk in prange(chunks):
        columns, targets, counts = tables[chunk, 0], tables[chunk, 1], tables[chunk, 2]
        shifts, starts = tables[chunk, 3], tables[chunk, 4]
        own_g, own_places, dpad = g[chunk], places[chunk], scratch[chunk]
        inside = tables[chunk, 5]
        vectors = _filter_columns(s, lanes, columns, targets)
        _window_shifts(s, channels, inside)
        clear(shifts, 0, offsets + 1)
        for n in range(chunk * count // chunks, (chunk + 1) * count // chunks):
            clear(dpad, 0, s.b_pad * s.a_pad * channels)
            for window in range(0, s.b_next * s.a_next, windows):
                lists = 0
                for ij in range(window, min(window + windows, s.b_next * s.a_next)):
                    corner = (ij // s.a_next * s.a_pad + ij % s.a_next) * pool * channels
                    clear(counts, lists, lists + 1 + offsets)
                    for t in range(1 + offsets):
                        starts[lists + t] = corner + inside[t]
                    pixel = ij * s.d_next
                    list_row(V, n * size + pixel, winner, n // repeat * size + pixel, s.d_next,
                             0, row, 1, shifts, most, counts[lists:],
                             own_g[lists * most :], own_places[lists * most :])  # fmt: skip
                    counts[lists] = 0
                    lists += 1 + offsets
                run_lists(lists, most, counts, own_g, own_places, rows, columns, vectors,
                          pass_, dpad, starts, targets)  # fmt: skip
            for j in range(s.b):
                for i in range(s.a):
                    source = ((j + s.p) * s.a_pad + i + s.p) * channels
                    copy_row(dpad, source, s.d, out, ((n * s.b + j) * s.a + i) * s.d)
