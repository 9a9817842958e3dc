"""``simplenn graph``: formulas and networks, drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from simplenn_py.cli import main
from simplenn_py.model.model import Model
from simplenn_py.network import Conv, NetConfig

TALK = "log(x1) + x1*x2 - sin(x2)"


def texts(path: Path) -> list[str]:
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    return [t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_talks_formula(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "talk.svg"
    words = ["--expression", TALK, "--at", "2,5", "--gradient", "--out", str(out)]
    assert main(["graph", *words]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{TALK} = 11.65207146 at x1 = 2, x2 = 5",
        "df/dx1 = 5.5",
        "df/dx2 = 1.716337815",
        f"written: {out}",
    ]
    assert texts(out)[:6] == ["x1", "2", "adjoint 5.5", "x2", "5", "adjoint 1.71634"]


def test_without_gradient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "f.svg"
    assert main(["graph", "--expression", TALK, "--at", "x2=5,x1=2", "--out", str(out)]) == 0
    assert "df/d" not in capsys.readouterr().out
    assert not any("adjoint" in text for text in texts(out))


def test_a_preset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "n.svg"
    assert main(["graph", "digits", "--out", str(out), "--batch", "3"]) == 0
    assert capsys.readouterr().out.startswith("digits: mean squared loss ")
    shown = texts(out)
    for text in ("Z^1", "shape (1, 192)", "W^2", "bias^3", "conv 3x3, pad 1", "maxpool 2x2"):
        assert text in shown
    assert "mean" in shown
    assert not any("adjoint" in text for text in shown)


@pytest.mark.parametrize("rank", [(), (2, 0, 3)])
def test_a_models_own_weights(
    rank: tuple[int, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = NetConfig.build((5, 6, 2), [Conv(4, 3, stride=2)], [5, 3], rank=rank)
    rng = np.random.default_rng(0)
    model = Model.initialise(config, np.arange(3), rng, np.float64, loss="cross-entropy")
    model.theta[:] = 0
    model.save(tmp_path / "model.npz")
    out = tmp_path / "m.svg"
    words = [str(tmp_path / "model.npz"), "--gradient", "--out", str(out)]
    assert main(["graph", *words]) == 0
    shown = capsys.readouterr().out
    assert f"mean cross-entropy loss of 2 random images: {np.log(3):.6g}" in shown
    shown = texts(out)
    assert "conv 3x3, stride 2" in shown
    assert any(text.startswith("|adjoint| ") for text in shown)
    names = ("V^1", "U^1", "V^3", "U^3", "W^2") if rank else ("W^1", "W^2", "W^3")
    assert all(name in shown for name in names)


def test_a_network_that_does_not_fit_into_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, size = tmp_path / "net.config", 2**31 - 1
    NetConfig.build((size, size, 1), full=[3]).write(path)
    assert main(["graph", str(path), "--out", str(tmp_path / "g.svg")]) == 2
    error = capsys.readouterr().err
    assert "TiB for 2 images" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "g.svg").exists()


def test_a_long_chain_is_drawn_and_a_message_does_not_repeat_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "f.svg"
    chain = "+".join(["x"] * 62)
    assert main(["graph", "--expression", chain, "--at", "1", "--gradient", "--out", str(out)]) == 0
    assert "df/dx = 62\n" in capsys.readouterr().out
    assert texts(out).count("add") == 61
    wide = "+".join(f"log(x{k})" for k in range(60))
    assert main(["graph", "--expression", wide, "--at=" + ",".join(["-1"] * 60)]) == 2
    error = capsys.readouterr().err
    assert "... is nan at x0 = -1, x1 = -1" in error
    assert len(error) < 250


def test_help_says_that_an_older_picture_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["graph", "--help"])
    assert "an older one is replaced" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either a network, or a formula"),
        (["digits", "--expression", "x"], "give either a network, or a formula"),
        (["digits", "--at", "1"], "--at is for a formula, but a network is given"),
        (["digits", "--batch", "0"], "the batch has 0 images"),
        (["digits", "--loss", "hinge"], "loss is 'hinge'"),
        (["digits", "--out", "g.png"], "must end in .svg"),
        (["digit"], "did you mean 'digits'"),
        (["--expression", "x"], "such as x=1"),
        (["--expression", "open(x)", "--at", "1"], "the function 'open'"),
        (["--expression", "log(x)", "--at=-1"], "log(x) is nan at x = -1; choose another point"),
    ],
)
def test_mistakes_cost_one_line_and_status_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["graph", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
