"""The data set of a run: how ``run.json`` names it, and how it is found again."""

from __future__ import annotations

import os
import zlib
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import load_dataset, where
from ..datasets.dataset import Dataset, Images, Origin
from ..datasets.loading import NAMES
from ..errors import UserError, shown
from ..io.strict_json import from_json
from ..network.config import NetConfig
from .checkpoint import Checkpoint


def fingerprint(data: Dataset) -> str:
    """Return the checksum by which a run recognises its training and validation sets.

    Parameters
    ----------
    data : Dataset
    """
    parts = (data.train, data.validation)
    return " ".join(checksum(images) for images in parts if images is not None)


def checksum(images: Images) -> str:
    """Return a checksum of images and their labels.

    Parameters
    ----------
    images : Images
    """
    crc = zlib.crc32(np.ascontiguousarray(images.Z.T).data, zlib.crc32(images.y.tobytes()))
    return f"{images.Z.shape} {images.Z.dtype} {images.y.dtype} {crc:08x}"


def describe_data(data: Dataset, of_training: str) -> dict[str, Any]:
    """Return what ``run.json`` says of the identity of a data set.

    Parameters
    ----------
    data : Dataset
    of_training : str
        Fingerprint of the training and validation images.

    Returns
    -------
    dict
    """
    return {
        "name": data.name,
        "source": data.source,
        "origin": None if data.origin is None else asdict(data.origin),
        "fingerprint": of_training,
        "test_fingerprint": None if data.test is None else checksum(data.test),
    }


def find_data(
    folder: str | os.PathLike[str], config: NetConfig, data_dir: str | None = None
) -> tuple[Dataset | None, str]:
    """Read the data set of a run again, if it is still there.  Nothing is downloaded.

    Parameters
    ----------
    folder : path
        The run folder.
    config : NetConfig
        Its network.
    data_dir : str, optional
        Folder that holds MNIST and CIFAR-10, in place of the run's.

    Returns
    -------
    data : Dataset or None
        None if the data set is gone or has changed.
    reason : str
        Why `data` is None, for a message.
    """
    report = read_dataset_report(folder)
    source = report.get("source")
    if not isinstance(source, str):
        return None, f"{folder} holds no readable run.json"
    origin = _origin(report, config)
    if origin is None:
        return None, f"'{shown(source)}' is not a place from which they can be read again"
    if origin.in_catalogue:
        tried = (data_dir, origin.data_dir, source, os.path.dirname(source))
        found = [place for place in tried if where(origin.name, place or None)]
        if not found:
            return None, (
                f"{origin.name} is not on this machine; download it with 'simplenn data fetch "
                f"{origin.name}'"
            )
        data_dir = found[0] or None
    elif not os.path.exists(origin.name):
        return None, f"{shown(origin.name)} is gone"
    try:
        data = load_dataset(
            origin.name,
            data_dir=data_dir,
            test=origin.test,
            shape=origin.shape,
            input_format=origin.input_format,
            progress=False,
        )
    except UserError as error:
        return None, str(error)
    expected = report.get("fingerprint") or _fingerprint_of_checkpoint(folder)
    changed = expected != fingerprint(data)
    if data.test is not None and report.get("test_fingerprint"):
        changed |= report["test_fingerprint"] != checksum(data.test)
    if changed:
        return None, f"{shown(data.source)} has changed since the run"
    return data, ""


def read_dataset_report(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the entry "dataset" of a run's ``run.json``; {} if there is none.

    Parameters
    ----------
    folder : path
    """
    try:
        report = from_json(Path(folder, "run.json").read_text("utf-8"))["dataset"]
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return report if isinstance(report, dict) else {}


def _origin(report: dict[str, Any], config: NetConfig) -> Origin | None:
    """Return the origin that a report names; an older report has only the source for display."""
    origin, name, source = (report.get(key) for key in ("origin", "name", "source"))
    if isinstance(origin, dict):
        return _checked_origin(origin)
    if "origin" in report or not isinstance(name, str) or not isinstance(source, str):
        return None
    is_file = source.lower().endswith((".npz", ".mat"))
    if name == "digits" and source == "bundled with simplenn_py":
        return Origin(name, True)
    if name in NAMES[1:] and not is_file and not _has_classes(Path(source)):
        return Origin(name, True)
    path, _, test = source.partition(", ")  # as they were shown
    if not os.path.exists(path):
        return None
    return Origin(path, False, None, test or None, config.image_shape)


def _has_classes(folder: Path) -> bool:
    """Return whether a folder may be one of picture files, not of MNIST's or CIFAR-10's."""
    return folder.is_dir() and any(path.is_dir() for path in folder.iterdir())


def _checked_origin(values: dict[str, Any]) -> Origin | None:
    """Return the origin with these values if each has its type, else None."""
    kinds = {
        "name": str,
        "in_catalogue": bool,
        "data_dir": str | None,
        "test": str | None,
        "shape": list | None,
        "input_format": str,
    }
    values = {f.name: values.get(f.name) for f in fields(Origin)}
    if not all(isinstance(values[key], kind) for key, kind in kinds.items()):
        return None
    if values["in_catalogue"] and values["name"] not in NAMES:
        return None
    shape = values["shape"]
    if shape is not None:
        if len(shape) != 3 or any(type(side) is not int for side in shape):
            return None
        values["shape"] = tuple(shape)
    return Origin(**values)


def _fingerprint_of_checkpoint(folder: str | os.PathLike[str]) -> str:
    try:
        return Checkpoint.read(folder).fingerprint
    except UserError:
        return ""
