"""IDX files: pixels where the lecture wants them, and every kind of damage."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from makers import packed, write_mnist
from outcome import outcome

from simplenn_py.datasets import idx, load_dataset
from simplenn_py.errors import DataError
from simplenn_py.layout import to_nhwc


@pytest.mark.parametrize("place", ["", "mnist"])
@pytest.mark.parametrize(("suffix", "dot"), [(".gz", False), ("", False), ("", True)])
def test_round_trip(tmp_path, place, suffix, dot):
    (X, y), (X_test, y_test) = write_mnist(tmp_path / place, suffix=suffix, dot=dot)
    data = load_dataset("mnist", data_dir=tmp_path)
    assert np.array_equal(to_nhwc(data.train.Z, 28, 28)[..., 0], X)
    assert np.array_equal(to_nhwc(data.test.Z, 28, 28)[..., 0], X_test)
    assert data.train.Z.dtype == np.uint8
    assert data.train.Z.flags.f_contiguous
    assert data.train.y.tolist() == y.tolist()
    assert data.test.y.tolist() == y_test.tolist()
    assert data.train.y.dtype == np.int64
    # Row i = 5, column j = 9 of image n = 1, without a helper.
    assert data.train.Z[0, 5 + 28 * 9 + 784 * 1] == X[1, 5, 9]


def test_the_gzipped_file_wins_over_a_damaged_plain_one(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"junk")
    assert load_dataset("mnist", data_dir=tmp_path).train.l == 3


GOOD = packed(np.zeros((2, 28, 28)))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty; "),
        (
            b"\x89PNG\r\n\x1a\n",
            "starts with the bytes '89 50 4e 47', but an IDX file starts with '00 00'",
        ),
        (packed(np.zeros((2, 28, 28)), kind=13), "holds values of type 13"),
        (b"\0\0\x08\0", "has 0 dimensions"),
        (b"\0\0\x08\xff", "has 255 dimensions"),
        (b"\0\0\x08\x03\0\0", "ends within its header"),
        (GOOD[:-1], "holds 1567 of the 1568 values"),
        (GOOD + b"\0", "has bytes after the 1568 values"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "more than the file can hold"),
        (packed(np.zeros((2, 28, 27))), "holds an array of 2x28x27, but MNIST's images are l x 28"),
        (packed(np.zeros((3, 28, 28))), "holds 3 images, but train-labels.* holds 2 labels"),
        (packed(np.zeros((1568,))), "holds an array of 1568"),
    ],
)
@pytest.mark.parametrize("compress", [False, True])
def test_refuses_images(tmp_path, content, match, compress):
    write_mnist(tmp_path, l=2)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(content) if compress else content)
    with pytest.raises(DataError, match=match) as caught:
        load_dataset("mnist", data_dir=tmp_path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (np.array([3, 10]), "has label 10 at index 1, but MNIST's labels are 0..9"),
        (np.zeros((2, 1)), "has 2 dimensions, but labels have 1"),
    ],
)
def test_refuses_labels(tmp_path, labels, match):
    write_mnist(tmp_path, l=2)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(packed(labels)))
    with pytest.raises(DataError, match=match):
        load_dataset("mnist", data_dir=tmp_path)


def test_refuses_an_empty_set(tmp_path):
    write_mnist(tmp_path, l=0)
    with pytest.raises(DataError, match=r"holds no image"):
        load_dataset("mnist", data_dir=tmp_path)


def test_refuses_a_damaged_gzip(tmp_path):
    path = tmp_path / "a.gz"
    whole = gzip.compress(GOOD, mtime=0)
    for content in (whole[:-12], whole[:5], whole[:-8] + bytes(8), whole[:12] + b"\xff" * 20):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a.gz: .*fetch it again"):
            idx.read_idx(path)


def test_refuses_a_gzip_that_goes_on(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(packed(np.zeros(4)) + bytes(10**6)))
    with pytest.raises(DataError, match=r"has bytes after the 4 values"):
        idx.read_idx(path)


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read"):
        idx.read_idx(tmp_path / "absent")


BOUNDED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@BOUNDED
@given(
    head=st.sampled_from([b"", b"\0\0\x08\x01", b"\0\0\x08\x03", b"\x1f\x8b\x08\0"]),
    tail=st.binary(max_size=60),
    compress=st.booleans(),
)
def test_any_bytes_give_an_array_or_one_error(tmp_path, head, tail, compress):
    path = tmp_path / "any"
    path.write_bytes(gzip.compress(head + tail, 1) if compress else head + tail)
    array, message = outcome(idx.read_idx, path)
    assert message.startswith(str(path)) if array is None else array.dtype == np.uint8
    assert "\n" not in message


@BOUNDED
@given(st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple))
def test_whatever_is_written_is_read_back(tmp_path, shape):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    (tmp_path / "a").write_bytes(packed(array))
    assert np.array_equal(idx.read_idx(tmp_path / "a"), array)
