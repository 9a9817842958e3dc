"""Which instances take part: random subsets that keep the classes' shares."""

from __future__ import annotations

import numpy as np

from ..layout import Array


def stratified(y: Array, count: int, rng: np.random.Generator) -> Array:
    """Draw `count` instances so that every class keeps its share.

    Parameters
    ----------
    y : ndarray of int64, shape (l,)
        Index of each instance's class.
    count : int
        From 0 to l.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int64, shape (count,)
        Sorted.  What the shares leave of whole instances goes to the largest remainders, the
        first class first among equals.
    """
    sizes = np.bincount(y)
    shares = sizes * (count / y.size)
    quota = np.floor(shares).astype(np.int64)
    by_remainder = np.argsort(quota - shares, kind="stable")
    quota[by_remainder[: count - quota.sum()]] += 1
    chosen = [
        rng.choice(np.flatnonzero(y == k), size=n, replace=False) for k, n in enumerate(quota) if n
    ]
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)
