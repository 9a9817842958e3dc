"""The bundled 8x8 digits: 1,797 real images that need no network."""

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
EVERY = 5  # within each class every 5th image is a test image: see data/README.md


def location() -> Path:
    """Return where the bundled file is.

    The project's ``data`` folder is the package ``simplenn_py.data`` once installed, and
    lies beside the package in a clone that was never installed.

    Raises
    ------
    DataError
        If neither holds the file.
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
    """Return the indices of the training and of the test images, each in file order.

    Parameters
    ----------
    y : ndarray of int, shape (l,)
        Labels.
    every : int
        Within each class, in the order of `y`, every such image is a test image.
    """
    is_test = np.zeros(y.shape[0], dtype=bool)
    for label in np.unique(y):
        is_test[np.flatnonzero(y == label)[every - 1 :: every]] = True
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def load() -> Dataset:
    """Return the digits: uint8 values 0..16, int64 labels, 1,442 + 355 images.

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
