"""``simplenn gradcheck``: table, JSON, figure and exit status."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simplenn_py.cli import gradcheck, main
from simplenn_py.cnn.operators.padding import unpad
from simplenn_py.engines.lecture import LectureEngine
from simplenn_py.engines.operator_table import Operators
from simplenn_py.errors import UserError
from simplenn_py.network import Conv, NetConfig
from simplenn_py.tools.gradcheck import check as library

NETWORK = NetConfig.build((9, 8, 1), [Conv(2, 3, pad=1, stride=2), Conv(3, 3, pad=1, pool=2)], [3])


def call(*words: object) -> int:
    parser = argparse.ArgumentParser()
    gradcheck.add_parser(parser.add_subparsers())
    args = parser.parse_args(["gradcheck", *map(str, words)])
    return int(args.run(args))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    NETWORK.write(tmp_path / "net.config")
    return tmp_path / "net.config"


def test_a_right_network(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = config.parent / "v.png"
    assert call(config, "--out", out, "--images", "3") == 0
    shown = capsys.readouterr().out
    assert "direct engine, squared loss, 3 random images" in shown
    assert "conv 3x3, 1 -> 2, stride 2" in shown
    assert "all derivatives are correct" in shown
    assert f"written: {out}" in shown
    assert "\x1b" not in shown
    table = [line for line in shown.splitlines() if str(config.parent) not in line]
    assert max(map(len, table)) <= 100
    with Image.open(out) as image:
        assert image.width > image.height


def test_a_factored_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = replace(NETWORK, ch_input=(1, 4, 9), rank=(3, 8, 2))
    wide.write(tmp_path / "thin.config")
    out = tmp_path / "v.png"
    assert call(tmp_path / "thin.config", "--images", "2", "--out", out) == 0
    assert "all derivatives are correct" in capsys.readouterr().out
    assert out.read_bytes().startswith(b"\x89PNG")


def test_only_the_layers_that_have_a_bias_are_drawn_with_one() -> None:
    from simplenn_py.tools.gradcheck.plot import plot_gradcheck

    report = library.check_derivatives(replace(NETWORK, rank=(2, 0, 0)), images=2)  # 1 V, 1 U, 2, 3
    dots = {line.get_label(): list(line.get_xdata()) for line in plot_gradcheck(report)[1].lines}
    np.testing.assert_allclose(dots["Jv, W"], np.array([1, 2, 3, 4]) - 0.05)
    np.testing.assert_allclose(dots["Jv, bias"], np.array([2, 3, 4]) + 0.05)


def test_a_network_that_does_not_fit_into_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(NETWORK, ht_input=2**31 - 1, wd_input=2**31 - 1).write(tmp_path / "net.config")
    out = tmp_path / "v.png"
    assert main(["gradcheck", str(tmp_path / "net.config"), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "TiB for 5 images" in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_json(config: Path, engine_name: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = config.parent / "v.png"
    words = ["--loss", "cross-entropy", "--engine", engine_name, "--seed", 4, "--json"]
    assert call(config, *words, "--out", out) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert [layer["verdict"] for layer in report["layers"]] == ["ok"] * 3
    assert report["layers"][0]["checks"]["gradient W"]["error"] < 1e-6
    assert (report["engine"], report["loss"], report["seed"]) == (engine_name, "cross-entropy", 4)
    assert len(report["sweep"]) == 23
    assert report["figure"] == str(out)


def test_a_fault_is_shown_and_is_status_1(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    operators = Operators().replace(unpad=lambda V, g: 1.001 * unpad(V, g))
    check = library.check_derivatives

    def broken(network, loss, engine, seed, images):
        mine = LectureEngine(network, images, np.float64, operators=operators)
        return check(network, loss, mine, seed, images)

    monkeypatch.setattr(library, "check_derivatives", broken)
    assert call(config, "--out", config.parent / "v.png") == 1
    shown = capsys.readouterr().out
    assert "worst entry: layer 1, " in shown
    assert "cause: layer 1, from (5) of layer 2 or (3) of layer 1 on" in shown
    assert "1.001 times the correct one" in shown
    assert "a derivative is WRONG" in shown
    assert call(config, "--out", config.parent / "v.png", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert [layer["verdict"] for layer in report["layers"]] == ["wrong", "ok", "ok"]
    assert report["layers"][0]["worst"]["place"].startswith("layer 1, ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["layer5"], "did you mean 'layer"),
        (["digits", "--images", "0"], "images is 0"),
        (["digits", "--seed", "-1"], "seed is -1"),
        (["digits", "--loss", "hinge"], "loss is 'hinge'"),
        (["digits", "--engine", "fast"], "engine is 'fast'"),
        (["digits", "--out", "v.pdf"], r"must end in \.png"),
    ],
)
def test_mistakes(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        call(*words)


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call("--help")
    shown = capsys.readouterr().out
    for word in ("examples:", "<u, Jv> = <J'u, v>", "kinks", "status:"):
        assert word in shown


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, simplenn_py.cli.gradcheck; print('numpy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
