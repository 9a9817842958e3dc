"""A solution of randomized_svd: an orthonormal basis of the range, then a small SVD."""

import numpy as np


def randomized_svd(
    A: np.ndarray, k: int, Omega: np.ndarray, q: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U, s and Vt, shapes (m, k), (k,) and (k, n)."""
    Q, _ = np.linalg.qr(A @ Omega)
    for _ in range(q):
        Q, _ = np.linalg.qr(A.T @ Q)
        Q, _ = np.linalg.qr(A @ Q)
    B = Q.T @ A
    U, s, Vt = np.linalg.svd(B, full_matrices=False)
    U = Q @ U
    return U[:, :k], s[:k], Vt[:k]
