"""Fonts for texts in every script: Matplotlib's own font has no Chinese, Japanese or Korean."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text


def complete_fonts(figure: Figure) -> str:
    """Give the texts of a figure fonts that have all their characters.

    Parameters
    ----------
    figure : Figure
        Complete; its texts get installed fonts in addition to their own, if they need any.

    Returns
    -------
    str
        The characters that no installed font has, each once; they are drawn as boxes.
    """
    from matplotlib.font_manager import FontProperties, findfont, get_font

    texts = _texts(figure)
    own = get_font(findfont(FontProperties())).get_charmap()
    used = {c for text in texts for c in text.get_text() if c != "\n"}
    missing = {c for c in used if ord(c) not in own}
    if not missing:
        return ""
    families, missing = _families_with(missing)
    for text in texts if families else []:
        text.set_fontfamily([*text.get_fontfamily(), *families])
    return "".join(sorted(missing))


def script_names(characters: str) -> str:
    """Return the scripts of some characters, for the search for a font: "CJK, HANGUL"."""
    names = {unicodedata.name(c, "UNKNOWN").split()[0] for c in characters}
    return ", ".join(sorted(names))


def _texts(figure: Figure) -> list[Text]:
    from matplotlib.text import Text

    for axes in figure.axes:
        axes.get_xticklabels()  # a tick gets its text when it is asked for
        axes.get_yticklabels()
    return [artist for artist in figure.findobj(Text) if isinstance(artist, Text)]


def _families_with(missing: set[str]) -> tuple[list[str], set[str]]:
    """Choose installed fonts, each with most of the characters that the others lack."""
    from matplotlib.font_manager import findSystemFonts, fontManager, get_font

    coverage: dict[str, set[str]] = {}
    for path in sorted(findSystemFonts()):
        try:
            font = get_font(path)
            # The Last Resort font has a box for every character, a font of bitmaps no outlines.
            if font.scalable and "lastresort" not in font.family_name.replace(" ", "").lower():
                has = font.get_charmap()
                coverage[path] = {c for c in missing if ord(c) in has}
        except (OSError, RuntimeError, UnicodeError):  # a font that FreeType cannot read
            continue
    families = []
    while best := max(coverage, key=lambda path: len(coverage[path] & missing), default=""):
        if not coverage[best] & missing:
            break
        if best not in (entry.fname for entry in fontManager.ttflist):  # newer than the list
            fontManager.addfont(best)
        families.append(get_font(best).family_name)
        missing = missing - coverage.pop(best)
    return families, missing
