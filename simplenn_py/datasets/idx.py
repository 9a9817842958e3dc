"""MNIST in its original IDX files, gzipped or not, or in the single file that Keras keeps.

An IDX file consists of two zero bytes, one byte for the type (8: unsigned byte), one byte for
the number of dimensions, each dimension as a big-endian 32-bit integer, and the values in C
order (the last index varies fastest).
"""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import IO, cast

import numpy as np

from ..errors import DataError
from ..io.damage import LIBRARY_ERRORS, reason
from ..io.npz import read_arrays
from ..layout import Array, from_rows
from .dataset import Dataset, Images

A = B = 28
STEMS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
KERAS = "mnist.npz"
_UBYTE = 8
_GZIP_MAGIC = b"\x1f\x8b"
_DEFLATE_MAX = 1040  # deflate compresses at most 1032 to 1: a header that claims more is wrong


def locate(folder: Path) -> dict[str, Path | None]:
    """Find each of MNIST's four files in `folder` or one of the usual sub-folders.

    Parameters
    ----------
    folder : Path
        Folder to search, then its sub-folders ``mnist``, and ``MNIST/raw`` of torchvision.

    Returns
    -------
    dict of str to Path or None
        The file for each of `STEMS`, or None if it is missing; the gzipped file if both
        exist.  The spelling ``train-images.idx3-ubyte`` of some mirrors is accepted too.  A
        sub-folder that holds all four is preferred.
    """
    names = ("mnist", "MNIST/raw", "MNIST", "raw", "")
    found = [_in_folder(folder / name) for name in names]
    for files in found:
        if all(files.values()):
            return files
    return {stem: next((f[stem] for f in found if f[stem]), None) for stem in STEMS}


def locate_directly(folder: Path) -> dict[str, Path] | None:
    """Find the four files in `folder` itself or its sub-folder ``raw``.

    Parameters
    ----------
    folder : Path
        Folder that the user names: of MNIST, or of another data set in the same files, such as
        Fashion-MNIST.

    Returns
    -------
    dict of str to Path, or None
        None if one is missing.
    """
    for place in (folder, folder / "raw"):
        files = {stem: path for stem, path in _in_folder(place).items() if path is not None}
        if len(files) == len(STEMS):
            return files
    return None


def _in_folder(place: Path) -> dict[str, Path | None]:
    found: dict[str, Path | None] = {}
    for stem in STEMS:
        names = (stem, stem.replace("-idx", ".idx"))
        candidates = (place / (name + suffix) for suffix in (".gz", "") for name in names)
        found[stem] = next((path for path in candidates if path.is_file()), None)
    return found


def locate_keras(folder: Path) -> Path | None:
    """Find Keras' file ``mnist.npz`` in `folder` or its sub-folder ``mnist``.

    Parameters
    ----------
    folder : Path
        Folder to search.

    Returns
    -------
    Path or None
    """
    candidates = (folder / name / KERAS for name in ("mnist", "MNIST", ""))
    return next((path for path in candidates if path.is_file()), None)


def load(files: dict[str, Path]) -> Dataset:
    """Read MNIST from its four files.

    Parameters
    ----------
    files : dict of str to Path
        The file for each of `STEMS`, as :func:`locate` returns them.

    Returns
    -------
    Dataset
        `Z` is uint8 ``(1, 28*28*l)`` in Fortran order; labels are int64.

    Raises
    ------
    DataError
        If a file is missing or damaged, or the numbers of images and labels differ.
    """
    train, test = (
        _part(read_idx(files[images]), read_idx(files[labels]), files[images], files[labels])
        for images, labels in ((STEMS[0], STEMS[1]), (STEMS[2], STEMS[3]))
    )
    return Dataset("mnist", train, test, str(files[STEMS[0]].parent))


def load_keras(path: Path) -> Dataset:
    """Read MNIST from Keras' file: arrays ``x_train``, ``y_train``, ``x_test`` and ``y_test``.

    Parameters
    ----------
    path : Path
        File, as :func:`locate_keras` returns it.

    Returns
    -------
    Dataset
        As :func:`load`.

    Raises
    ------
    DataError
        If the file is damaged, or is not MNIST.
    """
    names = ("x_train", "y_train", "x_test", "y_test")
    arrays = read_arrays(path, names)
    for name in names:
        if name not in arrays or arrays[name].dtype != np.uint8:
            raise _damaged(path, f"has no array {name} of unsigned bytes")
    train, test = (
        _part(arrays[f"x_{part}"], arrays[f"y_{part}"], path, path) for part in ("train", "test")
    )
    return Dataset("mnist", train, test, str(path))


def read_idx(path: Path) -> Array:
    """Read one IDX file of unsigned bytes, gzipped or not.

    Parameters
    ----------
    path : Path
        IDX file.

    Returns
    -------
    ndarray of uint8, C order
        Values in the shape that the header gives.

    Raises
    ------
    DataError
        If the file cannot be read, is not an IDX file, holds another type, or does not hold
        the number of values that its header gives.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            size = path.stat().st_size
            if not packed:
                return _parse(file, path, size)
            with gzip.GzipFile(fileobj=file) as stream:
                return _parse(cast(IO[bytes], stream), path, size * _DEFLATE_MAX)
    except DataError:
        raise
    except LIBRARY_ERRORS as error:
        raise _damaged(path, f"cannot be read: {reason(error)}") from None


def _parse(stream: IO[bytes], path: Path, most: int) -> Array:
    """Read header and values; `most` is an upper bound on the number of bytes in `stream`."""
    head = stream.read(4)
    if not head:
        raise _damaged(path, "is empty")
    if len(head) < 4 or head[:2] != b"\0\0":
        raise _damaged(
            path, f"starts with the bytes {head.hex(' ')!r}, but an IDX file starts with '00 00'"
        )
    kind, ndim = head[2], head[3]
    if kind != _UBYTE:
        raise _damaged(path, f"holds values of type {kind}, but MNIST has type 8 (unsigned byte)")
    if not 1 <= ndim <= 8:
        raise _damaged(path, f"has {ndim} dimensions, but images have 3 and labels have 1")
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise _damaged(path, "ends within its header")
    shape = tuple(int(n) for n in np.frombuffer(sizes, ">u4"))
    count = math.prod(shape)
    if count > most:
        raise _damaged(path, f"claims {count} values, more than the file can hold")
    values = stream.read(count)
    if len(values) < count:
        raise _damaged(path, f"holds {len(values)} of the {count} values that its header claims")
    # Only a read at the end makes gzip compare checksum and length.
    if stream.read(1):
        raise _damaged(path, f"has bytes after the {count} values that its header claims")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _part(X: Array, y: Array, images: Path, labels: Path) -> Images:
    if X.ndim != 3 or X.shape[1:] != (A, B):
        sizes = "x".join(map(str, X.shape))
        raise _damaged(images, f"holds an array of {sizes}, but MNIST's images are l x 28 x 28")
    if y.ndim != 1:
        raise _damaged(labels, f"has {y.ndim} dimensions, but labels have 1")
    if X.shape[0] != y.shape[0]:
        raise DataError(
            f"{images}: holds {X.shape[0]} images, but {labels.name} holds {y.shape[0]} labels; "
            "take both from the same source"
        )
    if y.size == 0:
        raise _damaged(images, "holds no image")
    if y.max() > 9:
        n = int(np.argmax(y > 9))
        raise _damaged(labels, f"has label {y[n]} at index {n}, but MNIST's labels are 0..9")
    return Images(from_rows(X.reshape(-1, A * B), A, B, 1, "row"), y.astype(np.int64), A, B)


def _damaged(path: Path, what: str) -> DataError:
    remedy = "fetch it again with 'simplenn data fetch mnist', or replace it with a good copy"
    return DataError(f"{path}: {what}; {remedy}")
