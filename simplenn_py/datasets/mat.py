"""simpleNN's ``.mat`` files: labels ``y``, and ``Z``, sparse or dense, with one row per image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..io.mat5 import load_mat
from ..labels import as_labels
from ..layout import Array, from_rows
from ..pixels import as_pixels
from .dataset import Dataset, Images
from .values import check_count, fits_uint8, need_shape

Shape = tuple[int, int, int]


def load(
    path: Path, test: str | os.PathLike[str] | None, shape: Shape | None, input_format: str
) -> Dataset:
    """Read the training set from `path`, and the test set from `test`.

    Parameters
    ----------
    path : Path
        File ``NAME.mat`` with the variables ``Z`` and ``y``.
    test : path, optional
        File with the test set; the default is ``NAME.t.mat`` if that file exists.
    shape : (a, b, d) or None
        Height, width and channels of an image.  It is required, since the file holds only
        their product.
    input_format : {"row", "column"}
        Order of the pixels in a row of ``Z``: see :func:`simplenn_py.layout.from_rows`.

    Returns
    -------
    Dataset
        `Z` is ``(d, a*b*l)`` in Fortran order.  It is uint8 if all values of both sets are
        integers 0..255 (MATLAB stores these too as doubles), otherwise float32 or float64.
        Labels are int64 or strings.

    Raises
    ------
    DataError
        If `shape` is None, or a file is missing or damaged, has MATLAB's version 7.3, or
        lacks one of the variables.
    """
    if shape is None:
        load_mat(path, ())  # a file that is no .mat file: a shape would not help
    a, b, d = need_shape(shape, str(path))
    sibling = path.with_suffix(".t" + path.suffix)
    test_path = Path(test) if test is not None else sibling if sibling.is_file() else None
    parts = [read_rows(p, a, b, d) for p in (path, test_path) if p is not None]
    if all(fits_uint8(X) for X, _ in parts):
        parts = [(X.astype(np.uint8, copy=False), y) for X, y in parts]
    images = [Images(from_rows(X, a, b, d, input_format), y, a, b) for X, y in parts]
    source = str(path) if test_path is None else f"{path}, {test_path}"
    return Dataset(path.stem, images[0], images[1] if test_path is not None else None, source)


def read_rows(path: Path, a: int, b: int, d: int) -> tuple[Array, Array]:
    """Read the images ``Z`` and the labels ``y`` of one file.

    simpleNN stores ``Z`` as a sparse matrix.  Its last columns are missing if they are zero in
    all images; they are added here.

    Parameters
    ----------
    path : Path
        ``.mat`` file.
    a, b, d : int
        Height, width and channels of an image.

    Returns
    -------
    Z : ndarray of uint8, float32 or float64, shape (l, a*b*d)
        One row per image, dense.
    y : ndarray of int64 or strings, shape (l,)
        Labels.

    Raises
    ------
    DataError
        As :func:`load`; also if ``Z`` has more than `a*b*d` columns.
    """
    from scipy.sparse import issparse

    abd = a * b * d
    variables = load_mat(path, ("y", "Z"))
    for name in ("y", "Z"):
        if name not in variables:
            raise DataError(
                f"{path}: has no variable {name}; simpleNN's files hold labels y and images Z, "
                "one row per image, so save both: save('-v7', FILE, 'y', 'Z')"
            )
    y = as_labels(_cell_strings(variables["y"], path), f"{path}: y", padded=True)
    Z, where = variables["Z"], f"{path}: Z"
    if not issparse(Z) and not isinstance(Z, np.ndarray):
        raise DataError(
            f"{where}: is not a matrix; save the images as a matrix with one row per image"
        )
    if Z.ndim != 2:
        raise DataError(f"{where}: has {Z.ndim} dimensions; it must have two, one row per image")
    if Z.shape[0] != y.shape[0] and Z.shape[1] == y.shape[0]:
        raise DataError(
            f"{where}: has {Z.shape[0]} rows, but there are {y.shape[0]} labels; "
            "if it has one column per image, save Z'"
        )
    check_count(Z.shape[0], y, where)
    if Z.shape[1] > abd:
        raise DataError(
            f"{where}: has {Z.shape[1]} columns, but an image of {a}x{b}x{d} has {abd} "
            "values; give the shape of its images, or transpose it if it has one column per image"
        )
    try:
        return _dense(Z, abd, where) if issparse(Z) else _widen(as_pixels(Z, where), abd), y
    except MemoryError:
        raise DataError(
            f"{where}: out of memory for {Z.shape[0]} images of {abd} values; use fewer images"
        ) from None


def _cell_strings(y: Any, path: Path) -> Array:
    """Return labels as a plain array; SciPy reads a cell array of strings as nested arrays."""
    if not isinstance(y, np.ndarray):
        raise DataError(f"{path}: y is sparse; save it as a full vector: y = full(y)")
    if y.dtype.kind != "O":
        return y
    cells = [np.asarray(cell) for cell in y.ravel()]
    if not cells or any(cell.dtype.kind != "U" or cell.size != 1 for cell in cells):
        raise DataError(f"{path}: y is a cell array; its cells must each hold one string")
    return np.array([str(cell.reshape(-1)[0]) for cell in cells])


def _dense(Z: Any, abd: int, where: str) -> Array:
    Z = Z.tocsc(copy=True)
    Z.sum_duplicates()
    values = as_pixels(Z.data, where)
    if fits_uint8(values):
        values = values.astype(np.uint8, copy=False)
    X = np.zeros((Z.shape[0], abd), values.dtype)
    entries = Z.tocoo()
    X[entries.row, entries.col] = values
    return X


def _widen(X: Array, abd: int) -> Array:
    if X.shape[1] == abd:
        return X
    wide = np.zeros((X.shape[0], abd), X.dtype)
    wide[:, : X.shape[1]] = X
    return wide
