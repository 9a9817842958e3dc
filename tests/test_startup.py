"""Imports are light, and they change nothing outside Python."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("numba", "matplotlib", "scipy", "numpy", "rich", "pooch", "PIL")
COMMANDS = (
    *("", "train", "predict", "compare", "summary", "profile", "gemm", "roofline", "gradcheck"),
    *("compress", "im2col", "graph", "explain", "exercise", "convert", "data", "doctor", "warmup"),
)


def imported_by(code):
    probe = f"{code}\nimport sys\nprint('heavy:', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


def test_importing_the_package_imports_nothing_heavy():
    assert imported_by("import simplenn_py") == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command):
    code = (
        "from simplenn_py.cli import main\n"
        f"try: main({[*command.split(), '--help']!r})\nexcept SystemExit: pass"
    )
    assert imported_by(code) == []


IMPORT_EVERYTHING = """
import contextlib, importlib, json, os, pkgutil
with contextlib.suppress(ImportError):
    import sklearn  # sets a variable of its own
before = dict(os.environ)
import simplenn_py
names = [found.name for found in pkgutil.walk_packages(simplenn_py.__path__, "simplenn_py.")]
for name in names:
    if not name.endswith("__main__"):  # runs the program
        importlib.import_module(name)
changed = sorted(name for name, value in os.environ.items() if before.get(name) != value)
print(json.dumps({"modules": names, "changed": changed}))
"""


def test_importing_every_module_changes_nothing_outside_python(tmp_path):
    home, drawings = tmp_path / "home", tmp_path / "matplotlib"
    home.mkdir()
    places = dict.fromkeys(("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME"), str(home))
    environment = os.environ | places
    environment |= {"NUMBA_CACHE_DIR": str(home), "MPLCONFIGDIR": str(drawings)}
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OPENBLAS_THREAD_TIMEOUT"):
        environment.pop(name, None)
    command = [sys.executable, "-c", IMPORT_EVERYTHING]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert "simplenn_py.kernels.tile" in report["modules"]
    assert report["changed"] == []
    assert list(home.iterdir()) == []


def test_every_public_name_loads():
    import simplenn_py

    assert len(set(simplenn_py.__all__)) == len(simplenn_py.__all__)
    for name in simplenn_py.__all__:
        assert getattr(simplenn_py, name) is not None
        assert name in dir(simplenn_py)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        simplenn_py.nonsense  # noqa: B018
