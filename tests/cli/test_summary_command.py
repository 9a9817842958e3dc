"""``simplenn summary``: which network it takes, and what it prints."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import psutil
import pytest

from simplenn_py.cli import summary
from simplenn_py.errors import ConfigError, DataError, OptionError
from simplenn_py.model.model import Model
from simplenn_py.network.config import NetConfig


def call(*words: object) -> int:
    parser = argparse.ArgumentParser()
    summary.add_parser(parser.add_subparsers())
    args = parser.parse_args(["summary", *map(str, words)])
    return int(args.run(args))


def as_json(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    assert call(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


# vgg11: 9,220,480 of the eight convolutions, as published; 512*513 + 10*513 on top.
@pytest.mark.parametrize(
    ("name", "a", "d", "parameters"),
    [("layer4", 28, 1, 62_026), ("layer7", 32, 3, 198_378), ("vgg11", 32, 3, 9_488_266)],
)
def test_presets_have_their_image_shapes(
    name: str, a: int, d: int, parameters: int, capsys: pytest.CaptureFixture[str]
) -> None:
    first = as_json(capsys, name)["layers"][0]["sizes"]
    assert (first["a"], first["b"], first["d"]) == (a, a, d)
    assert as_json(capsys, name)["parameters"] == parameters


def test_digits_are_8x8(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = as_json(capsys, "digits")["layers"][0]["sizes"]
    assert (sizes["a"], sizes["b"], sizes["d"]) == (8, 8, 1)


def test_shape_and_classes_change_a_preset(capsys: pytest.CaptureFixture[str]) -> None:
    values = as_json(capsys, "layer4", "--image-shape", "32x24x3", "--classes", 7)
    first, last = values["layers"][0]["sizes"], values["layers"][-1]["sizes"]
    assert (first["a"], first["b"], first["d"]) == (32, 24, 3)
    assert last == {"n_in": 4 * 3 * 64, "n_out": 7}


def test_config_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.config"
    NetConfig.preset("layer4").write(path)
    values = as_json(capsys, path, "--batch-size", 2, "--dtype", "float64")
    assert (values["parameters"], values["batch_size"]) == (62_026, 2)
    assert values["layers"][0]["Z_bytes"] == 2 * 28 * 28 * 8
    changed = as_json(capsys, path, "--image-shape", "12x12x3", "--classes", 2)
    assert changed["layers"][0]["sizes"]["d"] == 3
    assert changed["layers"][-1]["sizes"]["n_out"] == 2


def test_saved_model_has_its_own_dtype(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = NetConfig.preset("digits", 8, 8, 1)
    rng = np.random.default_rng(0)
    Model.initialise(config, np.arange(10), rng, np.float64).save(tmp_path / "model.npz")
    for path in (tmp_path / "model.npz", tmp_path):
        values = as_json(capsys, path)
        assert (values["dtype"], values["parameters"]) == ("float64", config.n_parameters)
    with pytest.raises(OptionError, match="a trained model has its own image shape and classes"):
        call(tmp_path, "--classes", 3)


def test_tables_hold_the_numbers_within_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("vgg11", "--image-shape", "224x224x3", "--classes", 1000) == 0
    text = capsys.readouterr().out
    rows = [line.split() for line in text.splitlines()]
    assert max(map(len, text.splitlines())) <= 100
    assert ["2", "112", "112", "64", "1", "114", "114", "3", "1", "112", "112", "2",
            "56", "56", "128"] in rows  # fmt: skip
    # 2*64*27*(224*224*128) operations, twice in a step; 224*224*3*128*4 bytes; nine times in phi.
    assert ["1", "conv", "64", "x", "27", "6,422,528", "1,792", "22.2", "G", "44.4", "G",
            "73.5", "MiB", "661.5", "MiB"] in rows  # fmt: skip
    assert ["10", "full", "1000", "x", "512", "128", "513,000", "131", "M", "393", "M",
            "256.0", "KiB", "-"] in rows  # fmt: skip


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(2**40, "fits, 1.0 TiB are free"), (2**20, "does NOT fit, only 1.0 MiB are free")],
)
def test_verdict_on_memory(
    free: int, verdict: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = type("Memory", (), {"available": free})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert call("layer4") == 0
    assert verdict in capsys.readouterr().out


def test_network_without_convolution(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    NetConfig.build((8, 8, 1), full=[10]).write(tmp_path / "linear.config")
    assert call(tmp_path / "linear.config") == 0
    assert "1 full 10 x 64 128 650" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        (["layr4"], ConfigError, "'layr4' is not a preset, and there is no such file.*'layer4'"),
        (["no.npz"], DataError, "no.npz: there is no such file"),
        (["layer4", "--image-shape", "28x0x1"], OptionError, "--image-shape is '28x0x1'; it must"),
        (["layer4", "--image-shape", "4x4x1"], ConfigError, "too deep for 4x4 images"),
        (["layer4", "--classes", "1"], ConfigError, "classes is 1; it must be .*2 or more"),
        (["layer4", "--batch-size", "0"], OptionError, "batch_size is 0"),
    ],
)
def test_mistakes(words: list[str], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        call(*words)
    assert "\n" not in str(caught.value)
