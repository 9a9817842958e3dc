"""A data set is known by where it came from, never by the name of a file or folder."""

from __future__ import annotations

import json
import math
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from networks import STRIPES, STRIPES_OPTIONS, fit, stripes
from PIL import Image
from scipy.io import savemat

import simplenn_py as nn
from simplenn_py.cli import compare, compress, main
from simplenn_py.datasets import fetch, idx, load_dataset
from simplenn_py.errors import DataError
from simplenn_py.layout import to_nhwc, to_rows
from simplenn_py.training.options import default_preset
from simplenn_py.training.run_data import find_data
from simplenn_py.training.run_folder import RunFolder
from simplenn_py.training.run_reader import read_run

OLDER = Path(__file__).parents[1] / "training" / "older"


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    """Work in an empty folder, and draw no figures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(RunFolder, "save_figures", lambda *_: [])
    monkeypatch.setattr(compress, "_draw", lambda *_: None)
    # Only the folder that a test names, not those of this machine.
    monkeypatch.setattr(fetch, "folders", lambda name=None: [Path(name or "no data")])


def write_npz(path, seed=1, l=60):
    images, test = stripes(l, seed, (0, 1, 2)), stripes(30, seed + 1, (0, 1, 2))
    X, X_test = (to_nhwc(part.Z, 6, 5) for part in (images, test))
    np.savez(path, X=X, y=images.y, X_test=X_test, y_test=test.y)
    return path


def write_folder(root):
    images = stripes(30, 1)
    for i, (pixels, label) in enumerate(zip(to_nhwc(images.Z, 6, 5), images.y, strict=True)):
        (root / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0]).save(root / label / f"{i}.png")
    return root


def train_on(name, out="run", **how):
    data = load_dataset(name, **how)
    fit(data, STRIPES_OPTIONS, out=out)
    return data


@pytest.mark.parametrize("name", ["digits", "mnist", "cifar10"])
def test_an_own_file_is_not_the_data_set_of_its_name(name):
    data = load_dataset(write_npz(f"{name}.npz"))
    assert (data.name, data.catalogue_name) == (name, "")
    assert nn.default_options(data) == nn.TrainOptions() != nn.default_options(name)
    assert default_preset(data) == "layer4"


def test_a_run_on_an_own_digits_is_compressed_with_its_images(capsys):
    name = write_npz("digits.npz")
    Path("net.config").write_text(STRIPES.text())
    words = ["train", name, "--config", "net.config", "--lr", "0.05", "--quiet", "--out", "run"]
    assert main(words) == 0
    report = json.loads(Path("run", "run.json").read_text())
    assert report["options"]["epochs"] == nn.TrainOptions().epochs
    assert report["dataset"]["origin"]["name"] == str(Path(name).absolute())
    capsys.readouterr()
    assert main(["compress", "run", "--rank", "1", "--out", "thin", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["measure"] == "outputs"
    assert found["accuracy"]["before"] == report["test_accuracy"] > 0.9


def test_the_bundled_digits_have_their_own_defaults():
    data = load_dataset("digits")
    assert data.catalogue_name == "digits"
    assert nn.default_options(data) == nn.default_options("digits") != nn.TrainOptions()
    assert default_preset(data) == "digits"
    by_hand = nn.Dataset("digits", data.train, data.test, data.source)
    assert nn.default_options(by_hand) == nn.TrainOptions()


def test_a_folder_called_digits(capsys):
    write_folder(Path("digits"))
    assert load_dataset("digits").catalogue_name == "digits"
    for name in ("./digits", Path("digits"), str(Path("digits").absolute())):
        data = load_dataset(name)
        assert (data.train.l, data.catalogue_name) == (30, "")
    assert nn.default_options(Path("digits")) == nn.TrainOptions()
    with pytest.raises(DataError, match=r"'Digits' is unknown; .*did you mean 'digits'"):
        load_dataset("Digits")
    Path("net.config").write_text(STRIPES.text())
    words = ["--config", "net.config", "--epochs", "1", "--quiet", "--out", "run"]
    assert main(["train", "./digits", *words]) == 0
    data, reason = find_data("run", STRIPES)
    assert (reason, data.train.l) == ("", 30)
    # The preset digits, not the folder.
    assert main(["explain", "digits", "--out", "page.html"]) == 0
    assert main(["graph", "digits", "--batch", "1", "--out", "graph.svg"]) == 0


def test_a_run_folder_is_no_data_set():
    train_on(write_npz("own.npz"), "digits")
    with pytest.raises(DataError, match="is a run folder of 'simplenn train', not a data set"):
        load_dataset("./digits")
    assert load_dataset("digits").catalogue_name == "digits"


def test_a_network_file_called_like_a_preset():
    write_npz("own.npz")
    Path("layer4").write_text(STRIPES.text())
    data = load_dataset("own.npz")
    for config in ("./layer4", Path("layer4")):
        assert fit(data, nn.TrainOptions(epochs=1), config=config)[0].config == STRIPES


# -- the data set of a run is found again


def test_it_is_found_from_another_folder(tmp_path, monkeypatch):
    write_npz("own.npz")
    train_on("own.npz", tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    data, reason = find_data(tmp_path / "run", STRIPES)
    assert (reason, data.source) == ("", str(tmp_path / "own.npz"))


def test_it_is_found_with_its_options():
    """Column order, image shape and another file as the test set are all remembered."""
    for name, seed in (("a.mat", 1), ("b.mat", 2)):
        images = stripes(60, seed, (0, 1, 2))
        savemat(name, {"Z": to_rows(images.Z, 6, 5, "column").astype(float), "y": images.y})
    how = {"shape": (6, 5, 1), "input_format": "column", "test": "b.mat"}
    data = train_on("a.mat", **how)
    found, reason = find_data("run", STRIPES)
    assert reason == ""
    assert np.array_equal(found.train.Z, data.train.Z)
    assert np.array_equal(found.test.Z, data.test.Z)
    Path("b.mat").unlink()
    assert "b.mat" in find_data("run", STRIPES)[1]


def test_pictures_are_resized_again():
    write_folder(Path("pictures"))
    data = load_dataset("pictures", shape=(8, 8, 1))
    config = nn.NetConfig.build((8, 8, 1), full=[3])
    fit(data, nn.TrainOptions(epochs=1), config=config, out="run")
    assert np.array_equal(find_data("run", config)[0].train.Z, data.train.Z)


def test_data_that_are_gone_or_changed_are_not_used_and_said(capsys):
    write_npz("own.npz")
    train_on("own.npz")
    thin = ["compress", "run", "--rank", "1", "--out"]
    write_npz("own.npz", seed=5)
    assert main([*thin, "one"]) == 0
    printed = capsys.readouterr()
    assert "of each layer's weights" in printed.out
    assert "own.npz has changed since the run; to use them, give --data" in printed.err
    assert main([*thin, "two", "--test", "own.npz"]) == 2
    assert "--test is 'own.npz', but --data is not given" in capsys.readouterr().err
    Path("own.npz").unlink()
    assert main([*thin, "two", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["accuracy"] == {}
    assert "own.npz is gone" in printed.err
    assert main([*thin, "three", "--finetune", "1"]) == 2
    assert "--finetune needs the images that the model was trained on" in capsys.readouterr().err
    with np.load(write_npz("own.npz")) as file:
        arrays = dict(file)
    np.savez("own.npz", **arrays | {"y_test": arrays["y_test"][::-1]})
    assert "has changed since the run" in find_data("run", STRIPES)[1], "the test set counts too"


def test_images_from_python_are_said():
    data = nn.Dataset("digits", stripes(60, 1), None, "made by the test")
    fit(data, STRIPES_OPTIONS, out="run")
    found, reason = find_data("run", STRIPES)
    assert found is None
    assert reason == "'made by the test' is not a place from which they can be read again"


def test_mnist_is_found_in_its_folder_and_never_downloaded(monkeypatch):
    monkeypatch.setattr(fetch, "download", lambda *_: pytest.fail("network"))
    Path("data").mkdir()
    for stem in idx.STEMS:
        shape = (3, 28, 28) if "images" in stem else (3,)
        head = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
        Path("data", stem).write_bytes(head + bytes(k % 3 for k in range(math.prod(shape))))
    data = load_dataset("mnist", data_dir="data")
    config = nn.NetConfig.build((28, 28, 1), full=[np.unique(data.train.y).size])
    fit(data, nn.TrainOptions(epochs=1), config=config, out="run")
    assert find_data("run", config)[0].catalogue_name == "mnist"
    shutil.move("data", "moved")
    assert "mnist is not on this machine" in find_data("run", config)[1]
    assert find_data("run", config, "moved")[0].catalogue_name == "mnist"


@pytest.mark.parametrize("solver", ["sgd", "newton"])
def test_a_run_of_an_older_version(solver):
    """Its report names no origin; the checkpoint holds the fingerprint."""
    model = nn.Model.load(OLDER / solver / "model.npz")
    data, reason = find_data(OLDER / solver, model.config)
    assert (reason, data.catalogue_name) == ("", "digits")


def test_an_older_run_of_an_own_file():
    write_npz("digits.npz")
    train_on("digits.npz")
    report = json.loads(Path("run", "run.json").read_text())
    for new in ("origin", "fingerprint", "test_fingerprint"):
        del report["dataset"][new]
    Path("run", "run.json").write_text(json.dumps(report))
    assert find_data("run", STRIPES)[0].train.l == 60
    write_npz("digits.npz", seed=9)
    assert "has changed" in find_data("run", STRIPES)[1]


@pytest.mark.parametrize(
    "origin",
    [
        {"name": "own.npz"},
        {"name": "nothing", "in_catalogue": True, "input_format": "row"},
        {"name": 3, "in_catalogue": False, "input_format": "row"},
        {"name": "a\0b", "in_catalogue": False, "input_format": "row"},
        {"name": "own.npz", "in_catalogue": False, "input_format": "spiral"},
        {"name": "own.npz", "in_catalogue": False, "input_format": "row", "shape": [1, "a", 2]},
        {"name": "own.npz", "in_catalogue": False, "input_format": "row", "shape": [0, 0, 10**30]},
        {"name": "own.npz", "in_catalogue": False, "input_format": "row", "test": "\ud800"},
        [1],
        "digits",
    ],
)
def test_a_damaged_origin_is_no_traceback(origin):
    write_npz("own.npz")
    Path("run").mkdir()
    entry = {"name": "own", "source": "own.npz", "origin": origin, "fingerprint": 7}
    Path("run", "run.json").write_text(json.dumps({"dataset": entry}))
    data, reason = find_data("run", STRIPES)
    assert data is None
    assert reason


def test_compare_tells_data_sets_of_one_name_apart():
    Path("a").mkdir()
    Path("b").mkdir()
    for folder, seed in (("a", 1), ("b", 2)):
        train_on(write_npz(Path(folder, "digits.npz"), seed), f"{folder}/run")
    shutil.copy("a/digits.npz", "copy.npz")
    train_on("copy.npz", "run")
    (warning,) = compare._warnings([read_run("a/run"), read_run("b/run")])
    assert "different data sets (digits: a/digits.npz, digits: b/digits.npz)" in warning
    assert compare._warnings([read_run("a/run"), read_run("run")]) == [], "the same images"


def test_resume_names_the_images_of_the_run():
    train_on(write_npz("own.npz"))
    write_npz("own2.npz", 3)
    with pytest.raises(DataError, match=r"own2 \(own2\.npz\), but on own\.npz; give the same"):
        fit(load_dataset("own2.npz"), None, config=None, resume="run")


def test_explain_takes_an_image_of_the_run(capsys):
    train_on(write_npz("own.npz"))
    assert main(["explain", "run", "--out", "page.html", "--layer", "1"]) == 0
    assert "image 0 of the test set of own" in capsys.readouterr().out
    Path("own.npz").unlink()
    assert main(["explain", "run", "--out", "page.html", "--layer", "1", "--force"]) == 0
    printed = capsys.readouterr()
    assert "image 0 of the test set of digits" in printed.out
    assert "own.npz is gone" in printed.err


def test_an_interrupted_tuning_names_the_place(capsys, monkeypatch):
    from simplenn_py.training import training

    def interrupted(*args, **options):
        model, history = untouched(*args, **options)
        history.interrupted = True
        return model, history

    untouched = training.train
    images = stripes(60, 1, (0, 1, 2))
    np.savez("digits.npz", X=to_rows(images.Z, 6, 5, "column"), y=images.y)
    train_on("digits.npz", shape=(6, 5, 1), input_format="column")
    monkeypatch.setattr(training, "train", interrupted)
    assert main(["compress", "run", "--rank", "1", "--finetune", "1", "--out", "thin"]) == 130
    line = capsys.readouterr().out.splitlines()[-1]
    words = line.partition("simplenn ")[2].split()
    assert words[1] == str(Path("digits.npz").absolute())
    rest = ["--resume", "thin", "--image-shape", "6x5x1", "--input-format", "column"]
    assert words[2:] == rest
    monkeypatch.setattr(training, "train", untouched)
    assert main([*words, "--epochs", "2", "--quiet"]) == 0
