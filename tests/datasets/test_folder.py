"""Folders with one sub-folder of pictures a class."""

from __future__ import annotations

import os

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


LEFT_BEHIND = (
    *("__MACOSX", ".DS_Store", "._a.png", "Thumbs.db", "THUMBS.DB", "desktop.ini", "Icon\r"),
    *("@eaDir", ".ipynb_checkpoints", ".git", ".directory", "lost+found", "$RECYCLE.BIN"),
    *("System Volume Information", ".Trash-1000", ".AppleDouble", ".thumbnails", "#recycle"),
    *("__pycache__", ".dropbox", ".tmp.drivedownload", ".BIN"),
)
BESIDE = (
    *(
        "labels.txt",
        "README",
        "README.md",
        "LICENSE",
        "classes.txt",
        "data.yaml",
        "_annotations.csv",
    ),
    *("pictures.zip", "a.xml", "a.json", "a.TXT", "notes.pdf", "b.png.crdownload", "run.ipynb"),
)


@pytest.mark.parametrize("as_folder", [False, True])
def test_what_other_systems_and_tools_leave_is_passed_over(tmp_path, as_folder):
    """At the top, beside train/ and test/, and within a class; as files and as folders."""
    for name in ("one/a.png", "train/c/a.png", "train/d/b.png", "test/c/a.PNG"):
        picture(tmp_path / ("divided" if "/" in name[5:] else "plain") / name)
    picture(tmp_path / "plain" / "two" / "b.JPG")
    places = ("plain", "plain/one", "divided", "divided/train", "divided/test/c", "divided/train/d")
    for place in places:
        for name in LEFT_BEHIND if as_folder else (*LEFT_BEHIND, *BESIDE):
            if as_folder:
                picture(tmp_path / place / name / "a.png")
            elif not (tmp_path / place / name).exists():
                (tmp_path / place / name).write_text("x")
    data = load_dataset(tmp_path / "plain")
    assert (data.train.y.tolist(), data.notes) == (["one", "two"], ())
    data = load_dataset(tmp_path / "divided")
    assert (data.train.y.tolist(), data.test.y.tolist(), data.notes) == (["c", "d"], ["c"], ())


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_a_validation_set_beside_train(tmp_path, name):
    for part, label, value in (
        ("Train", "1", 1),
        ("Train", "2", 2),
        (name, "2", 3),
        ("TEST", "1", 4),
    ):
        picture(tmp_path / part / label / "a.png", value)
    data = load_dataset(tmp_path)
    parts = (data.train, data.validation, data.test)
    assert [part.y.tolist() for part in parts] == [[1, 2], [2], [1]]
    assert [part.Z[0, 0] for part in parts] == [1, 3, 4]
    assert data.notes == ()


def test_a_validation_set_without_a_test_set(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "val/a/1.png"):
        picture(tmp_path / name)
    data = load_dataset(tmp_path)
    assert data.test is None
    assert data.validation.y.tolist() == ["a"]


def test_two_names_of_one_part(tmp_path):
    for name in ("train/a/1.png", "val/a/1.png", "valid/a/1.png"):
        picture(tmp_path / name)
    with pytest.raises(DataError, match=r"holds val and valid, which are both the validation set"):
        load_dataset(tmp_path)


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train/1.png", "car/1.png", "plane/1.png"):
        picture(tmp_path / name)
    assert load_dataset(tmp_path).train.y.tolist() == ["car", "plane", "train"]
    picture(tmp_path / "test" / "1.png")
    with pytest.raises(DataError, match=r"train: has 1 picture in no sub-folder"):
        load_dataset(tmp_path)


def test_what_is_not_used_is_said(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "test/1.png", "test/2.png", "more/a/1.png"):
        picture(tmp_path / "divided" / name)
    data = load_dataset(tmp_path / "divided")
    assert data.test is None
    test = tmp_path / "divided" / "test"
    assert data.notes == (f"not used: 2 pictures without labels in {test}", "not used: more")
    for name in ("a/1.png", "b/1.png", "preview.png"):
        picture(tmp_path / "plain" / name)
    note = f"not used: 1 picture beside the classes in {tmp_path / 'plain'}"
    assert load_dataset(tmp_path / "plain").notes == (note,)


def test_an_empty_class_is_one_that_a_test_set_lacks(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "test/b/1.png"):
        picture(tmp_path / name)
    (tmp_path / "test" / "a").mkdir()
    assert load_dataset(tmp_path).test.y.tolist() == ["b"]
    (tmp_path / "test" / "b" / "1.png").unlink()
    with pytest.raises(DataError, match=r"test: the folders of its classes hold no picture"):
        load_dataset(tmp_path)


def test_pictures_without_labels_cannot_be_trained_on(tmp_path):
    picture(tmp_path / "a.png")
    with pytest.raises(
        DataError, match=r"has 1 picture .* without a label; .*'simplenn predict' labels"
    ):
        load_dataset(tmp_path)


def test_one_folder_too_many(tmp_path):
    picture(tmp_path / "pictures" / "pictures" / "a" / "1.png")
    inner = tmp_path / "pictures" / "pictures"
    with pytest.raises(DataError, match=rf"give {inner} instead"):
        load_dataset(tmp_path / "pictures")
    (inner / "a" / "annotations").mkdir()
    (inner / "a" / "annotations" / "1.xml").write_text("<x/>")
    assert load_dataset(inner).train.l == 1


def test_links(tmp_path):
    picture(tmp_path / "elsewhere" / "1.png", 7)
    (tmp_path / "d" / "a").mkdir(parents=True)
    (tmp_path / "d" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "d" / "a" / "2.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    assert load_dataset(tmp_path / "d").train.Z[0, ::12].tolist() == [7, 7]
    for target, message in (
        ("absent.png", "x.png: is a link to a file that is not there"),
        ("x.png", "x.png: cannot be read"),
        (tmp_path / "d", "is a folder inside the class a"),
    ):
        (tmp_path / "d" / "a" / "x.png").symlink_to(target)
        with pytest.raises(DataError, match=message):
            load_dataset(tmp_path / "d")
        (tmp_path / "d" / "a" / "x.png").unlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    picture(tmp_path / "a" / "1.png")
    os.mkfifo(tmp_path / "a" / "2.png")
    with pytest.raises(DataError, match=r"2\.png: is a pipe"):
        load_dataset(tmp_path)
