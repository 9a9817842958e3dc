"""The cache of compiled code, on a copy of the package with two tiny kernels of its own."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from simplenn_py.kernels import policy, shortcuts
from simplenn_py.runtime.compile_cache import KeptCode, damaged_files, writable_folder

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
import os
import numpy as np
from copied.kernels import policy, tiny


def prepared():
    return [policy._LOCATION.exists(), "OMP_WAIT_POLICY" in os.environ]


imported = prepared()
x = np.zeros(2)
tiny.add_amount(x)
try:
    tiny.read(x, 5)
    checked = False
except IndexError:
    checked = True
stats = tiny.add_amount.dispatcher.stats
print(json.dumps({
    "result": x.tolist(),
    "hash": policy.source_hash(),
    "folder": str(policy.cache_folder()),
    "hits": sum(stats.cache_hits.values()),
    "misses": sum(stats.cache_misses.values()),
    "checked": checked,
    "kept": policy.cached(),
    "imported": imported,
    "called": prepared(),
}))
"""


@pytest.fixture
def copy(tmp_path):
    """Copy what the policy needs into a package of its own, with the tiny kernels."""
    source, target = Path(policy.__file__).parent, tmp_path / "copied"
    (target / "kernels").mkdir(parents=True)
    for path in source.parent.glob("*.py"):
        shutil.copy(path, target)
    shutil.copytree(source.parent / "runtime", target / "runtime")
    for name in ("__init__.py", "lanes.py", "policy.py", "shortcuts.py"):
        shutil.copy(source / name, target / "kernels")
    (target / "kernels" / "helper.py").write_text(HELPER.format(1))
    (target / "kernels" / "tiny.py").write_text(KERNEL)
    return target / "kernels"


def run(copy, cache, before="", **variables):
    """Run the tiny kernel in a process of its own, after the code `before`; return its report."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    environment.pop("OMP_WAIT_POLICY", None)
    environment |= {"PYTHONPATH": str(copy.parents[1]), "NUMBA_CACHE_DIR": str(cache), **variables}
    command = [sys.executable, "-c", before + RUN]
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


def test_the_first_call_makes_the_folder_and_chooses_how_threads_wait(copy, tmp_path):
    report = run(copy, tmp_path / "cache")
    assert report["imported"] == [False, False]
    assert report["called"] == [True, True]


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


NO_ROOM = """
import resource

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_without_room_kernels_are_compiled_once_and_run(copy, tmp_path):
    for _ in range(2):
        report = run(copy, tmp_path / "cache", before=NO_ROOM)
        assert (report["result"], report["hits"], report["misses"]) == ([1, 1], 0, 1)
        assert not report["kept"]
    assert not list((tmp_path / "cache").rglob("*.*"))


def add_one(x):
    return x + 1


def hits_and_misses(folder):
    """Call a function that is kept in `folder`, as a new process would."""
    dispatcher = numba.njit(add_one)
    dispatcher._cache = KeptCode(add_one, folder)
    assert dispatcher(1.5) == 2.5
    return sum(dispatcher.stats.cache_hits.values()), sum(dispatcher.stats.cache_misses.values())


class Foreign:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def flipped(data):
    k = len(data) // 2
    return data[:k] + bytes([data[k] ^ 1]) + data[k + 1 :]


DAMAGE = {
    "halved": lambda data, trace: data[: len(data) // 2],
    "empty": lambda data, trace: b"",
    "foreign pickle": lambda data, trace: pickle.dumps(Foreign(trace)),
    "one bit": lambda data, trace: flipped(data),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_code_is_compiled_anew_and_replaced(tmp_path, name):
    cache, trace = tmp_path / "cache", tmp_path / "unpickled"
    assert hits_and_misses(cache) == (0, 1)
    (file,) = cache.glob("*.nbc")
    assert damaged_files(cache) == []
    file.write_bytes(DAMAGE[name](file.read_bytes(), trace))
    assert damaged_files(cache) == [file]
    assert hits_and_misses(cache) == (0, 1)
    assert damaged_files(cache) == []
    assert hits_and_misses(cache) == (1, 0)
    assert not trace.exists()


def test_the_code_of_another_function_is_not_taken(tmp_path):
    hits_and_misses(tmp_path)
    (file,) = tmp_path.glob("*.nbc")
    content = pickle.dumps((("another",), ()))
    file.write_bytes(hashlib.sha256(content).digest() + content)
    assert hits_and_misses(tmp_path) == (0, 1)


def test_code_is_kept_in_a_folder_that_was_deleted(tmp_path):
    assert hits_and_misses(tmp_path / "deleted" / "meanwhile") == (0, 1)
    assert hits_and_misses(tmp_path / "deleted" / "meanwhile") == (1, 0)


@pytest.mark.parametrize("content", [b"", b"1", bytes(10_000)])
def test_damage_of_any_size_is_found(tmp_path, content):
    (tmp_path / "kernel-1.nbc").write_bytes(content)
    assert damaged_files(tmp_path) == [tmp_path / "kernel-1.nbc"]


def test_what_a_killed_process_left_is_found_after_an_hour(tmp_path):
    (tmp_path / "old.tmp").touch()
    os.utime(tmp_path / "old.tmp", (0, 0))
    (tmp_path / "new.tmp").touch()
    assert damaged_files(tmp_path) == [tmp_path / "old.tmp"]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="a system without owners of files")
def test_code_that_others_can_write_is_not_run(tmp_path, monkeypatch):
    folder = writable_folder(tmp_path / "mine")
    assert folder == tmp_path / "mine"
    folder.chmod(0o777)
    assert writable_folder(folder) is None
    folder.chmod(0o755)
    assert writable_folder(folder) == folder
    owner = folder.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert (writable_folder(folder) is None) == (owner != 0)  # root may do all anyway


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


# How a future Numba may differ: what we replace has another name, is ignored, cannot be replaced.
UNKNOWN = {
    "get_call_template": """
from numba.core import types
from numba.core.dispatcher import _DispatcherBase

_DispatcherBase.renamed = _DispatcherBase.get_call_template
del _DispatcherBase.get_call_template


def get_call_type(self, context, args, kws):
    template, pysig, args, kws = self.dispatcher.renamed(args, kws)
    return template(context).apply(args, kws).replace(pysig=pysig)


types.Dispatcher.get_call_type = get_call_type
""",
    "_numba_type_": """
from numba.extending import typeof_impl

generic = typeof_impl.dispatch(object)


@typeof_impl.register(object)
def only_of_numba(value, context):
    return generic(value, context) if type(value).__module__.startswith("numba.") else None
""",
    "compile": """
from numba.core.dispatcher import Dispatcher

compile_ = Dispatcher.compile
Dispatcher.compile = property(lambda self: compile_.__get__(self))
""",
}
BOTH_ENGINES = """
import json
import numpy as np
from simplenn_py import ConvGeometry, NetConfig, padding_and_phiZ
from simplenn_py.engines import make_engine
from simplenn_py.kernels import policy, shortcuts

images = np.arange(2 * 6.0).reshape(1, 12, order="F")
g = ConvGeometry(a=3, b=2, d=1, p=0, h=2, s=1, d_next=1, h_pool=1)
config = NetConfig(
    LC=1, LF=1, ht_input=3, wd_input=2, ch_input=(1, 1), full_neurons=(2,),
    wd_pad_added=(0,), wd_filter=(2,), strides=(1,), wd_subimage_pool=(1,),
)
engine = make_engine("direct", config, 2, np.float64)
engine.load(images, np.array([1, 0]), 0.5, np.ones(6))
print(json.dumps({
    "lecture": padding_and_phiZ(images[:, :6], g).tolist(),
    "direct": engine.Z(0).tolist(),
    "usable": shortcuts.usable(),
    "compilations": policy.compilations(),
}))
"""


def test_an_unknown_numba_compiles_without_the_shortcuts(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    environment["NUMBA_CACHE_DIR"] = str(tmp_path)
    compilations = []
    for change in UNKNOWN.values():
        command = [sys.executable, "-c", change + BOTH_ENGINES]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert done.stderr == ""
        assert not report["usable"]
        assert report["lecture"] == [[0, 1], [1, 2], [3, 4], [4, 5]]
        assert report["direct"] == [[2, 2.5, 3, 3.5, 4, 4.5, -1, -0.5, 0, 0.5, 1, 1.5]]
        compilations.append(report["compilations"])
    assert compilations == [2, 0, 0]  # the later ones load what the first has compiled


def test_this_numba_is_known():
    assert shortcuts.usable()
