"""The bundled 8x8 digits: 1,797 real images, available without a download."""

from __future__ import annotations

import gzip
from contextlib import suppress
from importlib import resources
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..io.damage import LIBRARY_ERRORS, reason
from ..layout import Array, from_rows
from .dataset import Dataset, Images

FILE = "digits.csv.gz"
A = B = 8
EVERY = 5  # every 5th image of each class is a test image: see data/README.md


def location() -> Path:
    """Return the path of the bundled file.

    After installation the project's ``data`` folder is the package ``simplenn_py.data``.  In
    a clone that is not installed it lies next to the package.

    Returns
    -------
    Path
        Path of the existing file.

    Raises
    ------
    DataError
        If the file is in neither place.
    """
    places = [Path(__file__).resolve().parents[2] / "data" / FILE]
    with suppress(ModuleNotFoundError):
        places.insert(0, Path(str(resources.files("simplenn_py.data").joinpath(FILE))))
    for path in places:
        if path.is_file():
            return path
    raise DataError(
        f"{places[0]}: the bundled data file is missing; reinstall the package or restore the file"
    )


def split(y: Array, every: int = EVERY) -> tuple[Array, Array]:
    """Split the images into a training set and a test set, class by class.

    Parameters
    ----------
    y : ndarray of int, shape (l,)
        Labels.
    every : int
        Period of the test images: in each class, in the order of `y`, image `every`, image
        ``2*every`` and so on are test images, counted from 1.

    Returns
    -------
    train, test : ndarray of int, shapes (l_train,) and (l_test,)
        Indices of the training images and of the test images, in increasing order.

    Examples
    --------
    >>> import numpy as np
    >>> from simplenn_py.datasets.digits import split
    >>> train, test = split(np.array([7, 7, 3, 7, 3]), every=2)
    >>> train.tolist(), test.tolist()
    ([0, 2, 3], [1, 4])
    """
    is_test = np.zeros(y.shape[0], dtype=bool)
    for label in np.unique(y):
        is_test[np.flatnonzero(y == label)[every - 1 :: every]] = True
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def load() -> Dataset:
    """Read the bundled digits: 1,442 training images and 355 test images.

    Returns
    -------
    Dataset
        `Z` is uint8 ``(1, 8*8*l)`` in Fortran order, with values 0..16; labels are int64.

    Raises
    ------
    DataError
        If the bundled file is missing or damaged.
    """
    path = location()
    try:
        text = gzip.decompress(path.read_bytes()).decode("ascii")
        table = np.loadtxt(text.splitlines(), dtype=np.uint8, delimiter=",", ndmin=2)
        if table.shape[1] != A * B + 1:
            raise ValueError(f"{table.shape[1]} columns")
    except LIBRARY_ERRORS as error:
        raise DataError(
            f"{path}: the bundled data file is damaged ({reason(error)}); reinstall the package"
        ) from None
    X, y = table[:, :-1], table[:, -1].astype(np.int64)
    train, test = split(y)
    return Dataset("digits", _part(X, y, train), _part(X, y, test), "bundled with simplenn_py")


def _part(X: Array, y: Array, index: Array) -> Images:
    return Images(from_rows(X[index], A, B, 1, "row"), y[index], A, B)
