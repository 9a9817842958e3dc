"""Pixels: which arrays are taken as images, from files and from a caller, by one rule.

Images are ``(l, a, b, d)``, or ``(l, a, b)`` if they have one channel.  An array with two
dimensions is the storage of the lecture, ``(d, a*b*l)``.  It may look like a table with one image
per row as well; then nothing is guessed, and the caller has to say which of the two is meant.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DataError, OptionError, shown
from .layout import Array, from_nhwc

Shape = tuple[int, int, int]

#: What an array with two dimensions may be.
LAYOUTS = ("storage", "table")

_EXACT32 = 2**24  # float32 holds every integer up to here, float64 up to 2**53
_EXACT64 = 2**53


def as_pixels(X: Any, where: str) -> Array:
    """Return `X` as uint8, float32 or float64 without changing a value.

    Parameters
    ----------
    X : array_like of bool, integers or floats, any shape and memory order
        Pixels: an array, a list, or anything else that NumPy converts to an array of numbers.
    where : str
        Start of the error messages: the name of the argument, or "FILE: NAME".

    Returns
    -------
    ndarray of uint8, float32 or float64, the shape of `X`
        In native byte order.  Bool and integers become the first of uint8, float32 and float64
        that holds all values exactly.  float16 becomes float32, long doubles become float64;
        float32 and float64 stay.

    Raises
    ------
    DataError
        If a value is NaN, infinite, masked, complex, not a number, or an integer beyond 2**53.

    Examples
    --------
    >>> import numpy as np
    >>> from simplenn_py.pixels import as_pixels
    >>> as_pixels(np.array([0, 255]), "X").dtype, as_pixels([-1, 255], "X").dtype
    (dtype('uint8'), dtype('float32'))
    """
    X = _as_array(X, where)
    if X.dtype.kind == "f":
        dtype = np.float32 if X.dtype.itemsize <= 4 else np.float64
        with np.errstate(over="ignore"):  # long doubles; infinities are refused below
            X = X.astype(dtype, copy=False)
        if not np.isfinite(X).all():
            n = int(np.argmin(np.isfinite(X).ravel()))
            raise DataError(
                f"{where}: value {X.ravel()[n]} at index {n}; pixels must be finite numbers, so "
                "correct or leave out these images"
            )
        return X
    if X.dtype.kind not in "biu":
        raise DataError(
            f"{where}: has dtype {X.dtype}; pixels must be real numbers, so give them as uint8 or "
            "as floating point, for instance with astype(np.float32)"
        )
    least, most = (int(X.min()), int(X.max())) if X.size else (0, 0)
    if least >= 0 and most <= 255:
        return X.astype(np.uint8, copy=False)
    largest = max(-least, most)
    if largest > _EXACT64:
        raise DataError(f"{where}: value {largest} is beyond 2**53; scale the pixels down")
    return X.astype(np.float32 if largest <= _EXACT32 else np.float64)


def _as_array(X: Any, where: str) -> Array:
    """Return `X` as a plain array; refuse what NumPy would convert to something else."""
    if hasattr(X, "toarray"):
        raise DataError(f"{where}: is a sparse matrix; give {where}.toarray()")
    if np.ma.is_masked(X):
        raise DataError(f"{where}: has masked pixels; fill them, for instance with filled(0)")
    if hasattr(X, "Z") or hasattr(X, "train"):
        raise DataError(
            f"{where}: is a {type(X).__name__}; give an array, such as the Z of its images"
        )
    try:
        array = np.asarray(X)
    except Exception as error:  # whatever another package's array raises
        raise DataError(
            f"{where}: is a {type(X).__name__} that NumPy cannot convert ({shown(error)}); give an "
            "array of numbers"
        ) from None
    if array.ndim == 0 and array.dtype == object:
        raise DataError(f"{where}: is {shown(repr(X), 60)}; give an array of numbers")
    return array


def as_storage(images: Any, shape: Shape, layout: str = "", where: str = "images") -> Array:
    """Return images of a known size in the storage of the lecture.

    Parameters
    ----------
    images : array_like, shape (l, a, b, d), (d, a*b*l) or (l, a*b*d)
        Images of any real dtype and in any memory order; also (l, a, b) if they have one channel.
    shape : (a, b, d)
        Height, width and channels of an image.
    layout : {"", "storage", "table"}
        What an array with two dimensions is: "storage" of the lecture, ``(d, a*b*l)``; or "table",
        the same as its ``reshape(l, a, b, d)``.  By default it is the storage, but a shape that a
        table has as well, such as that of one grey image, is refused.
    where : str
        Start of the error messages.

    Returns
    -------
    ndarray of uint8, float32 or float64, shape (d, a*b*l), Fortran order

    Raises
    ------
    DataError
        If the images have another size or cannot be pixels, or it is not clear what they are.
    OptionError
        If `layout` is unknown.

    Examples
    --------
    One image of 2x2 pixels: its rows one after the other, then its columns:

    >>> import numpy as np
    >>> from simplenn_py.pixels import as_storage
    >>> as_storage(np.array([[1, 2, 3, 4]]), (2, 2, 1), "table").tolist()
    [[1, 3, 2, 4]]
    """
    if layout not in ("", *LAYOUTS):
        raise OptionError(f"layout is {layout!r}; it must be one of {', '.join(LAYOUTS)}")
    X = as_pixels(images, where)
    a, b, d = shape
    if X.ndim in (3, 4) and X.shape[0] and X.shape[1:] in ((a, b, d), (a, b) if d == 1 else ()):
        return from_nhwc(X)
    stored = X.ndim == 2 and X.shape[0] == d and X.shape[1] > 0 and X.shape[1] % (a * b) == 0
    table = X.ndim == 2 and X.shape[1] == a * b * d and X.shape[0] > 0
    if stored and table and not layout:
        raise DataError(
            f"{where} have shape {X.shape}, which is the lecture's storage (d, a*b*l), column by "
            "column, as well as a table with one image per row; give "
            f"reshape({X.shape[0]}, {a}, {b}, {d}), or say which it is with layout='storage' or "
            "layout='table'"
        )
    if stored and layout != "table":
        return np.asfortranarray(X)
    if table and layout == "table":
        return from_nhwc(X.reshape(-1, a, b, d))
    raise DataError(
        f"{where} have shape {X.shape}; this network takes (l, {a}, {b}, {d}), or "
        f"({d}, {a * b}*l) in the lecture's storage, with l at least 1"
        + _hint(X.shape, shape, table)
    )


def own_storage(Z: Any, a: int, b: int) -> Array:
    """Return the pixels of a set of images, whose number of channels is not known yet.

    Parameters
    ----------
    Z : array_like, shape (d, a*b*l) or (l, a, b, d) or (l, a, b)
        An array with two dimensions is always the storage of the lecture.
    a, b : int
        Height and width of an image.

    Returns
    -------
    ndarray of uint8, float32 or float64, shape (d, a*b*l), Fortran order

    Raises
    ------
    DataError
        If the array cannot be pixels, or its images have another height or width.
    """
    for name, side in (("a", a), ("b", b)):
        if not isinstance(side, int | np.integer) or side < 1:
            raise DataError(f"{name} is {shown(repr(side), 60)}; it must be a whole number above 0")
    Z = as_pixels(Z, "Z")
    if Z.ndim == 2:
        return np.asfortranarray(Z)
    if Z.ndim in (3, 4) and Z.shape[1:3] == (a, b):
        return from_nhwc(Z)
    first = Z.ndim == 4 and Z.shape[2:] == (a, b)
    raise DataError(
        f"Z has shape {Z.shape}; images of {a}x{b} are (l, {a}, {b}, d), or (d, {a * b}*l) in the "
        f"lecture's storage{'; ' + FIRST_REMEDY if first else ''}"
    )


def _hint(found: tuple[int, ...], shape: Shape, table: bool) -> str:
    """Say how an array of another shape was read, and how it can be given."""
    a, b, d = shape
    if table:
        return (
            f"; for a table with one image per row give reshape({found[0]}, {a}, {b}, {d}), or "
            "layout='table'"
        )
    if found in (shape, (a, b) if d == 1 else ()):
        return "; give a single image as images[np.newaxis]"
    if len(found) != 4:
        return ""
    read = f"; they were read as (l, height, width, channels), {sizes(found)}"
    if found[1:] == (d, a, b):
        return f"{read}; {FIRST_REMEDY}"
    if found[:3] == shape:
        return f"{read}; if the images come last, give transpose(3, 0, 1, 2)"
    return read


FIRST_REMEDY = "if the channels come first, use its transpose(0, 2, 3, 1)"


def channels_first(shape: tuple[int, ...]) -> bool:
    """Return whether an array looks like ``(l, d, a, b)`` and not like ``(l, a, b, d)``.

    Parameters
    ----------
    shape : tuple of int

    Returns
    -------
    bool
        Whether a height of 1 or 3 would come with a width and channels of a picture's proportions.

    Examples
    --------
    >>> from simplenn_py.pixels import channels_first
    >>> channels_first((60000, 1, 28, 28)), channels_first((60000, 28, 28, 1))
    (True, False)
    """
    if len(shape) != 4 or shape[1] not in (1, 3):
        return False
    short, long = sorted(shape[2:])
    return short > 4 and long <= 2 * short


def sizes(shape: tuple[int, ...]) -> str:
    """Return how an array ``(l, a, b, d)`` is read, for messages."""
    a, b, d = (*shape[1:], 1)[:3]
    return f"images of {a}x{b} with {d} channel{'s' * (d != 1)}"
