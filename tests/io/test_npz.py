"""Archives of arrays: exact round trips, and nothing trusted on the way in."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy
from outcome import outcome

from simplenn_py.errors import DataError
from simplenn_py.io.npz import array_names, read_arrays, write_arrays

ARRAYS = {
    "weights.0": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "bias": np.float32([1.5, -2]),
    "labels": np.array(["cat", "horse"]),
    "step": np.array(7),
    "empty": np.zeros((0, 3), np.float32),
    "flags": np.array([True, False]),
    "name of file": np.arange(3, dtype=np.uint8),
}


def header(shape: str, descr: str = "'<f8'", fortran: str = "False") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    return npy.magic(1, 0) + struct.pack("<H", len(text)) + text


def archive(path, members, compression=zipfile.ZIP_STORED):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of duplicate names
        with zipfile.ZipFile(path, "w", compression) as packed:
            for name, content in members:
                packed.writestr(name, content)
    return path


def test_round_trip_keeps_values_dtype_and_order(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, ARRAYS)
    back = read_arrays(path)
    assert list(back) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert np.array_equal(back[name], array)
        assert back[name].flags.writeable
    assert back["weights.0"].flags.f_contiguous
    assert not back["weights.0"].flags.c_contiguous


def test_numpy_reads_it_and_is_read(tmp_path):
    write_arrays(tmp_path / "a.npz", ARRAYS)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as theirs:
        assert all(np.array_equal(theirs[name], ARRAYS[name]) for name in ARRAYS)
    np.savez_compressed(tmp_path / "b.npz", x=np.zeros(50_000), y=np.arange(4, dtype=">i4"))
    back = read_arrays(tmp_path / "b.npz")
    assert back["x"].shape == (50_000,)
    assert back["y"].tolist() == [0, 1, 2, 3]
    assert back["y"].dtype == np.int32


def test_equal_arrays_give_equal_bytes(tmp_path):
    for name in "ab":
        write_arrays(tmp_path / name, ARRAYS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a\\b", "C:x", "line\nbreak"])
def test_refuses_to_write_a_hostile_name(tmp_path, name):
    with pytest.raises(ValueError, match=r"array name"):
        write_arrays(tmp_path / "a.npz", {name: np.zeros(1)})


def test_refuses_to_write_objects(tmp_path):
    with pytest.raises(ValueError, match=r"only plain arrays"):
        write_arrays(tmp_path / "a.npz", {"o": np.array([{}], object)})
    assert not (tmp_path / "a.npz").exists()


def test_never_unpickles(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    np.savez(tmp_path / "a.npz", o=np.array([Bomb()], object))
    with pytest.raises(DataError, match=r"array 'o' has dtype object; .*astype"):
        read_arrays(tmp_path / "a.npz")
    archive(tmp_path / "b.npz", [("o.npy", pickle.dumps(1))])
    with pytest.raises(DataError, match=r"array 'o'"):
        read_arrays(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ([("../evil.npy", header("()") + bytes(8))], "not of the form NAME.npy"),
        ([("/etc/evil.npy", header("()") + bytes(8))], "not of the form NAME.npy"),
        ([("note.txt", b"hello")], "'note.txt' is not of the form NAME.npy"),
        ([(".npy", header("()") + bytes(8))], "not of the form NAME.npy"),
        ([("a.npy", header("()") + bytes(8))] * 2, "'a.npy' occurs twice"),
        ([("a.npy", header("(3,)") + bytes(16))], "claims 24 bytes of data, but the member has 16"),
        ([("a.npy", header("(1,)") + bytes(16))], "claims 8 bytes of data, but the member has 16"),
        ([("a.npy", header("(1000000000000,)") + bytes(8))], "claims 8000000000000 bytes"),
        ([("a.npy", header("(-1,)") + bytes(8))], "its shape is"),
        ([("a.npy", header("(0, 10**3)"))], "array 'a'"),
        ([("a.npy", b"\x93NUMPY\x04\x00" + bytes(200))], "version"),
        ([("a.npy", b"\x93NUMPY\x01\x00\xff\xff{")], "array 'a'"),
        ([("a.npy", b"")], "array 'a'"),
    ],
)
def test_refuses(tmp_path, members, match):
    path = archive(tmp_path / "a.npz", members)
    with pytest.raises(DataError, match=match) as caught:
        read_arrays(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: is not a usable .npz file (")
    assert "\n" not in message
    assert "restore a copy" in message


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (header("(1,)", "[('x', '<f8')]") + bytes(8), "save each of its fields"),
        (b"\x93NUMPY\x03\x00" + bytes(200), "save each of its fields"),
        (header("(1,)", "'<M8[s]'") + bytes(8), r"dtype datetime64\[s\]; .*\.astype\(str\)"),
        (header("(1,)", "'<m8[s]'") + bytes(8), r"dtype timedelta64\[s\]; .*\.astype\(int\)"),
        (header("(1,)", "'|O'") + pickle.dumps(1), r"pickle.*\.astype\(str\).*\.astype\(float\)"),
        (header("(1,)", "'|V8'") + bytes(8), "only numbers and fixed-width strings"),
        (header("(9999999999,)", "'<U0'"), "only numbers and fixed-width strings"),
    ],
)
def test_arrays_that_are_not_plain_are_refused_with_the_remedy_or_ignored(tmp_path, content, match):
    good = header("(2,)") + bytes(16)
    path = archive(tmp_path / "a.npz", [("a.npy", content), ("b.npy", good)])
    with pytest.raises(DataError, match=match) as caught:
        read_arrays(path)
    assert str(caught.value).startswith(f"{path}: array 'a' ")
    assert read_arrays(path, ["b", "absent"])["b"].shape == (2,)


def test_only_what_is_asked_for_is_read(tmp_path):
    good = header("(2,)") + bytes(16)
    others = [("X/a.npy", good), ("note.txt", b"hello"), ("c.npy", b"junk"), ("c.npy", b"junk")]
    path = archive(tmp_path / "a.npz", [("a.npy", good), *others, ("b", good)])
    arrays = read_arrays(path, ["a", "b"])
    assert list(arrays) == ["a", "b"], "NumPy too reads a member without .npy"
    assert array_names(path) == ["a", "X/a", "note.txt", "c", "c", "b"]
    with pytest.raises(DataError, match=r"'c.npy'|array 'c'"):
        read_arrays(path, ["c"])
    archive(path, [("a.npy", good), ("a.npy", good)])
    with pytest.raises(DataError, match=r"'a.npy' occurs twice"):
        read_arrays(path, ["a"])
    archive(path, [(f"{n}.npy", good) for n in range(10_000)])
    assert list(read_arrays(path, ["7777"])) == ["7777"]


def test_a_single_array_under_the_wrong_name(tmp_path):
    (tmp_path / "a.npz").write_bytes(header("()") + bytes(8))
    with pytest.raises(DataError, match=r"a.npz: is a single array, .*numpy.savez\(FILE, X="):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions(tmp_path, method):
    archive(tmp_path / "a.npz", [("a.npy", header("(2,)") + bytes(16))], method)
    assert read_arrays(tmp_path / "a.npz")["a"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("flag", "method", "match"), [(1, 0, "encrypted"), (0, 97, "compression method")]
)
def test_encrypted_or_compressed_in_an_unknown_way(tmp_path, flag, method, match):
    path = archive(tmp_path / "a.npz", [("a.npy", header("()") + bytes(8))])
    content = bytearray(path.read_bytes())
    for start, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # both copies of the entry
        at += content.index(start)
        content[at] |= flag
        content[at + 2] = method
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"array 'a': .*{match}"):
        read_arrays(path)


def test_refuses_what_is_no_archive_or_not_there(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK but no more")
    with pytest.raises(DataError, match=r"is not an .npz file, or is damaged; restore it"):
        read_arrays(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"there is no such file"):
        read_arrays(tmp_path / "b.npz")
    with pytest.raises(DataError, match=r"cannot be read"):
        read_arrays(tmp_path)


def test_sees_a_flipped_bit_by_the_crc(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, {"a": np.zeros(1000)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"array 'a': Bad CRC-32"):
        read_arrays(path)


def test_refuses_a_compression_bomb(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    archive(path, [("a.npy", header("(100000,)") + bytes(800_000))], zipfile.ZIP_DEFLATED)
    assert read_arrays(path)["a"].shape == (100_000,), "900 times smaller, and no bomb"
    monkeypatch.setattr("simplenn_py.io.npz.free_bytes", lambda: 700_000)
    with pytest.raises(DataError, match=r"take 781.3 KiB, but only 683.6 KiB of memory are free"):
        read_arrays(path)
    assert read_arrays(path, ["b"]) == {}


def saved() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.arange(5.0), b=np.array(["x", "yz"]))
    return stream.getvalue()


SAVED = saved()
bounded = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@bounded
@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(SAVED) - 1), st.integers(0, 255)), min_size=1, max_size=4
    ),
    cut=st.integers(0, len(SAVED)),
)
def test_any_damage_gives_arrays_or_one_error(tmp_path, edits, cut):
    content = bytearray(SAVED)
    for position, byte in edits:
        content[position] = byte
    (tmp_path / "d.npz").write_bytes(content[: len(SAVED) if cut % 2 else cut])
    _, message = outcome(read_arrays, tmp_path / "d.npz")
    assert "\n" not in message


@bounded
@given(st.binary(max_size=120))
def test_any_npy_header_gives_arrays_or_one_error(tmp_path, tail):
    # A right CRC around it: only the header's own checks stand between it and the memory.
    archive(tmp_path / "h.npz", [("a.npy", b"\x93NUMPY\x01\x00" + tail)])
    _, message = outcome(read_arrays, tmp_path / "h.npz")
    assert "\n" not in message


@bounded
@given(
    descr=st.sampled_from(["'<f8'", "'|O'", "'<U3'", "'|b1'", "'<c16'", "'x'", "None", "'|V8'"]),
    shape=st.lists(st.integers(-2, 2**40), max_size=4).map(tuple),
    data=st.binary(max_size=64),
)
def test_any_claim_of_a_header_gives_arrays_or_one_error(tmp_path, descr, shape, data):
    archive(tmp_path / "c.npz", [("a.npy", header(repr(shape), descr) + data)])
    arrays, message = outcome(read_arrays, tmp_path / "c.npz")
    assert "\n" not in message
    if arrays is not None:
        assert arrays["a"].shape == shape
        assert arrays["a"].nbytes == len(data)
