"""``simplenn convert``: every pair of suffixes, and what it refuses before it writes."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from networks import net

from simplenn_py.cli import convert
from simplenn_py.errors import DataError, OptionError
from simplenn_py.formats.simplenn_mat import matlab_lines, read_simplenn, write_simplenn
from simplenn_py.model.model import Model
from simplenn_py.network.config import NetConfig
from simplenn_py.network.normalisation import Normalisation

CONFIG = NetConfig.build((3, 3, 1), full=[2])


def call(*words: object) -> int:
    parser = argparse.ArgumentParser()
    convert.add_parser(parser.add_subparsers())
    args = parser.parse_args(["convert", *map(str, words)])
    return int(args.run(args))


def make(classes: tuple = (4, 9), **more: object) -> Model:
    scaling = Normalisation(0.0, 0.5, np.arange(9.0))
    rng = np.random.default_rng(0)
    return Model.initialise(CONFIG, np.array(classes), rng, np.float32, scaling, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a run."""
    (tmp_path / "run").mkdir()
    make().save(tmp_path / "run" / "model.npz")
    return tmp_path / "run"


def test_there_and_back(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, tmp_path / "m.mat") == 0
    text = capsys.readouterr().out
    for line in (f"written: {tmp_path / 'm.mat'}", *matlab_lines(make())):
        assert line in text.splitlines()
    assert "jsondecode" not in text
    assert call(tmp_path / "m.mat", tmp_path / "m.npz") == 0
    assert "note:" not in capsys.readouterr().out
    assert (tmp_path / "m.npz").read_bytes() == (folder / "model.npz").read_bytes()


def test_a_model_without_normalisation_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make()
    write_simplenn(tmp_path / "m.mat", Model(CONFIG, model.theta, model.classes))
    assert call(tmp_path / "m.mat", tmp_path / "m.npz") == 0
    assert "note: this model has no normalisation" in capsys.readouterr().out
    assert call(tmp_path / "m.npz", tmp_path / "again.mat") == 0
    text = capsys.readouterr().out
    assert "note: this model has no normalisation" in text
    assert "simplenn_py_scale" not in text


def test_names_of_classes_and_oblong_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = net(3, 4, 1, (2, 2), full=(2,))
    theta = np.ones(config.n_parameters)
    Model(config, theta, np.array(["a", "b"])).save(tmp_path / "m.npz")
    assert call(tmp_path / "m.npz", tmp_path / "m.mat") == 0
    text = capsys.readouterr().out
    assert "jsondecode(model.simplenn_py_classes)" in text
    assert "note: some revisions of simpleNN mix up height and width" in text
    assert call(tmp_path / "m.mat", tmp_path / "again.npz") == 0
    assert "note: some revisions of simpleNN mix up height and width" in capsys.readouterr().out
    assert Model.load(tmp_path / "again.npz").classes.tolist() == ["a", "b"]


@pytest.mark.parametrize("source", ["run", "m.mat"])
def test_to_onnx(
    folder: Path, tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = pytest.importorskip("onnx")
    make(loss="cross-entropy").save(folder / "model.npz")
    write_simplenn(tmp_path / "m.mat", make(loss="cross-entropy"))
    assert call(tmp_path / source, tmp_path / "m.ONNX", "--probabilities") == 0
    assert "input 'images': float32, (l, 3, 3, 1)" in capsys.readouterr().out
    outputs = [o.name for o in onnx.load(tmp_path / "m.ONNX").graph.output]
    assert outputs == ["values", "probabilities"]


def test_nothing_is_overwritten_unless_forced(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.mat"
    out.write_text("precious")
    with pytest.raises(DataError, match=r"m\.mat exists; .* --force"):
        call(folder, out)
    assert out.read_text() == "precious"
    assert call(folder, out, "--force") == 0
    assert np.array_equal(read_simplenn(out).theta, make().theta)
    link = tmp_path / "dangling.mat"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="exists"):
        call(folder, link)


@pytest.mark.parametrize(
    ("source", "target", "match"),
    [
        ("run", "m.npz", r"already has the format of .* suffix \.mat or \.onnx"),
        ("run/model.npz", "m.npz", r"already has the format of"),
        ("m.mat", "n.MAT", r"already has the format of .* suffix \.npz or \.onnx"),
        ("run", "m.pt", r"m\.pt has no known suffix; .* suffix \.mat or \.onnx"),
        ("run", "m", r"no known suffix"),
        ("m.onnx", "m.npz", r"m\.onnx: models are read from \.npz and \.mat files"),
        ("m", "m.npz", "models are read from"),
    ],
)
def test_refuses_other_suffixes(
    folder: Path, tmp_path: Path, source: str, target: str, match: str
) -> None:
    with pytest.raises(OptionError, match=match):
        call(tmp_path / source, tmp_path / target)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_refuses_what_is_no_model(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"--probabilities is for \.onnx files"):
        call(folder, tmp_path / "m.mat", "--probabilities")
    with pytest.raises(DataError, match="no such file"):
        call(tmp_path / "absent.mat", tmp_path / "m.npz")
    with pytest.raises(DataError, match="no such file"):
        call(tmp_path / "absent.npz", tmp_path / "m.mat")
    (tmp_path / "junk.mat").write_bytes(b"junk" * 99)
    with pytest.raises(DataError, match=r"cannot be read as a \.mat file"):
        call(tmp_path / "junk.mat", tmp_path / "m.npz")
    (folder / "model.npz").write_bytes(b"PK junk")
    with pytest.raises(DataError, match=r"is not an \.npz file, or is damaged"):
        call(folder, tmp_path / "m.mat")
    (folder / "model.npz").unlink()
    with pytest.raises(DataError, match=r"holds no model\.npz"):
        call(folder, tmp_path / "m.mat")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["junk.mat", "run"]


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call("--help")
    text = capsys.readouterr().out
    assert "simplenn convert runs/mnist model.mat" in text
    assert "save('-v7', 'model.mat', 'model')" in text
    assert "onnx]" in text
