"""A file is written completely or not at all."""

from __future__ import annotations

import errno
import os

import pytest

from simplenn_py.errors import DataError
from simplenn_py.io.atomic import atomic_open, atomic_write_bytes, remove_leftovers


def test_writes_bytes_and_text(tmp_path):
    atomic_write_bytes(tmp_path / "b", b"\x00\xff\r\n")
    atomic_write_bytes(tmp_path / "t", b"a\nb\n")
    assert (tmp_path / "b").read_bytes() == b"\x00\xff\r\n"
    assert (tmp_path / "t").read_bytes() == b"a\nb\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "t"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def write_and_fail():
        with atomic_open(path) as stream:
            stream.write(b"half of the new")
            stream.flush()
            raise error

    with pytest.raises(error):
        write_and_fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with atomic_open(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"absent.f: cannot be written \(No such file"):
        atomic_write_bytes(tmp_path / "absent" / "f", b"")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match=r"it is a folder; name a file"):
        atomic_write_bytes(tmp_path, b"")


def test_a_full_disk_is_one_line_and_other_errors_pass(tmp_path):
    full = OSError(errno.ENOSPC, "No space left")
    match = "No space left.*that the disk has room"
    with pytest.raises(DataError, match=match), atomic_open(tmp_path / "f"):
        raise full
    with pytest.raises(ConnectionError), atomic_open(tmp_path / "f"):
        raise ConnectionError("not about this file")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_fsync_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def fail(_):
        raise OSError(errno.EIO, "disk broke")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataError, match=r"disk broke"):
        atomic_write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="links and modes of POSIX")
def test_follows_a_link_and_obeys_the_umask(tmp_path):
    target = tmp_path / "real"
    target.write_bytes(b"old")
    (tmp_path / "link").symlink_to(target)
    old = os.umask(0o027)
    try:
        atomic_write_bytes(tmp_path / "link", b"new")
    finally:
        os.umask(old)
    assert (tmp_path / "link").is_symlink()
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_only_whole_files(tmp_path):
    with pytest.raises(ValueError, match=r"mode is 'a'"), atomic_open(tmp_path / "f", "a"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced there")
def test_who_reads_the_old_file_goes_on_reading_it(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        atomic_write_bytes(path, b"new")
        assert reader.read() == b"old"


def test_leftovers_of_killed_processes_are_removed_and_nothing_else(tmp_path):
    left = tmp_path / ".model.npz.0123456789ab.tmp"
    others = [tmp_path / name for name in (".notes.tmp", "model.npz", ".x.0123456789AB.tmp")]
    for path in (left, *others):
        path.write_text("x")
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(others)
