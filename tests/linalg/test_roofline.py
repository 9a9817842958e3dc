"""Operations and bytes of layers, the machine's roof, and the command that draws them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from simplenn_py.cli import main
from simplenn_py.errors import OptionError
from simplenn_py.linalg.plots import plot_roofline
from simplenn_py.linalg.roofline import Machine, layer_work, measure_machine
from simplenn_py.network import Conv, NetConfig

CONFIG = NetConfig.build((6, 5, 2), [Conv(4, 3, pad=1, stride=2)], [3])


def test_counts_by_hand():
    direct, phi, low, full, full_low = layer_work(CONFIG, 10, 4, rank_share=0.5)
    columns = 3 * 3 * 10  # a_conv = 3, b_conv = 3
    assert (direct.layer, direct.way, direct.operations) == (1, "direct", 2 * 4 * 18 * columns)
    moved = 2 * 6 * 5 * 10 + 4 * 18 + 4 * columns
    assert direct.bytes == 4 * moved
    assert (phi.way, phi.operations) == ("phi", direct.operations)
    assert phi.bytes == 4 * (moved + 2 * 18 * columns)
    assert (low.way, low.operations) == ("rank 2", 2 * 2 * (4 + 18) * columns)
    assert low.bytes == 4 * (600 + 2 * 22 + 2 * 2 * columns + 4 * columns)
    assert (full.layer, full.operations) == (2, 2 * 3 * 36 * 10)
    assert full.intensity == full.operations / full.bytes
    assert full_low.way == "rank 2"
    with pytest.raises(OptionError, match="rank_share is 0"):
        layer_work(CONFIG, 10, 4, rank_share=0)


def test_the_roof():
    machine = Machine(peak=100e9, bandwidth=20e9)
    assert machine.balance == 5
    assert [machine.attainable(x) for x in (1, 5, 50)] == [20e9, 100e9, 100e9]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_machine_is_measured(dtype):
    machine = measure_machine(dtype)
    assert machine.peak > 1e8
    assert machine.bandwidth > 1e8
    assert machine.as_dict()["balance"] == machine.balance


def test_the_figure_shows_every_way():
    machine, work = Machine(100e9, 20e9), layer_work(CONFIG, 10, 4)
    axes = plot_roofline(machine, work, {1: 3e9}, name="tiny")
    roof, *marks = axes.get_lines()
    np.testing.assert_allclose(np.max(roof.get_ydata()), 100)
    assert [len(line.get_xdata()) for line in marks] == [2, 1, 2, 1]
    assert "tiny" in axes.get_title()
    plot_roofline(machine, work, {})


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "net.config", tmp_path / "r.png"
    CONFIG.write(path)
    words = ["roofline", str(path), "--batch-size", "4", "--out", str(out)]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"written: {out}"
    assert lines[-2].startswith("peak ")
    assert out.read_bytes().startswith(b"\x89PNG")
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [w["layer"] for w in told["work"]] == [1, 1, 1, 2, 2]
    assert set(told["rates"]) == {"1", "2"}
    assert main(["roofline", str(path), "--out", "r.pdf"]) == 2
