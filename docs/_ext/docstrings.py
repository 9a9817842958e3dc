"""Prepare docstrings for the pages: formulas in plain text stay as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_BARS = re.compile(r"\|(\w[^|`]*\w)\|")  # |grad f| would be read as a substitution


def formulas_as_code(lines: list[str]) -> list[str]:
    """Mark every indented block between paragraphs as a literal block, and escape bars outside.

    Parameters
    ----------
    lines : list of str
        Lines of a docstring, without its indentation.

    Returns
    -------
    list of str
    """
    result: list[str] = []
    before, formula = "", False  # last line with text; whether this one is in a block
    for number, line in enumerate(lines):
        indented = line.startswith("    ")
        if line.strip() and not indented:
            formula = False
        elif indented and number and not lines[number - 1].strip() and not formula:
            formula = bool(before) and not re.match(r"[ \-*>]|\.\.|\d+\. ", before)
            if formula and not before.endswith("::"):
                result += ["::", ""]
        result.append(line if formula or "``" in line else _BARS.sub(r"\\|\1\\|", line))
        before = line if line.strip() else before
    return result


def _process(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = formulas_as_code(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before numpydoc, which reads the sections."""
    app.connect("autodoc-process-docstring", _process, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
