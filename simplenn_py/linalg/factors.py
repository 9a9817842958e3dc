"""A matrix as the product of two thin ones, W ~ U V: the choice of the rank, and the factors."""

from __future__ import annotations

import numpy as np

from ..errors import OptionError
from ..layout import Array


def energy_rank(s: Array, energy: float) -> int:
    """Return the smallest rank whose singular values hold the share `energy` of the energy.

        sum_{j <= r} s_j^2 >= energy sum_j s_j^2

    Parameters
    ----------
    s : ndarray, shape (n,), any real dtype
        Singular values, from large to small.
    energy : float
        Share of the sum of squares, above 0 and at most 1.

    Returns
    -------
    int
        The rank, from 1 to n.

    Raises
    ------
    OptionError
        If `energy` is out of range.

    Notes
    -----
    The sum of squares is the square of the Frobenius norm: the squared relative error of the best
    approximation of that rank is at most ``1 - energy`` (Eckart and Young; section D of the
    lecture).

    Examples
    --------
    The squares are 16, 9, 1, and ``16 + 9`` is 96 % of their sum:

    >>> energy_rank(np.array([4.0, 3.0, 1.0]), 0.95)
    2
    """
    if not 0 < energy <= 1:
        raise OptionError(f"energy is {energy}; it must be above 0 and at most 1, such as 0.95")
    held = np.cumsum(np.asarray(s, np.float64) ** 2)
    # If energy is 1, rounding must not ask for more than the sum of all squares.
    enough = np.searchsorted(held, energy * held[-1] * (1 - 1e-12)) + 1
    return int(min(enough, s.size))


def balanced_factors(W: Array, rank: int) -> tuple[Array, Array]:
    """Factor the best approximation of `W` that has the given rank.

        W ~ U V,   U = U_r diag(s_r)^{1/2},   V = diag(s_r)^{1/2} V_r'

    Parameters
    ----------
    W : ndarray, shape (m, n), float32 or float64
        Matrix to approximate.
    rank : int
        Number of columns of U and of rows of V, from 1 to ``min(m, n)``.

    Returns
    -------
    U : ndarray, shape (m, rank), float64
    V : ndarray, shape (rank, n), float64
        ``U'U = V V'``: neither factor is larger than the other, so one learning rate suits both.

    Raises
    ------
    OptionError
        If `rank` is out of range.

    Notes
    -----
    Section D of the lecture; by Eckart and Young no matrix of that rank is nearer to `W`.

    Examples
    --------
    >>> U, V = balanced_factors(np.ones((2, 3)), 1)
    >>> U.shape, V.shape, bool(np.allclose(U @ V, 1))
    ((2, 1), (1, 3), True)
    """
    if not 1 <= rank <= min(W.shape):
        raise OptionError(
            f"rank is {rank}; for a {W.shape[0]}x{W.shape[1]} matrix it must be from 1 to "
            f"{min(W.shape)}"
        )
    U, s, Vt = np.linalg.svd(W.astype(np.float64), full_matrices=False)
    root = np.sqrt(s[:rank])
    return U[:, :rank] * root, root[:, None] * Vt[:rank]
