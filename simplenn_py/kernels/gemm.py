"""Matrix products step by step, from three loops to the register tile of the direct engine.

Every kernel computes ``C = A B`` for row-major ``C``; see ``linalg/products.py`` for what each step
teaches.
"""

from numba import prange

from .cover import clear, cover
from .emitter import FLOAT32_LANES
from .policy import compiled
from .tile import ROWS
from .vectors import copy_row, fill_row, transpose_square

#: For so few panels of B it does not pay to pack rows of A.
_FEW = 14


@compiled(parallel=True)
def three_loops(A, B, C, threads):
    """One entry of C after the other, each a dot product: B is read down its columns."""
    for thread in prange(threads):
        for i in range(thread * A.shape[0] // threads, (thread + 1) * A.shape[0] // threads):
            for j in range(B.shape[1]):
                total = C.dtype.type(0)
                for p in range(A.shape[1]):
                    total += A[i, p] * B[p, j]
                C[i, j] = total


@compiled()
def _add_row(alpha, x, y):
    """``y += alpha x``: numbers side by side, of which LLVM makes vectors."""
    for j in range(y.size):
        y[j] += alpha * x[j]


@compiled(parallel=True)
def reordered(A, B, C, threads):
    """The same three loops with j innermost: rows of B and C are read as they lie."""
    for thread in prange(threads):
        for i in range(thread * A.shape[0] // threads, (thread + 1) * A.shape[0] // threads):
            C[i, :] = 0
            for p in range(A.shape[1]):
                _add_row(A[i, p], B[p], C[i])


@compiled(parallel=True)
def blocked(A, B, C, threads, m_c, k_c, n_c):
    """Blocks of the reordered loops, small enough that a block of B stays in the cache."""
    blocks = -(-A.shape[0] // m_c)
    for thread in prange(threads):
        for block in range(thread * blocks // threads, (thread + 1) * blocks // threads):
            first, last = block * m_c, min((block + 1) * m_c, A.shape[0])
            C[first:last] = 0
            for j in range(0, B.shape[1], n_c):
                j_last = min(j + n_c, B.shape[1])
                for p_first in range(0, A.shape[1], k_c):
                    for i in range(first, last):
                        for p in range(p_first, min(p_first + k_c, A.shape[1])):
                            _add_row(A[i, p], B[p, j:j_last], C[i, j:j_last])


@compiled()
def _transpose(X, start, step, rows, columns, out, out_start, out_step):
    """``out[c, r] = X[r, c]``: rows of X are `step` apart, of out `out_step`."""
    lanes = FLOAT32_LANES * 4 // X.itemsize
    for r in range(0, rows, lanes):
        for c in range(0, columns, lanes):
            source, target = start + r * step + c, out_start + c * out_step + r
            if r + lanes <= rows and c + lanes <= columns:
                transpose_square(X, source, step, out, target, out_step)
                continue
            for q in range(min(lanes, rows - r)):
                for p in range(min(lanes, columns - c)):
                    out[target + p * out_step + q] = X[source + q * step + p]


@compiled()
def _pack_rows(X, row, column, i_first, i_last, p_first, p_last, out, out_start, stride):
    """Rows ``i_first..i_last`` of a block of A, each side by side: ``out[i, p]``.

    Entry (i, p) is ``X[i*row + p*column]``; for A of either memory order.
    """
    if column == 1:
        for i in range(i_first, i_last):
            target = out_start + (i - i_first) * stride
            fill_row(X, i * row + p_first, p_last - p_first, out, target, stride)
        return
    _transpose(X, i_first + p_first * column, column, p_last - p_first, i_last - i_first,
               out, out_start, stride)  # fmt: skip


@compiled()
def _pack_panel(X, row, column, p_first, p_last, j, width, n, out, out_start):
    """A panel of B, `width` columns from j on: ``out[p, column]``, filled up with 0."""
    count = min(width, n - j)
    if column == 1:
        for p in range(p_first, p_last):
            fill_row(X, p * row + j, count, out, out_start + (p - p_first) * width, width)
        return
    _transpose(X, p_first + j * column, column, count, p_last - p_first, out, out_start, width)
    for p in range(p_last - p_first if count < width else 0):
        clear(out, out_start + p * width + count, out_start + (p + 1) * width)


@compiled()
def _multiply_panel(
    own, start, offsets, rows, panel, panel_start, panel_row, steps, vectors, lanes,
    C, j, n, targets, edge, beside, add,
):  # fmt: skip
    """Multiply rows of A by a panel of B, packed or as they lie, into C from its column j on."""
    n_r = vectors * lanes
    if j + n_r <= n:
        cover(vectors, rows, own, start, offsets, 1, 0, steps,
              panel, panel_start, panel_row, C, j, targets, add)  # fmt: skip
        return
    if add:
        for i in range(rows):
            fill_row(C, targets[i] + j, n - j, edge, i * n_r, n_r)
    used = vectors if n - j > lanes else 1
    cover(used, rows, own, start, offsets, 1, 0, steps,
          panel, panel_start, panel_row, edge, 0, beside, add)  # fmt: skip
    for i in range(rows):
        copy_row(edge, i * n_r, n - j, C, targets[i] + j)


@compiled(parallel=True)
def tiled(A, a_row, a_column, B, b_row, b_column, C, m, n, k, vectors, lanes, m_c, k_c, n_c,
          packed_A, packed_B, edge, lists):  # fmt: skip
    """Goto and van de Geijn's loops around the register tile.

        for a panel of n_c columns of B              (its packed block: the last-level cache)
          for a block of k_c rows of it              packed once, shared by all threads
            for a block of m_c rows of A             packed by the thread that multiplies it (L2)
              for panels of n_r columns of B         (L1)
                for tiles of m_r rows of A           the register tile, ``tile.tile``

    Parameters
    ----------
    A, B : 1-d float arrays
        Entry (i, p) of A is ``A[i*a_row + p*a_column]``; of B likewise: any memory order.
    C : 1-d float array
        ``(m, n)`` row-major; written.
    vectors, lanes : int
        ``n_r = vectors*lanes``.
    packed_A : float array, shape (chunks, ...)
    packed_B : 1-d float array
    edge : float array, shape (chunks, m_c*n_r)
        Takes the tiles that reach beyond C's last column.
    lists : int64 array, shape (chunks, 3, m_c + ROWS)
    """
    n_r = vectors * lanes
    chunks = packed_A.shape[0]
    packs = a_column > 1 or n > _FEW * n_r
    stride = -(-k_c // lanes) * lanes if packs else a_row
    for j_c in range(0, n, n_c):
        j_last = min(j_c + n_c, n)
        panels = -(-(j_last - j_c) // n_r)
        for p_c in range(0, k, k_c):
            p_last = min(p_c + k_c, k)
            for panel in prange(panels):
                _pack_panel(B, b_row, b_column, p_c, p_last, j_c + panel * n_r, n_r, n,
                            packed_B, panel * n_r * k_c)  # fmt: skip
            for chunk in prange(chunks):
                offsets, targets, beside = lists[chunk, 0], lists[chunk, 1], lists[chunk, 2]
                room = packed_A[chunk]
                own = room if packs else A  # read, not written: A may be read-only
                end = (chunk + 1) * m // chunks
                for first in range(chunk * m // chunks, end, m_c):
                    last = min(first + m_c, end)
                    rows = last - first
                    start = 0 if packs else first * a_row + p_c
                    if packs:
                        _pack_rows(A, a_row, a_column, first, last, p_c, p_last, room, 0, stride)
                    for r in range(rows + ROWS):
                        i = min(r, rows - 1)
                        offsets[r], targets[r], beside[r] = i * stride, (first + i) * n, i * n_r
                    for panel in range(panels):
                        _multiply_panel(
                            own, start, offsets, rows,
                            packed_B, panel * n_r * k_c, n_r, p_last - p_c, vectors, lanes,
                            C, j_c + panel * n_r, n, targets, edge[chunk], beside,
                            int(p_c > 0),
                        )  # fmt: skip


@compiled(parallel=True)
def tiled_flat(A, a_row, a_column, B, b_row, b_column, C, m, n, k, vectors, lanes, k_c,
               packed_A, panel_B, edge, lists):  # fmt: skip
    """The same for few rows of A: all of them stay in the caches, and B is read once.

        for a block of k_c rows of B                 A's columns packed once (L2)
          for panels of n_r columns of it            as they lie, or packed by their thread (L1)
            for tiles of m_r rows of A

    Parameters
    ----------
    packed_A : 1-d float array
        For all m rows.
    panel_B : float array, shape (chunks, k_c*n_r)
    edge : float array, shape (chunks, m*n_r)
    lists : int64 array, shape (chunks, 3, m + ROWS)
        The rest as in :func:`tiled`.
    """
    n_r = vectors * lanes
    chunks = panel_B.shape[0]
    packs = b_column > 1
    stride = -(-k_c // lanes) * lanes
    panels = -(-n // n_r)
    for p_c in range(0, k, k_c):
        p_last = min(p_c + k_c, k)
        for chunk in prange(chunks):
            first, last = chunk * m // chunks, (chunk + 1) * m // chunks
            _pack_rows(A, a_row, a_column, first, last, p_c, p_last, packed_A, first * stride,
                       stride)  # fmt: skip
        for chunk in prange(chunks):
            offsets, targets, beside = lists[chunk, 0], lists[chunk, 1], lists[chunk, 2]
            for r in range(m + ROWS):
                i = min(r, m - 1)
                offsets[r], targets[r], beside[r] = i * stride, i * n, i * n_r
            for panel in range(chunk * panels // chunks, (chunk + 1) * panels // chunks):
                own, own_start, own_row = B, p_c * b_row + panel * n_r, b_row
                if packs or (panel + 1) * n_r > n:  # nothing is read behind a row of B
                    own, own_start, own_row = panel_B[chunk], 0, n_r
                    _pack_panel(B, b_row, b_column, p_c, p_last, panel * n_r, n_r, n,
                                panel_B[chunk], 0)  # fmt: skip
                _multiply_panel(
                    packed_A, 0, offsets, m, own, own_start, own_row, p_last - p_c,
                    vectors, lanes, C, panel * n_r, n, targets, edge[chunk], beside,
                    int(p_c > 0),
                )  # fmt: skip
