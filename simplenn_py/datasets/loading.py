"""``load_dataset``: labelled images from a name or a path, in any of the known formats."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path

from ..errors import DataError, closest, shown
from ..runtime.arguments import described, expect_path
from ..runtime.paths import user_path
from .dataset import Dataset, Origin

NAMES = ("digits", "mnist", "cifar10")
FORMATS = ("row", "column")
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar")

Shape = tuple[int, int, int]


def load_dataset(
    name: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
    shape: Shape | None = None,
    input_format: str = "row",
    progress: bool = True,
) -> Dataset:
    """Read a data set completely; MNIST and CIFAR-10 are downloaded if they are missing.

    Parameters
    ----------
    name : str or path
        ``digits``, ``mnist`` or ``cifar10``; or the path of a simpleNN ``.mat`` file, a NumPy
        ``.npz`` file, or a folder with one sub-folder of picture files per class, perhaps below
        ``train``, ``val`` and ``test``; or a folder with files like those of MNIST or CIFAR-10.
        A file or folder called digits is ``"./digits"``, or a Path.
    data_dir : path, optional
        Folder that holds MNIST or CIFAR-10, or receives the download.
    test : path, optional
        Test set, in the same format; only if `name` is a path.
    shape : (a, b, d), optional
        Height, width and channels of an image; required for ``.mat`` files and for ``.npz``
        files with one row per image.  The pictures in a folder are resized to it.
    input_format : {"row", "column"}
        Order of the pixels if a ``.mat`` or ``.npz`` file has one row per image: the rows of
        the image one after the other, or its columns (see
        :func:`simplenn_py.layout.from_rows`).
    progress : bool
        Whether to report the progress of a download.

    Returns
    -------
    Dataset
        `Z` is ``(d, a*b*l)`` in Fortran order, uint8, float32 or float64, with the values of
        the file (not scaled); labels `y` are int64 or strings, ``(l,)``.

    Raises
    ------
    DataError
        If the data set is unknown, missing or damaged, or contradicts `shape`.

    Examples
    --------
    >>> from simplenn_py.datasets import load_dataset
    >>> data = load_dataset("digits")
    >>> (data.train.a, data.train.b, data.train.d), data.train.l, data.test.l
    ((8, 8, 1), 1442, 355)
    >>> data.train.Z.shape == (1, 8 * 8 * 1442), data.train.Z.dtype.name
    (True, 'uint8')
    >>> data.train.y[:5].tolist()
    [0, 1, 2, 3, 4]
    """
    what = f"one of {', '.join(NAMES)}, or the path of a .mat file, an .npz file or a folder"
    expect_path("name", name, what)
    for argument, given in (("data_dir", data_dir), ("test", test)):
        if given is not None:
            expect_path(argument, given, "the path of a file or folder, or None")
    path, text = user_path(name), os.fspath(name)
    _check(shape, input_format)
    named = text in NAMES and (isinstance(name, str) or not path.exists())
    test = None if test is None else user_path(test)
    if named:
        data = _named(text, data_dir, test, shape, progress)
    else:
        data = _from_path(path, test, shape, input_format)
    origin = Origin(
        text if named else os.path.abspath(path),
        named,
        None if data_dir is None else os.path.abspath(user_path(data_dir)),
        None if test is None else os.path.abspath(test),
        None if shape is None else (int(shape[0]), int(shape[1]), int(shape[2])),
        input_format,
    )
    return replace(data, origin=origin)


def _from_path(path: Path, test: Path | None, shape: Shape | None, input_format: str) -> Dataset:
    if path.is_dir():
        from . import folder

        return _published(path, test, shape) or folder.load(path, test, shape)
    suffix = path.suffix.lower()
    if suffix == ".mat":
        from . import mat

        return mat.load(path, test, shape, input_format)
    if suffix == ".npz":
        from . import arrays

        return arrays.load(path, test, shape, input_format)
    if suffix in _ARCHIVES and path.is_file():
        raise DataError(f"{path}: is an archive; unpack it, and give the folder with the pictures")
    if path.exists():
        rule = "has an unknown format; use .mat, .npz, or a folder with one sub-folder per class"
        raise DataError(f"{path}: this file {rule}")
    raise DataError(
        f"data set '{path}' is unknown; use one of {', '.join(NAMES)}, or the path of an "
        f"existing .mat file, .npz file or folder{closest(str(path), list(NAMES))}"
    )


def unlabelled(path: Path) -> list[Path]:
    """Return the pictures of a folder that has no sub-folders with pictures, and so no labels.

    Parameters
    ----------
    path : Path
        Anything; not a folder of pictures: an empty list is returned.

    Returns
    -------
    list of Path
        Sorted by name.
    """
    from . import cifar, folder, idx

    if not path.is_dir() or idx.locate_directly(path) or cifar.locate_directly(path):
        return []
    if (path / "model.npz").is_file():  # a run folder with its figures
        return []
    return folder.unlabelled(path)


def _published(
    path: Path, test: str | os.PathLike[str] | None, shape: Shape | None
) -> Dataset | None:
    """Read a folder that holds the files of MNIST, or others of its format, or of CIFAR-10."""
    from . import cifar, idx

    raw = path if path.name != "raw" else path.absolute().parent
    files = idx.locate_directly(path)
    source = cifar.locate_directly(path)
    if files is None and source is None:
        return None
    _refuse_test(str(path), test)
    if files is not None:
        data = replace(idx.load(files), name=raw.name)
    else:
        assert source is not None
        data = replace(cifar.load(source), name=path.absolute().name)
    _check_shape(data, shape)
    return data


def _named(
    name: str,
    data_dir: str | os.PathLike[str] | None,
    test: str | os.PathLike[str] | None,
    shape: Shape | None,
    progress: bool,
) -> Dataset:
    _refuse_test(name, test)
    if name == "digits":
        from . import digits

        data = digits.load()
    else:
        from . import fetch

        data = fetch.load(name, data_dir, progress)
    _check_shape(data, shape)
    return data


def _refuse_test(name: str, test: str | os.PathLike[str] | None) -> None:
    if test is not None:
        raise DataError(
            f"{name}: has its own test set, so the test set '{os.fspath(test)}' cannot be "
            "used with it; leave it out, or give the path of a file as the data set"
        )


def _check_shape(data: Dataset, shape: Shape | None) -> None:
    own = (data.train.a, data.train.b, data.train.d)
    if shape is not None and tuple(shape) != own:
        given, true = ("x".join(map(str, s)) for s in (shape, own))
        raise DataError(f"{data.name}: its images are {true}, not {given}; leave --image-shape out")


def _check(shape: Shape | None, input_format: str) -> None:
    if not isinstance(input_format, str) or input_format not in FORMATS:
        raise DataError(
            f"input_format is {described(input_format)}; it must be 'row' or 'column'"
            f"{closest(str(input_format), list(FORMATS))}"
        )
    if shape is None:
        return
    sized = isinstance(shape, Sequence) and len(shape) == 3
    if not sized or not all(isinstance(n, Integral) and n >= 1 for n in shape):
        raise DataError(
            f"image shape is {shown(repr(shape))}; it must be three positive integers, height, "
            "width and channels, such as 28x28x1"
        )
