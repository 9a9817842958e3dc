"""A folder with one sub-folder of pictures a class.

Either ``ROOT/train/CLASS/*`` with, maybe, ``ROOT/test/CLASS/*``; or ``ROOT/CLASS/*``, which
has no test part.  The name of the sub-folder is the label.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..layout import Array
from .dataset import Dataset, Images
from .images import inspect, read_images

Shape = tuple[int, int, int]
Files = list[tuple[str, Path]]

_INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")
_NOT_PICTURES = frozenset({"thumbs.db", "desktop.ini"})  # left by file managers


def load(root: Path, test: str | os.PathLike[str] | None, shape: Shape | None) -> Dataset:
    """Read all pictures below `root`; those of the test part from `test` where it is given.

    Parameters
    ----------
    root, test : path
        Files and folders whose name begins with a dot are passed over.
    shape : (a, b, d), optional
        Every picture is resized to a x b and made grey (d = 1) or RGB (d = 3).  Without it
        all must have one size, and they are grey if every one of them is.

    Returns
    -------
    Dataset
        `Z` uint8; the pictures in the order of class and file name.  Labels are int64 if
        every class is named by an integer without leading zeros, else strings.

    Raises
    ------
    DataError
        If a folder is missing or holds no picture, a file is no picture, or sizes differ
        and `shape` is None.
    """
    train_root = root / "train" if (root / "train").is_dir() else root
    test_root: Path | None = root / "test"
    if test is not None:
        test_root = Path(test)
        if (test_root / "test").is_dir():
            test_root = test_root / "test"
    elif train_root is root or not (root / "test").is_dir():
        test_root = None
    parts = [_list(folder) for folder in (train_root, test_root) if folder is not None]
    a, b, d = shape if shape is not None else _common_shape([f for part in parts for f in part])
    as_integers = all(_INTEGER.fullmatch(label) for part in parts for label, _ in part)
    images = [
        Images(read_images([path for _, path in part], a, b, d), _labels(part, as_integers), a, b)
        for part in parts
    ]
    source = str(root) if test is None else f"{root}, {test_root}"
    return Dataset(root.resolve().name, images[0], images[1] if test_root else None, source)


def _list(folder: Path) -> Files:
    """List the pictures of a part as (label, path), sorted by class, then by file name."""
    layout = "pictures go into FOLDER/CLASS/, or FOLDER/train/CLASS/ and FOLDER/test/CLASS/"
    classes = [path for path in _visible(folder) if path.is_dir()]
    if not classes:
        raise DataError(f"{folder}: has no sub-folder, hence no class; {layout}")
    files: Files = []
    for directory in classes:
        pictures = _visible(directory)
        if not pictures:
            raise DataError(f"{directory}: this class has no picture; add some or remove it")
        nested = next((path for path in pictures if path.is_dir()), None)
        if nested is not None:
            raise DataError(f"{nested}: is a folder within the class {directory.name}; {layout}")
        files += [(directory.name, path) for path in pictures]
    return files


def _visible(folder: Path) -> list[Path]:
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); check the path") from None
    names = (path for path in entries if not path.name.startswith("."))
    # Sorted by name, not by Path, whose order differs between systems.
    return sorted(
        (path for path in names if path.name.lower() not in _NOT_PICTURES), key=lambda p: p.name
    )


def _common_shape(files: Files) -> Shape:
    """The one size of all pictures; grey if all are."""
    a, b, d = inspect(files[0][1])
    for _, path in files[1:]:
        height, width, channels = inspect(path)
        if (height, width) != (a, b):
            raise DataError(
                f"{path}: is {height}x{width}, but {files[0][1].name} is {a}x{b}; give one size "
                "for all with --image-shape, for instance 32x32x3"
            )
        d = max(d, channels)
    return a, b, d


def _labels(part: Files, as_integers: bool) -> Array:
    names = [label for label, _ in part]
    return np.array([int(name) for name in names], np.int64) if as_integers else np.array(names)
