"""``simplenn predict`` with a linear network whose decision values NumPy gives directly."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simplenn_py.cli import predict
from simplenn_py.datasets import Dataset, load_dataset
from simplenn_py.errors import DataError, OptionError
from simplenn_py.formats.simplenn_mat import write_simplenn
from simplenn_py.model.model import Model
from simplenn_py.network.config import NetConfig
from simplenn_py.network.normalisation import Normalisation


def call(*words: object) -> int:
    parser = argparse.ArgumentParser()
    predict.add_parser(parser.add_subparsers())
    args = parser.parse_args(["predict", *map(str, words)])
    return int(args.run(args))


def as_json(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    assert call(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def rows_of(path: Path) -> list[list[str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="module")
def model(digits: Dataset) -> Model:
    """Least squares on the scaled digits: right for nine images in ten, but not for all."""
    config = NetConfig.build((8, 8, 1), full=[10])
    model = Model(config, np.zeros(config.n_parameters, np.float32), np.arange(10))
    rows = digits.train.Z.reshape(64, -1, order="F").T / 16
    model.normalisation = Normalisation(0.0, 1 / 16, rows.mean(axis=0))
    model.W[0][...] = np.linalg.lstsq(
        rows - rows.mean(axis=0), np.eye(10)[digits.train.y], rcond=None
    )[0].T
    model.bias[0][:] = 0.1
    return model


@pytest.fixture(scope="module")
def saved(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "model.npz"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def values(model: Model, digits: Dataset) -> np.ndarray:
    """Decision values of the test images, by NumPy, shape (10, l)."""
    assert digits.test is not None
    x = digits.test.Z.reshape(64, -1, order="F") / 16 - model.normalisation.mean[:, np.newaxis]
    return model.W[0] @ x + model.bias[0][:, np.newaxis]


def picture(images: np.ndarray, i: int, path: Path, invert: bool = False) -> Path:
    """Write image `i` of `images`, 8x8 pixels of 0..16, as a grey PNG of 0..255."""
    grey = np.rint(images[:, 64 * i : 64 * (i + 1)].reshape(8, 8, order="F") / 16 * 255)
    grey = 255 - grey if invert else grey
    Image.fromarray(grey.astype(np.uint8)).save(path)
    return path


class TestDataset:
    def test_accuracy_and_classes(
        self,
        saved: Path,
        digits: Dataset,
        values: np.ndarray,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        y, guess = digits.test.y, values.argmax(axis=0)
        report = as_json(capsys, saved, "digits")
        assert (report["data"], report["split"], report["images"]) == ("digits", "test", y.size)
        assert report["correct"] == np.sum(y == guess)
        assert 0.85 < report["accuracy"] == np.mean(y == guess) < 1
        for k, row in enumerate(report["classes"]):
            wrong = np.bincount(guess[(y == k) & (guess != k)], minlength=10)
            assert row == {
                "class": k,
                "images": np.sum(y == k),
                "correct": np.sum((y == k) & (guess == k)),
                "accuracy": np.mean(guess[y == k] == k),
                "mistaken_for": int(wrong.argmax()) if wrong.any() else None,
                "mistaken_images": wrong.max(),
            }
        assert report["unknown_labels"] == []

    def test_text(self, saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
        report = as_json(capsys, saved, "digits")
        assert call(saved, "digits") == 0
        text = capsys.readouterr().out
        share = f"{100 * report['accuracy']:.2f} %"
        assert f"digits, test set: {share} correct, {report['correct']} of" in text
        row = next(row for row in report["classes"] if row["mistaken_images"] > 1)
        cells = f"{row['class']} {row['images']} {row['correct']} {100 * row['accuracy']:.2f} %"
        mistake = f"{row['mistaken_for']} ({row['mistaken_images']})"
        assert f"{cells} {mistake}".split() in [line.split() for line in text.splitlines()]
        assert "mistakes:" not in text
        assert "no image" not in text

    def test_run_folder_and_split(
        self, saved: Path, digits: Dataset, capsys: pytest.CaptureFixture[str]
    ) -> None:
        report = as_json(capsys, saved.parent, "digits", "--split", "train", "--batch-size", 100)
        assert (report["split"], report["images"]) == ("train", digits.train.l)

    def test_csv_holds_every_decision_value(
        self, saved: Path, digits: Dataset, model: Model, values: np.ndarray, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.csv"
        assert call(saved, "digits", "--out", out) == 0
        head, *rows = rows_of(out)
        assert head == ["index", "label", "predicted", *(f"z_{k}" for k in range(10))]
        table = np.array(rows, float)
        assert table[:, 0].tolist() == list(range(digits.test.l))
        assert table[:, 1].tolist() == digits.test.y.tolist()
        assert table[:, 2].tolist() == values.argmax(axis=0).tolist()
        np.testing.assert_allclose(table[:, 3:], values.T, atol=1e-5)
        exact = model.decision_values(digits.test.Z)
        assert (table[:, 3:].astype(np.float32) == exact.T).all(), "float32 survives the text"

    def test_no_file_is_overwritten_unless_forced(self, saved: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.csv"
        out.write_text("precious")
        with pytest.raises(DataError, match=r"out\.csv exists; .* --force"):
            call(saved, "digits", "--out", out)
        assert out.read_text() == "precious"
        assert call(saved, "digits", "--out", out, "--force") == 0
        assert rows_of(out)[0][0] == "index"

    def test_absent_classes_and_unknown_labels(
        self,
        saved: Path,
        digits: Dataset,
        values: np.ndarray,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        few = np.flatnonzero((digits.test.y >= 3) & (digits.test.y <= 5))
        images = digits.test.Z.reshape(8, 8, -1, order="F").transpose(2, 0, 1)[few]
        y = digits.test.y[few].astype(np.int64)
        y[y == 5] = 77
        np.savez(tmp_path / "few.npz", X=images, y=y)
        report = as_json(capsys, saved, tmp_path / "few.npz")
        assert report["split"] == "train"
        right = np.sum(values.argmax(axis=0)[few] == y)
        assert (report["images"], report["correct"]) == (few.size, right)
        assert report["accuracy"] == right / few.size
        assert report["unknown_labels"] == [{"label": 77, "images": np.sum(y == 77)}]
        assert report["classes"][0]["accuracy"] is None
        assert call(saved, tmp_path / "few.npz") == 0
        text = capsys.readouterr().out
        assert "without an image in the data set: 0, 1, 2, 5, 6, 7, 8, 9" in text
        assert f"counted as mistakes: {np.sum(y == 77)} images with labels" in text
        assert "does not know: 77" in text

    def test_labels_are_text_and_never_markup(
        self,
        model: Model,
        digits: Dataset,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        names = np.array([f"[red]{k}" for k in range(10)])
        Model(model.config, model.theta, names, model.normalisation).save(tmp_path / "m.npz")
        images = digits.test.Z.reshape(8, 8, -1, order="F").transpose(2, 0, 1)
        np.savez(tmp_path / "named.npz", X=images, y=names[digits.test.y])
        assert call(tmp_path / "m.npz", tmp_path / "named.npz") == 0
        assert "[red]7" in capsys.readouterr().out
        report = as_json(capsys, tmp_path / "m.npz", tmp_path / "named.npz")
        assert report["accuracy"] > 0.85


class TestPictures:
    def test_a_picture_is_scaled_as_the_training_images(
        self,
        saved: Path,
        digits: Dataset,
        values: np.ndarray,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        files = [picture(digits.test.Z, i, tmp_path / f"{i}.png") for i in range(3)]
        out = tmp_path / "out.csv"
        report = as_json(capsys, saved, *files, "--out", out)
        assert report["measure"] == "decision value"
        head, *rows = rows_of(out)
        assert head[:2] == ["file", "predicted"]
        for i, (row, shown) in enumerate(zip(rows, report["images"], strict=True)):
            second, first = np.argsort(values[:, i])[-2:]
            assert row[:2] == [str(files[i]), str(first)]
            assert (shown["predicted"], shown["second"]) == (first, second)
            # Rounding to one of 256 levels is all that is lost.
            np.testing.assert_allclose(np.array(row[2:], float), values[:, i], atol=0.02)
            assert shown["value"] == pytest.approx(values[first, i], abs=0.02)
            assert shown["second_value"] == pytest.approx(values[second, i], abs=0.02)

    def test_any_size_and_colour(
        self, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Image.new("L", (8, 8), 100).save(tmp_path / "small.png")
        Image.new("RGB", (31, 17), (100, 100, 100)).save(tmp_path / "large.png")
        small, large = as_json(capsys, saved, *sorted(tmp_path.glob("*.png")))["images"]
        assert small | {"file": ""} == large | {"file": ""}

    def test_shifted_range(
        self, model: Model, digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A network trained on digits of -5..27 takes the same picture in the same way."""
        file = picture(digits.test.Z, 0, tmp_path / "0.png")
        mean = model.normalisation.mean
        shown = []
        for shift, scale in ((0.0, 1 / 16), (-5.0, 1 / 32)):
            path = tmp_path / f"{shift}.npz"
            normalisation = Normalisation(shift, scale, mean)
            Model(model.config, model.theta, model.classes, normalisation).save(path)
            shown.append(as_json(capsys, path, file)["images"][0])
        assert shown[1]["value"] == pytest.approx(shown[0]["value"], abs=1e-5)

    def test_invert(
        self, saved: Path, digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        light = picture(digits.test.Z, 4, tmp_path / "light.png")
        dark = picture(digits.test.Z, 4, tmp_path / "dark.png", invert=True)
        wanted = as_json(capsys, saved, light)["images"][0] | {"file": str(dark)}
        assert as_json(capsys, saved, dark, "--invert")["images"][0] == wanted
        assert as_json(capsys, saved, dark)["images"][0] != wanted

    def test_probabilities(
        self,
        model: Model,
        digits: Dataset,
        values: np.ndarray,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        path = tmp_path / "m.npz"
        Model(model.config, model.theta, model.classes, model.normalisation, "cross-entropy").save(
            path
        )
        file = picture(digits.test.Z, 0, tmp_path / "0.png")
        report = as_json(capsys, path, file)
        p = np.exp(values[:, 0]) / np.exp(values[:, 0]).sum()
        assert report["measure"] == "probability"
        assert report["images"][0]["value"] == pytest.approx(p.max(), abs=0.005)
        assert call(path, file) == 0
        text = capsys.readouterr().out
        assert f"{100 * report['images'][0]['value']:.1f} %" in text
        assert "second guess" in text

    def test_terminal_codes_in_a_file_name_are_shown_not_sent(
        self, saved: Path, digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = picture(digits.test.Z, 0, tmp_path / "evil\x1b[31m.png")
        assert call(saved, file) == 0
        assert "\x1b" not in capsys.readouterr().out


class TestMistakes:
    @pytest.mark.parametrize(
        ("words", "error", "match"),
        [
            (["digit"], DataError, "did you mean 'digits'"),
            (["nothing.png"], DataError, "nothing.png: there is no such file"),
            (["digits", "mnist"], OptionError, "not all are picture files"),
            (["digits", "--invert"], OptionError, "--invert is for picture files"),
            (["x.png", "--split", "test"], OptionError, "--split needs a data set"),
            (["digits", "--batch-size", "0"], OptionError, "--batch-size is 0; it must be"),
        ],
    )
    def test_one_line(
        self, saved: Path, words: list[str], error: type[Exception], match: str
    ) -> None:
        with pytest.raises(error, match=match) as caught:
            call(saved, *words)
        assert "\n" not in str(caught.value)

    def test_folder_without_model(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="this folder holds no model"):
            call(tmp_path, "digits")

    def test_wrong_image_size(self, model: Model, tmp_path: Path) -> None:
        config = NetConfig.build((6, 6, 1), full=[10])
        Model(config, np.zeros(370), np.arange(10)).save(tmp_path / "m.npz")
        with pytest.raises(DataError, match="its images are 8x8x1, but this model takes 6x6x1"):
            call(tmp_path / "m.npz", "digits", "--normalise", "none")
        np.savez(tmp_path / "d.npz", X=np.zeros((2, 5, 5)), y=np.arange(2))
        with pytest.raises(DataError, match=r"5x5x1.*\(this model takes images of 6x6x1\)"):
            call(tmp_path / "m.npz", tmp_path / "d.npz", "--normalise", "none")

    def test_a_model_without_normalisation_asks_for_it(
        self, model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """One of simpleNN's: what was done to its images is not in its file."""
        bare = Model(model.config, model.theta, model.classes)
        bare.save(tmp_path / "m.npz")
        with pytest.raises(OptionError, match=r"no normalisation.*--normalise DATASET"):
            call(tmp_path / "m.npz", "digits")
        write_simplenn(tmp_path / "m.mat", bare)
        Model(model.config, model.theta, model.classes, model.normalisation).save(
            tmp_path / "own.npz"
        )
        shown = [
            as_json(capsys, tmp_path / "own.npz", "digits"),
            as_json(capsys, tmp_path / "m.npz", "digits", "--normalise", "digits"),
            as_json(capsys, tmp_path / "m.mat", "digits", "--normalise", "digits"),
        ]
        for report in shown:
            del report["model"]
        assert shown[0] == shown[1] == shown[2]
        assert as_json(capsys, tmp_path / "m.npz", "digits", "--normalise", "none") != shown[0]

    def test_no_test_part(self, saved: Path, tmp_path: Path) -> None:
        np.savez(tmp_path / "d.npz", X=np.zeros((2, 8, 8)), y=np.arange(2))
        with pytest.raises(OptionError, match="has no test set; leave --split out"):
            call(saved, tmp_path / "d.npz", "--split", "test")


class TestFolders:
    """Folders without labels, and data sets that are divided."""

    def labels(self, report: dict) -> list[tuple[str, int]]:
        return [(row["file"], row["predicted"]) for row in report["images"]]

    @pytest.fixture
    def pictures(self, digits: Dataset, tmp_path: Path) -> Path:
        folder = tmp_path / "new"
        folder.mkdir()
        for i in (2, 0, 1):
            picture(digits.test.Z, i, folder / f"{i}.png")
        (folder / "notes.txt").write_text("x")
        (folder / "__MACOSX").mkdir()
        (folder / ".DS_Store").write_text("x")
        return folder

    def test_a_plain_folder_is_labelled(
        self, saved: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        files = [str(pictures / f"{i}.png") for i in range(3)]
        single = [self.labels(as_json(capsys, saved, file))[0] for file in files]
        for inputs in ([pictures], [pictures / "*.png"], [pictures / "[0-2].png"], files):
            assert self.labels(as_json(capsys, saved, *inputs)) == single
        mixed = as_json(capsys, saved, files[2], pictures)
        assert self.labels(mixed) == [single[2], *single]
        call(saved, pictures, "--out", tmp_path / "out.csv")
        assert "% correct" not in capsys.readouterr().out
        assert [row[0] for row in rows_of(tmp_path / "out.csv")[1:]] == files
        call(saved, pictures, "--invert")

    def test_a_name_with_brackets_is_no_pattern(
        self, saved: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (pictures / "0.png").rename(pictures / "[1].png")
        report = as_json(capsys, saved, pictures / "[1].png")
        assert [row["file"] for row in report["images"]] == [str(pictures / "[1].png")]
        with pytest.raises(DataError, match="no file matches this pattern"):
            call(saved, pictures / "*.jpg")

    def test_an_empty_folder_and_options_that_need_labels(
        self, saved: Path, pictures: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "empty" / ".thumbnails").mkdir(parents=True)
        with pytest.raises(DataError, match="has no sub-folder and therefore no class"):
            call(saved, tmp_path / "empty")
        with pytest.raises(OptionError, match="--split needs a data set, but picture files"):
            call(saved, pictures, "--split", "test")
        with pytest.raises(OptionError, match="not all are picture files"):
            call(saved, pictures, "digits")
        (pictures / "model.npz").write_bytes(b"")  # a run folder, whose pictures are figures
        with pytest.raises(DataError):
            call(saved, pictures)

    def test_classes_of_pictures_are_scaled_as_single_pictures(
        self, saved: Path, pictures: Path, digits: Dataset, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The network was trained on 0 to 16, and pictures have 0 to 255."""
        labels = [n for _, n in self.labels(as_json(capsys, saved, pictures))]
        for i, label in enumerate(labels):
            (pictures.parent / "classes" / str(label)).mkdir(parents=True, exist_ok=True)
            (pictures / f"{i}.png").rename(pictures.parent / "classes" / str(label) / f"{i}.png")
        assert as_json(capsys, saved, pictures.parent / "classes")["correct"] == 3

    def test_a_divided_folder(
        self, saved: Path, pictures: Path, digits: Dataset, capsys: pytest.CaptureFixture[str]
    ) -> None:
        root = pictures.parent / "divided"
        for part, i in (("train", 0), ("val", 1), ("test", 2)):
            folder = root / part / str(digits.test.y[i])
            folder.mkdir(parents=True)
            picture(digits.test.Z, i, folder / "a.png")
        for part, i in (("train", 0), ("validation", 1), ("test", 2)):
            report = as_json(capsys, saved, root, "--split", part)
            counts = {row["class"]: row["images"] for row in report["classes"]}
            assert (report["split"], counts[digits.test.y[i]]) == (part, 1)
        picture(digits.test.Z, 0, root / "test" / "loose.png")
        (root / "extra" / "1").mkdir(parents=True)
        call(saved, root, "--split", "validation")
        out = capsys.readouterr().out
        assert f"divided: not used: 1 picture beside the classes in {root / 'test'}\n" in out
        assert "divided: not used: extra\n" in out
        assert "validation set: " in out
        with pytest.raises(OptionError, match="digits has no validation set; leave --split out"):
            call(saved, "digits", "--split", "validation")
