"""randomized_svd: the leading singular values and vectors, from a random sample.

A ~ U diag(s) Vt of rank k, for the price of a few products with thin matrices (Halko, Martinsson,
Tropp; section D).  Omega is a random n x (k + p) matrix, p the oversampling: A Omega is a sample of
A's range, in which the leading singular vectors weigh most.  Stage 1 finds an orthonormal Q for
the range of

    Y = (A A')^q A Omega,

stage 2 works within it: B = Q'A is small, B = U~ diag(s) Vt is its SVD, and U = Q U~.  Only the
first k of the k + p are kept.

The q power iterations make the small singular values smaller still beside the large ones: that of
number j becomes sigma_j^(2q+1).  Computed as written, those below 1e-16 of the largest would be
lost in the rounding, and with them their vectors.  So the sample is orthonormalised before every
product (np.linalg.qr), which does not change its range:

    Q from A Omega;   q times:   Q from A'Q,   then Q from A Q.

Omega is an argument, so that two answers can be compared.  They may differ in sign: of a column of
U and the same row of Vt together.

Example: A = [1 2 2]' [3 4] has rank 1 and the singular value 3*5 = 15.  Any Omega will do:

>>> A = np.array([[3.0, 4.0], [6.0, 8.0], [6.0, 8.0]])
>>> U, s, Vt = randomized_svd(A, 1, np.array([[1.0], [0.0]]), 0)
>>> s.round(6)
array([15.])
>>> (U @ np.diag(s) @ Vt).round(6)
array([[3., 4.],
       [6., 8.],
       [6., 8.]])

A check looks at what an SVD must be: U and Vt orthonormal, s from large to small and those of the
sample, and an error as small as the method's; it does not ask for one U.  np.linalg.svd is
for the small B, not for A.
"""

import numpy as np


def randomized_svd(
    A: np.ndarray, k: int, Omega: np.ndarray, q: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U, s and Vt, of shapes (m, k), (k,) and (k, n).

    A has shape (m, n), Omega (n, k + p), and q is the number of power iterations, 0 or more.
    """
    raise NotImplementedError("randomized_svd has no code yet")
