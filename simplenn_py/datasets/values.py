"""Checks of pixels and of counts, common to all file formats.

The argument `where` of every function is "FILE: NAME", with which its messages begin.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from ..layout import Array


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
        images, verb = ("image" if l == 1 else "images"), ("is" if y.shape[0] == 1 else "are")
        labels = "label" if y.shape[0] == 1 else "labels"
        raise DataError(
            f"{where}: holds {l} {images}, but there {verb} {y.shape[0]} {labels}; "
            "each image needs one"
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
            f"{where}: the file does not hold the height and width of an image; give them, "
            "for instance shape=(28, 28, 1) (on the command line: --image-shape 28x28x1)"
        )
    return shape
