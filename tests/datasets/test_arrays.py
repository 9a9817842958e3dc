"""Data sets in .npz files."""

from __future__ import annotations

import numpy as np
import pytest

from simplenn_py.datasets import load_dataset
from simplenn_py.errors import DataError
from simplenn_py.layout import to_nhwc

RNG = np.random.default_rng(0)
X4 = RNG.integers(0, 256, (5, 4, 3, 2), dtype=np.uint8)
Y = np.array([0, 1, 1, 0, 2])


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_images_as_nhwc(tmp_path):
    data = load_dataset(save(tmp_path / "x.npz", X=X4, y=Y, X_test=X4[:2], y_test=Y[:2], more=Y))
    assert (data.train.a, data.train.b, data.train.d) == (4, 3, 2)
    assert data.train.Z[1, 2 + 4 * 1 + 12 * 3] == X4[3, 2, 1, 1]
    assert data.train.Z.flags.f_contiguous
    assert data.train.Z.dtype == np.uint8
    assert np.array_equal(to_nhwc(data.test.Z, 4, 3), X4[:2])
    assert data.test.y.tolist() == [0, 1]


def test_grey_images_without_a_channel_axis(tmp_path):
    data = load_dataset(save(tmp_path / "x.npz", X=X4[..., 0], y=Y))
    assert data.train.Z.shape == (1, 60)
    assert data.test is None
    assert data.train.Z[0, 2 + 4 * 1 + 12 * 3] == X4[3, 2, 1, 0]


def test_flat_images_by_row_and_by_column(tmp_path):
    by_row = X4.transpose(0, 3, 1, 2).reshape(5, -1)
    by_column = X4.transpose(0, 3, 2, 1).reshape(5, -1)
    for flat, input_format in ((by_row, "row"), (by_column, "column")):
        path = save(tmp_path / "x.npz", X=flat, y=Y)
        data = load_dataset(path, shape=(4, 3, 2), input_format=input_format)
        assert np.array_equal(to_nhwc(data.train.Z, 4, 3), X4)


@pytest.mark.parametrize(
    ("X", "dtype"),
    [
        (X4 > 99, np.uint8),
        (X4.astype(np.int64), np.uint8),
        (X4.astype(np.int16) - 300, np.float32),
        (X4.astype(np.int64) * 2**30, np.float64),
        (X4.astype(np.float16), np.float32),
        (X4.astype(np.float32), np.float32),
        (X4 / 255, np.float64),
    ],
)
def test_no_value_changes(tmp_path, X, dtype):
    Z = load_dataset(save(tmp_path / "x.npz", X=X, y=Y)).train.Z
    assert Z.dtype == dtype
    assert np.array_equal(to_nhwc(Z, 4, 3), X)


@pytest.mark.parametrize("y", [np.array(list("abbac")), np.array(list("abbac"), "S3")])
def test_labels_may_be_text(tmp_path, y):
    read = load_dataset(save(tmp_path / "x.npz", X=X4, y=y)).train.y
    assert read.tolist() == list("abbac")
    assert read.dtype.kind == "U"


def test_test_part_from_a_second_file(tmp_path):
    first = save(tmp_path / "x.npz", X=X4, y=Y)
    second = save(tmp_path / "t.npz", X=X4[:1], y=Y[:1])
    assert load_dataset(first, test=second).test.l == 1
    both = save(tmp_path / "b.npz", X=X4, y=Y, X_test=X4, y_test=Y)
    with pytest.raises(DataError, match=r"holds X_test, but .*t.npz' is given as the test set"):
        load_dataset(both, test=second)


def test_other_arrays_are_ignored(tmp_path):
    others = {"names": np.array([["a"], None], object), "when": np.zeros(2, "M8[s]"), "1": Y}
    path = save(tmp_path / "x.npz", X=X4, y=Y, **others)
    assert load_dataset(path).train.l == 5
    assert load_dataset(path, test=path).test.l == 5


@pytest.mark.slow
def test_well_compressed_binary_images(tmp_path):
    X = np.zeros((400_000, 28, 28), np.uint8)
    X[:, 5:20, 8] = 1
    np.savez_compressed(tmp_path / "x.npz", X=X, y=np.arange(400_000) % 2)
    assert (tmp_path / "x.npz").stat().st_size * 100 < X.nbytes
    assert load_dataset(tmp_path / "x.npz").train.l == 400_000


LONG = np.longdouble("1e400")  # inf where a long double is a double
FLAT = X4.reshape(5, -1)
NAN = np.full((5, 4, 3), 0.5, np.float32)
NAN[1, 2, 0] = np.nan


@pytest.mark.parametrize(
    ("arrays", "options", "match"),
    [
        ({"y": Y}, {}, r"has no array X \(it holds y\)"),
        ({"X": X4}, {}, "has no array y"),
        ({"X": X4, "y": Y, "X_test": X4}, {}, "has X_test but no y_test; save both, or neither"),
        ({"X": FLAT, "y": Y}, {}, r"shape=\(28, 28, 1\).*--image-shape"),
        (
            {"X": FLAT, "y": Y},
            {"shape": (5, 5, 1)},
            "has 24 columns, but images of 5x5x1 have 25 .* is 24",
        ),
        ({"X": X4, "y": Y}, {"shape": (3, 4, 2)}, "its images are 4x3x2, but 3x4x2 was asked for"),
        (
            {"X": X4, "y": Y, "X_test": X4[:, 1:], "y_test": Y},
            {},
            "are 3x3x2, but 4x3x2 was asked for",
        ),
        ({"X": X4[:, :0], "y": Y}, {}, "its images are 0x3x2, which is empty"),
        ({"X": X4[:0], "y": Y}, {}, "holds no image"),
        ({"X": X4[:4], "y": Y}, {}, "holds 4 images, but there are 5 labels"),
        ({"X": Y, "y": Y}, {}, "has shape .*; it must be .images, height"),
        ({"X": X4[None], "y": Y}, {}, "has shape .*; it must be .images, height"),
        ({"X": NAN, "y": Y}, {}, "X: value nan at index 18; pixels must be finite"),
        ({"X": X4 * 1j, "y": Y}, {}, "dtype complex128; pixels must be real numbers"),
        ({"X": X4.astype(str), "y": Y}, {}, "dtype <U3; pixels must be real numbers"),
        ({"X": X4.astype(np.int64) * 2**55, "y": Y}, {}, r"is beyond 2\*\*53"),
        ({"X": X4.astype(object), "y": Y}, {}, r"array 'X' has dtype object; .*\.astype\(float\)"),
        ({"X": X4, "y": Y.astype(object)}, {}, r"array 'y' has dtype object; .*\.astype\(str\)"),
        ({"X": np.array(1.0), "y": Y}, {}, "X: has shape .*; it must be"),
        ({"X": X4, "y": np.array(1)}, {}, "y: is a single value; labels must be a vector"),
        ({"X": X4, "y": Y.astype("M8[s]")}, {}, r"array 'y' has dtype datetime64.*\.astype\(str\)"),
        ({"X": X4, "y": Y.astype([("a", int)])}, {}, "array 'y' has dtype .*each of its fields"),
        (
            {"X": np.full((5, 4, 3), LONG, np.longdouble), "y": Y},
            {},
            "X: value inf at index 0; pixels must be finite",
        ),
        ({"X": X4, "y": Y / 2}, {}, "y: label 0.5 at index 1 is not a whole number"),
        ({"X": X4, "y": Y.reshape(5, 1, 1)}, {}, "y: is 5x1x1; labels must be a vector"),
        ({"X": X4, "y": np.full(5, 2**64 - 1, np.uint64)}, {}, "does not fit in int64"),
        ({"X": X4, "y": np.array([b"\xff"] * 5)}, {}, "is not text in UTF-8"),
    ],
)
def test_refuses(tmp_path, arrays, options, match):
    path = save(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=match) as caught:
        load_dataset(path, **options)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_validation_set(tmp_path):
    path = save(tmp_path / "x.npz", X=X4, y=Y, X_val=X4[1:3], y_val=Y[1:3])
    data = load_dataset(path)
    assert (data.validation.y.tolist(), data.test) == ([1, 1], None)
    assert np.array_equal(to_nhwc(data.validation.Z, 4, 3), X4[1:3])
    other = save(tmp_path / "t.npz", X=X4[:1], y=Y[:1])
    assert load_dataset(path, test=other).validation.l == 2
    with pytest.raises(DataError, match="has X_val but no y_val; save both, or neither"):
        load_dataset(save(tmp_path / "x.npz", X=X4, y=Y, X_val=X4))


def test_channels_first_is_said(tmp_path):
    first = np.zeros((5, 1, 28, 28), np.uint8)
    path = save(tmp_path / "x.npz", X=first, y=Y)
    with pytest.raises(
        DataError, match=r"images of 1x28 with 28 channels; .*transpose\(0, 2, 3, 1"
    ):
        load_dataset(path)
    with pytest.raises(
        DataError, match=r"are 1x28x28, but 28x28x1 was .*.*transpose\(0, 2, 3, 1\)"
    ):
        load_dataset(path, shape=(28, 28, 1))
    assert load_dataset(path, shape=(1, 28, 28)).train.d == 28
