"""Small data sets in the published formats, for the tests of the readers and of downloads."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np

from simplenn_py.datasets import cifar

FOLDER = "cifar-10-batches-bin"
NAMES = "\n".join(cifar.CLASSES) + "\n\n"


def packed(array: np.ndarray, kind: int = 8) -> bytes:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def write_mnist(folder, l=3, l_test=2, suffix=".gz", dot=False):
    """Write random images in MNIST's format; return them and their labels, by part."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for prefix, n in (("train", l), ("t10k", l_test)):
        X, y = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.permutation(n) % 10
        for kind, array in (("images-idx3", X), ("labels-idx1", y)):
            name = f"{prefix}-{kind}-ubyte"
            content = packed(array)
            (folder / ((name.replace("-idx", ".idx") if dot else name) + suffix)).write_bytes(
                gzip.compress(content) if suffix else content
            )
        parts.append((X, y))
    return parts


def batches(l=2, seed=0) -> dict[str, bytes]:
    rng = np.random.default_rng(seed)
    made: dict[str, bytes] = {}
    for name in cifar.BATCHES:
        records = rng.integers(0, 256, (l, 3073), dtype=np.uint8)
        records[:, 0] = rng.integers(0, 10, l)
        made[name] = records.tobytes()
    return {**made, "batches.meta.txt": NAMES.encode()}


def write_folder(folder: Path, members: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in members.items():
        (folder / name).write_bytes(content)


def tar(path: Path, members: list[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            entry = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def good_members() -> list[tuple[str | tarfile.TarInfo, bytes]]:
    return [(f"{FOLDER}/{name}", content) for name, content in batches().items()]
