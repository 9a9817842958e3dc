"""``simplenn explain``: which network it takes, and the page that it writes."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pytest

from simplenn_py.cli import explain, main
from simplenn_py.errors import ConfigError, DataError, OptionError, UserError
from simplenn_py.model.model import Model
from simplenn_py.network import Conv, NetConfig
from simplenn_py.network.normalisation import Normalisation


def call(*words: object) -> int:
    parser = argparse.ArgumentParser()
    explain.add_parser(parser.add_subparsers())
    args = parser.parse_args(["explain", *map(str, words)])
    return int(args.run(args))


def page(path: Path, *words: object) -> dict:
    assert call(*words, "--out", path, "--force") == 0
    text = path.read_text("utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text)[1])


def test_preset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    assert main(["explain", "digits", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "digits, layers 1, 2: image 0 of the test set of digits" in printed
    assert "its weights are random; " in printed
    assert "'simplenn explain runs/digits-1' shows a trained network" in printed
    assert f"written: {out} (" in printed
    assert '<svg role="img" aria-label="The original image" viewBox="0 0 8 8"' in out.read_text()
    assert [layer["m"] for layer in page(out, "digits")["layers"]] == [1, 2]


def test_seed_and_image_change_the_numbers(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    first = page(out, "digits", "--layer", 1)["layers"][0]
    again = page(out, "digits", "--layer", 1)["layers"][0]
    seed = page(out, "digits", "--layer", 1, "--seed", 1)["layers"][0]
    image = page(out, "digits", "--layer", 1, "--image", 1)["layers"][0]
    assert first == again
    assert (first["W"] != seed["W"], first["Z"] == seed["Z"]) == (True, True)
    assert (first["W"] == image["W"], first["Z"] != image["Z"]) == (True, True)


def test_larger_network_is_given_smaller_images(tmp_path: Path) -> None:
    data = page(tmp_path / "p.html", "layer4", "--layer", 2)
    assert [layer["m"] for layer in data["layers"]] == [2]
    assert data["layers"][0]["sizes"]["a"] == 6
    assert data["notes"][1] == "The network is made for 28x28 images; here its layers take 12x12."
    assert "resized from 8x8x1 to 12x12x1" in data["image"]


def test_config_file_keeps_its_layers(tmp_path: Path) -> None:
    NetConfig.preset("digits", 8, 8, 1, 4).write(tmp_path / "net.config")
    data = page(tmp_path / "p.html", tmp_path / "net.config")
    assert (data["title"], data["LC"]) == ("net.config", 2)


def test_model_keeps_its_weights_size_and_normalisation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, rng = NetConfig.preset("digits", 8, 8, 1), np.random.default_rng(5)
    normalisation = Normalisation(0.0, 1 / 16, np.full(64, 0.25))
    model = Model.initialise(config, np.arange(10), rng, np.float32, normalisation, "cross-entropy")
    model.save(tmp_path / "model.npz")
    for path in (tmp_path, tmp_path / "model.npz"):
        data = page(tmp_path / "p.html", path)
        assert (data["title"], data["loss"], data["notes"]) == (path.name, "cross-entropy", [])
        layer = data["layers"][0]
        np.testing.assert_array_equal(
            np.array(layer["W"]["vec"]).reshape(9, 4).T, model.W[0][:4].astype(float)
        )
        assert min(layer["Z"]["vec"]) == -0.25  # black
    assert "random" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("size", "filters", "strides"),
    [(2**31 - 1, (2**31 - 9, 1), (1, 1)), (2_000_000, (1, 1), (500_000, 1))],
    ids=["filters", "images"],
)
def test_a_network_that_does_not_fit_into_memory(
    size: int, filters: tuple[int, int], strides: tuple[int, int], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    layers = [Conv(4, h, stride=s) for h, s in zip(filters, strides, strict=True)]
    NetConfig.build((size, size, 1), layers, [3]).write(tmp_path / "net.config")
    words = [str(tmp_path / "net.config"), "--layer", "2", "--out", str(tmp_path / "p.html")]
    assert main(["explain", *words]) == 2
    error = capsys.readouterr().err
    assert "TiB for 1 image, but" in error
    assert error.count("\n") == 1


def test_existing_file_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    out.write_text("mine")
    with pytest.raises(DataError, match=r"page.html exists; .* --force"):
        call("digits", "--out", out)
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        (["layr4"], ConfigError, "'layr4' is not a preset, and there is no such file.*'layer4'"),
        (["no.npz"], DataError, "no.npz: there is no such file"),
        (["digits", "--layer", "3"], OptionError, "--layer is 3; it must be .* 1 to 2"),
        (["digits", "--image", "-1"], OptionError, "--image is -1; the test set of digits"),
        (["digits", "--seed", "-1"], OptionError, "--seed is -1; it must be 0 or more"),
        (["digits", "--out", "page.png"], OptionError, "--out is 'page.png'; .* end in .html"),
        (["digits", "--dataset", "digit"], DataError, "did you mean 'digits'"),
    ],
)
def test_mistakes(
    words: list[str],
    error: type[UserError],
    match: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=match) as caught:
        call(*words)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
