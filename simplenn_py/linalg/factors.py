"""A matrix as the product of two thin ones, W ~ U V: how thin, and by which factors."""

from __future__ import annotations

import numpy as np

from ..errors import OptionError
from ..layout import Array


def energy_rank(s: Array, energy: float) -> int:
    """Return the smallest rank whose singular values hold that share of the energy.

        sum_{j <= r} s_j^2 >= energy sum_j s_j^2

    Parameters
    ----------
    s : ndarray, shape (n,)
        Singular values, from large to small.
    energy : float
        Above 0, at most 1.

    Returns
    -------
    int
        From 1 to n.

    Raises
    ------
    OptionError
        Where `energy` is out of its range.

    Notes
    -----
    The sum of squares is the square of the Frobenius norm: ``1 - energy`` is the squared relative
    error of the best approximation of that rank (Eckart and Young; section D of the lecture).
    """
    if not 0 < energy <= 1:
        raise OptionError(f"energy is {energy}; it must be above 0 and at most 1, such as 0.95")
    held = np.cumsum(np.asarray(s, np.float64) ** 2)
    # Rounding must not ask for more than there is where energy is 1.
    enough = np.searchsorted(held, energy * held[-1] * (1 - 1e-12)) + 1
    return int(min(enough, s.size))


def balanced_factors(W: Array, rank: int) -> tuple[Array, Array]:
    """Factor the best approximation of `W` of that rank.

        W ~ U V,   U = U_r diag(s_r)^{1/2},   V = diag(s_r)^{1/2} V_r'

    Parameters
    ----------
    W : ndarray, shape (m, n)
    rank : int
        From 1 to ``min(m, n)``.

    Returns
    -------
    U : ndarray, shape (m, rank), float64
    V : ndarray, shape (rank, n), float64
        ``U'U = V V'``: neither factor is the larger one, so that one learning rate suits both.

    Raises
    ------
    OptionError
        Where `rank` is out of its range.
    """
    if not 1 <= rank <= min(W.shape):
        raise OptionError(
            f"rank is {rank}; that of a {W.shape[0]}x{W.shape[1]} matrix is between 1 and "
            f"{min(W.shape)}"
        )
    U, s, Vt = np.linalg.svd(W.astype(np.float64), full_matrices=False)
    root = np.sqrt(s[:rank])
    return U[:, :rank] * root, root[:, None] * Vt[:rank]
