"""blocked_product: compute C = A B block by block.

A product of partitioned matrices is a product whose entries are submatrices (section C).  Divide
the rows of A into blocks of m_b rows, the columns of A and the rows of B into blocks of k_b, and
the columns of B into blocks of n_b columns.  Then block (I, J) of C = A B is

    C[I, J] = sum over P of A[I, P] B[P, J].

All block sizes give the same C, so they can be chosen to fit the caches: a block of A that stays in
a cache is read from memory once and used for n_b columns of B.  If a matrix size is not a multiple
of the block size, the last block is smaller.  It must be computed as well.

Example: a 3 x 3 matrix in blocks of 2 x 2 has smaller blocks at its edges.

    A = 1 4 | 7        B = 1 0 | 1         block (0, 0) of C is
        2 5 | 8            0 1 | 1
        ---------          ---------       1 4  1 0     7                8  11
        3 6 | 9            1 1 | 1         2 5  0 1  +  8  1 1     =    10  13

and block (0, 1) is [1 4; 2 5] [1; 1] + [7; 8] [1] = [12; 15]:

>>> A = np.array([[1.0, 4.0, 7.0], [2.0, 5.0, 8.0], [3.0, 6.0, 9.0]], order="F")
>>> B = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0]], order="F")
>>> blocked_product(A, B, 2, 2, 2)
array([[ 8., 11., 12.],
       [10., 13., 15.],
       [12., 15., 18.]])

Write the product of two blocks as three loops, compiled by Numba.  @, np.dot and similar functions
are not allowed.  Some of the points are for speed, on one thread.  The arrays are in Fortran order:
the entries of a column are neighbours in memory, so the innermost loop should run over the entries
of a column.
"""

import numpy as np
from numba import njit


@njit
def add_block(A, B, C, i_first, i_last, p_first, p_last, j_first, j_last):
    """Add A[i_first:i_last, p_first:p_last] B[p_first:p_last, j_first:j_last] to its block of C.

    The arguments are index limits, not slices: Numba knows that the entries of a column are
    neighbours in a whole array in Fortran order, but not in a slice of several columns.
    """


def blocked_product(A: np.ndarray, B: np.ndarray, m_b: int, k_b: int, n_b: int) -> np.ndarray:
    """Return C = A B.

    Parameters
    ----------
    A : ndarray, shape (m, k), Fortran order
    B : ndarray, shape (k, n), Fortran order
        It has the dtype of A.
    m_b, k_b, n_b : int
        Block sizes: the blocks of A are m_b x k_b and those of B are k_b x n_b, smaller at the
        edges.

    Returns
    -------
    ndarray with the dtype of A, shape (m, n), Fortran order
    """
    raise NotImplementedError("blocked_product has no code yet")
