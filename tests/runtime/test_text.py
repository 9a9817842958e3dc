"""Names and texts of users and files are data: printed as they are, or escaped."""

from __future__ import annotations

import pytest

from simplenn_py.cli import main
from simplenn_py.errors import DataError, shown
from simplenn_py.runtime.console import make_console


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("動物 [copy] :smile: \\", "動物 [copy] :smile: \\"),
        ("a\nb\r\tc\x00", r"a\nb\r\tc\x00"),
        ("\x1b[31mred\x9b1m", r"\x1b[31mred\x9b1m"),
        ("right\u202eleft\u2028\u200b", r"right\u202eleft\u2028\u200b"),
        ("caf\udce9", r"caf\xe9"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_is_shown_is_one_printable_line(text: str, safe: str) -> None:
    assert shown(text) == safe
    assert str(DataError(f"{text}: damaged")) == f"{safe}: damaged"


def test_a_long_text_keeps_both_ends() -> None:
    text = shown("a" * 500 + "z" * 500, most=30)
    assert len(text) == 30
    assert text.startswith("aaa")
    assert text.endswith("zzz")
    message = str(DataError("x.npz: " + "9" * 10_000 + "; give a number"))
    assert len(message) == 1000
    assert message.endswith("; give a number")


def test_a_console_prints_brackets_and_colons(capsys: pytest.CaptureFixture[str]) -> None:
    make_console(soft_wrap=True).print("digits [copy].npz [/bold] :smile:")
    assert capsys.readouterr().out == "digits [copy].npz [/bold] :smile:\n"


def test_an_unknown_data_set_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "no\nsuch\x1b[2Jfile"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "\x1b" not in line
