"""Figures beside results: their own style, fonts for every script, and notes for exceptions."""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.axes import Axes

from simplenn_py import plots
from simplenn_py.plots import draw
from simplenn_py.plots.fonts import complete_fonts


def a_figure(title: str = "plain") -> Axes:
    (axes,) = plots.new_axes(1, (2, 2))
    axes.set_title(title, parse_math=False)
    return axes


def fail(error: BaseException) -> Axes:
    raise error


def test_the_users_settings_do_not_apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    assert draw({one: a_figure}) == ([one], [])
    backend = matplotlib.get_backend()
    with matplotlib.rc_context(
        {"text.usetex": True, "font.family": "NoSuchFont", "savefig.bbox": "tight", "font.size": 30}
    ):
        assert draw({two: a_figure}) == ([two], [])
        assert matplotlib.rcParams["text.usetex"]  # the user's own settings stay
    assert matplotlib.get_backend() == backend
    assert one.read_bytes() == two.read_bytes()


def test_what_fails_is_a_note_and_the_others_are_drawn(tmp_path: Path) -> None:
    a, b, c, d = (tmp_path / name for name in ("a.png", "b.png", "c\n.png", "missing/d.png"))
    written, notes = draw(
        {
            a: lambda: fail(RuntimeError("latex could not be found")),
            b: a_figure,
            c: lambda: fail(RuntimeError("latex could not be found")),
            d: a_figure,
        }
    )
    assert written == [b]
    assert notes[0] == r"a.png, c\n.png were not drawn: latex could not be found"
    assert notes[1].startswith("d.png was not drawn: cannot be written (there is no folder")
    assert len(notes) == 2


def test_ctrl_c_leaves_out_the_rest(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    written, notes = draw({a: a_figure, b: lambda: fail(KeyboardInterrupt()), c: a_figure})
    assert written == [a]
    assert notes == ["b.png, c.png were not drawn: interrupted"]


def test_an_error_without_words_is_named(tmp_path: Path) -> None:
    _, notes = draw({tmp_path / "a.png": lambda: fail(MemoryError())})
    assert notes == ["a.png was not drawn: MemoryError"]


def test_characters_without_a_font_are_one_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    counts = np.eye(2, dtype=int)
    figures = {
        tmp_path / "a.png": lambda: plots.plot_confusion(counts, ["\u52d5", "\u7269"]),
        tmp_path / "b.png": lambda: a_figure("\u52d5"),
    }
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        written, notes = draw(figures)  # type: ignore[arg-type]
        plots.save(a_figure("\u52d5"), tmp_path / "c.png")
    assert len(written) == 2
    assert notes == [
        "no installed font has the characters \u52d5\u7269 of the figures (CJK); install one, such "
        "as Noto Sans or Noto Sans CJK"
    ]
    assert not seen
    assert capsys.readouterr() == ("", "")


def test_a_font_that_has_the_characters_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    font = made_font(tmp_path / "own.ttf", "\u52d5\u7269")
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"\x00\x01\x00\x00 no font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(broken), str(font)])
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*font_manager.fontManager.ttflist])
    axes = a_figure("a \u52d5\u7269 \u732b")
    axes.set_yticks([0, 1], ["\u7269", "x"])
    assert complete_fonts(axes.figure) == "\u732b"  # type: ignore[arg-type]
    for text in (axes.title, axes.get_yticklabels()[0]):
        assert text.get_fontfamily() == [*matplotlib.rcParams["font.family"], "Made For Tests"]
    plots.save(axes, tmp_path / "x.png")


def made_font(path: Path, characters: str) -> Path:
    """Write a font with a square for each character."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    for k, corner in enumerate([(0, 0), (0, 500), (500, 500), (500, 0)]):
        (pen.lineTo if k else pen.moveTo)(corner)
    pen.closePath()
    square, names = pen.glyph(), [".notdef", *(f"g{k}" for k in range(len(characters)))]
    made = FontBuilder(1000, isTTF=True)
    made.setupGlyphOrder(names)
    made.setupCharacterMap({ord(c): f"g{k}" for k, c in enumerate(characters)})
    made.setupGlyf(dict.fromkeys(names, square))
    made.setupHorizontalMetrics(dict.fromkeys(names, (600, 0)))
    made.setupHorizontalHeader(ascent=800, descent=-200)
    made.setupNameTable({"familyName": "Made For Tests", "styleName": "Regular"})
    made.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    made.setupPost()
    made.save(path)
    return path


def test_hostile_names_in_every_title(tmp_path: Path) -> None:
    name = "$\\frac \x1b[2J\n\udce9\u202e" + "x" * 4000
    record = {"epoch": 1, "loss": 1.0, "train_accuracy": 0.5, "seconds": 1.0}
    figures = {
        tmp_path / "curves.png": lambda: plots.plot_curves([record], data=name),
        tmp_path / "c.png": lambda: plots.plot_confusion(
            np.eye(3, dtype=int), [name, "_", "$"], part=name
        ),
    }
    written, notes = draw(figures)  # type: ignore[arg-type]
    assert len(written) == 2
    assert notes == []
