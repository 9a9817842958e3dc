"""CIFAR-10: records, class names, and an archive that may be hostile."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import FOLDER, batches, good_members, tar, write_folder
from outcome import outcome

from simplenn_py.datasets import cifar, load_dataset
from simplenn_py.errors import DataError


@pytest.mark.parametrize("place", ["", "cifar10", FOLDER, f"cifar10/{FOLDER}"])
def test_round_trip(tmp_path, place):
    members = batches()
    write_folder(tmp_path / place, members)
    data = load_dataset("cifar10", data_dir=tmp_path)
    assert (data.train.l, data.test.l, data.train.a, data.train.b) == (10, 2, 32, 32)
    assert data.train.Z.shape == (3, 1024 * 10)
    assert data.train.Z.flags.f_contiguous
    assert data.train.Z.dtype == np.uint8
    # Record 1 of batch 2 is image n = 3; its byte 1 + 1024 c + 32 i + j is (i, j, c).
    record = np.frombuffer(members["data_batch_2.bin"], np.uint8)[3073:]
    i, j, c, n = 4, 30, 2, 3
    assert data.train.Z[c, i + 32 * j + 1024 * n] == record[1 + 1024 * c + 32 * i + j]
    assert data.train.y[n] == cifar.CLASSES[record[0]]


def test_names_come_from_the_file_or_are_the_standard_ones(tmp_path):
    members = batches()
    del members["batches.meta.txt"]
    write_folder(tmp_path, members)
    label = members["test_batch.bin"][0]
    assert load_dataset("cifar10", data_dir=tmp_path).test.y[0] == cifar.CLASSES[label]
    (tmp_path / "batches.meta.txt").write_text("\n".join(f"class{i}" for i in range(10)))
    assert load_dataset("cifar10", data_dir=tmp_path).test.y[0] == f"class{label}"


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("data_batch_3.bin", b"", "has 0 bytes, but a batch has a positive multiple of 3073"),
        ("data_batch_3.bin", bytes(3074), "has 3074 bytes"),
        ("test_batch.bin", bytes(3073) + b"\x0a" + bytes(3072), "record 1 has label 10"),
        ("batches.meta.txt", b"cat\ndog\n", "holds 2 class names, but must hold 10 distinct"),
        ("batches.meta.txt", b"cat\n" * 10, "holds 1 class names"),
        ("batches.meta.txt", b"\xff" * 10, "is not ASCII text"),
    ],
)
def test_refuses(tmp_path, name, content, match):
    write_folder(tmp_path, {**batches(), name: content})
    with pytest.raises(DataError, match=match) as caught:
        load_dataset("cifar10", data_dir=tmp_path)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "fetch it again" in str(caught.value)


def test_reads_the_archive_and_keeps_what_it_unpacked(tmp_path):
    tar(tmp_path / "cifar-10-binary.tar.gz", [("readme.html", b"hello"), *good_members()])
    data = load_dataset("cifar10", data_dir=tmp_path)
    assert data.source.endswith(".tar.gz")
    assert sorted(p.name for p in tmp_path.iterdir()) == [FOLDER, "cifar-10-binary.tar.gz"]
    again = load_dataset("cifar10", data_dir=tmp_path)
    assert again.source.endswith(FOLDER)
    assert np.array_equal(again.train.Z, data.train.Z)
    assert (again.train.y == data.train.y).all()


def test_reads_the_archive_where_nothing_can_be_written(tmp_path, monkeypatch):
    def refuse(*_):
        raise DataError("read-only")

    monkeypatch.setattr(cifar, "unpack", refuse)
    tar(tmp_path / "cifar-10-binary.tar.gz", good_members())
    assert load_dataset("cifar10", data_dir=tmp_path).train.l == 10


def link(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


ONE = f"{FOLDER}/data_batch_1.bin"


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ([(f"../{FOLDER}/{n}", c) for n, c in batches().items()], "lacks .*data_batch_1.bin"),
        ([(f"/{FOLDER}/{n}", c) for n, c in batches().items()], "lacks"),
        ([(f"x/../{FOLDER}/{n}", c) for n, c in batches().items()], "lacks"),
        (
            [(link(ONE, tarfile.SYMTYPE, "/etc/passwd"), b""), *good_members()],
            "is not a regular file",
        ),
        ([(link(ONE, tarfile.LNKTYPE, "../x"), b""), *good_members()], "is not a regular file"),
        (
            [(link(ONE, tarfile.DIRTYPE, ""), b""), *good_members()],
            "is not a regular file, or occurs twice",
        ),
        ([*good_members(), (ONE, bytes(3073))], "is not a regular file, or occurs twice"),
        ([(f"n{i}", b"") for i in range(80)], "too large, or the archive has too many"),
        ([(f"{FOLDER}/batches.meta.txt", bytes(5000))], "too large, or the archive has too many"),
        (good_members()[1:], "lacks .*data_batch_1.bin"),
    ],
)
def test_refuses_a_hostile_archive(tmp_path, members, match):
    inner = tmp_path / "in" / "ner"
    path = tar(inner / "cifar-10-binary.tar.gz", members)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=match):
        load_dataset("cifar10", data_dir=inner)
    assert sorted(tmp_path.rglob("*")) == before, "nothing may be written anywhere"
    assert path.is_file()


def test_a_hostile_member_beside_good_ones_is_never_written(tmp_path):
    inner = tmp_path / "in"
    evil = [("../evil.bin", b"x"), ("/evil.bin", b"x"), (f"{FOLDER}/../../evil.bin", b"x")]
    tar(inner / "cifar-10-binary.tar.gz", [*evil, *good_members()])
    assert load_dataset("cifar10", data_dir=inner).train.l == 10
    assert not list(tmp_path.rglob("evil*"))
    assert sorted(p.name for p in (inner / FOLDER).iterdir()) == sorted(batches())


@pytest.mark.parametrize("damage", ["cut", "flip", "junk", "long"])
def test_refuses_a_damaged_archive(tmp_path, damage):
    path = tar(tmp_path / "cifar-10-binary.tar.gz", good_members())
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[len(content) // 2] ^= 1
    elif damage == "junk":
        content = bytearray(b"not an archive" * 100)
    else:
        content = bytearray(gzip.compress(gzip.decompress(content) + bytes(2**21)))
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz: .*fetch it again"):
        load_dataset("cifar10", data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == [path]


@settings(max_examples=100, deadline=None)
@given(label=st.integers(0, 255), records=st.integers(0, 2), extra=st.binary(max_size=3))
def test_any_batch_gives_records_or_one_error(label, records, extra):
    content = bytes([label, *([7] * 3072)]) * records + extra
    result, message = outcome(cifar.decode_batch, content, Path("b"))
    if records == 0 or label > 9 or extra:
        assert message.startswith("b: ")
        assert "\n" not in message
    else:
        labels, rows = result
        assert rows.shape == (records, 3072)
        assert labels.tolist() == [label] * records


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100))
def test_any_class_names_or_one_error(content):
    names, message = outcome(cifar.class_names, content, Path("m"))
    assert message.startswith("m: ") if names is None else len(names) == 10
    assert "\n" not in message
