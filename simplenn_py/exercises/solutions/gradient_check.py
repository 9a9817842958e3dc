"""A solution of gradient_check: 2n values of f, and one pair of random vectors."""

import numpy as np


def gradient_check(fun, grad, theta):
    """Return the relative error of grad(theta), with theta of shape (n,)."""
    g = grad(theta)
    D = np.zeros(theta.size)
    for k in range(theta.size):
        h = 1e-5 * max(1.0, abs(theta[k]))
        step = np.zeros(theta.size)
        step[k] = h
        D[k] = (fun(theta + step) - fun(theta - step)) / (2 * h)
    difference = np.max(np.abs(D - g))
    size = np.max(np.abs(np.concatenate([D, g])))
    return difference / size if difference != 0 else 0.0


def adjoint_check(Jv, JTv, n, m):
    """Return the relative error of the adjoint identity, v of shape (n,) and u of shape (m,)."""
    rng = np.random.default_rng(1)
    v = rng.standard_normal(n)
    u = rng.standard_normal(m)
    tangent = Jv(v)
    difference = abs(u @ tangent - JTv(u) @ v)
    size = np.linalg.norm(u) * np.linalg.norm(tangent)
    return difference / size if difference != 0 else 0.0
