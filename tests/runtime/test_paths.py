"""Paths of users: ``~`` from Python, names of 255 bytes, what is no path."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import simplenn_py as nn
from simplenn_py.cli import main
from simplenn_py.errors import UserError
from simplenn_py.io.atomic import atomic_open
from simplenn_py.io.npz import read_arrays, write_arrays
from simplenn_py.network.config import NetConfig
from simplenn_py.runtime.paths import plain_name, user_path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder; the working folder is another one."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def test_a_tilde_is_the_home_folder_everywhere(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simplenn_py.plots.beside.write_png", lambda *_: "")
    from simplenn_py.datasets.images import read_images
    from simplenn_py.formats.simplenn_mat import write_simplenn
    from simplenn_py.interfaces.student_routines import load_all
    from simplenn_py.model.model import Model
    from simplenn_py.training.checkpoint import Checkpoint
    from simplenn_py.training.run_reader import read_run

    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 255, (20, 5, 5, 1)).astype(np.uint8), np.arange(20) % 2
    np.savez(home / "data.npz", X=X, y=y)
    np.savez(home / "test.npz", X=X, y=y)
    data = nn.load_dataset("~/data.npz", test="~/test.npz")
    NetConfig.build((5, 5, 1), full=[2]).write("~/own.config")
    options = nn.TrainOptions(epochs=1)
    model, _ = nn.train(data, "~/own.config", options, out="~/runs/a", progress=False)
    more = nn.TrainOptions(epochs=2)
    nn.train(data, None, more, resume="~/runs/a", progress=False)
    assert Checkpoint.read("~/runs/a").folder == home / "runs" / "a"
    assert read_run("~/runs/a").steps == [1, 2]
    model.save("~/m.npz")
    Model.load("~/m.npz")
    write_simplenn("~/m.mat", model)
    Image.fromarray(X[0, :, :, 0]).save(home / "a.png")
    read_images(["~/a.png"], 5, 5, 1)
    (home / "own.py").write_text("def vTP_phi(V, g): return V\n")
    assert len(load_all(["~/own.py"])) == 1
    # A shell leaves the tilde in --out=~/x.
    assert main(["convert", "~/runs/a", "~/b.mat"]) == 0
    assert main(["predict", "~/m.npz", "~/data.npz", "--out=~/p.csv"]) == 0
    assert main(["graph", "--expression", "x", "--at", "1", "--out=~/g.svg"]) == 0
    assert main(["exercise", "start", "tape", "--dir=~/course"]) == 0
    assert {"runs", "m.npz", "m.mat", "b.mat", "p.csv", "g.svg", "course"} <= set(os.listdir(home))
    assert os.listdir() == []


def test_an_unknown_user_is_a_plain_name() -> None:
    assert user_path("~no-such-user-here/x") == Path("~no-such-user-here/x")
    assert user_path("./~") == Path("./~")


@pytest.mark.parametrize("value", [b"bytes", 3, None, "a\0b"])
@pytest.mark.parametrize("read", [user_path, read_arrays, nn.load_dataset, NetConfig.read])
def test_what_is_no_path(value: Any, read: Callable[[Any], object]) -> None:
    rules = r"not a path; give a text|cannot hold a NUL|it must be .*the path of a"
    with pytest.raises(UserError, match=rules):
        read(value)


@pytest.mark.parametrize(
    "stem",
    [
        "\u52d5" * 80,
        "\u52d5" * 83 + "xx",
        "x" * 251,
        "\U0001f600" * 62,
        "e\u0301" * 83,
        "\udce9" * 251,
    ],
)
def test_names_of_up_to_255_bytes(stem: str, tmp_path: Path) -> None:
    path = tmp_path / f"{stem}.npz"
    write_arrays(path, {"x": np.arange(3)})
    assert read_arrays(path)["x"].tolist() == [0, 1, 2]
    assert os.listdir(tmp_path) == [path.name]


def test_the_temporary_name_is_short_in_bytes(tmp_path: Path) -> None:
    with atomic_open(tmp_path / ("\U0001f600" * 60)):
        (name,) = os.listdir(os.fsencode(tmp_path))
    assert len(name) <= 143  # the limit of encrypted folders
    name.decode("utf-8")  # no half of a character


def test_a_name_or_path_beyond_the_limits_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("x" * 256, "/".join(["x" * 200] * 30)):
        for words in (
            ["train", "digits", "--out", path],
            ["train", path],
            ["predict", path, "digits"],
            ["compare", path],
            ["summary", path],
            ["graph", "--expression", "x", "--at", "1", "--out", f"{path}.svg"],
        ):
            assert main(words) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith("simplenn: error: ")


def test_default_folders_of_long_names(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simplenn_py.plots.beside.write_png", lambda *_: "")
    images, y = np.zeros((4, 5, 5, 1), np.uint8), np.arange(4) % 2
    images[1::2] = 9
    data = "\u52d5" * 83 + "xx.npz"
    np.savez(data, X=images, y=y)
    NetConfig.build((5, 5, 1), full=[2]).write("own.config")
    assert main(["train", data, "--config=own.config", "--epochs=1", "--quiet"]) == 0
    (run,) = Path("runs").iterdir()
    assert run.name == "\u52d5" * 60 + "-1"
    assert main(["compress", str(run), "--rank=1", "--data=none"]) == 0
    assert (run.parent / ("\u52d5" * 56 + "-compressed") / "model.npz").is_file()


def test_bytes_of_names_that_are_not_utf_8() -> None:
    assert plain_name("caf\udce9 \u52d5") == "caf\\xe9 \u52d5"
