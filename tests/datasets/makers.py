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


def python2_text(text: bytes) -> bytes:
    short = len(text) < 256
    return (b"U" + bytes([len(text)]) if short else b"T" + struct.pack("<i", len(text))) + text


def python2_array(rows: np.ndarray) -> bytes:
    """An array of unsigned bytes as Python 2 pickled it, without its memo of short texts."""
    return b"".join([
        b"cnumpy.core.multiarray\n_reconstruct\nq\x06cnumpy\nndarray\nq\x07K\x00\x85q\x08U\x01bq\t",
        b"\x87q\nRq\x0b(K\x01J", struct.pack("<i", rows.shape[0]),
        b"J", struct.pack("<i", rows.shape[1]), b"\x86cnumpy\ndtype\nq\x0cU\x02u1q\rK\x00",
        b"K\x01\x87q\x0eRq\x0f(K\x03U\x01|q\x10NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
        python2_text(rows.tobytes()), b"tb",
    ])  # fmt: skip


def python2_batch(records: bytes) -> bytes:
    """A batch of CIFAR-10 as its authors pickled it, from the records of the binary version."""
    rows = np.frombuffer(records, np.uint8).reshape(-1, 3073)
    labels = b"]q\x03(" + b"".join(b"K" + bytes([k]) for k in rows[:, 0].tolist()) + b"e"
    names = b"]q\x04(" + b"".join(python2_text(b"%d.png" % n) for n in range(len(rows))) + b"e"
    entries = [
        python2_text(b"batch_label") + python2_text(b"training batch 1 of 5"),
        python2_text(b"labels") + labels,
        python2_text(b"data") + python2_array(rows[:, 1:]),
        python2_text(b"filenames") + names,
    ]
    return b"\x80\x02}q\x01(" + b"".join(entries) + b"u."


def python_batches(members: dict[str, bytes]) -> dict[str, bytes]:
    """The files of CIFAR-10's Python version with the contents of the binary version."""
    made = {cifar.PYTHON[n]: python2_batch(c) for n, c in members.items() if n in cifar.BATCHES}
    names = b"".join(python2_text(n.encode()) for n in members[cifar.META].decode().split())
    key = python2_text(b"label_names")
    return {**made, "batches.meta": b"\x80\x02}q\x01(" + key + b"]q\x02(" + names + b"eu."}
