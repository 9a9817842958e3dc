"""``simplenn im2col``: table, JSON and figure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from matplotlib.axes import Axes

from simplenn_py.cli import main
from simplenn_py.network import Conv, NetConfig

ROW = ["layer", "layout", "form_seconds", "product_seconds", "bytes", "run"]


def test_one_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "p.png"
    words = ["--size", "9x8x2", "--filter", "3", "--pad", "1", "--filters", "5"]
    assert main(["im2col", *words, "--batch-size", "4", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:5] == ["1:", "3x3,", "2", "->", "5"]
    assert [line.split()[0] for line in lines[2:4]] == ["nhwc", "nchw"]
    assert lines[4].startswith("4 images, float32")
    assert lines[-1] == f"written: {out}"
    assert out.read_bytes().startswith(b"\x89PNG")


def test_the_network_is_named_in_table_and_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []

    def keep(axes: Sequence[Axes], path: Path) -> str:
        titles.append(axes[-1].get_title())
        return ""

    monkeypatch.setattr("simplenn_py.plots.beside.write_png", keep)
    out = ["--out", str(tmp_path / "p.png"), "--batch-size", "1"]
    assert main(["im2col", *out]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "layer4: 28x28x1 images"
    assert main(["im2col", "digits", *out]) == 0
    assert main(["im2col", "--size", "4x4x1", *out]) == 0
    named = [title.splitlines()[0] for title in titles]
    assert named[:2] == ["layer4", "digits"]
    assert named[2].startswith("What each layout costs")


def test_help_says_that_an_older_figure_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["im2col", "--help"])
    assert "an older one is replaced" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("size", "filter", "stride"),
    [(2**31 - 1, 3, 1), (2_000_000, 3, 500_000), (2**31 - 1, 2**31 - 9, 1)],
    ids=["patches", "images", "filters"],
)
def test_layers_that_do_not_fit_into_memory(
    size: int, filter: int, stride: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.config"
    NetConfig.build((size, size, 1), [Conv(4, filter, stride=stride)], [3]).write(path)
    assert main(["im2col", str(path), "--batch-size", "1", "--out", str(tmp_path / "p.png")]) == 2
    error = capsys.readouterr().err
    assert "the patches of 1 images" in error
    assert re.search(r"need \d{7,} MiB", error)
    assert error.count("\n") == 1


def test_json_of_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["digits", "--batch-size", "3", "--dtype", "float64", "--json"]
    assert main(["im2col", *words, "--out", str(tmp_path / "p.png")]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [list(row) for row in rows] == [ROW] * 6
    assert [(row["layer"], row["layout"], row["run"]) for row in rows] == [
        ("1", "phi", 3), ("1", "nhwc", 3), ("1", "nchw", 8),
        ("2", "phi", 1), ("2", "nhwc", 96), ("2", "nchw", 4),
    ]  # fmt: skip
    assert rows[0]["bytes"] == 8 * 9 * 64 * 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "9x8"], "--size is '9x8'; it must be height, width and channels"),
        (["--size", "3x3x1", "--filter", "5"], "this network cannot be built"),
        (["--size", "9x8x1", "--stride", "0"], "this network cannot be built"),
        (["digits", "--size", "9x8x1"], "leave the network and --image-shape out"),
        (["digits", "--filter", "3"], "--filter is for a single layer"),
        (["digit"], "did you mean 'digits'"),
        (["digits", "--dtype", "int8"], "dtype is 'int8'"),
        (["digits", "--batch-size", "0"], "l is 0"),
        (["digits", "--out", "p.pdf"], "must end in .png"),
    ],
)
def test_mistakes_cost_one_line_and_status_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["im2col", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_network_without_convolutions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "full.config"
    NetConfig.build((4, 4, 1), full=[3]).write(path)
    assert main(["im2col", str(path)]) == 2
    assert "has no convolutional layer" in capsys.readouterr().err
