"""A folder with one sub-folder of picture files per class.

The files are either ``ROOT/train/CLASS/*`` and, optionally, ``ROOT/val/CLASS/*`` and
``ROOT/test/CLASS/*``, or ``ROOT/CLASS/*`` alone.  The name of the sub-folder is the label.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from ..errors import DataError, shown
from ..labels import as_labels
from ..layout import Array
from ..runtime.paths import plain_name
from .dataset import Dataset, Images
from .images import inspect, read_images

Shape = tuple[int, int, int]
Files = list[tuple[str, Path]]

_INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")
_LAYOUT = (
    "picture files belong in FOLDER/CLASS/, or FOLDER/train/CLASS/, FOLDER/val/CLASS/ and "
    "FOLDER/test/CLASS/"
)
#: Names of the folders of a data set that is already divided, in any case of the letters.
_PARTS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
# What operating systems, file managers and cloud drives leave beside pictures, in lower case.
# Names that begin with a dot are passed over as well.
_LEFT_BEHIND = frozenset(
    {"__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini"}
    | {"$recycle.bin", "recycler", "system volume information", "lost+found", "found.000"}
    | {"@eadir", "@recycle", "#recycle", "#snapshot", "__pycache__"}
)
# What people and labelling tools keep beside pictures.  Any other file must be a picture.
_NOT_PICTURES = frozenset(
    {".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml"}
    | {".ini", ".cfg", ".names", ".html", ".htm", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ods"}
    | {".odt", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".db", ".sqlite"}
    | {".log", ".py", ".ipynb", ".m", ".sh", ".bat", ".mat", ".npy", ".npz", ".pkl", ".h5"}
    | {".parquet", ".tfrecord", ".cache", ".url", ".lnk", ".webloc", ".tmp", ".part"}
    | {".crdownload", ".bak"}
)
_DOCUMENTS = frozenset({"readme", "license", "licence", "copying", "notice", "authors", "makefile"})


def load(root: Path, test: str | os.PathLike[str] | None, shape: Shape | None) -> Dataset:
    """Read all picture files below `root`, and the test set from `test` if it is given.

    Parameters
    ----------
    root : Path
        Folder of the data set.  What operating systems and labelling tools leave beside pictures
        is passed over, here and in `test`: names that begin with a dot, ``__MACOSX``,
        ``Thumbs.db``, texts, tables, archives.
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
        otherwise strings.  ``ROOT/val`` beside ``ROOT/train``, also called ``valid`` or
        ``validation``, is the validation set.

    Raises
    ------
    DataError
        If a folder is missing or empty, a file cannot be read as an image, or the sizes
        differ and `shape` is None.
    """
    folders, notes = _divided(root)
    if test is not None:
        folders["test"] = _part_of(Path(test), "test") or Path(test)
    files = {part: _list(folder, part) for part, folder in folders.items()}
    everything = [file for part in files.values() for file in part]
    a, b, d = shape if shape is not None else _common_shape(everything)
    as_integers = all(_INTEGER.fullmatch(label) for label, _ in everything)
    images = {
        part: Images(
            read_images([path for _, path in found], a, b, d), _labels(found, as_integers), a, b
        )
        for part, found in files.items()
    }
    source = str(root) if test is None else f"{root}, {folders['test']}"
    return Dataset(
        root.resolve().name,
        images["train"],
        images.get("test"),
        source,
        validation=images.get("validation"),
        notes=tuple(notes),
    )


def unlabelled(folder: Path) -> list[Path]:
    """Return the picture files of a folder that has no sub-folder of a class.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Path
        Sorted by name; empty if the folder has a sub-folder with pictures, or no picture.
    """
    entries = _visible(folder)
    return [] if any(map(_holds_something, entries)) else _pictures(entries)


# -- which folders


def _divided(root: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the folder of each part, and what is not used, in words for the user."""
    entries = _visible(root)
    train = _part_of(root, "train", entries)
    others = {part: _part_of(root, part, entries) for part in ("validation", "test")}
    alone = train is not None and not _class_folders(train) and not any(others.values())
    if train is None or alone:  # a class may be called train
        return {"train": root}, _loose(root)
    folders, notes = {"train": train}, []
    for part, folder in others.items():
        pictures = unlabelled(folder) if folder is not None else []
        if pictures:
            notes.append(f"not used: {_count(len(pictures))} without labels in {folder}")
        elif folder is not None:
            folders[part] = folder
    notes += [note for folder in folders.values() for note in _loose(folder)]
    used = [train, *others.values()]
    extra = [path.name for path in entries if _holds_something(path) and path not in used]
    if extra:
        notes.append(f"not used: {shown(', '.join(extra))}")
    return folders, notes


def _loose(folder: Path) -> list[str]:
    """Say which pictures lie beside the folders of the classes, as a list of one note or none."""
    pictures = _pictures(_visible(folder))
    return [f"not used: {_count(len(pictures))} beside the classes in {folder}"] if pictures else []


def _part_of(root: Path, part: str, entries: list[Path] | None = None) -> Path | None:
    """Return the folder of a part in a data set, whatever the case of its letters."""
    entries = _visible(root) if entries is None else entries
    found = [path for path in entries if path.name.lower() in _PARTS[part] and path.is_dir()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"{root}: holds {names}, which are both the {part} set; keep one of them")
    return found[0] if found else None


def _list(folder: Path, part: str) -> Files:
    """List the picture files in `folder` as (label, path), sorted by class, then by file name."""
    entries = _visible(folder)
    classes = [path for path in entries if path.is_dir()]
    loose = _pictures(entries)
    if (folder / "model.npz").is_file() and not classes:
        raise DataError(
            f"{folder}: is a run folder of 'simplenn train', not a data set; give the data set"
        )
    if not classes and loose:
        raise DataError(
            f"{folder}: has {_count(len(loose))} in no sub-folder and therefore without a label; "
            f"{_LAYOUT}; 'simplenn predict' labels a folder of pictures with a trained model"
        )
    if not classes:
        raise DataError(f"{folder}: has no sub-folder and therefore no class; {_LAYOUT}")
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
        inside = _visible(directory)
        nested = next(filter(_holds_something, inside), None)
        pictures = _pictures(inside)
        if nested is not None:
            too_deep = len(classes) == 1 and not loose and not pictures
            remedy = f"give {directory} instead" if too_deep else _LAYOUT
            raise DataError(f"{nested}: is a folder inside the class {directory.name}; {remedy}")
        if not pictures and part == "train":
            raise DataError(
                f"{directory}: this class has no picture file; add some, or remove the folder"
            )
        files += [(label, path) for path in pictures]
    if not files:
        raise DataError(f"{folder}: the folders of its classes hold no picture file; add some")
    return files


def _visible(folder: Path) -> list[Path]:
    """Return what is in a folder, without what operating systems leave there, sorted by name."""
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); check the path") from None
    names = (path for path in entries if not path.name.startswith("."))
    # Sorted by name, not by Path, whose order differs between systems.
    return sorted(
        (path for path in names if path.name.lower() not in _LEFT_BEHIND), key=lambda p: p.name
    )


def _class_folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _pictures(entries: list[Path]) -> list[Path]:
    """Return the files that should be pictures: all but those of other kinds."""
    return [
        path
        for path in entries
        if not path.is_dir()
        and path.suffix.lower() not in _NOT_PICTURES
        and path.name.lower() not in _DOCUMENTS
    ]


def _holds_something(path: Path) -> bool:
    """Return whether this is a folder with a picture or a folder in it."""
    if not path.is_dir():
        return False
    entries = _visible(path)
    return any(entry.is_dir() for entry in entries) or bool(_pictures(entries))


def _count(pictures: int) -> str:
    return f"{pictures:,} picture{'s' * (pictures != 1)}"


# -- sizes and labels


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
