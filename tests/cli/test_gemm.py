"""``simplenn gemm``: table, JSON and figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simplenn_py.cli import main
from simplenn_py.linalg import ladder
from simplenn_py.linalg.products import STEPS


@pytest.fixture(autouse=True)
def _no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "foreign_blas", lambda n, dtype: {"Old": 1e9})


def test_table_and_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "p.png"
    assert main(["gemm", "--sizes", "8,16", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["GFLOP/s", "8", "16", "of", "peak"]
    assert [line.split()[0] for line in lines[1 : 1 + len(STEPS)]] == list(STEPS)
    assert lines[-3].startswith("peak: ")
    assert lines[-2].startswith("BLAS with its kernels for Old: 1 GFLOP/s at size 16")
    assert lines[-1] == f"written: {out}"
    assert out.read_bytes().startswith(b"\x89PNG")


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--sizes", "9", "--dtype", "float64", "--json", "--out", str(tmp_path / "p.png")]
    assert main(["gemm", *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["dtype"], told["sizes"], list(told["rates"])) == ("float64", [9], list(STEPS))


def test_other_shapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["gemm", "--sizes", "8", "--shapes", "7x5x3", "--out", str(tmp_path / "p.png")]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert printed.count("7x5x3") == 4
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["shapes"]
    assert [shape["operands"] for shape in found] == ["A B", "A' B", "A B'", "A' B'"]
    assert all(shape["ratio"] == pytest.approx(shape["tile"] / shape["blas"]) for shape in found)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shapes", "7x5"], "'7x5' is not a list of shapes MxKxN such as 64x576x6272"),
        (["--sizes", "64,x"], "'64,x' is not a list of sizes such as 64,128,256"),
        (["--dtype", "int8"], "dtype is 'int8'"),
        (["--out", "p.pdf"], "must end in .png"),
    ],
)
def test_mistakes_cost_one_line_and_status_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["gemm", *words])
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    assert message in capsys.readouterr().err
