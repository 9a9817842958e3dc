"""``python -m benchmarks``: the rows, the check that all run one network, who is skipped."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simplenn_py.cnn.feedforward import feedforward
from simplenn_py.engines import make_engine
from simplenn_py.layout import from_nhwc
from simplenn_py.network.config import NetConfig

ROOT = Path(__file__).parents[1]
KEYS = ["net", "shape", "dtype", "batch", "competitor", "ms_min", "ms_median", "ours_ms_min"]


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``benchmarks``, which is not installed, from the clone."""
    monkeypatch.syspath_prepend(ROOT)
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], capture_output=True, text=True, cwd=ROOT
    )


@pytest.mark.parametrize("kind", ["step", "predict", "gv"])
def test_rows_of_our_own_engines(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "net.config"
    NetConfig.preset("digits", 9, 7, 2, 3).write(path)
    words = ["--net", str(path), "--competitors", "lecture", "--batch", "4", "--repeat", "3"]
    done = call(kind, *words, "--dtype", "float32,float64", "--json")
    assert done.returncode == 0
    assert "skipped" not in done.stderr
    rows = json.loads(done.stdout)
    assert [row["dtype"] for row in rows] == ["float32", "float64"]
    for row in rows:
        assert list(row) == [*KEYS, "ratio"]
        assert (row["net"], row["shape"], row["batch"]) == (str(path), "9x7x2", 4)
        assert row["competitor"] == "lecture"
        assert 0 < row["ms_min"] <= row["ms_median"]
        assert row["ratio"] == pytest.approx(row["ms_min"] / row["ours_ms_min"])


def test_the_table_names_the_machine() -> None:
    done = call("step", "--net", "digits", "--competitors", "lecture", "--batch=2", "--repeat=2")
    assert done.returncode == 0
    first, _, ours, lecture, *_ = done.stdout.splitlines()
    assert first.startswith("digits on 8x8x1, batch 2, float32: training step;")
    assert ours.split()[0] == "ours"
    assert lecture.split()[0] == "lecture"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--net", "layer5"], 2, "layer5"),
        (["--net", "layer4", "--shape", "4x4x1"], 2, "too deep for 4x4 images"),
        (["--shape", "28x28"], 2, "not like 28x28x1"),
        (["--competitors", "caffe"], 2, "'caffe' is none of"),
        (["--repeat", "0"], 2, "whole number"),
        (["--engine", "none"], 1, "engine is 'none'"),
    ],
)
def test_mistakes(words: list[str], status: int, message: str) -> None:
    done = call("step", *words)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_who_is_not_installed_is_skipped_by_name(
    modules: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    race, peers = modules("race"), modules("peers")
    monkeypatch.setitem(peers.PEERS, "caffe", peers.Peer("caffe"))
    case = modules("case").Case("predict", "digits", (8, 8, 1), "float32", 2)
    entrants = race.race(case, ["caffe"], 1)
    assert [entrant.name for entrant in entrants] == ["ours"]
    assert capsys.readouterr().err.startswith("benchmarks: caffe is skipped: No module named")


def test_a_disturbed_machine_is_told(
    modules: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    race = modules("race")
    case = modules("case").Case("predict", "digits", (8, 8, 1), "float32", 2)
    seconds = iter([0.0, 1000.0])
    monkeypatch.setattr(race, "foreign_seconds", lambda runners: next(seconds))
    race.race(case, [], 1)
    assert "% of the cores meanwhile" in capsys.readouterr().err


def test_another_network_is_noticed(modules: Any) -> None:
    race = modules("race")
    case = modules("case").Case("step", "digits", (8, 8, 1), "float32", 2)
    ours = race.Entrant("ours", None, "", [1.0, 0.9, 0.8])
    race._compare(case, ours, race.Entrant("same", None, "", [1.0001, 0.9, 0.8]))
    for losses in ([1.0, 0.91, 0.8], [1.0, 0.9, float("nan")]):
        with pytest.raises(race.RaceError, match="it runs another network"):
            race._compare(case, ours, race.Entrant("other", None, "", [*losses]))


SVD_KEYS = ["shape", "dtype", "rank", "competitor", "ms_min", "ms_median", "ours_ms_min", "ratio"]


def test_rows_of_the_svd() -> None:
    words = ["--sizes", "12x9,8x20", "--rank", "3", "--competitors", "numpy,scipy", "--repeat=1"]
    done = call("svd", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert "skipped" not in done.stderr
    rows = json.loads(done.stdout)
    assert [(row["shape"], row["dtype"]) for row in rows[::3]] == [
        ("12x9", "float32"), ("12x9", "float64"), ("8x20", "float32"), ("8x20", "float64"),
    ]  # fmt: skip
    assert [row["competitor"] for row in rows] == ["ours", "numpy", "scipy"] * 4
    for row in rows:
        assert list(row) == [*SVD_KEYS, "error"]
        assert 0 < row["ms_min"] <= row["ms_median"]
        assert row["ratio"] == pytest.approx(row["ms_min"] / row["ours_ms_min"])
        assert row["error"] == pytest.approx(1, abs=0.05)  # 1 is the best of rank 3


def test_the_table_of_the_svd_and_who_is_skipped() -> None:
    words = ["--sizes", "10x10", "--rank", "9", "--dtype", "float64", "--repeat", "1"]
    done = call("svd", *words, "--competitors", "numpy,tensorflow")  # of the talk's size only
    assert done.returncode == 0, done.stderr
    first, _, ours, other, *_ = done.stdout.splitlines()
    assert first.startswith("rank 9 of 10x10, float64; ")
    assert (ours.split()[0], other.split()[0]) == ("ours", "numpy")
    assert "tensorflow" not in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sizes", "12"], "not like 1000x1000"),
        (["--sizes", "9x9", "--rank", "10"], "rank is 10"),
        (["--competitors", "matlab"], "'matlab' is none of"),
    ],
)
def test_mistakes_of_the_svd(words: list[str], message: str) -> None:
    done = call("svd", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_factorisation_that_fails_is_skipped_by_name(
    modules: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    svd = modules("svd")
    monkeypatch.setattr(svd, "_COMPETITORS", ["numpy"])
    monkeypatch.setattr(svd, "start", lambda *_: (None, {"reason": "no module\n"}))
    monkeypatch.setattr(svd, "stop", lambda process: None)
    assert svd._enter("numpy", "A.npy", 3) is None
    assert capsys.readouterr().err == "benchmarks: numpy is skipped: no module\n"
    assert svd.main(["--sizes", "4x4", "--rank", "2"]) == 1
    assert capsys.readouterr().err == "benchmarks: error: no module\n"


def test_weights_in_the_others_layouts_are_the_same_network(modules: Any) -> None:
    case = modules("case").Case("predict", "digits", (9, 7, 2), "float64", 3)
    engine = make_engine("lecture", case.config, 3, "float64", training=False)
    engine.load(from_nhwc(case.images), np.arange(3), 1.0, np.zeros(9 * 7 * 2))
    z = feedforward(engine, case.model)
    channels_first = case.images.transpose(0, 3, 1, 2)
    for g, W in zip(case.config.conv_layers, case.filters(case.model), strict=True):
        channels_first = _layer(channels_first, W, g)
    pixels_first = channels_first.transpose(0, 2, 3, 1)
    for images, first in ((channels_first, True), (pixels_first, False)):
        (W,) = case.matrices(case.model, first)
        np.testing.assert_allclose(images.reshape(3, -1) @ W.T, z.T, rtol=1e-12)


def _layer(Z: np.ndarray, W: np.ndarray, g: Any) -> np.ndarray:
    """Convolution, ReLU and pooling on (l, d, a, b), the biases being 0."""
    Z = np.pad(Z, ((0, 0), (0, 0), (g.p, g.p), (g.p, g.p)))
    windows = np.lib.stride_tricks.sliding_window_view(Z, (g.h, g.h), axis=(2, 3))
    S = np.maximum(np.einsum("ncijuw,kcuw->nkij", windows, W), 0)
    a, b = g.a_next * g.h_pool, g.b_next * g.h_pool
    S = S[:, :, :a, :b].reshape(*S.shape[:2], g.a_next, g.h_pool, g.b_next, g.h_pool)
    return S.max(axis=(3, 5))
