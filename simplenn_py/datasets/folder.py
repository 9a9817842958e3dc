"""A folder with one sub-folder of picture files per class.

The files are either ``ROOT/train/CLASS/*`` and, optionally, ``ROOT/test/CLASS/*``, or
``ROOT/CLASS/*`` without a test set.  The name of the sub-folder is the label.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..labels import as_labels
from ..layout import Array
from ..runtime.paths import plain_name
from .dataset import Dataset, Images
from .images import inspect, read_images

Shape = tuple[int, int, int]
Files = list[tuple[str, Path]]

_INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")
_NOT_PICTURES = frozenset({"thumbs.db", "desktop.ini"})  # left by file managers


def load(root: Path, test: str | os.PathLike[str] | None, shape: Shape | None) -> Dataset:
    """Read all picture files below `root`, and the test set from `test` if it is given.

    Parameters
    ----------
    root : Path
        Folder of the data set.  Files and folders whose names begin with a dot are ignored,
        here and in `test`.
    test : path, optional
        Folder of the test set, with the sub-folders ``CLASS`` or ``test/CLASS``; the default
        is ``ROOT/test`` if there is also a folder ``ROOT/train``.
    shape : (a, b, d), optional
        Height, width and channels of an image.  Every picture is resized to a x b and
        converted to grey (d = 1) or RGB (d = 3).  Without `shape` all pictures must have the
        same size; the images have one channel if all pictures are grey, otherwise three.

    Returns
    -------
    Dataset
        `Z` is uint8 ``(d, a*b*l)`` in Fortran order; the images are sorted by class, then by
        file name.  Labels are int64 if all class names are integers without leading zeros,
        otherwise strings.

    Raises
    ------
    DataError
        If a folder is missing or empty, a file cannot be read as an image, or the sizes
        differ and `shape` is None.
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
    """List the picture files in `folder` as (label, path), sorted by class, then by file name."""
    layout = "picture files belong in FOLDER/CLASS/, or FOLDER/train/CLASS/ and FOLDER/test/CLASS/"
    classes = [path for path in _visible(folder) if path.is_dir()]
    if (folder / "model.npz").is_file() and not classes:
        raise DataError(
            f"{folder}: is a run folder of 'simplenn train', not a data set; give the data set"
        )
    if not classes:
        raise DataError(f"{folder}: has no sub-folder and therefore no class; {layout}")
    files: Files = []
    seen: dict[str, str] = {}
    for directory in classes:
        (label,) = as_labels([plain_name(directory.name)], padded=True).tolist()
        if label in seen:  # two forms of an accented letter, or a blank at the end
            raise DataError(
                f"{folder}: {seen[label]!a} and {directory.name!a} are the same label; put their "
                "pictures into one folder, or rename one"
            )
        seen[label] = directory.name
        pictures = _visible(directory)
        if not pictures:
            raise DataError(
                f"{directory}: this class has no picture file; add some, or remove the folder"
            )
        nested = next((path for path in pictures if path.is_dir()), None)
        if nested is not None:
            raise DataError(f"{nested}: is a folder inside the class {directory.name}; {layout}")
        files += [(label, path) for path in pictures]
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
    """Return the common height and width, and 1 channel if all pictures are grey, else 3."""
    a, b, d = inspect(files[0][1])
    for _, path in files[1:]:
        height, width, channels = inspect(path)
        if (height, width) != (a, b):
            raise DataError(
                f"{path}: is {height}x{width}, but {files[0][1].name} is {a}x{b}; give a common "
                "size with --image-shape, for instance 32x32x3"
            )
        d = max(d, channels)
    return a, b, d


def _labels(part: Files, as_integers: bool) -> Array:
    names = [label for label, _ in part]
    return np.array([int(name) for name in names], np.int64) if as_integers else np.array(names)
