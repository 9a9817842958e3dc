"""Checks and dtypes of labels and of counts, common to all file formats.

The argument `where` of every function is "FILE: NAME", with which its messages begin.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from ..layout import Array

_EXACT64 = 2**53  # float64 holds every integer up to here


def fits_uint8(X: Array) -> bool:
    """Return whether every value of `X` is an integer 0..255, so that uint8 holds it exactly.

    Parameters
    ----------
    X : ndarray of uint8, float32 or float64, any shape
        Pixels.

    Returns
    -------
    bool
    """
    if X.dtype == np.uint8 or X.size == 0:
        return True
    return bool(X.min() >= 0 and X.max() <= 255 and (np.floor(X) == X).all())


def as_labels(y: Array, where: str) -> Array:
    """Return labels as int64 or as fixed-width strings.

    Parameters
    ----------
    y : ndarray, shape (l,), (l, 1) or (1, l)
        Labels: integers, floats that are whole numbers (MATLAB stores all numbers as
        doubles), strings, or bytes in UTF-8.
    where : str
        Start of the error messages.

    Returns
    -------
    ndarray of int64 or str, shape (l,)
        Strings come without the trailing blanks with which MATLAB pads them.

    Raises
    ------
    DataError
        If `y` is empty or not a vector, or a label is not an integer or a string.
    """
    if y.ndim == 2 and 1 in y.shape:
        y = y.reshape(-1)
    if y.ndim != 1 or y.size == 0:
        shape = "x".join(map(str, y.shape)) or "a single value"
        raise DataError(f"{where}: is {shape}; labels must be a vector with one label per image")
    if y.dtype.kind == "U":
        return np.char.rstrip(y)
    if y.dtype.kind == "S":
        try:
            return np.char.rstrip(np.char.decode(y, "utf-8"))
        except UnicodeDecodeError:
            raise DataError(f"{where}: a label is not UTF-8; save labels as text") from None
    if y.dtype.kind not in "biuf":
        raise DataError(f"{where}: has dtype {y.dtype}; labels must be integers or strings")
    if y.dtype.kind == "f":
        whole = np.isfinite(y) & (y == np.floor(y)) & (np.abs(y) <= _EXACT64)
        if not whole.all():
            n = int(np.argmin(whole))
            raise DataError(
                f"{where}: label {y[n]} at index {n} is not an integer; labels must be integers "
                "or strings, one per class"
            )
    if y.dtype.kind == "u" and y.max() > np.iinfo(np.int64).max:
        raise DataError(f"{where}: label {y.max()} does not fit in int64; use smaller labels")
    return y.astype(np.int64)


def check_count(l: int, y: Array, where: str) -> None:
    """Check that there is at least one image, and one label per image.

    Parameters
    ----------
    l : int
        Number of images.
    y : ndarray, shape (l,)
        Labels.
    where : str
        Start of the error messages.

    Raises
    ------
    DataError
        If `l` is 0 or differs from the number of labels.
    """
    if l == 0:
        raise DataError(f"{where}: holds no image; a data set needs at least one")
    if l != y.shape[0]:
        raise DataError(
            f"{where}: holds {l} images, but there are {y.shape[0]} labels; each image needs one"
        )


def need_shape(shape: tuple[int, int, int] | None, where: str) -> tuple[int, int, int]:
    """Return `shape`; if it is None, raise an error that says how to give it.

    Parameters
    ----------
    shape : (a, b, d) or None
        Height, width and channels of an image.
    where : str
        Start of the error messages.

    Returns
    -------
    (a, b, d)

    Raises
    ------
    DataError
        If `shape` is None.
    """
    if shape is None:
        raise DataError(
            f"{where}: the file does not hold the height and width of an image; give them "
            "with --image-shape, for instance 28x28x1, or with a --config file"
        )
    return shape
