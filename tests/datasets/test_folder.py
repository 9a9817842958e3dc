"""Folders with one sub-folder of pictures a class."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from simplenn_py.datasets import load_dataset
from simplenn_py.errors import DataError


def picture(path, value=0, size=(4, 3), colour=False):
    """Write one picture, `size` = (height, width), all of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3) if colour else size, value, np.uint8)).save(path)


def test_order_labels_and_parts(tmp_path):
    for part in ("train", "test"):
        for value, name in enumerate(("dog/b.png", "dog/a.png", "cat/x.png", "Ant/z.png")):
            picture(tmp_path / part / name, value)
    data = load_dataset(tmp_path)
    assert (data.name, data.train.a, data.train.b, data.train.d) == (tmp_path.name, 4, 3, 1)
    assert data.train.y.tolist() == ["Ant", "cat", "dog", "dog"] == data.test.y.tolist()
    assert data.train.Z[0, ::12].tolist() == [3, 2, 1, 0]


def test_without_parts_there_is_no_test_set(tmp_path):
    picture(tmp_path / "one" / "a.png")
    picture(tmp_path / "two" / "a.png")
    data = load_dataset(tmp_path)
    assert data.test is None
    assert data.train.y.tolist() == ["one", "two"]


@pytest.mark.parametrize("inner", ["", "test"])
def test_test_part_from_another_folder(tmp_path, inner):
    picture(tmp_path / "in" / "0" / "a.png")
    picture(tmp_path / "other" / inner / "7" / "a.png", 9)
    data = load_dataset(tmp_path / "in", test=tmp_path / "other")
    assert data.test.y.tolist() == [7]
    assert data.test.Z[0, 0] == 9


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["10", "2", "-1", "0"], [-1, 0, 10, 2]),
        (["1", "2", "two"], ["1", "2", "two"]),
        (["01", "2"], ["01", "2"]),
        (["1" * 30, "2"], ["1" * 30, "2"]),
    ],
)
def test_labels_are_integers_only_if_all_are(tmp_path, names, expected):
    for name in names:
        picture(tmp_path / name / "a.png")
    assert load_dataset(tmp_path).train.y.tolist() == expected


def test_a_test_class_that_is_no_integer_makes_all_labels_text(tmp_path):
    picture(tmp_path / "train" / "1" / "a.png")
    picture(tmp_path / "test" / "x" / "a.png")
    data = load_dataset(tmp_path)
    assert data.train.y.tolist() == ["1"]
    assert data.test.y.tolist() == ["x"]


def test_one_colour_picture_makes_all_rgb(tmp_path):
    picture(tmp_path / "c" / "a.png", 50)
    assert load_dataset(tmp_path).train.d == 1
    picture(tmp_path / "c" / "b.png", 60, colour=True)
    data = load_dataset(tmp_path)
    assert data.train.Z[:, ::12].T.tolist() == [[50] * 3, [60] * 3]


def test_shape_resizes_and_decides_the_colour(tmp_path):
    picture(tmp_path / "c" / "a.png", 50)
    picture(tmp_path / "c" / "b.png", 60, size=(9, 9), colour=True)
    with pytest.raises(DataError, match=r"b.png: is 9x9, but a.png is 4x3; .*--image-shape"):
        load_dataset(tmp_path)
    for d in (1, 3):
        data = load_dataset(tmp_path, shape=(6, 5, d))
        assert data.train.Z.shape == (d, 60)
        assert (data.train.a, data.train.b) == (6, 5)
    with pytest.raises(DataError, match=r"not 2 as requested"):
        load_dataset(tmp_path, shape=(6, 5, 2))


def test_hidden_files_and_those_of_file_managers_are_passed_over(tmp_path):
    picture(tmp_path / "c" / "a.png")
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.txt").write_text("not a class")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / "c" / name).write_text("x")
    assert load_dataset(tmp_path).train.l == 1


def test_refuses(tmp_path):
    with pytest.raises(
        DataError, match=r"has no sub-folder and therefore no class; picture files belong in"
    ):
        load_dataset(tmp_path)
    picture(tmp_path / "train" / "a" / "1.png")
    (tmp_path / "train" / "b").mkdir()
    with pytest.raises(DataError, match=r"b: this class has no picture file"):
        load_dataset(tmp_path)
    picture(tmp_path / "train" / "b" / "deep" / "1.png")
    with pytest.raises(DataError, match=r"deep: is a folder inside the class b"):
        load_dataset(tmp_path)


def test_an_unreadable_picture_is_named(tmp_path):
    picture(tmp_path / "c" / "a.png")
    (tmp_path / "c" / "b.png").write_text("no picture")
    with pytest.raises(DataError, match=r"b.png: cannot be read as an image; remove it"):
        load_dataset(tmp_path)


def test_a_missing_test_folder(tmp_path):
    picture(tmp_path / "c" / "a.png")
    with pytest.raises(DataError, match=r"absent: cannot be listed"):
        load_dataset(tmp_path, test=tmp_path / "absent")
