"""Matrix products step by step, from three loops to the register tile of the direct engine.

Every kernel computes ``C = A B`` for row-major ``C``; see ``linalg/products.py`` for what each step
teaches.
"""

from typing import Any, NamedTuple

from numba import prange

from .cover import clear, cover
from .emitter import FLOAT32_LANES, at, entry
from .groups import Panel, Rows, Target
from .policy import compiled
from .tile import ROWS, VECTORS
from .vectors import copy_row, fill_row, transpose_square

#: For so few panels of B, packing rows of A does not pay.
_FEW = 14


class ProductSizes(NamedTuple):
    """Sizes of a product of A (m x k) and B (k x n), strides of both, and its blocks.

    Both may be in any memory order: entry (i, p) of A is ``A[i*a_row + p*a_column]``, entry (p, j)
    of B is ``B[p*b_row + j*b_column]``.  A block of A has m_c rows and k_c columns, a block of B
    k_c rows and n_c columns.
    """

    m: int
    n: int
    k: int
    a_row: int
    a_column: int
    b_row: int
    b_column: int
    m_c: int
    k_c: int
    n_c: int


class Matrix(NamedTuple):
    """A matrix in any memory order: entry (i, p) is ``values[i*row_stride + p*column_stride]``."""

    values: Any  # 1-d float array
    row_stride: int
    column_stride: int


@compiled(parallel=True)
def three_loops(A, B, C, threads):
    """One entry of C after the other, each a dot product: B is read down its columns.

    Parameters
    ----------
    A, B : float arrays, shapes (m, k) and (k, n), C order
    C : float array, shape (m, n), C order
        Written.
    threads : int
        Number of parts into which the rows of C are divided.
    """
    for thread in prange(threads):
        for i in range(thread * A.shape[0] // threads, (thread + 1) * A.shape[0] // threads):
            for j in range(B.shape[1]):
                total = C.dtype.type(0)
                for p in range(A.shape[1]):
                    total += A[i, p] * B[p, j]
                C[i, j] = total


@compiled()
def _add_row(alpha, x, y):
    """``y += alpha x``: numbers side by side, so that LLVM vectorises the loop."""
    for j in range(y.size):
        y[j] += alpha * x[j]


@compiled(parallel=True)
def reordered(A, B, C, threads):
    """The same three loops with j innermost: rows of B and C are read as they lie.

    Parameters as for :func:`three_loops`.
    """
    for thread in prange(threads):
        for i in range(thread * A.shape[0] // threads, (thread + 1) * A.shape[0] // threads):
            C[i, :] = 0
            for p in range(A.shape[1]):
                _add_row(A[i, p], B[p], C[i])


@compiled(parallel=True)
def blocked(A, B, C, threads, m_c, k_c, n_c):
    """Blocks of the reordered loops, small enough that a block of B stays in the cache.

    Parameters
    ----------
    A, B, C, threads
        As for :func:`three_loops`.
    m_c, k_c, n_c : int
        Rows of A, rows of B and columns of B in a block.
    """
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
    """``out[c, r] = X[r, c]``: rows of X are `step` apart, rows of out `out_step`."""
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
def _pack_rows(A, i_first, i_last, p_first, p_last, out, out_start, stride):
    """Rows ``i_first..i_last`` of a block of A, `stride` apart: ``out[i, p]``."""
    if A.column_stride == 1:
        for i in range(i_first, i_last):
            target = out_start + (i - i_first) * stride
            source = i * A.row_stride + p_first
            fill_row(A.values, source, p_last - p_first, out, target, stride)
        return
    _transpose(A.values, i_first + p_first * A.column_stride, A.column_stride, p_last - p_first,
               i_last - i_first, out, out_start, stride)  # fmt: skip


@compiled()
def _pack_panel(B, p_first, p_last, j, count, width, out, out_start):
    """A panel of B, `count` columns from j on: ``out[p, column]``, filled up to `width` with 0."""
    if B.column_stride == 1:
        for p in range(p_first, p_last):
            target = out_start + (p - p_first) * width
            fill_row(B.values, p * B.row_stride + j, count, out, target, width)
        return
    _transpose(B.values, p_first + j * B.column_stride, B.column_stride, count,
               p_last - p_first, out, out_start, width)  # fmt: skip
    for p in range(p_last - p_first if count < width else 0):
        clear(out, out_start + p * width + count, out_start + (p + 1) * width)


@compiled()
def _multiply_panel(n_rows, rows, panel, lanes, columns, target, edge, add):
    """Multiply rows of A by a panel of B.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    rows : groups.Rows
        Rows of A, packed or as they lie.
    panel : groups.Panel
        Rows of B, packed or as they lie.
    lanes : int
        Numbers per vector.
    columns : int
        Number of columns of C from the panel's first one on.
    target : groups.Target
        Rows of C from that column on; written, or added to if `add` is 1.
    edge : groups.Target
        Room for a panel of C, used if C ends within the panel.
    add : int
    """
    n_r = VECTORS * lanes
    if n_r <= columns:
        cover(VECTORS, n_rows, rows, panel, target, add)
        return
    if add:
        for i in range(n_rows):
            row = at(target.pointer, entry(target.offsets, i))
            fill_row(row, 0, columns, edge.pointer, i * n_r, n_r)
    used = VECTORS if columns > lanes else 1
    cover(used, n_rows, rows, panel, edge, add)
    for i in range(n_rows):
        row = at(target.pointer, entry(target.offsets, i))
        copy_row(edge.pointer, i * n_r, columns, row, 0)


@compiled(parallel=True)
def tiled(A, B, C, sizes, packed_A, packed_B, edges, lists):
    """Goto and van de Geijn's loops around the register tile.

        for a panel of n_c columns of B              (its packed block: the last-level cache)
          for a block of k_c rows of it              packed once, shared by all threads
            for a block of m_c rows of A             packed by the thread that multiplies it (L2)
              for panels of n_r columns of B         (L1)
                for tiles of m_r rows of A           the register tile, ``tile.tile``

    Parameters
    ----------
    A, B : 1-d float arrays
        In any memory order.
    C : 1-d float array
        (m, n) row-major; written.
    sizes : ProductSizes
    packed_A : float array, shape (chunks, ...)
        For m_c rows of A per chunk.
    packed_B : 1-d float array
        For a block of B.
    edges : float array, shape (chunks, m_c*n_r)
        For the tiles that reach beyond the last column of C.
    lists : int64 array, shape (chunks, 3, m_c + ROWS)
    """
    m, n, k, k_c = sizes.m, sizes.n, sizes.k, sizes.k_c
    left = Matrix(A, sizes.a_row, sizes.a_column)
    right = Matrix(B, sizes.b_row, sizes.b_column)
    lanes = FLOAT32_LANES * 4 // C.itemsize
    n_r = VECTORS * lanes
    chunks = packed_A.shape[0]
    packs = sizes.a_column > 1 or n > _FEW * n_r
    stride = -(-k_c // lanes) * lanes if packs else sizes.a_row
    for j_c in range(0, n, sizes.n_c):
        j_last = min(j_c + sizes.n_c, n)
        panels = -(-(j_last - j_c) // n_r)
        for p_c in range(0, k, k_c):
            p_last = min(p_c + k_c, k)
            for j in prange(panels):
                column, start = j_c + j * n_r, j * n_r * k_c
                count = min(n_r, n - column)
                _pack_panel(right, p_c, p_last, column, count, n_r, packed_B, start)
            for chunk in prange(chunks):
                room = packed_A[chunk]
                offsets, targets, beside = lists[chunk, 0], lists[chunk, 1], lists[chunk, 2]
                edge = Target(at(edges[chunk], 0), at(beside, 0))
                end = (chunk + 1) * m // chunks
                for first in range(chunk * m // chunks, end, sizes.m_c):
                    last = min(first + sizes.m_c, end)
                    n_rows = last - first
                    own = at(A, first * sizes.a_row + p_c)
                    if packs:
                        own = at(room, 0)
                        _pack_rows(left, first, last, p_c, p_last, room, 0, stride)
                    for r in range(n_rows + ROWS):
                        i = min(r, n_rows - 1)
                        offsets[r], targets[r], beside[r] = i * stride, (first + i) * n, i * n_r
                    rows = Rows(own, at(offsets, 0), 1, 0, p_last - p_c)
                    for j in range(panels):
                        column = j_c + j * n_r
                        panel = Panel(at(packed_B, j * n_r * k_c), n_r)
                        target = Target(at(C, column), at(targets, 0))
                        _multiply_panel(
                            n_rows, rows, panel, lanes, n - column, target, edge, int(p_c > 0)
                        )


@compiled(parallel=True)
def tiled_flat(A, B, C, sizes, packed_A, panel_B, edges, lists):
    """The same for few rows of A: all of them stay in the caches, and B is read once.

        for a block of k_c rows of B                 A's columns packed once (L2)
          for panels of n_r columns of it            as they lie, or packed by their thread (L1)
            for tiles of m_r rows of A

    Parameters
    ----------
    A, B, C, sizes
        As in :func:`tiled`; m_c and n_c are not used.
    packed_A : 1-d float array
        For all m rows.
    panel_B : float array, shape (chunks, k_c*n_r)
        For a panel of B per chunk.
    edges : float array, shape (chunks, m*n_r)
    lists : int64 array, shape (chunks, 3, m + ROWS)
    """
    m, n, k, k_c = sizes.m, sizes.n, sizes.k, sizes.k_c
    left = Matrix(A, sizes.a_row, sizes.a_column)
    right = Matrix(B, sizes.b_row, sizes.b_column)
    lanes = FLOAT32_LANES * 4 // C.itemsize
    n_r = VECTORS * lanes
    chunks = panel_B.shape[0]
    packs = sizes.b_column > 1
    stride = -(-k_c // lanes) * lanes
    panels = -(-n // n_r)
    for p_c in range(0, k, k_c):
        p_last = min(p_c + k_c, k)
        for chunk in prange(chunks):
            first, last = chunk * m // chunks, (chunk + 1) * m // chunks
            _pack_rows(left, first, last, p_c, p_last, packed_A, first * stride, stride)
        for chunk in prange(chunks):
            room = panel_B[chunk]
            offsets, targets, beside = lists[chunk, 0], lists[chunk, 1], lists[chunk, 2]
            edge = Target(at(edges[chunk], 0), at(beside, 0))
            for r in range(m + ROWS):
                i = min(r, m - 1)
                offsets[r], targets[r], beside[r] = i * stride, i * n, i * n_r
            rows = Rows(at(packed_A, 0), at(offsets, 0), 1, 0, p_last - p_c)
            for j in range(chunk * panels // chunks, (chunk + 1) * panels // chunks):
                panel = Panel(at(B, p_c * sizes.b_row + j * n_r), sizes.b_row)
                if packs or (j + 1) * n_r > n:  # nothing is read behind a row of B
                    panel = Panel(at(room, 0), n_r)
                    count = min(n_r, n - j * n_r)
                    _pack_panel(right, p_c, p_last, j * n_r, count, n_r, room, 0)
                target = Target(at(C, j * n_r), at(targets, 0))
                _multiply_panel(m, rows, panel, lanes, n - j * n_r, target, edge, int(p_c > 0))
