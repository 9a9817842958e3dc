"""``.mat`` files: what SciPy reads from good ones, one error from damaged ones, never a crash."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcome import outcome
from scipy import sparse

from simplenn_py.errors import DataError
from simplenn_py.io import mat5
from simplenn_py.io.mat5 import load_mat

CELLS = np.empty((1, 2), object)
CELLS[0, 0], CELLS[0, 1] = np.arange(3.0), "text"
VARIABLES = {
    "d": np.arange(6.0).reshape(2, 3),
    "f": np.float32([[1.5]]),
    "u": np.arange(4, dtype=np.uint8),
    "z": np.array([[1 + 2j]]),
    "t": np.array(["ab", "c"]),
    "s": sparse.csc_matrix(np.eye(3)),
    "c": CELLS,
    "r": {"alpha": 1.0, "beta": np.zeros((0, 0))},
    "b": np.array([True, False]),
}
ATTRIBUTES = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"


@pytest.mark.parametrize("compressed", [False, True])
def test_reads_what_scipy_reads(tmp_path, compressed):
    path = tmp_path / "x.mat"
    scipy.io.savemat(path, VARIABLES, do_compression=compressed)
    theirs, ours = scipy.io.loadmat(path), load_mat(path, [*VARIABLES, "absent"])
    assert sorted(ours) == sorted(VARIABLES)
    for name, value in ours.items():
        assert str(value) == str(theirs[name])
        assert value.dtype == theirs[name].dtype


def test_reads_version_4(tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"d": VARIABLES["d"]}, format="4")
    assert np.array_equal(load_mat(tmp_path / "x.mat", ["d"])["d"], VARIABLES["d"])


def test_variables_not_asked_for_may_be_damaged(tmp_path):
    path = tmp_path / "x.mat"
    scipy.io.savemat(path, {"other": np.arange(3.0), "d": np.arange(2.0)})
    content = bytearray(path.read_bytes())
    at = content.index(b"other") + 8
    content[at] = 0xEE  # the type of its values: scipy itself would index out of an array
    path.write_bytes(content)
    assert load_mat(path, ["d"])["d"].tolist() == [[0, 1]]
    with pytest.raises(DataError, match=r"an element has type 238"):
        load_mat(path, ["other"])


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def variable(array_class=6, sizes=(1, 2), name=b"d", *parts: bytes) -> bytes:
    head = element(6, struct.pack("<II", array_class, 0))
    head += element(5, struct.pack(f"<{len(sizes)}i", *sizes)) + element(1, name)
    return element(14, head + b"".join(parts))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "no header of MATLAB"),
        (b"junk" * 99, "no header of MATLAB"),
        (ATTRIBUTES + b"\x0e", "ends within a tag"),
        (ATTRIBUTES + element(14, bytes(8))[:-1], "more than there are"),
        (ATTRIBUTES + element(9, bytes(8)), "has type 9, but a variable belongs there"),
        (ATTRIBUTES + struct.pack("<II", 5 << 16 | 1, 0), "small element has more than 4"),
        (ATTRIBUTES + element(15, b"no zlib"), "cannot be read as a .mat file"),
        (ATTRIBUTES + variable(6, (1, 2), b"d", element(9, bytes(8))), "does not hold the 2"),
        (ATTRIBUTES + variable(6, (-1, 2), b"d", element(9, bytes(8))), "head of a variable"),
        (ATTRIBUTES + variable(6, (2,), b"d", element(9, bytes(16))), "head of a variable"),
        (ATTRIBUTES + variable(17, (1, 2)), "d is of class 17: not numbers, text"),
        (ATTRIBUTES + variable(4, (1, 9), b"d", element(16, b"abc")), "less text than its size"),
        (ATTRIBUTES + variable(1, (1, 1), b"d", element(9, bytes(8))), "nested"),
        (
            ATTRIBUTES + variable(5, (2, 2), b"d", *[element(5, bytes(8))] * 2, element(9, b"")),
            "parts of the sparse matrix d do not match",
        ),
        (
            ATTRIBUTES
            + variable(2, (2**14, 2**14), b"d", element(5, b"\1\0\0\0"), element(1, b"")),
            "d is a struct without fields",
        ),
        (b"MATLAB 7.3 MAT-file".ljust(600), r"version 7.3 \(HDF5\), .*save\('-v7'"),
    ],
)
def test_refuses(tmp_path, content, match):
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(DataError, match=match) as caught:
        load_mat(tmp_path / "x.mat", ["d"])
    assert "\n" not in str(caught.value)
    assert "save('-v7'" in str(caught.value)


def sparse_matrix(rows, starts, sizes=(3, 2), values=2, kind=5, flags=0) -> bytes:
    """A file with a sparse matrix ``d`` of the given indices."""
    parts = [element(kind, np.array(x, "<i4").tobytes()) for x in (rows, starts)]
    parts += [element(9, np.arange(1.0, 1 + values).tobytes())] * (2 if flags else 1)
    return ATTRIBUTES + variable(5 | flags << 8, sizes, b"d", *parts)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (sparse_matrix([0, 2], [0, 9, 0]), "columns .* overlap"),
        (sparse_matrix([0, 2], [1, 1, 2]), "columns .* overlap"),
        (sparse_matrix([0, 2], [0, -1, 2]), "columns .* overlap"),
        (sparse_matrix([0, 2], [0, 2, 1]), "columns .* overlap"),
        (sparse_matrix([0, 2], [0, 1, 3]), "do not match"),
        (sparse_matrix([0, 2], [0, 1, -1]), "do not match"),
        (sparse_matrix([0], [0, 1, 2]), "do not match"),
        (sparse_matrix([0, 2], [0, 1, 2], values=1), "do not match"),
        (sparse_matrix([0, 2], [0, 1, 2], flags=8, values=1), "do not match"),
        (sparse_matrix([0, 2], [0, 2]), "do not match"),
        (sparse_matrix([0, 2], []), "do not match"),
        (sparse_matrix([0, 2], [0, 0, 1, 2]), "do not match"),
        (sparse_matrix([0, 2], [0, 1, 2], (3, 2, 1)), "do not match"),
        (sparse_matrix([0, 3], [0, 1, 2]), "entry outside its 3 rows"),
        (sparse_matrix([0, -1], [0, 1, 2]), "entry outside its 3 rows"),
        (sparse_matrix([0, 2], [0, 1, 2], (0, 2)), "entry outside its 0 rows"),
        (sparse_matrix([0, 2], [0, 1, 2], kind=9), "32-bit integers belong there"),
    ],
)
def test_checks_every_index_of_a_sparse_matrix(tmp_path, content, match):
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(DataError, match=match):
        load_mat(tmp_path / "x.mat", ["d"])
    # So does a matrix within a cell.
    inner = content[len(ATTRIBUTES) :]
    (tmp_path / "c.mat").write_bytes(ATTRIBUTES + variable(1, (1, 1), b"c", inner))
    with pytest.raises(DataError, match=match):
        load_mat(tmp_path / "c.mat", ["c"])


def test_sparse_matrices_may_be_empty_unsorted_or_have_spare_room(tmp_path):
    for content, expected in (
        (sparse_matrix([0, 2], [0, 1, 2]), [[1, 0], [0, 0], [0, 2]]),
        (sparse_matrix([2, 0], [0, 2, 2]), [[2, 0], [0, 0], [1, 0]]),
        (sparse_matrix([1, 1], [0, 2, 2]), [[0, 0], [3, 0], [0, 0]]),
        (sparse_matrix([1, 99, 99], [0, 1, 1], values=1), [[0, 0], [1, 0], [0, 0]]),
        (sparse_matrix([0], [0, 0, 0], values=0), np.zeros((3, 2))),
        (sparse_matrix([], [0, 0, 0], (0, 2), values=0), np.zeros((0, 2))),
    ):
        (tmp_path / "x.mat").write_bytes(content)
        matrix = load_mat(tmp_path / "x.mat", ["d"])["d"]
        assert np.array_equal(matrix.toarray(), expected)


def test_refuses_a_compression_bomb_and_deep_nesting(tmp_path, monkeypatch):
    path = tmp_path / "x.mat"
    bomb = variable(6, (1, 10**5), b"d", element(9, bytes(8 * 10**5)))
    packed = zlib.compress(bomb)
    path.write_bytes(ATTRIBUTES + struct.pack("<II", 15, len(packed)) + packed)
    assert load_mat(path, ["d"])["d"].shape == (1, 10**5), "800 times smaller, and no bomb"
    monkeypatch.setattr(mat5, "free_bytes", lambda: 2 * 10**6)
    with pytest.raises(DataError, match=r"x.mat: unpacks to more than .* free memory allows"):
        load_mat(path, ["d"])
    nested = variable(6, (0, 0), b"", element(9, b""))
    for _ in range(50):
        nested = variable(1, (1, 1), b"d", nested)
    path.write_bytes(ATTRIBUTES + nested)
    with pytest.raises(DataError, match=r"nested too deeply"):
        load_mat(path, ["d"])


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"there is no such file"):
        load_mat(tmp_path / "x.mat", ["d"])


@pytest.fixture(scope="module", params=["5", "4"])
def whole(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "x.mat"
    kept = VARIABLES if request.param == "5" else {k: VARIABLES[k] for k in "dts"}
    scipy.io.savemat(path, kept, format=request.param)
    return path.read_bytes()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    kept=st.floats(0, 1),
)
def test_any_damage_gives_variables_or_one_error(tmp_path, whole, edits, kept):
    content = bytearray(whole)
    for at, byte in edits:
        content[int(at * len(content))] = byte
    (tmp_path / "x.mat").write_bytes(content[: int(kept * len(content)) if kept < 0.3 else None])
    _, message = outcome(load_mat, tmp_path / "x.mat", list(VARIABLES))
    assert "\n" not in message
