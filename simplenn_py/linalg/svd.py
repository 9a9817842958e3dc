"""Randomized SVD: the leading singular triplets at the cost of a few thin products.

    A ~ U diag(s) Vt,    stage 1: Q spans the range of (A A')^q A Omega, Omega Gaussian,
                         stage 2: B = Q'A is small, B = U~ diag(s) Vt, U = Q U~.

N. Halko, P. G. Martinsson, J. A. Tropp, "Finding structure with randomness: probabilistic
algorithms for constructing approximate matrix decompositions", arXiv:0909.4061 (2009),
called [HMT] below: algorithms 4.4 and 5.1, section 4.3 and the theorems of section 10.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DataError, OptionError
from ..layout import Array
from .operand import Operand, as_operand, blocks, check_finite, dense

# The number of sampled columns is a multiple of BLAS's register block: 32 columns cost hardly
# more than 25, and each further column makes the error smaller.
_TILE = 16
# The Gram matrix squares the condition number: up to this condition Cholesky's factor is useful.
_LIMIT = 1e7
_BLOCK = 1 << 18  # entries of A - U S Vt formed at a time: they stay in a core's cache


class SVD(NamedTuple):
    """Factors of ``A ~ U @ np.diag(s) @ Vt``.

    Attributes
    ----------
    U : ndarray, shape (m, k)
        Left singular vectors, one per column.
    s : ndarray, shape (k,)
        Singular values, from large to small.
    Vt : ndarray, shape (k, n)
        Right singular vectors, one per row.
    """

    U: Array
    s: Array
    Vt: Array


def randomized_svd(
    A: ArrayLike,
    rank: int,
    oversampling: int | None = None,
    power_iterations: int = 1,
    rng: int | np.random.Generator = 0,
) -> SVD:
    """Approximate the `rank` largest singular values of `A` and their vectors.

    Parameters
    ----------
    A : array_like, SciPy sparse matrix or LinearOperator, shape (m, n)
        Real matrix.  C and Fortran order are used without a copy; an array with other strides is
        copied once.  float32 and float64 are kept; other dtypes become float64.  Only products
        with `A` and its transpose are computed, so a sparse matrix stays sparse, and a
        LinearOperator needs ``matvec`` and ``rmatvec`` (or ``matmat`` and ``rmatmat``).
    rank : int
        Number of singular triplets, from 1 to ``min(m, n)``.
    oversampling : int, optional
        Number of columns sampled beyond `rank`, 0 or more.  The default is the larger of 10 and
        ``rank // 2``, increased until ``rank + oversampling`` is a multiple of 16.
        If ``rank + oversampling`` is ``min(m, n)`` or more, nothing is sampled: LAPACK computes
        the SVD of all entries.
    power_iterations : int
        Number of products with ``A A'`` (q in [HMT]), 0 or more; each costs two passes over `A`.
        One suffices if the singular values fall like 1/j; take 2 to 4 if they hardly fall.
    rng : int or numpy.random.Generator
        Seed of the test matrix, or the generator that draws it.

    Returns
    -------
    SVD
        Named tuple of ``U`` (m, rank), ``s`` (rank,) from large to small, ``Vt`` (rank, n), in
        C order and in the dtype of `A`.  In each column of ``U`` the entry of largest modulus is
        positive (the first such entry if several are equal).

    Raises
    ------
    OptionError
        If `rank`, `oversampling` or `power_iterations` is out of range.
    DataError
        If `A` is not a matrix, or is complex, empty, or not finite, or an operator lacks the
        product with its transpose.

    Notes
    -----
    The sample ``Y`` is orthonormalised after every product, so that small singular values are not
    lost beside the large ones.  This uses a Cholesky factorization in float64: ``Y = Q R``, where
    ``R'R = Y'Y``.  It needs only matrix products.  If ``Y`` is too close to being rank-deficient,
    Householder reflections (``numpy.linalg.qr``) are used, which are several times slower.

    For a fixed number of BLAS threads, equal seeds give bit-identical results.

    Examples
    --------
    >>> A = np.outer(np.arange(1.0, 5.0), [3.0, 4.0])
    >>> U, s, Vt = randomized_svd(A, rank=1)
    >>> bool(np.allclose(U * s @ Vt, A))
    True
    """
    matrix = as_operand(A)
    m, n = matrix.shape
    smallest = min(m, n)
    _whole("rank", rank, 1, smallest, f"min(m, n) of the {m} x {n} matrix")
    if oversampling is None:
        wanted = rank + max(10, rank // 2)
        oversampling = -(-wanted // _TILE) * _TILE - rank
    _whole("oversampling", oversampling, 0)
    _whole("power_iterations", power_iterations, 0)
    columns = min(rank + oversampling, smallest)
    if columns < smallest:
        U, s, Vt = _sampled(matrix, rank, columns, power_iterations, np.random.default_rng(rng))
    else:
        # A square Gaussian sample would span the range too, but its condition would cost digits.
        entries = dense(matrix)
        check_finite(entries, matrix)
        U, s, Vt = np.linalg.svd(entries, full_matrices=False)
        U, s, Vt = U[:, :rank], s[:rank], Vt[:rank]
    largest = U[np.abs(U).argmax(axis=0), np.arange(rank)]
    signs = np.where(largest < 0, -1.0, 1.0)
    dtype = matrix.dtype
    return SVD(
        (U * signs).astype(dtype, order="C"),
        s.astype(dtype),
        (Vt * signs[:, np.newaxis]).astype(dtype, order="C"),
    )


def _sampled(A: Operand, k: int, columns: int, q: int, rng: np.random.Generator) -> SVD:
    """Find `k` triplets of `A` in the range of a sample, in float64; their signs are arbitrary."""
    m, n = A.shape
    # The test matrix has as many rows as the smaller side, so there is little to draw.
    W = A if m >= n else A.T
    # Drawn in float32 for both precisions: any Gaussian numbers will do, and these are faster.
    Omega = rng.standard_normal((W.shape[1], columns), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # checked once, on a thin matrix
        Y = W @ Omega.astype(W.dtype)
        check_finite(Y, A)
        for _ in range(q):
            Z = W.T @ _spanning(Y)
            Y = W @ _spanning(Z)
        Q, _ = _orthonormal(Y)
        # B = Q'W is Z', and Z = P R makes it R'P': only the small R' needs an SVD.
        P, R = _orthonormal(W.T @ Q.astype(W.dtype))
    left, s, right = np.linalg.svd(R.T)
    left, s, right = left[:, :k], s[:k], right[:k]
    if m >= n:
        return SVD(Q @ left, s, right @ P.T)
    return SVD(P @ right.T, s, left.T @ Q.T)


def error_estimate(
    A: ArrayLike,
    U: Array,
    s: Array,
    Vt: Array,
    rng: int | np.random.Generator = 0,
    probes: int = 10,
) -> float:
    """Bound the spectral error of a factorization from above by a few random products.

        ||A - U S Vt|| <= 10 sqrt(2/pi) max_i ||(A - U S Vt) w_i||,   w_i Gaussian

    The bound holds with probability ``1 - 10**-probes`` for any factors, and costs two thin
    products.

    Parameters
    ----------
    A : array_like, SciPy sparse matrix or LinearOperator, shape (m, n)
        Real matrix.
    U, s, Vt : ndarray, shapes (m, k), (k,), (k, n)
        Factors of its approximation.
    rng : int or numpy.random.Generator
        Seed, or generator, of the vectors ``w_i``.  It must not be the generator that made the
        factors: they are especially good for their own test matrix.
    probes : int
        Number of vectors ``w_i``, 1 or more.

    Returns
    -------
    float
        The bound, typically 5 to 30 times the error.

    Raises
    ------
    OptionError
        If `probes` is less than 1.
    DataError
        If `A` is not a real finite matrix, or the factors do not fit it.

    Notes
    -----
    [HMT], section 4.3 and equation (4.3); the lemma there holds for every matrix.

    Examples
    --------
    The factors of a matrix of rank 1 have an error of the size of rounding:

    >>> A = np.outer(np.arange(1.0, 5.0), [3.0, 4.0])
    >>> error_estimate(A, *randomized_svd(A, rank=1)) < 1e-12
    True
    """
    matrix = as_operand(A)
    _fitting(matrix, U, s, Vt)
    _whole("probes", probes, 1)
    # Another stream: with an equal seed these vectors are not the columns of Omega.
    generator = rng if isinstance(rng, np.random.Generator) else np.random.default_rng([rng, 1])
    w = generator.standard_normal((matrix.shape[1], probes), np.float32).astype(matrix.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        image = matrix @ w
        check_finite(image, matrix)
    residual = (image - (U * s) @ (Vt @ w)).astype(np.float64)
    return 10 * math.sqrt(2 / math.pi) * float(np.linalg.norm(residual, axis=0).max())


def frobenius_error(A: ArrayLike, U: Array, s: Array, Vt: Array) -> float:
    """Compute ``||A - U S Vt||_F`` exactly, one block of A at a time.

    Parameters
    ----------
    A : array_like, SciPy sparse matrix or LinearOperator, shape (m, n)
        Real matrix.
    U, s, Vt : ndarray, shapes (m, k), (k,), (k, n)
        Factors of its approximation.

    Returns
    -------
    float
        The error.  The squares are summed in float64; the difference itself is computed in the
        precision of the arrays.

    Raises
    ------
    DataError
        If `A` is not a real matrix, or the factors do not fit it.

    Notes
    -----
    ``sqrt(||A||^2 - ||s||^2)`` is cheaper, but suffers from cancellation if the error is small.

    Examples
    --------
    Without the singular value 2 of ``diag(3, 2)``, the error is 2:

    >>> U, s, Vt = np.eye(2)[:, :1], np.array([3.0]), np.eye(2)[:1]
    >>> frobenius_error(np.diag([3.0, 2.0]), U, s, Vt)
    2.0
    """
    matrix = as_operand(A)
    _fitting(matrix, U, s, Vt)
    total = 0.0
    for rows, columns, block in blocks(matrix, _BLOCK):
        residual = block - (U[rows] * s) @ Vt[:, columns]
        total += float(np.einsum("ij,ij->", residual, residual, dtype=np.float64))
    return math.sqrt(total)


def bound_spectral(sigma: ArrayLike, k: int, q: int, shape: tuple[int, int]) -> float:
    """Bound the expected spectral error of rank ``2k`` with `q` power iterations.

        E ||A - U S Vt|| <= (1 + 4 sqrt(2 min(m, n) / (k - 1)))^(1/(2q + 1)) sigma_{k+1}

    Parameters
    ----------
    sigma : array_like, shape (k + 1,) or longer
        Leading singular values of A, from large to small.
    k : int
        Half of the rank, from 2 to ``min(m, n) / 2``: the bound is for ``randomized_svd(A,
        rank=2*k, oversampling=0, power_iterations=q)``.
    q : int
        Number of power iterations, 0 or more.
    shape : (int, int)
        Shape ``(m, n)`` of A.

    Returns
    -------
    float
        The bound.

    Raises
    ------
    OptionError
        If `k` or `q` is out of range.
    DataError
        If `sigma` is not a descending list of at least ``k + 1`` singular values.

    Notes
    -----
    [HMT], equation (1.8).
    """
    smallest = min(shape)
    _whole("k", k, 2, smallest // 2, "min(m, n) / 2")
    _whole("q", q, 0)
    values = _spectrum(sigma, k + 1)
    factor = 1 + 4 * math.sqrt(2 * smallest / (k - 1))
    return float(factor ** (1 / (2 * q + 1)) * values[k])


def bound_frobenius(sigma: ArrayLike, k: int, p: int) -> float:
    """Bound the expected error of the sampled range, without power iterations.

        E ||A - QQ'A||_F <= sqrt(1 + k/(p - 1)) (sum_{j > k} sigma_j^2)^(1/2)

    Parameters
    ----------
    sigma : array_like, shape (min(m, n),)
        All singular values of A, from large to small.
    k, p : int
        Target rank and oversampling, each 2 or more, with ``k + p <= min(m, n)``: Q has ``k + p``
        columns.

    Returns
    -------
    float
        The bound.

    Raises
    ------
    OptionError
        If `k` or `p` is out of range.
    DataError
        If `sigma` is not a descending list of singular values.

    Notes
    -----
    [HMT], theorem 10.5.
    """
    values = _spectrum(sigma, 1)
    _whole("p", p, 2)
    _whole("k", k, 2, values.size - p, "the number of singular values less p")
    return math.sqrt(1 + k / (p - 1)) * float(np.linalg.norm(values[k:]))


def _spanning(Y: Array) -> Array:
    """Return a well-conditioned basis of the columns of `Y`, in its dtype, by one Cholesky pass."""
    factor = _cholesky(Y.astype(np.float64))
    if factor is None:
        return np.linalg.qr(Y)[0]
    return Y @ factor[1].astype(Y.dtype)


def _orthonormal(Y: Array) -> tuple[Array, Array]:
    """Factor ``Y = Q R`` in float64, orthonormal to the precision of the dtype of `Y`."""
    Q = Y.astype(np.float64)
    factor = _cholesky(Q)
    if factor is None:
        # Householder's Q is orthonormal for any rank of Y.
        return np.linalg.qr(Y.astype(np.float64))
    R, inverse, condition = factor
    Q = Q @ inverse
    # After one pass Q'Q - I is about eps * condition^2, after a second one about eps.
    if condition**2 * np.finfo(np.float64).eps > np.finfo(Y.dtype).eps:
        again = _cholesky(Q)
        if again is None:
            return np.linalg.qr(Y.astype(np.float64))
        Q, R = Q @ again[1], again[0] @ R
    return Q, R


def _cholesky(Y: Array) -> tuple[Array, Array, float] | None:
    """Return R of ``Y'Y = R'R``, its inverse, and its condition; None if that is not safe."""
    try:
        lower = np.linalg.cholesky(Y.T @ Y)
        # NumPy has no triangular solve, and a product with the small inverse uses all threads.
        inverse = np.linalg.inv(lower)
    except np.linalg.LinAlgError:
        return None
    condition = float(np.linalg.norm(lower) * np.linalg.norm(inverse))
    # The comparison is false for NaN too: entries near the largest number overflow when squared.
    return (lower.T, inverse.T, condition) if condition <= _LIMIT else None


def _fitting(A: Operand, U: Array, s: Array, Vt: Array) -> None:
    k = np.size(s)
    if (U.shape, s.shape, Vt.shape) != ((A.shape[0], k), (k,), (k, A.shape[1])):
        raise DataError(
            f"U, s, Vt have shapes {U.shape}, {s.shape}, {Vt.shape}; they must be (m, k), (k,), "
            f"(k, n) for A of shape {A.shape}; pass the result of randomized_svd for this A"
        )


def _spectrum(sigma: ArrayLike, least: int) -> Array:
    values = np.asarray(sigma, np.float64)
    if values.ndim != 1 or values.size < least:
        raise DataError(
            f"sigma has shape {values.shape}; it must be a vector of {least} or more singular "
            "values; pass numpy.linalg.svd(A, compute_uv=False)"
        )
    if not (np.isfinite(values).all() and values[-1] >= 0 and (np.diff(values) <= 0).all()):
        raise DataError("sigma must be descending and not negative; sort it: -numpy.sort(-sigma)")
    return values


def _whole(name: str, value: Any, least: int, most: int | None = None, what: str = "") -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if whole and least <= value and (most is None or value <= most):
        return
    rule = f"{least} or more" if most is None else f"from {least} to {most} ({what})"
    raise OptionError(f"{name} is {value!r}; it must be a whole number, {rule}")
