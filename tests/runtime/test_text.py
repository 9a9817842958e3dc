"""Names and texts of users and files are data: printed as they are, or escaped."""

from __future__ import annotations

import pytest

from simplenn_py.cli import main
from simplenn_py.cli.tables import print_table
from simplenn_py.errors import DataError, printable, shown
from simplenn_py.runtime.console import make_console, say


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


def test_one_line_is_printed_complete(capsys: pytest.CaptureFixture[str]) -> None:
    say("written:", "a\n\x1b[2J\u202e\udce9" + "x" * 500)
    assert capsys.readouterr().out == r"written: a\n\x1b[2J\u202e\xe9" + "x" * 500 + "\n"


def test_joiners_of_letters_are_printed() -> None:
    text = "\u0645\u06cc\u200c\u062e\u0648 \U0001f469\u200d\U0001f680 a\u3000b"
    assert printable(text) == text
    assert printable("") == ""


@pytest.mark.parametrize(
    "name", ["[bold]x[/bold]", "\x1b[31mred", "a\nb", ":smile:", "[/]", "\udce9"]
)
def test_cells_and_states_show_every_character(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_table((name, "n"), [(name, "1"), ("x" * 500, "2")])
    heading, _, row, long = [
        line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()
    ]
    assert heading.split("  ")[0] == row.split("  ")[0] == printable(name)
    assert long.split() == ["x" * 500, "2"]  # neither folded nor cut
    console = make_console()
    with console.status(name) as status:
        assert status.renderable.text.plain == printable(name)


def test_a_terminal_folds_names_and_cuts_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    print_table(("name", "n"), [("x" * 100, "1")])
    out = capsys.readouterr().out
    assert out.count("x") == 100
    assert "\u2026" not in out
