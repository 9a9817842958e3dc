"""randomized_svd: compute the leading singular values and vectors from a random sample.

The randomized SVD approximates A by U diag(s) Vt of rank k.  It needs only a few products with thin
matrices (Halko, Martinsson, Tropp; section D).  Omega is a random n x (k + p) matrix, where p is
the oversampling.  A Omega is a sample of the range of A, in which the leading singular vectors
dominate.  Stage 1 finds an orthonormal Q for the range of

    Y = (A A')^q A Omega.

Stage 2 works in this range: B = Q'A is small, B = U~ diag(s) Vt is its SVD, and U = Q U~.  Only the
first k of the k + p singular values and vectors are kept.

The q power iterations make the small singular values even smaller relative to the large ones:
singular value j becomes sigma_j^(2q+1).  If Y were computed as written, values below 1e-16 times
the largest one would be lost by rounding, together with their vectors.  So the sample is
orthonormalised before every product (np.linalg.qr), which does not change its range:

    Q from A Omega;   q times:   Q from A'Q,   then Q from A Q.

Omega is an argument, so that two results can be compared.  They may differ in the sign of a column
of U together with the same row of Vt.

Example: A = [1 2 2]' [3 4] has rank 1 and the singular value 3*5 = 15.  Almost any Omega works:

>>> A = np.array([[3.0, 4.0], [6.0, 8.0], [6.0, 8.0]])
>>> U, s, Vt = randomized_svd(A, 1, np.array([[1.0], [0.0]]), 0)
>>> s.round(6)
array([15.])
>>> (U @ np.diag(s) @ Vt).round(6)
array([[3., 4.],
       [6., 8.],
       [6., 8.]])

A check tests the properties of the result: U has orthonormal columns and Vt orthonormal rows, s is
in decreasing order and has the singular values of B, and the error is as small as that of the
method.  It does not compare U entry by entry.  Use np.linalg.svd for the small B, not for A.
"""

import numpy as np


def randomized_svd(
    A: np.ndarray, k: int, Omega: np.ndarray, q: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the factors of the approximation U diag(s) Vt of A.

    Parameters
    ----------
    A : ndarray, shape (m, n)
    k : int
        Rank of the approximation.
    Omega : ndarray, shape (n, k + p)
        Random matrix with oversampling p.
    q : int
        Number of power iterations, 0 or more.

    Returns
    -------
    U : ndarray, shape (m, k)
    s : ndarray, shape (k,)
    Vt : ndarray, shape (k, n)
    """
    raise NotImplementedError("randomized_svd has no code yet")
