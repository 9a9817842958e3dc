"""blocked_product: C = A B, block by block.

A product of partitioned matrices is a product whose entries are submatrices (section C).  Cut the
rows of A every m_b rows, the columns of A with the rows of B every k_b, the columns of B every n_b;
then block (I, J) of C = A B is

    C[I, J] = sum over P of A[I, P] B[P, J].

Any cuts give the same C, so they may be chosen to fit the caches: a block of A that stays there is
read from memory once and used for n_b columns of B.  Where a size is no multiple of its block, the
last block is smaller, and it must be computed as well.

Example: a 3 x 3 matrix in blocks of 2 x 2 has edges,

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

The product of two blocks is three loops of your own, compiled by Numba: @, np.dot and their kin are
not allowed.  Part of the points is for speed, on one thread.  The arrays are in Fortran order: the
entries of a column are neighbours in memory, so the innermost loop should go down a column.
"""

import numpy as np
from numba import njit


@njit
def add_block(A, B, C, i_first, i_last, p_first, p_last, j_first, j_last):
    """Add A[i_first:i_last, p_first:p_last] B[p_first:p_last, j_first:j_last] to that block of C.

    Why limits and not slices?  Of a whole array in Fortran order Numba knows that the entries of a
    column are neighbours, of a slice of several columns it does not.
    """


def blocked_product(A: np.ndarray, B: np.ndarray, m_b: int, k_b: int, n_b: int) -> np.ndarray:
    """Return C = A B, shape (m, n), of the dtype of A, in Fortran order.

    A has shape (m, k) and B (k, n), of one dtype, both in Fortran order; the blocks of A are
    m_b x k_b and those of B are k_b x n_b, smaller at the edges.
    """
    raise NotImplementedError("blocked_product has no code yet")
