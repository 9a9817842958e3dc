"""A solution of blocked_product: loops over blocks, then over the columns within a block."""

import numpy as np
from numba import njit


@njit
def add_column(b, x, y):
    """Add b x to y, a loop over neighbours in memory, which the compiler turns into SIMD code."""
    for i in range(y.size):
        y[i] += x[i] * b


@njit
def add_block(A, B, C, i_first, i_last, p_first, p_last, j_first, j_last):
    """Add the product of two blocks to its block of C."""
    for j in range(j_first, j_last):
        for p in range(p_first, p_last):
            add_column(B[p, j], A[i_first:i_last, p], C[i_first:i_last, j])


def blocked_product(A: np.ndarray, B: np.ndarray, m_b: int, k_b: int, n_b: int) -> np.ndarray:
    """Return C = A B, shape (m, n), from A, shape (m, k), and B, shape (k, n)."""
    (m, k), n = A.shape, B.shape[1]
    C = np.zeros((m, n), A.dtype, order="F")
    for j in range(0, n, n_b):
        for p in range(0, k, k_b):
            for i in range(0, m, m_b):
                i_last, p_last, j_last = min(i + m_b, m), min(p + k_b, k), min(j + n_b, n)
                add_block(A, B, C, i, i_last, p, p_last, j, j_last)
    return C
