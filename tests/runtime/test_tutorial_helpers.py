"""What the tutorials share: size, clock, figures."""

from __future__ import annotations

import time

import matplotlib.pyplot as plt
import pytest

from simplenn_py.plots import display
from simplenn_py.runtime import Shortest, busy, reduced, seconds
from simplenn_py.runtime.environment import SMALL


@pytest.mark.parametrize(("value", "small"), [("1", True), ("0", False), ("", False)])
def test_the_environment_asks_for_the_small_size(value, small, monkeypatch):
    monkeypatch.setenv(SMALL, value)
    assert reduced() is small


def test_the_shortest_time_counts_and_the_first_call_does_not():
    pauses = iter([0.05, 0.02, 0.001, 0.02, *[0.02] * 100])
    assert 0.001 <= seconds(lambda: time.sleep(next(pauses)), repeat=3) < 0.02


def test_the_shortest_time_of_each_key_is_kept():
    clock = Shortest()
    for pause in (0.02, 0.001, 0.02):
        with clock.time("a"):
            time.sleep(pause)
        with clock.time(("b", 1)):
            time.sleep(0.03)
    assert 0.001 <= clock.seconds["a"] < 0.02
    assert clock.seconds["b", 1] >= 0.03


def test_figures_are_written_where_there_is_no_screen(tmp_path, monkeypatch, capsys):
    plt.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["03_phi.py"])
    monkeypatch.setattr(display, "_shown", {})
    for _ in range(2):
        plt.subplots()
    display.show()
    plt.subplots()
    display.show()
    written = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert written == [f"03_phi-{k}.png" for k in (1, 2, 3)]
    assert capsys.readouterr().out.count("figure: ") == 3
    assert plt.get_fignums() == []


@pytest.mark.parametrize(("load", "is_busy"), [(0.1, False), (50.0, True)])
def test_a_busy_machine_is_said(load, is_busy, monkeypatch):
    monkeypatch.setattr("psutil.getloadavg", lambda: (load, load, load))
    assert bool(busy()) is is_busy
