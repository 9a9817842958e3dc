"""Reading files: text in UTF-8 only, nothing that is not a regular file, nothing that waits."""

from __future__ import annotations

import os
import socket

import pytest

from simplenn_py.errors import DataError
from simplenn_py.exercises import gradebook
from simplenn_py.io.files import not_python_text, read_bytes, read_text, require_file
from simplenn_py.io.mat5 import load_mat
from simplenn_py.io.npz import read_arrays
from simplenn_py.network import NetConfig
from simplenn_py.training.run_reader import read_run

CJK = "% \u5377\u7a4d\nx\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_utf8_of_every_kind(tmp_path, encoding, end):
    (tmp_path / "a.txt").write_bytes(CJK.replace("\n", end).encode(encoding))
    assert read_text(tmp_path / "a.txt") == CJK


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (CJK.encode("big5"), "line 1 holds the byte 0xa8"),
        (CJK.encode("utf-16"), "line 1 holds the byte 0xff"),
        (CJK.encode("utf-16-le"), "line 1 holds the byte 0x00"),
        (CJK.encode("utf-32"), "line 1 holds the byte 0xff"),
        ("a\n\xe4".encode("latin-1"), "line 2 holds the byte 0xe4"),
        (b"a\n\nb\0", "line 3 holds the byte 0x00"),
        (b"\xed\xa0\x80", "line 1 holds the byte 0xed"),  # half of a surrogate pair
    ],
)
def test_other_encodings_are_refused_with_the_remedy(tmp_path, content, fault):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_text(path)
    assert str(caught.value) == (
        f"{path}: {fault}, so it is not a text file in UTF-8; open it in an editor and save it "
        "as UTF-8"
    )


def test_at_most_so_many_bytes(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1001))
    assert len(read_bytes(tmp_path / "a", 1001)) == 1001
    with pytest.raises(
        DataError, match=r"is 1,001 B large; a file of this kind has at most 1,000 B"
    ):
        read_bytes(tmp_path / "a", 1000)


@pytest.mark.parametrize(
    ("source", "good"),
    [
        (b"# coding: big5\n" + CJK.encode("big5"), True),
        (b"# -*- coding: latin-1 -*-\n'\xe4'\n", True),
        (CJK.encode("utf-8-sig"), True),
        (b"# coding: no-such-thing\n", True),  # Python itself says so
        (CJK.encode("big5"), False),
        (b"a\nb\nc\n" + CJK.encode("big5"), False),
        (CJK.encode("utf-16"), False),
        (b"# coding: latin-1\n\0", False),
    ],
)
def test_python_files_may_declare_their_encoding(source, good):
    assert (not_python_text(source) == "") == good


READERS = {
    "a.npz": read_arrays,
    "a.mat": lambda path: load_mat(path, ["X"]),
    "a.config": NetConfig.read,
    gradebook.NAME: lambda path: gradebook.load_gradebook(path.parent),
    "run.json": lambda path: read_run(path.parent),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", READERS)
def test_nothing_waits_for_a_pipe(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=name.replace(".", r"\.")) as caught:
        READERS[name](tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_a_folder_is_not_a_file(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        READERS[name](tmp_path / name)


@pytest.mark.skipif(os.name != "posix", reason="the names of devices are those of Unix")
def test_devices_and_sockets(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"/dev/zero: is a pipe or a device"):
        require_file("/dev/zero")
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.npz")
        with pytest.raises(DataError, match=r"s.npz: is a pipe or a device"):
            read_arrays("s.npz")


def test_paths_that_cannot_be_files(tmp_path):
    for path in (tmp_path / "none", tmp_path / "x" / "none", "a\0b", "x" * 5000):
        with pytest.raises(DataError, match=r"check the path"):
            require_file(path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError, match=r"loop: cannot be read"):
        require_file(tmp_path / "loop")
