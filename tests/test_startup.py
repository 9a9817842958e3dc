"""The start is quick because nothing heavy is imported for it."""

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


def test_every_public_name_loads():
    import simplenn_py

    assert len(set(simplenn_py.__all__)) == len(simplenn_py.__all__)
    for name in simplenn_py.__all__:
        assert getattr(simplenn_py, name) is not None
        assert name in dir(simplenn_py)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        simplenn_py.nonsense  # noqa: B018
