"""Matrix products, step by step: from three loops to the algorithm of the experts' libraries.

    step            new idea
    three-loops     C[i, j] is a dot product; B is read down its columns, a cache line per number
    reordered       j innermost: everything is read as it lies in memory, and in SIMD vectors
    blocked         blocks of B that stay in the cache are used for several rows of A
    parallel        the same by all cores
    packed-tile     blocks copied into the order of reading, a tile of C in registers
                    (Goto and van de Geijn): the tile is the direct engine's, ``kernels/tile.py``
    blas            the library that NumPy calls

All take ``A`` (m x k) and ``B`` (k x n) of one dtype and return ``C = A B``, row-major.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import DataError
from ..layout import Array, aligned_empty

#: Rows, depth and columns of the blocks: an m_c x k_c block of A stays in the second-level cache,
#: beside a k_c x n_r panel of B; k_c x n_c of B in the last.
M_C, K_C, N_C = 196, 384, 4096
#: Blocks of the step "blocked".
_BLOCK = (64, 64, 512)


def three_loops(A: Array, B: Array) -> Array:
    """Multiply by the definition: C[i, j] = sum over p of A[i, p] B[p, j]."""
    from ..kernels import gemm

    C = _result(A, B)
    gemm.three_loops(*_row_major(A, B), C, 1)
    return C


def reordered(A: Array, B: Array) -> Array:
    """Multiply with the loops in the order i, p, j."""
    from ..kernels import gemm

    C = _result(A, B)
    gemm.reordered(*_row_major(A, B), C, 1)
    return C


def blocked(A: Array, B: Array) -> Array:
    """Multiply block by block, on one core."""
    from ..kernels import gemm

    C = _result(A, B)
    gemm.blocked(*_row_major(A, B), C, 1, *_BLOCK)
    return C


def parallel(A: Array, B: Array) -> Array:
    """Multiply block by block, the rows of C divided among all cores."""
    import numba

    from ..kernels import gemm

    C = _result(A, B)
    gemm.blocked(*_row_major(A, B), C, 4 * numba.get_num_threads(), *_BLOCK)
    return C


class _Kept(threading.local):
    """Packed blocks, kept from product to product: new memory costs as much as packing."""

    def __init__(self) -> None:
        self._bytes: dict[str, Array] = {}

    def rows(self, role: str, count: int, length: int, dtype: np.dtype[Any]) -> Array:
        """Return room for `count` rows of `length` numbers in C order, not initialised."""
        needed = count * length * dtype.itemsize
        if role not in self._bytes or self._bytes[role].size < needed:
            self._bytes[role] = aligned_empty((needed,), np.uint8)
        return self._bytes[role][:needed].view(dtype).reshape(count, length)


_kept = _Kept()


def packed_tile(A: Array, B: Array) -> Array:
    """Multiply as Goto and van de Geijn do, on the register tile.

    Parameters
    ----------
    A : ndarray, shape (m, k), float32 or float64, any memory order
    B : ndarray, shape (k, n), the same dtype, any memory order

    Returns
    -------
    ndarray, shape (m, n), row-major

    Raises
    ------
    DataError
        If shapes or dtypes do not match.

    Notes
    -----
    "Anatomy of high-performance matrix multiplication" (2008); see ``kernels/gemm.py`` for the
    loops.  A transposed operand costs no copy: packing reads it as it lies.
    """
    import numba

    from ..kernels import gemm
    from ..kernels.emitter import lanes_of
    from ..kernels.tile import ROWS, VECTORS

    C = _result(A, B)
    (m, k), n = A.shape, B.shape[1]
    if 0 in (m, n, k):
        C[...] = 0
        return C
    (left, a_row, a_column), (right, b_row, b_column) = _flat(A), _flat(B)
    lanes = lanes_of(A.itemsize)
    n_r = VECTORS * lanes
    threads = numba.get_num_threads()
    k_c = -(-k // -(-k // K_C))
    stride = -(-k_c // lanes) * lanes
    if m <= M_C:
        chunks = min(-(-n // n_r), threads)
        sizes = gemm.ProductSizes(m, n, k, a_row, a_column, b_row, b_column, m, k_c, n)
        gemm.tiled_flat(
            left, right, C.reshape(-1), sizes,
            _kept.rows("A", 1, m * stride + ROWS, A.dtype)[0],
            _kept.rows("B", chunks, k_c * n_r, A.dtype),
            _kept.rows("edge", chunks, m * n_r, A.dtype),
            np.empty((chunks, 3, m + ROWS), np.int64),
        )  # fmt: skip
        return C
    chunks = min(-(-m // ROWS), threads)
    # Each thread's rows in blocks of about the same height, all but the last of whole tiles.
    rows = -(-m // chunks)
    m_c = -(-rows // (-(-rows // M_C) * ROWS)) * ROWS
    n_c = min(N_C, -(-n // n_r) * n_r)
    sizes = gemm.ProductSizes(m, n, k, a_row, a_column, b_row, b_column, m_c, k_c, n_c)
    gemm.tiled(
        left, right, C.reshape(-1), sizes,
        _kept.rows("A", chunks, m_c * stride + ROWS, A.dtype),
        _kept.rows("B", 1, k_c * n_c, A.dtype)[0],
        _kept.rows("edge", chunks, m_c * n_r, A.dtype),
        np.empty((chunks, 3, m_c + ROWS), np.int64),
    )  # fmt: skip
    return C


def blas(A: Array, B: Array) -> Array:
    """Multiply with the library that NumPy was built with."""
    _result(A, B)
    return np.ascontiguousarray(A @ B)


#: The steps, slowest first.
STEPS: dict[str, Callable[[Array, Array], Array]] = {
    "three-loops": three_loops,
    "reordered": reordered,
    "blocked": blocked,
    "parallel": parallel,
    "packed-tile": packed_tile,
    "blas": blas,
}


def partitioned(
    A: Array, B: Array, rows: list[int], middle: list[int], columns: list[int]
) -> Array:
    """Multiply partitioned matrices: the entries of the formula are submatrices.

        C[I, J] = sum over P of A[I, P] B[P, J]

    Parameters
    ----------
    A : ndarray, shape (m, k)
    B : ndarray, shape (k, n)
    rows, middle, columns : list of int
        Indices at which the rows of A, the columns of A with the rows of B, and the columns of B
        are cut.

    Returns
    -------
    ndarray, shape (m, n)

    Notes
    -----
    Section C of the lecture: any cuts give the same product, which is why blocks may be chosen to
    fit the caches.
    """
    C = _result(A, B)
    C[...] = 0
    for i, i_end in _cuts(rows, A.shape[0]):
        for j, j_end in _cuts(columns, B.shape[1]):
            for p, p_end in _cuts(middle, A.shape[1]):
                C[i:i_end, j:j_end] += A[i:i_end, p:p_end] @ B[p:p_end, j:j_end]
    return C


def _cuts(at: list[int], size: int) -> list[tuple[int, int]]:
    edges = [0, *at, size]
    if edges != sorted(edges):
        raise DataError(f"the cuts are {at}; they must rise from 0 to {size}")
    return list(pairwise(edges))


def _result(A: Array, B: Array) -> Array:
    """Check the operands and make room for the product."""
    for name, X in (("A", A), ("B", B)):
        if not isinstance(X, np.ndarray):
            raise DataError(
                f"{name} is a {type(X).__name__}; it must be an ndarray; convert it with "
                f"numpy.asarray({name}), or with {name}.toarray() if it is sparse"
            )
    if A.ndim != 2 or B.ndim != 2 or A.shape[1] != B.shape[0]:
        raise DataError(f"A is {A.shape} and B is {B.shape}; A must be m x k and B k x n")
    if A.dtype != B.dtype or A.dtype not in (np.float32, np.float64):
        raise DataError(f"A is {A.dtype} and B is {B.dtype}; both must be float32, or float64")
    return aligned_empty((B.shape[1], A.shape[0]), A.dtype).T


def _row_major(A: Array, B: Array) -> tuple[Array, Array]:
    return np.ascontiguousarray(A), np.ascontiguousarray(B)


def _flat(X: Array) -> tuple[Array, int, int]:
    """Return the numbers as they lie, and the distances of neighbouring rows and columns."""
    if X.flags.f_contiguous and not X.flags.c_contiguous:
        return X.T.reshape(-1), 1, X.shape[0]
    return np.ascontiguousarray(X).reshape(-1), X.shape[1], 1
