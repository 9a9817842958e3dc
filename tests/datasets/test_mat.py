"""simpleNN's .mat layout: sparse or dense, a row an image, trailing zero columns missing."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
from outcome import outcome
from scipy import sparse

from simplenn_py.datasets import load_dataset
from simplenn_py.errors import DataError
from simplenn_py.layout import to_nhwc

SHAPE = (4, 3, 2)  # a, b, d all different: an exchanged index shows


def rows(l=5, seed=0, high=256):
    X = np.random.default_rng(seed).integers(0, high, (l, 24)).astype(float)
    X[:, 20:] = 0  # what simpleNN leaves out
    return X


def save(path, Z, y, **more):
    scipy.io.savemat(path, {"Z": Z, "y": y, **more})
    return path


@pytest.mark.parametrize("store", [np.asarray, sparse.csc_matrix, sparse.csr_matrix])
@pytest.mark.parametrize("columns", [24, 20])
def test_round_trip_row_and_column(tmp_path, store, columns):
    X, y = rows(), np.array([[3.0], [1], [1], [2], [3]])
    path = save(tmp_path / "x.mat", store(X[:, :columns]), y)
    i, j, c, n = 2, 1, 1, 4
    for input_format, at in (("row", 12 * c + 3 * i + j), ("column", 12 * c + 4 * j + i)):
        data = load_dataset(path, shape=SHAPE, input_format=input_format)
        assert data.train.Z.shape == (2, 12 * 5)
        assert data.train.Z.flags.f_contiguous
        assert data.train.Z[c, i + 4 * j + 12 * n] == X[n, at]
        assert data.train.Z.dtype == np.uint8, "whole numbers 0..255 need no double"
        assert data.train.y.tolist() == [3, 1, 1, 2, 3]
        assert data.train.y.dtype == np.int64
        assert data.test is None
        assert data.name == "x"


def test_other_values_stay_floating_point(tmp_path):
    for X in (rows() / 255, rows() - 1, rows() * 2):
        path = save(tmp_path / "x.mat", sparse.csc_matrix(X), np.arange(5))
        Z = load_dataset(path, shape=SHAPE).train.Z
        assert Z.dtype == np.float64
        assert Z.sum() == pytest.approx(X.sum())
    path = save(tmp_path / "x.mat", np.float32(rows() / 255), np.arange(5))
    assert load_dataset(path, shape=SHAPE).train.Z.dtype == np.float32


def test_finds_the_test_part_beside_it_or_where_told(tmp_path):
    path = save(tmp_path / "x.mat", rows(), np.arange(5))
    save(tmp_path / "x.t.mat", rows(2, seed=1), np.arange(2))
    other = save(tmp_path / "other.mat", rows(3, seed=2), np.arange(3))
    assert load_dataset(path, shape=SHAPE).test.l == 2
    assert load_dataset(path, shape=SHAPE, test=other).test.l == 3


def test_both_parts_have_one_type(tmp_path):
    path = save(tmp_path / "x.mat", rows(), np.arange(5))
    save(tmp_path / "x.t.mat", rows(2) / 3, np.arange(2))
    data = load_dataset(path, shape=SHAPE)
    assert data.train.Z.dtype == data.test.Z.dtype == np.float64


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.array(["cat", "dog ", "cat", "ant", "b"]), ["cat", "dog", "cat", "ant", "b"]),
        (np.array(["cat", "horse", "x", "y", "z"], object), ["cat", "horse", "x", "y", "z"]),
        (np.array([True, False, True, True, False]), [1, 0, 1, 1, 0]),
        (np.array([-1.0, 1, -1, 1, 1]), [-1, 1, -1, 1, 1]),
    ],
)
def test_labels(tmp_path, y, expected):
    path = save(tmp_path / "x.mat", rows(), y)
    assert load_dataset(path, shape=SHAPE).train.y.tolist() == expected


BAD = rows()
BAD[2, 3] = np.nan
INFINITE = rows()
INFINITE[0, 0] = -np.inf
CELL = np.empty((5, 24), object)
CELL[:] = 1.0


@pytest.mark.parametrize(
    ("Z", "y", "match"),
    [
        (BAD, np.arange(5), "Z: value nan at index 51; pixels must be finite"),
        (sparse.csc_matrix(INFINITE), np.arange(5), "Z: value -inf .*must be finite"),
        (rows() + 1j, np.arange(5), "Z: has dtype complex128; pixels must be real"),
        (CELL, np.arange(5), "Z: has dtype object; pixels must be real"),
        (np.array(["a" * 24] * 5), np.arange(5), "Z: has 1 dimensions"),
        (np.zeros((5, 4, 6)), np.arange(5), "Z: has 3 dimensions; it must have two"),
        ({"field": 1.0}, np.arange(5), "Z: "),
        (rows(), np.arange(4), "Z: holds 5 images, but there are 4 labels"),
        (np.zeros((0, 24)), np.arange(4), "Z: holds no image"),
        (np.zeros((5, 25)), np.arange(5), "has 25 columns, but an image of 4x3x2 has 24 values"),
        (rows(), np.array([1, 2, 2.5, 3, 4]), "y: label 2.5 at index 2 is not a whole number"),
        (rows(), np.array([1, np.nan, 2, 3, 4]), r"y: image 1 \(counted from 0\) has no label"),
        (rows(), np.zeros((5, 2)), "y: is 5x2; labels must be a vector"),
        (rows(), np.zeros((0, 0)), "y: is 0x0; labels must be a vector"),
        (rows(), np.arange(5) * 1j, "y: has dtype complex128"),
        (rows(), np.array([1, "a", 2, 3, 4], object), "y is a cell array; its cells must each"),
        (rows(), sparse.csc_matrix(np.ones((5, 1))), "y is sparse; .*full"),
    ],
)
def test_refuses(tmp_path, Z, y, match):
    path = save(tmp_path / "x.mat", Z, y)
    with pytest.raises(DataError, match=match) as caught:
        load_dataset(path, shape=SHAPE)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_needs_a_shape_and_both_variables(tmp_path):
    path = save(tmp_path / "x.mat", rows(), np.arange(5))
    with pytest.raises(DataError, match=r"shape=\(28, 28, 1\).*--image-shape 28x28x1"):
        load_dataset(path)
    scipy.io.savemat(path, {"Z": rows()})
    with pytest.raises(DataError, match=r"has no variable y"):
        load_dataset(path, shape=SHAPE)
    scipy.io.savemat(path, {"y": np.arange(5), "z": rows()})
    with pytest.raises(DataError, match=r"has no variable Z"):
        load_dataset(path, shape=SHAPE)


def test_refuses_version_7_3_with_the_remedy(tmp_path):
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\0\2IM"
    for content in (text.ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(99), b"\x89HDF\r\n\x1a\n"):
        (tmp_path / "x.mat").write_bytes(content)
        with pytest.raises(DataError, match=r"version 7.3 \(HDF5\).*save\('-v7'"):
            load_dataset(tmp_path / "x.mat", shape=SHAPE)


def test_sparse_indices_that_point_outside(tmp_path):
    Z = sparse.csc_matrix(rows())
    Z.indices[3] = 10**6  # what a flipped bit in the file gives
    path = save(tmp_path / "x.mat", Z, np.arange(5))
    with pytest.raises(DataError, match=r"x.mat.*damaged|cannot be read"):
        load_dataset(path, shape=SHAPE)


def test_damaged_files_give_one_error(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "x.mat"
    for compressed in (False, True):
        data = {"Z": sparse.csc_matrix(rows()), "y": np.arange(5)}
        scipy.io.savemat(path, data, do_compression=compressed)
        whole = path.read_bytes()
        for case in range(60):
            content = bytearray(whole)
            for _ in range(2):
                content[rng.integers(len(content))] = rng.integers(256)
            path.write_bytes(content[: rng.integers(len(content))] if case % 3 == 0 else content)
            _, message = outcome(load_dataset, path, shape=SHAPE)
            assert "\n" not in message
    for content in (b"", b"x", bytes(300), b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"x.mat"):
            load_dataset(path, shape=SHAPE)


def test_a_missing_test_part(tmp_path):
    path = save(tmp_path / "x.mat", rows(), np.arange(5))
    with pytest.raises(DataError, match=r"absent.mat: there is no such file"):
        load_dataset(path, shape=SHAPE, test=tmp_path / "absent.mat")


def demo(path, compressed=False, form="5", l=24):
    """Write digits as simpleNN's demo files are: sparse, trailing zero columns missing."""
    train = load_dataset("digits").train
    X = to_nhwc(train.Z, 8, 8)[:l].reshape(l, 64).astype(float)
    X[0] = 0  # and an empty row
    Z = sparse.csc_matrix(X[:, : 1 + np.flatnonzero(X.any(0))[-1]])
    data = {"Z": Z, "y": train.y[:l].astype(float).reshape(-1, 1)}
    scipy.io.savemat(path, data, do_compression=compressed, format=form)
    return X, Z


def test_a_last_column_pointer_of_zero(tmp_path):
    path = tmp_path / "x.mat"
    _, Z = demo(path)
    content = bytearray(path.read_bytes())
    at = content.index(Z.indptr.astype("<i4").tobytes())
    content[at + 4 * Z.shape[1] : at + 4 * Z.shape[1] + 4] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"the columns of the sparse matrix Z overlap"):
        load_dataset(path, shape=(8, 8, 1))


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a damaged copy: bytes, 32-bit words, words in a row, or the end of the file."""
    damaged = bytearray(content)
    kind = rng.integers(5)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(128, len(content)))
        word = at - at % 4
        if kind == 0:
            damaged[at] = rng.integers(256)
        elif kind == 1:
            value = int(rng.choice([0, 1, 2, 40, 999, 2**16, 2**31 - 1, 2**31, 2**32 - 1]))
            damaged[word : word + 4] = value.to_bytes(4, "little")
        elif kind == 2:
            run = 4 * int(rng.integers(1, 9))
            damaged[word : word + run] = bytes(run)
        elif kind == 3:
            other = int(rng.integers(32, len(content) // 4)) * 4
            damaged[word : word + 4] = damaged[other : other + 4]
    return bytes(damaged[: rng.integers(128, len(content))] if kind == 4 else damaged)


@pytest.mark.parametrize(
    "cases", [300, pytest.param(20_000, marks=pytest.mark.slow)], ids=["short", "long"]
)
@pytest.mark.parametrize("form", ["5", "5 compressed", "4"])
def test_mutations_of_a_sparse_file_give_images_or_one_error(tmp_path, form, cases):
    rng = np.random.default_rng(0)
    path = tmp_path / "x.mat"
    X, _ = demo(path, form.endswith("compressed"), form[0])
    whole, read = path.read_bytes(), 0
    assert np.array_equal(
        to_nhwc(load_dataset(path, shape=(8, 8, 1)).train.Z, 8, 8).reshape(X.shape), X
    )
    for _ in range(cases):
        path.write_bytes(mutate(whole, rng))
        data, message = outcome(load_dataset, path, shape=(8, 8, 1))
        assert "\n" not in message
        read += data is not None
    assert 0 < read < cases
