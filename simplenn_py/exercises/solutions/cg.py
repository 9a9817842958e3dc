"""A solution of cg: the statement's lines; r is kept up to date, so G is called once a step."""

from collections.abc import Callable

import numpy as np


def cg(G: Callable[[np.ndarray], np.ndarray], g: np.ndarray, xi: float, CGmax: int) -> np.ndarray:
    d = np.zeros_like(g)
    r = -g
    q = r.copy()
    rr = r @ r
    limit = xi * np.linalg.norm(g)
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
