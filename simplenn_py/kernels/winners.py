"""The way back behind a max pool: (4) and (5) for the winners alone.

Of every h_pool x h_pool window at most one entry of dxi/dS is not zero, and none where the ReLU
let nothing through: the forward pass kept which.  Both products are sums over these winners,

    dxi/dW[k, :]      = sum over winners of channel k of   g * patch of the winner
    dxi/dpad(Z)       = sum over winners, at its patch, of g * filter k

at least h_pool^2 times less work than the dense products, exactly the same numbers.
"""

from numba import prange

from .policy import compiled
from .tile import FLOAT32_LANES, sparse_tile
from .vectors import copy_row

#: Vectors of one pass over a list: as many accumulators as registers allow.
MOST = 18 if FLOAT32_LANES == 16 else 12


@compiled()
def add_list(g, places, first, count, z, columns, vectors, out, out_start, targets):
    """Run one list of winners over a row of `vectors` vectors, as many at a time as fit."""
    done = 0
    while done < vectors:
        left = vectors - done
        if left > 12:
            sparse_tile(MOST, g, places, first, count, z, columns, done,
                        out, out_start, targets, left)  # fmt: skip
            done += MOST
        elif left > 6:
            sparse_tile(12, g, places, first, count, z, columns, done,
                        out, out_start, targets, left)  # fmt: skip
            done += 12
        elif left > 3:
            sparse_tile(6, g, places, first, count, z, columns, done,
                        out, out_start, targets, left)  # fmt: skip
            done += 6
        else:
            sparse_tile(3, g, places, first, count, z, columns, done,
                        out, out_start, targets, left)  # fmt: skip
            done += 3


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
def _repeat_last(count, columns, targets):
    """Give a partial pass something to read."""
    for extra in range(MOST):
        columns[count + extra] = columns[count - 1]
        targets[count + extra] = targets[count - 1]
    return count


@compiled()
def _list_by_channel(s, n_first, n_last, j_first, j_last, V, winner, g, places, counts, shifts, most):
    """For every output channel, the winners of some windows: value, and where its patch begins."""
    counts[: s.d_next] = 0
    shifts[0] = 0  # of those that do not pass
    for w in range(s.h_pool):
        for u in range(s.h_pool):
            shifts[1 + u + s.h_pool * w] = (w * s.a_pad + u) * s.s * s.d
    for n in range(n_first, n_last):
        for j in range(j_first, j_last):
            for i in range(s.a_next):
                entry = ((n * s.b_next + j) * s.a_next + i) * s.d_next
                column = n * s.b_pad + j * s.h_pool * s.s
                corner = (column * s.a_pad + i * s.h_pool * s.s) * s.d
                for k in range(s.d_next):
                    which = winner[entry + k] + 1
                    place = k * most + counts[k]
                    g[place] = V[entry + k]
                    places[place] = corner + shifts[which]
                    counts[k] += which > 0  # else the next one takes its place


@compiled(parallel=True)
def winners_dW(s, l, Z, V, winner, lanes, columns_, group, parts, bias_parts, g, places, tables):
    """Equation (4) in parts, from the winners: ``parts[chunk, k, patch vector]``.

    Parameters
    ----------
    columns_, group : int
        A list's windows: so many pooled columns of so many instances, enough that a list is
        worth its pass and few enough that the lists of all channels stay in the cache.
    g, places : float and int64 arrays, shape (chunks, d_next*(windows + 1))
    tables : int64 array, shape (chunks, 4, ...)
    """
    chunks = parts.shape[0]
    most = group * columns_ * s.a_next + 1
    for chunk in prange(chunks):
        columns, targets, counts = tables[chunk, 0], tables[chunk, 1], tables[chunk, 2]
        vectors = _patch_columns(s, lanes, columns, targets)
        parts[chunk] = 0
        bias_parts[chunk] = 0
        last = (chunk + 1) * l // chunks
        for n in range(chunk * l // chunks, last, group):
            for j in range(0, s.b_next, columns_):
                _list_by_channel(
                    s, n, min(n + group, last), j, min(j + columns_, s.b_next), V, winner,
                    g[chunk], places[chunk], counts, tables[chunk, 3], most,
                )  # fmt: skip
                for k in range(s.d_next):
                    add_list(
                        g[chunk], places[chunk], k * most, counts[k], Z, columns, vectors,
                        parts[chunk], k * vectors * lanes, targets,
                    )  # fmt: skip
                    for entry in range(k * most, k * most + counts[k]):
                        bias_parts[chunk, k] += g[chunk, entry]


@compiled(parallel=True)
def add_winner_parts(s, parts, bias_parts, lanes, dW, dbias):
    """Add the chunks' parts in a fixed order, back in the lecture's order of entries."""
    vectors = -(-s.h * s.d // lanes)
    row = s.h * vectors * lanes
    for k in prange(s.d_next):
        dbias[k] = bias_parts[0, k]
        for part in range(1, parts.shape[0]):
            dbias[k] += bias_parts[part, k]
        for w in range(s.h):
            for u in range(s.h):
                for c in range(s.d):
                    source = k * row + w * vectors * lanes + u * s.d + c
                    total = parts[0, source]
                    for part in range(1, parts.shape[0]):
                        total += parts[part, source]
                    dW[k + s.d_next * (u + s.h * (w + s.h * c))] = total


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


@compiled(parallel=True)
def pack_rows(s, W, lanes, out):
    """``out[k, w, u, c]``: a row a filter, its channels filled up to whole vectors."""
    channels = -(-s.d // lanes) * lanes
    for k in prange(s.d_next):
        for w in range(s.h):
            for u in range(s.h):
                target = ((k * s.h + w) * s.h + u) * channels
                for c in range(s.d):
                    out[target + c] = W[k + s.d_next * (u + s.h * (w + s.h * c))]
                for c in range(s.d, channels):
                    out[target + c] = 0


@compiled()
def _list_by_offset(s, entry, own, V, winner, row, g, places, counts, most):
    """The winners of one window, by their offset in it; list 0 takes those that do not pass."""
    counts[: s.h_pool * s.h_pool + 1] = 0
    for k in range(s.d_next):
        which = winner[own + k] + 1
        place = which * most + counts[which]
        g[place] = V[entry + k]
        places[place] = k * row
        counts[which] += 1


@compiled(parallel=True)
def winners_dZ(s, columns_, repeat, V, winner, lanes, rows, out, scratch, g, places, tables):
    """Equation (5) from the winners: each window adds its filters where their patches lie.

    Parameters
    ----------
    columns_, repeat : int
        Gradient columns, and how many of them an instance has.
    rows : 1-d float array
        From :func:`pack_rows`.
    out : 1-d float array
        ``(columns, b, a, d)``, without padding.
    scratch : float array, shape (chunks, ...)
        The padded gradient of one column, channels filled up to whole vectors.
    g, places, tables
        As for :func:`winners_dW`.
    """
    chunks = scratch.shape[0]
    channels = -(-s.d // lanes) * lanes
    row = s.h * s.h * channels
    most = s.d_next
    pool = s.h_pool * s.s
    for chunk in prange(chunks):
        columns, targets, counts = tables[chunk, 0], tables[chunk, 1], tables[chunk, 2]
        vectors = _filter_columns(s, lanes, columns, targets)
        dpad = scratch[chunk]
        for n in range(chunk * columns_ // chunks, (chunk + 1) * columns_ // chunks):
            dpad[: s.b_pad * s.a_pad * channels] = 0
            for j in range(s.b_next):
                for i in range(s.a_next):
                    pixel = (j * s.a_next + i) * s.d_next
                    size = s.b_next * s.a_next * s.d_next
                    _list_by_offset(
                        s, n * size + pixel, n // repeat * size + pixel,
                        V, winner, row, g[chunk], places[chunk], counts, most,
                    )  # fmt: skip
                    for offset in range(s.h_pool * s.h_pool):
                        w, u = offset // s.h_pool * s.s, offset % s.h_pool * s.s
                        corner = ((j * pool + w) * s.a_pad + i * pool + u) * channels
                        add_list(
                            g[chunk], places[chunk], (offset + 1) * most, counts[offset + 1],
                            rows, columns, vectors, dpad, corner, targets,
                        )  # fmt: skip
            for j in range(s.b):
                for i in range(s.a):
                    source = ((j + s.p) * s.a_pad + i + s.p) * channels
                    copy_row(dpad, source, s.d, out, ((n * s.b + j) * s.a + i) * s.d)
