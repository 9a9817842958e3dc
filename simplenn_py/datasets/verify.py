"""Reading a data set completely and reporting whether its files are the published ones."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from ..errors import DataError
from . import cifar, digits, fetch, idx
from .catalogue import Info, RemoteFile
from .dataset import Dataset, Images

OFFICIAL = "the published file"
REPACKED = "the published contents, compressed again"
OTHER = "same format, different bytes"
UNPACKED = "unpacked batches, for which no checksum is published"
CONVERTED = "another published form, for which no checksum is kept"


@dataclass(frozen=True)
class Verified:
    """The result of :func:`verify` for a data set that was read completely.

    Parameters
    ----------
    name : str
        Name of the data set.
    train, test : int
        Number of images in the training set and in the test set.
    files : tuple of (Path, str)
        Path and verdict per file; the verdict is one of this module's constants `OFFICIAL`,
        `REPACKED`, `OTHER`, `UNPACKED` and `CONVERTED`.
    """

    name: str
    train: int
    test: int
    files: tuple[tuple[Path, str], ...]


def verify(name: str, data_dir: fetch.PathLike | None = None) -> Verified:
    """Read a data set completely, check its counts and compare its checksums.

    Nothing is downloaded.

    Parameters
    ----------
    name : str
        ``digits``, ``mnist`` or ``cifar10``.
    data_dir : path, optional
        Folder to search first.

    Returns
    -------
    Verified

    Raises
    ------
    DataError
        If the data set is unknown, missing or damaged, or its numbers of images or classes
        differ from the published ones.
    """
    entry = fetch.info(name)
    place = fetch.require(name, data_dir)
    if name == "digits":
        data, paths = digits.load(), [place]
    elif name == "cifar10":
        data, paths = cifar.load(place), [place]
    elif place.is_file():
        data, paths = idx.load_keras(place), [place]
    else:
        found = next(f for f in map(idx.locate, fetch.folders(data_dir)) if all(f.values()))
        files = {stem: path for stem, path in found.items() if path is not None}
        data, paths = idx.load(files), list(files.values())
    _check_counts(entry, data, place)
    verdicts = tuple((p, _verdict(p, f)) for p, f in zip(paths, entry.files, strict=False))
    return Verified(name, entry.train, entry.test, verdicts)


def _check_counts(entry: Info, data: Dataset, place: Path) -> None:
    assert data.test is not None
    for part, images, count in (
        ("training", data.train, entry.train),
        ("test", data.test, entry.test),
    ):
        classes = _classes(images)
        if (images.l, classes) != (count, entry.classes):
            raise DataError(
                f"{place}: the {part} set of {entry.name} has {images.l} images of {classes} "
                f"classes, not {count} of {entry.classes}; use the complete data set"
            )


def _classes(images: Images) -> int:
    return len(set(images.y.tolist()))


def _verdict(path: Path, file: RemoteFile) -> str:
    if path.is_dir():
        return UNPACKED
    if path.name in (cifar.PYTHON_ARCHIVE, idx.KERAS):
        return CONVERTED
    with path.open("rb") as stream:
        if _sha256(stream) == file.sha256:
            return OFFICIAL
        stream.seek(0)
        if stream.read(2) == b"\x1f\x8b" and file.content_sha256:
            stream.seek(0)
            with gzip.GzipFile(fileobj=stream) as inner:
                if _sha256(cast(IO[bytes], inner)) == file.content_sha256:
                    return REPACKED
        stream.seek(0)
        return REPACKED if _sha256(stream) == file.content_sha256 else OTHER


def _sha256(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := stream.read(2**20):
        digest.update(block)
    return digest.hexdigest()
