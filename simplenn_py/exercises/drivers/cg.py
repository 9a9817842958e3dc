"""Calls the student's routine with a function instead of the matrix, and counts its calls."""

import numpy as np


def call(student, function, G, g, cg_tol, CGmax):
    calls = 0

    def product(v):
        nonlocal calls
        calls += 1
        if calls > 10 * CGmax + 10:
            raise RuntimeError(f"G was called {calls} times, but CGmax is {CGmax}")
        return G @ np.asarray(v)

    d = getattr(student, function)(product, g, cg_tol, CGmax)
    return d, calls
