"""``simplenn data``: what it prints, and that its errors are the user's to mend."""

from __future__ import annotations

import argparse
import sys
from subprocess import run

import pytest

from simplenn_py.cli import data
from simplenn_py.errors import DataError, UserError


@pytest.fixture
def simplenn(tmp_path, monkeypatch, capsys):
    """Run ``simplenn data ARGUMENTS`` with an empty cache; return what it prints."""
    import platformdirs

    monkeypatch.delenv("SIMPLENN_DATA_DIR", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    parser = argparse.ArgumentParser("simplenn")
    data.add_parser(parser.add_subparsers())

    def call(*arguments: str) -> str:
        args = parser.parse_args(["data", *arguments])
        assert args.run(args) == 0
        return capsys.readouterr().out

    return call


def test_help_teaches_and_stays_light():
    code = (
        "import argparse, sys; from simplenn_py.cli import data; "
        "p = argparse.ArgumentParser(); data.add_parser(p.add_subparsers()); "
        "heavy = [m for m in ('numpy', 'rich', 'pooch', 'numba') if m in sys.modules]; "
        "print(heavy); p.parse_args(['data', '--help'])"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "[]"
    assert (
        "  simplenn data fetch mnist                       download MNIST into the cache" in lines
    )
    assert "SIMPLENN_DATA_DIR" in done.stdout


def test_list_shows_what_is_here_and_what_is_not(simplenn):
    text = simplenn("list")
    for word in ("digits", "1,442", "355", "8x8x1", "60,000", "32x32x3", "no (12 MB)"):
        assert word in text
    assert "mnist: not found; to download it: simplenn data fetch mnist" in text
    assert "digits.csv.gz" in text
    assert "cifar10" not in simplenn("list", "digits").split("searched: ")[0]


def test_where_prints_one_bare_path(simplenn):
    text = simplenn("where", "digits")
    assert text.endswith("digits.csv.gz\n")
    assert text.count("\n") == 1


def test_where_without_a_name_shows_all(simplenn):
    assert "mnist\t-\ncifar10\t-\n" in simplenn("where")


def test_where_names_the_folder_of_the_user(simplenn, tmp_path):
    from simplenn_py.datasets import idx

    for stem in idx.STEMS:
        (tmp_path / stem).write_bytes(b"")
    assert simplenn("where", "mnist", "--data-dir", str(tmp_path)) == f"{tmp_path}\n"


def test_verify_checks_what_is_here(simplenn):
    text = simplenn("verify")
    assert text.startswith("digits: good, 1,442 training and 355 test images\n  ")
    assert text.endswith("digits.csv.gz: the published file\n")


def test_fetch_of_the_bundled_set_downloads_nothing(simplenn, tmp_path):
    assert simplenn("fetch", "digits").endswith("digits.csv.gz\n")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["fetch"], "fetch needs the name of a data set; give one or more, such as"),
        (
            ["where", "mnist"],
            "mnist: is in none of .*; download it with 'simplenn data fetch mnist'",
        ),
        (["where", "digits", "mnist"], "mnist: is in none of"),
        (["verify", "cifar10"], "cifar10: is in none of"),
        (["verify", "cifar"], "'cifar' is unknown; use one of .*did you mean 'cifar10'"),
        (["list", "x"], "'x' is unknown"),
    ],
)
def test_refuses(simplenn, arguments, match):
    with pytest.raises(DataError, match=match) as caught:
        simplenn(*arguments)
    assert isinstance(caught.value, UserError)
    assert "\n" not in str(caught.value)
