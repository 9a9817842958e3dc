"""Random subsets of the images in which every class keeps its share."""

from __future__ import annotations

import numpy as np

from ..layout import Array


def stratified(y: Array, count: int, rng: np.random.Generator) -> Array:
    """Draw `count` of l images at random so that every class keeps its share.

    Parameters
    ----------
    y : ndarray of int64, shape (l,)
        Class index of each image, 0 or larger.
    count : int
        Number of images to draw, from 0 to l.
    rng : numpy.random.Generator
        Source of the random numbers.

    Returns
    -------
    ndarray of int64, shape (count,)
        Indices of the drawn images, without repetition, in increasing order.

    Notes
    -----
    The share of a class with n images is ``n * count / l``.  It is rounded down; the images
    that remain to be drawn go to the classes with the largest remainders, one each.  Among
    equal remainders the class with the smallest index comes first.

    Examples
    --------
    Half of six images, four of class 0 and two of class 1:

    >>> import numpy as np
    >>> from simplenn_py.training.sampling import stratified
    >>> y = np.array([0, 0, 1, 0, 1, 0])
    >>> chosen = stratified(y, 3, np.random.default_rng(0))
    >>> sorted(y[chosen].tolist())
    [0, 0, 1]
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
