"""The bundled digits, their split, and ``load_dataset``'s own rules."""

from __future__ import annotations

import gzip
import sys
from subprocess import run

import numpy as np
import pytest

from simplenn_py.datasets import digits, load_dataset
from simplenn_py.errors import DataError


def test_sizes_types_and_range():
    data = load_dataset("digits")
    assert (data.train.l, data.test.l) == (1442, 355)
    for part in (data.train, data.test):
        assert part.Z.shape == (1, 64 * part.l)
        assert part.Z.flags.f_contiguous
        assert part.Z.dtype == np.uint8
        assert part.Z.max() == 16
        assert part.y.dtype == np.int64
        assert set(part.y.tolist()) == set(range(10))
        assert (part.a, part.b, part.d) == (8, 8, 1)


def test_the_first_image_is_a_zero_the_right_way_up():
    first = load_dataset("digits").train
    # By hand from the first line of the file: the row index runs fastest in Z.
    image = first.Z[0, :64].reshape(8, 8, order="F")
    assert first.y[0] == 0
    assert image[0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert image[2].tolist() == [0, 3, 15, 2, 0, 11, 8, 0]
    assert first.Z[0, 2 * 8 + 0] == 5  # row 0, column 2


def test_every_fifth_image_of_a_class_is_a_test_image():
    y = np.array([1, 0] * 5 + [1] * 5 + [0])
    train, test = digits.split(y)
    assert test.tolist() == [8, 9, 14]  # the 5th one, the 5th zero, the 10th one
    assert sorted([*train, *test]) == list(range(16))


def test_the_split_is_stratified_and_disjoint():
    data = load_dataset("digits")
    counts = np.bincount(data.train.y) + np.bincount(data.test.y)
    assert np.array_equal(np.bincount(data.test.y), counts // 5)


def test_a_damaged_or_missing_file(tmp_path, monkeypatch):
    path = tmp_path / "digits.csv.gz"
    monkeypatch.setattr(digits, "location", lambda: path)
    for content in (b"", b"\x1f\x8b", gzip.compress(b"1,2,3\n"), gzip.compress(b"a,b\n")):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"bundled data file is damaged .*reinstall"):
            load_dataset("digits")
    monkeypatch.undo()
    monkeypatch.setattr(digits, "FILE", "absent.csv.gz")
    with pytest.raises(DataError, match=r"absent.csv.gz: the bundled data file is missing"):
        digits.load()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"name": "minst"}, "'minst' is unknown; use one of digits.*did you mean 'mnist'"),
        ({"name": "no/such/folder"}, "is unknown; use one of"),
        ({"name": "digits", "shape": (28, 28, 1)}, "its images are 8x8x1, not 28x28x1"),
        ({"name": "digits", "test": "x.mat"}, "has its own test set"),
        ({"name": "digits", "shape": (8, 8)}, "must be three positive integers"),
        ({"name": "digits", "shape": (8, 0, 1)}, "must be three positive integers"),
        ({"name": "digits", "input_format": "rows"}, "input_format is 'rows'.*mean 'row'"),
    ],
)
def test_load_dataset_refuses(arguments, match):
    with pytest.raises(DataError, match=match):
        load_dataset(**arguments)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "x.csv").write_text("1,2\n")
    with pytest.raises(DataError, match=r"has an unknown format; use .mat, .npz"):
        load_dataset(tmp_path / "x.csv")
    (tmp_path / "x.ZIP").write_bytes(b"")
    with pytest.raises(DataError, match=r"x.ZIP: is an archive; unpack it, and give the folder"):
        load_dataset(tmp_path / "x.ZIP")


def test_its_own_shape_is_accepted():
    assert load_dataset("digits", shape=(8, 8, 1)).name == "digits"


def test_importing_the_package_is_light():
    code = (
        "import sys, simplenn_py.datasets; "
        "print([m for m in ('scipy', 'pooch', 'PIL', 'rich', 'numba') if m in sys.modules])"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
