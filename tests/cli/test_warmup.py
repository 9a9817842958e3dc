"""``simplenn warmup``: afterwards nothing is left to compile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from simplenn_py.cli import main
from simplenn_py.network.config import NetConfig

_AFTERWARDS = """\
import numpy as np, simplenn_py as nn
from simplenn_py.kernels.policy import compilations
data = nn.load_dataset("digits")
for given in ({"epochs": 1}, {"solver": "newton", "iter_max": 1}):
    options = nn.default_options("digits", limit=50, **given)
    model, history = nn.train(data, options=options, progress=False)
model.decision_values(np.zeros((2, 8, 8)))
print("compiled:", compilations())
"""


def test_training_and_prediction_find_all_code(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = run("-m", "simplenn_py", "warmup", "digits", "--solver", "newton")
    found = re.match(r"digits: (\d+) kernels compiled in [\d.]+ s\n", first)
    assert found is not None
    assert int(found[1]) > 0
    assert str(tmp_path) in first
    assert "compiled: 0" in run("-c", _AFTERWARDS)


def test_a_second_time_nothing_is_compiled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tiny.config"
    NetConfig.preset("digits", 9, 7, 2, 3).write(path)
    for _ in range(2):
        assert main(["warmup", str(path)]) == 0
    last = capsys.readouterr().out.splitlines()[-2]
    assert last.startswith(f"{path}: nothing to compile, loaded in")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["layer5"], "did you mean 'layer"),
        (["digits", "--dtype", "float16"], "it must be 'float32' or 'float64'"),
        (["digits", "--engine", "lectur"], "did you mean 'lecture'"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["warmup", *words]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_no_cache_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert main(["warmup", "digits"]) == 1
    assert "nothing is kept" in capsys.readouterr().out
