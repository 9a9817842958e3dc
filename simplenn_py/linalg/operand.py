"""The matrix of a low-rank approximation: an array, a sparse matrix, or only its products."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

from ..errors import DataError
from ..layout import Array

#: An ndarray, a sparse matrix in CSR format, or :class:`Products`: each has ``shape``, ``dtype``,
#: ``T``, and ``@``.
Operand = Any


class Products:
    """A matrix of which only products with it and with its transpose can be computed.

    Parameters
    ----------
    shape : (int, int)
    dtype : dtype
        float32 or float64, the dtype of the products.
    forward, backward : callable
        Functions that return ``A @ X`` and ``A.T @ X`` for an ndarray X of several columns.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        forward: Callable[[Array], Any],
        backward: Callable[[Array], Any],
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._forward, self._backward = forward, backward

    @property
    def T(self) -> Products:
        """The transpose."""
        return Products(self.shape[::-1], self.dtype, self._backward, self._forward)

    def __matmul__(self, X: Array) -> Array:
        product = np.asarray(self._forward(X))
        expected = (self.shape[0], X.shape[1])
        if product.shape != expected or product.dtype.kind not in "biuf":
            raise DataError(
                f"a product with A returned {product.dtype} of shape {product.shape}; it must "
                f"return real numbers of shape {expected}; correct the operator"
            )
        return product.astype(self.dtype, copy=False)


def as_operand(A: Any) -> Operand:
    """Check a matrix, and return it in a form whose products are fast.

    Parameters
    ----------
    A : array_like, SciPy sparse matrix or LinearOperator, shape (m, n)
        Real matrix of any real dtype.

    Returns
    -------
    ndarray, sparse matrix in CSR format, or Products, shape (m, n)
        float32 if `A` is float32, else float64.  An array in C or Fortran order is not copied.

    Raises
    ------
    DataError
        If `A` is not a matrix of real numbers, is empty, has masked entries, or is an operator
        without the product with its transpose.
    """
    if isinstance(A, LinearOperator):
        dtype = _real(np.dtype(A.dtype if A.dtype is not None else np.float64))
        _check_shape(A.shape)
        try:
            A.rmatvec(np.zeros(A.shape[0], dtype))  # rmatmat would fail in the middle of SciPy
        except NotImplementedError as error:
            raise DataError(
                f"A lacks the product with its transpose ({error}); give the operator rmatvec"
            ) from None
        return Products(A.shape, dtype, A.matmat, A.rmatmat)
    if sparse.issparse(A):
        dtype = _real(A.dtype)
        _check_shape(A.shape)
        return A.tocsr().astype(dtype, copy=False)
    if isinstance(A, np.ma.MaskedArray) and np.ma.is_masked(A):
        raise DataError("A has masked entries; all must be known; fill them with A.filled(value)")
    matrix = np.asarray(A)
    dtype = _real(matrix.dtype)
    _check_shape(matrix.shape)
    matrix = matrix.astype(dtype, copy=False)
    if not (matrix.flags.c_contiguous or matrix.flags.f_contiguous):
        matrix = np.ascontiguousarray(matrix)  # else every product would copy it
    return matrix


def _real(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind == "c":
        raise DataError(f"A has dtype {dtype}; it must be real; pass A.real and A.imag separately")
    if dtype.kind not in "biuf":
        raise DataError(
            f"A has dtype {dtype}; it must be a matrix of real numbers; convert it with "
            "A.astype(float)"
        )
    return np.dtype(np.float32 if dtype == np.float32 else np.float64)


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        raise DataError(f"A has shape {shape}; it must be a matrix; reshape it to (m, n)")
    if 0 in shape:
        raise DataError(f"A has shape {shape}; it must not be empty; pass 1 x 1 or more")


def dense(A: Operand) -> Array:
    """Return all entries of a matrix.

    Parameters
    ----------
    A : Operand, shape (m, n)
        From :func:`as_operand`.

    Returns
    -------
    ndarray, shape (m, n)
        The entries; those of a :class:`Products` come from products with unit vectors.
    """
    if isinstance(A, Products):
        m, n = A.shape
        if m < n:  # the smaller unit matrix
            return (A.T @ np.eye(m, dtype=A.dtype)).T
        return A @ np.eye(n, dtype=A.dtype)
    return A.toarray() if sparse.issparse(A) else A


def blocks(A: Operand, size: int) -> Iterator[tuple[slice, slice, Array]]:
    """Yield the entries of a matrix block by block.

    Parameters
    ----------
    A : Operand, shape (m, n)
        From :func:`as_operand`.
    size : int
        Number of entries per block, about.

    Yields
    ------
    rows, columns : slice
        Position of the block: some rows of all columns, or some columns of all rows.
    block : ndarray
        Its entries.
    """
    m, n = A.shape
    everything = slice(None)
    if isinstance(A, Products):
        count = max(1, size // m)
        for start in range(0, n, count):
            units = np.eye(n, min(count, n - start), k=-start, dtype=A.dtype)
            yield everything, slice(start, start + count), A @ units
        return
    count = max(1, size // n)
    for start in range(0, m, count):
        rows = slice(start, start + count)
        yield rows, everything, dense(A[rows])


def check_finite(product: Array, A: Operand) -> None:
    """Raise DataError if `A` is not finite; its thin product shows that and is quick to search.

    Parameters
    ----------
    product : ndarray
        Product of `A` with something finite, or `A` itself.
    A : Operand, shape (m, n)
        From :func:`as_operand`.

    Raises
    ------
    DataError
        If `product` has entries that are not finite; the message names the cause.
    """
    if np.isfinite(product).all():
        return
    if isinstance(A, Products):
        raise DataError(
            "a product with A is not finite; all entries of A must be finite and not too large; "
            "correct the operator, or scale it down"
        )
    if sparse.issparse(A):
        stored = A.tocoo()
        entries, at = stored.data, np.stack([stored.row, stored.col], axis=1)
    else:
        entries, at = A.ravel(), None
    bad = np.flatnonzero(~np.isfinite(entries))
    if bad.size:
        i, j = divmod(int(bad[0]), A.shape[1]) if at is None else at[bad[0]]
        raise DataError(
            f"A[{i}, {j}] is {entries[bad[0]]}; all entries must be finite; replace the "
            f"{bad.size} that {'are' if bad.size > 1 else 'is'} not"
        )
    largest = float(np.abs(entries).max())
    raise DataError(f"A has entries up to {largest:g}; its products overflow; scale it down")
