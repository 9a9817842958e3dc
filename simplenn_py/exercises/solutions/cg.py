"""A solution of cg: the formulas of the statement; r is updated, so G is called once per step."""

from collections.abc import Callable

import numpy as np


def cg(
    G: Callable[[np.ndarray], np.ndarray], g: np.ndarray, cg_tol: float, CGmax: int
) -> np.ndarray:
    """Return d with ||G d + g|| <= cg_tol ||g||, shape (n,)."""
    d = np.zeros_like(g)
    r = -g
    q = r.copy()
    rr = r @ r
    limit = cg_tol * np.linalg.norm(g)
    steps = 0
    while steps < CGmax and np.sqrt(rr) > limit:
        Gq = G(q)
        steps += 1
        alpha = rr / (q @ Gq)
        d = d + alpha * q
        r = r - alpha * Gq
        before, rr = rr, r @ r
        beta = rr / before
        q = r + beta * q
    return d
