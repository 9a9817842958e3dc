"""The width of the vectors: what chooses it, and that the narrower ones compute the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from numba.core import config

from simplenn_py.errors import UserError
from simplenn_py.kernels import emitter, lanes


@pytest.fixture(autouse=True)
def _unset(monkeypatch):
    monkeypatch.delenv(lanes.VARIABLE, raising=False)
    monkeypatch.setattr(config, "CPU_FEATURES", None)


@pytest.mark.parametrize(
    ("features", "wanted"),
    [
        ({"avx512f": True, "avx2": True}, 16),
        ({"avx512f": False, "avx2": True}, 8),
        ({"avx512f": False, "avx2": False, "sse2": True}, 4),
        ({"neon": True}, 4),
    ],
)
def test_lanes_follow_the_processor(features, wanted, monkeypatch):
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "thiscpu")
    assert lanes.float32_lanes() == wanted
    assert lanes.why().startswith("thiscpu has ")


@pytest.mark.parametrize(
    ("features", "wanted"),
    [("+avx2,+avx512f", 16), ("+avx2,-avx512f", 8), ("+sse2", 4), ("", 4)],
)
def test_lanes_follow_what_numba_is_told_to_compile_for(features, wanted, monkeypatch):
    monkeypatch.setattr(config, "CPU_FEATURES", features)
    assert lanes.float32_lanes() == wanted
    assert "NUMBA_CPU_FEATURES" in lanes.why()


@pytest.mark.parametrize("asked", [4, 8, 16])
def test_the_variable_overrides_the_processor(asked, monkeypatch):
    monkeypatch.setenv(lanes.VARIABLE, str(asked))
    assert lanes.float32_lanes() == asked
    assert lanes.why() == "SIMPLENN_LANES is set"


@pytest.mark.parametrize("asked", ["", "5", "32", "-8", "8.0", "wide", " 8"])
def test_other_numbers_of_lanes_are_refused(asked, monkeypatch):
    monkeypatch.setenv(lanes.VARIABLE, asked)
    with pytest.raises(UserError, match=rf"SIMPLENN_LANES is '{asked}'; it must be 4, 8 or 16"):
        lanes.float32_lanes()


def test_a_vector_of_doubles_has_half_as_many_lanes():
    assert emitter.lanes_of(4) == emitter.FLOAT32_LANES
    assert emitter.lanes_of(8) == emitter.FLOAT32_LANES // 2


@pytest.fixture(scope="module", params=["float32", pytest.param("float64", marks=pytest.mark.slow)])
def checks(request):
    """Both widths run at the same time: most of it is compiling."""
    tests = Path(__file__).parents[1]
    paths = [str(tests), str(tests.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    script = Path(__file__).with_name("lanes_check.py")
    started = {
        count: subprocess.Popen(
            [sys.executable, str(script), request.param],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), lanes.VARIABLE: str(count)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for count in (4, 8)
    }
    yield started
    for process in started.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize("count", [4, 8])
def test_narrower_vectors_compute_the_same(count, checks):
    output, _ = checks[count].communicate()
    assert checks[count].returncode == 0, output[-4000:]
    assert output == f"{count} lanes: 6 networks agree\n"
