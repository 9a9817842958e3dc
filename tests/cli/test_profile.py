"""``simplenn profile``: every layer and pass is timed, and counted as the lecture counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simplenn_py import plots
from simplenn_py.cli import main
from simplenn_py.errors import DataError, OptionError
from simplenn_py.kernels.peak import peak
from simplenn_py.network.config import NetConfig
from simplenn_py.tools.profile import layer_times
from simplenn_py.tools.profile.layer_times import LayerTime, LayerTimes, time_layers
from simplenn_py.tools.profile.plot import plot_layer_times
from simplenn_py.tools.summary import summarise


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_times, "product_rate", lambda dtype: 2e9)


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert main(["profile", *words, "--repeat", "2", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_layers_and_passes(
    dtype: str, engine_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["digits", "--batch-size", "5", "--dtype", dtype, "--engine", engine_name]
    report = as_json(capsys, *words)
    costs = summarise(NetConfig.preset("digits", 8, 8, 1), 5, dtype, engine_name)
    assert [layer["m"] for layer in report["layers"]] == [1, 2, 3]
    for layer, cost in zip(report["layers"], costs.layers, strict=True):
        assert layer["operations"] == cost.operations
        for which in ("forward", "dW", "dZ"):
            if which == "dZ" and layer["m"] == 1:
                assert layer[which] is None
                continue
            entry = layer[which]
            assert entry["ms"] > 0
            assert entry["gflops"] == pytest.approx(cost.operations / entry["ms"] / 1e6)
            share = entry["gflops"] / report["peak_gflops"]
            assert entry["share_of_peak"] == pytest.approx(share)
    assert (report["dtype"], report["engine"], report["batch_size"]) == (dtype, engine_name, 5)
    assert report["step_ms"] > 0
    assert (report["blas_gflops"] is None) == (engine_name != "lecture")


def test_the_lecture_engine_names_its_paths(capsys: pytest.CaptureFixture[str]) -> None:
    report = as_json(capsys, "digits", "--engine", "lecture", "--batch-size", "2")
    assert [layer["path"] for layer in report["layers"]] == ["phi, BLAS", "phi, BLAS", "BLAS"]


def test_a_network_without_convolutions(tmp_path: Path, engine_name: str) -> None:
    config = NetConfig.build((3, 4, 2), full=[5, 3])
    times = time_layers(config, batch_size=3, engine=engine_name, repeat=1)
    assert [layer.sizes for layer in times.layers] == ["24 -> 5", "5 -> 3"]
    assert [list(layer.seconds) for layer in times.layers] == [
        ["forward", "dW"],
        ["forward", "dW", "dZ"],
    ]


def test_the_table_fits_100_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "times.png"
    words = ["digits", "--image-shape", "9x7x2", "--batch-size", "2", "--repeat", "1"]
    assert main(["profile", *words, "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    assert "conv 3x3, 2 -> 32" in shown
    assert f"written: {out}" in shown
    with Image.open(out) as image:
        assert image.width > image.height


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["layer5"], "did you mean 'layer"),
        (["digits", "--repeat", "0"], "repeat is 0"),
        (["digits", "--batch-size", "0"], "batch_size is 0"),
        (["digits", "--dtype", "int8"], "dtype is 'int8'"),
        (["digits", "--out", "times.pdf"], r"must end in .png"),
    ],
)
def test_mistakes_are_one_line_before_any_work(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", *words]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1


def test_a_batch_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OptionError, match="make it smaller"):
        time_layers(NetConfig.preset("vgg11", 32, 32, 3), batch_size=10**7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_peak_is_one_that_a_processor_can_have(dtype: str) -> None:
    # From an emulated core to 4 units of 16 lanes at 6 GHz: a loop that LLVM had removed or
    # shortened would be far above.
    assert 1e8 < peak(dtype, 1) < 2 * 4 * 16 * 6e9


def test_the_peak_kernel_does_every_round() -> None:
    from simplenn_py.kernels.emitter import lanes_of
    from simplenn_py.kernels.peak import CHAINS, multiply_add_everywhere

    numbers = np.arange(2.0 * CHAINS * lanes_of(8)).reshape(2, -1)
    expected = numbers.copy()
    for _ in range(7):
        expected = expected * 0.75 + 2
    multiply_add_everywhere(numbers, 7, 0.75, 2.0)
    np.testing.assert_allclose(numbers, expected, rtol=1e-14)


def times_of(*layers: LayerTime) -> LayerTimes:
    return LayerTimes(layers, 8, "float32", "lecture", 2, 1, 0.01, 1e11, None)


def test_bars_are_the_times_and_shares() -> None:
    first = LayerTime(1, "1", "conv", "5x5, 1 -> 32", "", 10**6, {"forward": 0.001, "dW": 0.002})
    seconds = {"forward": 0.003, "dW": 0.0, "dZ": 0.006}
    second = LayerTime(2, "2", "full", "9 -> 2", "", 10**6, seconds)
    axes = plot_layer_times(times_of(first, second), name="a $net")
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]
    assert ends == pytest.approx([1, 3, 3, 3, 3, 9])  # forward, dW, dZ, each of both layers
    assert [text.get_text().strip() for text in axes.texts] == ["25 %", "75 %"]
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == ["1: conv 5x5, 1 -> 32", "2: full 9 -> 2"]
    assert axes.yaxis_inverted()
    assert "a $net" in axes.get_title()


def test_a_figure_is_a_png() -> None:
    with pytest.raises(DataError, match=r"end in \.png"):
        plots.check_png("times.svg")
