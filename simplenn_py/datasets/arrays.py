"""Data sets in NumPy ``.npz`` files: ``X``, ``y``, and optionally a validation and a test set."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import DataError, shown
from ..io.npz import array_names, read_arrays
from ..labels import as_labels
from ..layout import Array, from_nhwc, from_rows
from ..pixels import FIRST_REMEDY, as_pixels, channels_first, sizes
from .dataset import Dataset, Images
from .values import check_count, need_shape

Shape = tuple[int, int, int]

_NAMES = ("X", "y", "X_val", "y_val", "X_test", "y_test")


def load(
    path: Path, test: str | os.PathLike[str] | None, shape: Shape | None, input_format: str
) -> Dataset:
    """Read the training set from `path`, and the test set from `path` or `test`.

    Parameters
    ----------
    path : Path
        File with the arrays ``X``, the images, and ``y``, the labels, shape ``(l,)``.  ``X``
        is ``(l, a, b)``, ``(l, a, b, d)`` or ``(l, a*b*d)``.  The test set is ``X_test`` and
        ``y_test``, if the file holds them, and the validation set ``X_val`` and ``y_val``.  Other
        arrays are ignored.
    test : path, optional
        File with the test set, as ``X`` and ``y``.
    shape : (a, b, d), optional
        Height, width and channels of an image; required if ``X`` is ``(l, a*b*d)``.
    input_format : {"row", "column"}
        Order of the pixels if ``X`` is ``(l, a*b*d)`` (see
        :func:`simplenn_py.layout.from_rows`).

    Returns
    -------
    Dataset
        `Z` is ``(d, a*b*l)`` in Fortran order, uint8, float32 or float64; labels are int64 or
        strings.

    Raises
    ------
    DataError
        If a file is missing, damaged or pickled, an array is missing, or the arrays are not
        images and labels of the given shape.
    """
    arrays = read_arrays(path, _NAMES)
    train = _part(arrays, path, "X", "y", shape, input_format)
    own = (train.a, train.b, train.d)
    validation = None
    if "X_val" in arrays or "y_val" in arrays:
        validation = _part(arrays, path, "X_val", "y_val", own, input_format)
    inside = [name for name in ("X_test", "y_test") if name in arrays]
    if test is None:
        second = _part(arrays, path, "X_test", "y_test", own, input_format) if inside else None
        return Dataset(path.stem, train, second, str(path), validation=validation)
    if inside:
        raise DataError(
            f"{path}: holds {inside[0]}, but '{os.fspath(test)}' is given as the test set; "
            "leave one of them out"
        )
    test_path = Path(test)
    second = _part(read_arrays(test_path, _NAMES[:2]), test_path, "X", "y", own, input_format)
    return Dataset(path.stem, train, second, f"{path}, {test_path}", validation=validation)


def _part(
    arrays: dict[str, Array],
    path: Path,
    X_name: str,
    y_name: str,
    shape: Shape | None,
    input_format: str,
) -> Images:
    for name in (X_name, y_name):
        if name not in arrays:
            raise _missing(arrays, path, name, y_name if name == X_name else X_name)
    where = f"{path}: {X_name}"
    y = as_labels(arrays[y_name], f"{path}: {y_name}", padded=True)
    X = as_pixels(arrays[X_name], where)
    if X.ndim not in (2, 3, 4):
        raise DataError(
            f"{where}: has shape {X.shape}; it must be (images, height, width), "
            "(images, height, width, channels) or one row per image"
        )
    check_count(X.shape[0], y, where)
    if X.ndim == 2:
        a, b, d = need_shape(shape, where)
        if X.shape[1] != a * b * d:
            raise DataError(
                f"{where}: has {X.shape[1]} columns, but images of {a}x{b}x{d} have {a * b * d} "
                f"values; give a shape whose height x width x channels is {X.shape[1]}"
            )
        return Images(from_rows(X, a, b, d, input_format), y, a, b)
    a, b, d = own = (*X.shape[1:], 1)[:3]
    if 0 in own or (shape is not None and own != tuple(shape)):
        raise _other_shape(own, shape, where)
    if shape is None and channels_first(X.shape):
        raise DataError(
            f"{where}: was read as (l, height, width, channels), {sizes(X.shape)}; {FIRST_REMEDY}, "
            f"otherwise give shape={own} (on the command line: --image-shape {a}x{b}x{d})"
        )
    return Images(from_nhwc(X), y, a, b)


def _missing(arrays: dict[str, Array], path: Path, name: str, partner: str) -> DataError:
    """Return the error for the array `name`, which is missing; `partner` belongs to it."""
    if partner in arrays and name not in ("X", "y"):
        images, labels = sorted((name, partner))
        return DataError(
            f"{path}: has {partner} but no {name}; save both, or neither: "
            f"numpy.savez(FILE, X=..., y=..., {images}=..., {labels}=...)"
        )
    names = array_names(path)
    if "about" in names and "theta" in names:
        return DataError(
            f"{path}: is a trained model, not a data set; give a data set with the arrays X and y"
        )
    known = shown(", ".join(sorted(names)[:8])) or "nothing"
    return DataError(
        f"{path}: has no array {name} (it holds {known}); save one with "
        "numpy.savez(FILE, X=images, y=labels)"
    )


def _other_shape(own: Shape, shape: Shape | None, where: str) -> DataError:
    """Return the error for images that are empty or not of the given shape."""
    found = f"{where}: its images are " + "x".join(map(str, own))
    if shape is None or 0 in own:
        rule = "an array of images has shape (l, height, width, channels)"
        return DataError(f"{found}, which is empty; {rule}")
    a, b, d = own
    given = "x".join(map(str, shape))
    swapped = f"; {FIRST_REMEDY}" if (b, d, a) == tuple(shape) else ""
    return DataError(
        f"{found}, but {given} was asked for (by shape or --image-shape, or by the network's "
        f".config file); correct that, or give other data{swapped}"
    )
