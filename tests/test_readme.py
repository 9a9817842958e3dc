"""What the README shows works as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_snippets_run(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_two_commands_set_everything_up_themselves():
    train, test = blocks("bash")
    for block in (train, test):
        assert block.startswith("python3 -m venv .venv\n.venv/bin/python -m pip install ")
    assert train.endswith(".venv/bin/simplenn train digits\n")
    assert test.endswith(".venv/bin/python -m pytest\n")
    for posix, windows in zip(blocks("bash"), blocks("powershell"), strict=True):
        assert (
            windows.replace("\\", "/")
            .replace("py -3", "python3")
            .replace(".venv/Scripts", ".venv/bin")
            == posix
        )


def test_every_command_is_in_the_table():
    from simplenn_py.cli import parser

    actions = [a for a in parser()._actions if hasattr(a, "choices") and a.choices]
    for command in actions[0].choices:
        assert f"| `simplenn {command} " in README


def test_files_that_it_names_exist():
    for name in re.findall(r"`([A-Za-z_/-]+\.(?:md|cff|py))`", README):
        assert (ROOT / name).exists(), name
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).stat().st_size > 1000, picture
