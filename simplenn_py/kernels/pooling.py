"""Max pooling and its adjoint, compiled."""

from numba import prange

from .policy import compiled


@compiled(parallel=True)
def maxpooling(S, h_pool, out, idx_pool):
    """Write each window's first maximum, and where in its instance it stood.

    ``idx_pool`` counts ``c + d*(row + a_conv*column)``.  Only ``>`` replaces a value, so the
    first of equal entries stays: first in the order of ``u + h_pool*w``.
    """
    l, b_next, a_next, d = out.shape
    a_conv = S.shape[2]
    for q in prange(l * b_next):
        n = q // b_next
        j = q % b_next
        for i in range(a_next):
            best = out[n, j, i]
            where = idx_pool[n, j, i]
            for w in range(h_pool):
                for u in range(h_pool):
                    row = i * h_pool + u
                    column = j * h_pool + w
                    start = d * (row + a_conv * column)
                    if w + u == 0:
                        for c in range(d):
                            best[c] = S[n, column, row, c]
                            where[c] = start + c
                    else:
                        for c in range(d):
                            value = S[n, column, row, c]
                            if value > best[c] or value != value:  # a NaN must stay to be seen
                                best[c] = value
                                where[c] = start + c


@compiled(parallel=True)
def vTP_pool(V, idx_pool, columns, out):
    """Put every entry of ``V`` where pooling took its value from, zeros elsewhere.

    ``V[q, k]`` is entry ``k`` of gradient column ``q``, which belongs to instance
    ``q // columns``; the windows of a column are disjoint, so no entry is met twice.
    """
    n_gradients, n_pooled = V.shape
    for q in prange(n_gradients):
        own = out[q]
        own[:] = 0
        where = idx_pool[q // columns]
        for k in range(n_pooled):
            own[where[k]] = V[q, k]


@compiled(parallel=True)
def P_pool(V, idx_pool, out):
    """Take from every instance of ``V`` the entries that pooling selected before."""
    l, n_pooled = out.shape
    for n in prange(l):
        for k in range(n_pooled):
            out[n, k] = V[n, idx_pool[n, k]]
