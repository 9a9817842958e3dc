"""Versions, licence and tools agree wherever they are stated, and every file is installed."""

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from simplenn_py import __version__

ROOT = Path(__file__).parents[1]
SETUP = ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
EXTRAS = SETUP["options.extras_require"]
NAME = r"^([\w.-]+) >= "


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def stated(pattern, name):
    """Return what the first group of the pattern matches in a file, wherever it matches."""
    found = re.findall(pattern, text(name), re.MULTILINE)
    assert found, f"{name} has no line {pattern!r}"
    return found


def test_version_and_licence_are_the_same_everywhere():
    assert SETUP["metadata"]["version"] == "attr: simplenn_py.__version__"
    assert stated(r"^version: (.+)$", "CITATION.cff") == [__version__]
    assert stated(r"^## (\S+)", "CHANGES.md")[0] == __version__
    assert stated(r"^license: (.+)$", "CITATION.cff") == [SETUP["metadata"]["license"]]


def test_oldest_python_is_the_same_everywhere():
    oldest = SETUP["options"]["python_requires"].removeprefix(">=")
    assert stated(r'^target-version = "py(.+)"$', "pyproject.toml") == [oldest.replace(".", "")]
    alone = set(stated(r'python-version: "(.+)"$', ".github/workflows/ci.yml"))
    tested = re.findall(r'"([\d.]+)"', stated(r"python: \[(.+)\]", ".github/workflows/ci.yml")[0])
    assert alone == {oldest}
    assert tested[0] == oldest
    assert f"Python {oldest} or newer" in text("README.md")
    assert f"python{oldest} -m venv build/oldest" in text("CONTRIBUTING.md")


def test_the_oldest_versions_cover_every_requirement():
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "oldest"], capture_output=True, text=True, check=True
    )
    needs = SETUP["options"]["install_requires"] + EXTRAS["test"]
    needed = {re.split(r"[^\w.-]", need)[0] for need in needs.split("\n") if need}
    assert set(re.findall(r"^([\w.-]+)==", done.stdout, re.MULTILINE)) == needed


def test_the_hooks_call_the_tools_that_ci_calls():
    # Local hooks use the environment's ruff and mypy: no second version that could differ.
    assert set(stated(r"^  - repo: (.+)$", ".pre-commit-config.yaml")) == {"local"}
    assert set(stated(r"^ +language: (.+)$", ".pre-commit-config.yaml")) == {"system"}
    hooks = [
        e.replace(" --force-exclude", "")
        for e in stated(r"entry: (.+)$", ".pre-commit-config.yaml")
    ]
    in_ci = stated(r"^\.venv/bin/((?:ruff|mypy).*)$", ".ci/run")
    assert hooks == [re.sub(r"( --check)?( \.)?$", "", command) for command in in_ci]
    assert {h.split()[0] for h in hooks} <= set(re.findall(NAME, EXTRAS["dev"], re.MULTILINE))


def test_the_workflow_calls_scripts_that_exist():
    called = set(stated(r"(?:bash|python) (\.ci/\w+)", ".github/workflows/ci.yml"))
    assert called == {".ci/run", ".ci/oldest", ".ci/package"}
    for script in called:
        assert (ROOT / script).is_file(), script


def test_every_file_of_the_package_is_installed():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "simplenn_py", "data"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split("\0")
    tracked = {ROOT / f for f in listed if f and (ROOT / f).is_file()}
    packages = {"simplenn_py.data": ROOT / "data"}
    for start in (ROOT / "simplenn_py").rglob("__init__.py"):
        folder = start.parent
        packages[".".join(folder.relative_to(ROOT).parts)] = folder
    installed = set()
    for package, folder in packages.items():
        installed |= set(folder.glob("*.py"))
        for owner, patterns in SETUP["options.package_data"].items():
            if owner in ("*", package):
                for pattern in re.split(r"[,\s]+", patterns):
                    installed |= set(folder.glob(pattern))
    assert sorted(str(f.relative_to(ROOT)) for f in tracked - installed) == []
