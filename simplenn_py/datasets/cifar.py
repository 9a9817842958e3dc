"""CIFAR-10 in its binary or its Python version: from the folder, or directly from the archive.

In the binary version a batch is a sequence of records of 3073 bytes: the label 0..9, then 1024 red,
1024 green and 1024 blue values.  Each colour plane is stored row by row.  The Python version is
translated into these records.
"""

from __future__ import annotations

import gzip
import tarfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..io.atomic import atomic_write_bytes
from ..io.damage import LIBRARY_ERRORS, reason
from ..layout import Array, from_rows
from .cifar_python import binary_batch, class_lines
from .dataset import Dataset, Images
from .plain_pickle import NotPlainError

A = B = 32
D = 3
FOLDER = "cifar-10-batches-bin"
ARCHIVE = "cifar-10-binary.tar.gz"
TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = "test_batch.bin"
META = "batches.meta.txt"
BATCHES = (*TRAIN, TEST)
PYTHON_FOLDER = "cifar-10-batches-py"
PYTHON_ARCHIVE = "cifar-10-python.tar.gz"
#: File names of the Python version, by those of the binary version.
PYTHON = {name: name.removesuffix(".bin").removesuffix(".txt") for name in (*BATCHES, META)}
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

_RECORD = 1 + A * B * D
_MAX_BATCH = 2**26  # bytes; the official batches have 30,730,000
_MAX_META = 2**12
_MAX_PADDING = 2**20
_MAX_MEMBERS = 64  # the official archive has 9


def locate(folder: Path) -> Path | None:
    """Find CIFAR-10 in `folder`, its sub-folder ``cifar10``, or the folder of the archive.

    Parameters
    ----------
    folder : Path
        Folder to search.

    Returns
    -------
    Path or None
        The folder that holds all six batches of the binary version; else its archive; else the
        folder or the archive of the Python version; None if there is none of these.
    """
    above = (folder / "cifar10", folder / "CIFAR10", folder)
    for inner, archive in ((FOLDER, ARCHIVE), (PYTHON_FOLDER, PYTHON_ARCHIVE)):
        for place in above:
            found = next((p for p in (place / inner, place) if _is_complete(p, inner)), None)
            if found is not None:
                return found
        for place in above:
            if (place / archive).is_file():
                return place / archive
    return None


def locate_directly(folder: Path) -> Path | None:
    """Find the folder of the batches: `folder` itself, or the archive's folder in it.

    Parameters
    ----------
    folder : Path
        Folder that the user names.

    Returns
    -------
    Path or None
    """
    for inner in (FOLDER, PYTHON_FOLDER):
        for place in (folder, folder / inner):
            if _is_complete(place, inner):
                return place
    return None


def _is_complete(place: Path, version: str) -> bool:
    """Return whether a folder holds all batches of a version, named by the archive's folder."""
    names = BATCHES if version == FOLDER else [PYTHON[name] for name in BATCHES]
    return all((place / name).is_file() for name in names)


def load(source: Path) -> Dataset:
    """Read CIFAR-10 from a folder of batches or from the archive.

    An archive is read completely and checked.  Its batches are then written next to it, if
    the folder is writable, so that they need not be unpacked again.

    Parameters
    ----------
    source : Path
        Folder or archive, as :func:`locate` returns it.

    Returns
    -------
    Dataset
        `Z` is uint8 ``(3, 32*32*l)`` in Fortran order, with the channels red, green, blue;
        labels are the names of the classes, as strings.

    Raises
    ------
    DataError
        If a batch is missing or damaged.
    """
    if source.is_dir():
        return _decode(_read_folder(source), source)
    members = read_archive(source)
    data = _decode(members, source)
    # If the folder cannot be written, the next call unpacks again: slower, but correct.
    with suppress(DataError):
        unpack(members, source.parent / FOLDER)
    return data


def read_archive(path: Path) -> dict[str, bytes]:
    """Read the batches and the class names from an official archive into memory.

    Only regular members with exactly the expected names are read.  No name in the archive is
    ever used as a path.

    Parameters
    ----------
    path : Path
        Archive, a gzipped tar file.

    Returns
    -------
    dict of str to bytes
        Contents of the six batches and, if the archive holds it, of ``batches.meta.txt``, by
        file name; those of the Python version are translated.

    Raises
    ------
    DataError
        If the archive is damaged or lacks a batch, or if a batch occurs twice, is too large or
        is not a regular file.
    """
    python = path.name == PYTHON_ARCHIVE
    folder = PYTHON_FOLDER if python else FOLDER
    files = PYTHON if python else {name: name for name in PYTHON}
    wanted = {f"{folder}/{file}": name for name, file in files.items()}
    members: dict[str, bytes] = {}
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for count, entry in enumerate(archive):
                name = wanted.get(entry.name.removeprefix("./"))
                most = _MAX_META if name == META else _MAX_BATCH
                if count >= _MAX_MEMBERS or entry.size > most:
                    raise _damaged(
                        path,
                        f"member {entry.name[:60]!r} is too large, or the archive has too many",
                    )
                if name is None:
                    continue
                content = archive.extractfile(entry) if entry.isreg() else None
                if content is None or name in members:
                    raise _damaged(
                        path, f"member {entry.name!r} is not a regular file, or occurs twice"
                    )
                members[name] = content.read()
            # tar has no checksum of its contents; gzip has one and compares it at the end.
            if len(stream.read(_MAX_PADDING)) == _MAX_PADDING:
                raise _damaged(path, "has too many bytes after its last member")
    except DataError:
        raise
    except LIBRARY_ERRORS as error:
        raise _damaged(path, f"cannot be read: {reason(error)}") from None
    missing = [name for name in BATCHES if name not in members]
    if missing:
        raise _damaged(path, f"lacks {folder}/{files[missing[0]]}")
    if python:
        return {name: _translated(content, name, path) for name, content in members.items()}
    return members


def unpack(members: dict[str, bytes], folder: Path) -> None:
    """Write the members of an archive into `folder`, each atomically.

    Parameters
    ----------
    members : dict of str to bytes
        Contents by file name, as :func:`read_archive` returns them.
    folder : Path
        Target folder, created if it is missing.

    Raises
    ------
    DataError
        If the folder cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be created ({error.strerror}); create it by hand"
        ) from None
    for name, content in members.items():
        atomic_write_bytes(folder / name, content)


def decode_batch(content: bytes, path: Path) -> tuple[Array, Array]:
    """Split a batch into labels and pixels.

    Parameters
    ----------
    content : bytes
        The batch: records of 3073 bytes.
    path : Path
        File name for the error message.

    Returns
    -------
    labels : ndarray of uint8, shape (l,)
        Class indices 0..9; a view of `content`.
    pixels : ndarray of uint8, shape (l, 3072)
        One image per row: red, green, blue, each row by row; a view of `content`.

    Raises
    ------
    DataError
        If the size is not a positive multiple of 3073, or a label is above 9.
    """
    if not content or len(content) % _RECORD:
        raise _damaged(
            path, f"has {len(content)} bytes, but a batch has a positive multiple of {_RECORD}"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    labels = records[:, 0]
    if labels.max() > 9:
        n = int(np.argmax(labels > 9))
        raise _damaged(path, f"record {n} has label {labels[n]}, but CIFAR-10's labels are 0..9")
    return labels, records[:, 1:]


def class_names(content: bytes | None, path: Path) -> tuple[str, ...]:
    """Return the ten class names in ``batches.meta.txt``.

    Parameters
    ----------
    content : bytes or None
        Contents of the file; None if it is missing.
    path : Path
        File name for the error message.

    Returns
    -------
    tuple of str
        Ten names, in the order of the labels; `CLASSES` if `content` is None.

    Raises
    ------
    DataError
        If the file is not ASCII text or does not hold ten distinct printable names.
    """
    if content is None:
        return CLASSES
    try:
        lines = [line.strip() for line in content.decode("ascii").splitlines()]
    except UnicodeDecodeError:
        raise _damaged(path, "is not ASCII text") from None
    names = tuple(line for line in lines if line)
    good = len(names) == len(set(names)) == 10
    if not good or not all(name.isprintable() and len(name) <= 64 for name in names):
        raise _damaged(path, f"holds {len(set(names))} class names, but must hold 10 distinct ones")
    return names


def _decode(members: dict[str, bytes], source: Path) -> Dataset:
    names = np.array(class_names(members.get(META), source / META))
    train, test = (
        _part([decode_batch(members[batch], source / batch) for batch in batches], names)
        for batches in (TRAIN, (TEST,))
    )
    return Dataset("cifar10", train, test, str(source))


def _part(batches: list[tuple[Array, Array]], names: Array) -> Images:
    labels = np.concatenate([labels for labels, _ in batches])
    # Converting one batch at a time avoids a second copy of the whole set.
    Z = np.empty((D, A * B * labels.size), np.uint8, order="F")
    start = 0
    for _, rows in batches:
        stop = start + A * B * rows.shape[0]
        Z[:, start:stop] = from_rows(rows, A, B, D, "row")
        start = stop
    return Images(Z, names[labels], A, B)


def _read_folder(folder: Path) -> dict[str, bytes]:
    """Read the batches of either version, and the class names if the folder holds them."""
    python = not _is_complete(folder, FOLDER)
    files = PYTHON if python else {name: name for name in PYTHON}
    members = {}
    for name, file in files.items():
        if name == META and not (folder / file).is_file():
            continue
        content = _read(folder / file)
        members[name] = _translated(content, name, folder / file) if python else content
    return members


def _translated(content: bytes, name: str, path: Path) -> bytes:
    """Translate a file of the Python version; `name` is its name in the binary version."""
    translate = class_lines if name == META else binary_batch
    try:
        return translate(content)
    except (NotPlainError, *LIBRARY_ERRORS) as error:
        raise _damaged(
            path, f"is not a batch of CIFAR-10's Python version ({reason(error)})"
        ) from None


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BATCH:
            raise _damaged(path, f"has more than {_MAX_BATCH} bytes")
        return path.read_bytes()
    except OSError as error:
        raise _damaged(path, f"cannot be read ({error.strerror})") from None


def _damaged(path: Path, what: str) -> DataError:
    remedy = "fetch it again with 'simplenn data fetch cifar10', or replace it with a good copy"
    return DataError(f"{path}: {what}; {remedy}")
