"""The cache of compiled code, on a copy of the package with two tiny kernels of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simplenn_py.kernels import policy

HELPER = """
from .policy import compiled


@compiled()
def amount(x):
    return x + {}
"""
KERNEL = """
from numba import prange

from .helper import amount
from .policy import compiled


@compiled(parallel=True)
def add_amount(out):
    for k in prange(out.size):
        out[k] += amount(0.0)


@compiled()
def read(x, k):
    return x[k]
"""
RUN = """
import json
import numpy as np
from copied.kernels import policy, tiny

x = np.zeros(2)
tiny.add_amount(x)
try:
    tiny.read(x, 5)
    checked = False
except IndexError:
    checked = True
stats = tiny.add_amount.stats
print(json.dumps({
    "result": x.tolist(),
    "hash": policy.source_hash(),
    "folder": str(policy.cache_folder()),
    "hits": sum(stats.cache_hits.values()),
    "misses": sum(stats.cache_misses.values()),
    "checked": checked,
}))
"""


@pytest.fixture
def copy(tmp_path):
    """Copy what the policy needs into a package of its own, with the tiny kernels."""
    source, target = Path(policy.__file__).parent, tmp_path / "copied"
    (target / "kernels").mkdir(parents=True)
    for path in source.parent.glob("*.py"):
        shutil.copy(path, target)
    for name in ("__init__.py", "lanes.py", "policy.py"):
        shutil.copy(source / name, target / "kernels")
    (target / "kernels" / "helper.py").write_text(HELPER.format(1))
    (target / "kernels" / "tiny.py").write_text(KERNEL)
    return target / "kernels"


def run(copy, cache, **variables):
    """Run the tiny kernel in a process of its own; return what it reports."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    environment |= {"PYTHONPATH": str(copy.parents[1]), "NUMBA_CACHE_DIR": str(cache), **variables}
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_edited_helper_is_never_run_from_the_cache(copy, tmp_path):
    cache = tmp_path / "cache"
    first = run(copy, cache)
    assert (first["result"], first["hits"], first["misses"]) == ([1, 1], 0, 1)
    second = run(copy, cache)  # a second process compiles nothing
    assert (second["result"], second["hits"], second["misses"]) == ([1, 1], 1, 0)
    assert second["hash"] == first["hash"]
    (copy / "helper.py").write_text(HELPER.format(2))
    edited = run(copy, cache)  # tiny.py itself, the key of Numba's own cache, is as it was
    assert (edited["result"], edited["hits"]) == ([2, 2], 0)
    assert edited["hash"] != first["hash"]
    assert Path(edited["folder"]).parent == Path(first["folder"]).parent == cache


def test_bounds_checks_have_a_folder_of_their_own(copy, tmp_path):
    plain = run(copy, tmp_path / "cache")
    checked = run(copy, tmp_path / "cache", NUMBA_BOUNDSCHECK="1")
    assert (plain["checked"], checked["checked"]) == (False, True)
    assert checked["folder"] != plain["folder"]


def test_lanes_have_a_folder_of_their_own(copy, tmp_path):
    lanes = [{}, {"SIMPLENN_LANES": "4"}, {"SIMPLENN_LANES": "8"}]
    folders = {run(copy, tmp_path / "cache", **override)["folder"] for override in lanes}
    assert len(folders) == 3


def test_without_a_writable_folder_kernels_run_uncached(copy, tmp_path):
    (tmp_path / "file").write_text("no folder")
    for _ in range(2):
        report = run(copy, tmp_path / "file" / "cache")
        assert (report["result"], report["hits"], report["folder"]) == ([1, 1], 0, "None")


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    folder = policy.cache_folder()
    assert folder == tmp_path / "cache" / f"kernels-{policy.source_hash()}"
    assert folder.is_dir()
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert policy.cache_folder() is None


def test_kernels_run_as_plain_python_for_a_debugger():
    code = (
        "import numpy as np\n"
        "from simplenn_py import ConvGeometry, padding_and_phiZ\n"
        "g = ConvGeometry(a=2, b=2, d=1, p=0, h=2, s=1, d_next=1, h_pool=1)\n"
        "print(padding_and_phiZ(np.array([[1.0, 2.0, 3.0, 4.0]]), g).ravel())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "[1. 2. 3. 4.]\n", done.stderr
