"""Pages that are generated from the code, so that they cannot differ from it.

``.. commands::`` writes every subcommand's help, ``.. exercises::`` every exercise's statement.
"""

from __future__ import annotations

from collections.abc import Iterable

from docutils import nodes
from parts import Part, commands, exercises
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def _section(part: Part) -> nodes.section:
    section = nodes.section("", nodes.title(text=part.title), ids=[nodes.make_id(part.title)])
    if part.text:
        section += nodes.paragraph(text=part.text)
    section += nodes.literal_block(part.verbatim, part.verbatim, language="none")
    return section


def sections(parts: Iterable[Part]) -> list[nodes.section]:
    """Nest the parts by their depth."""
    top: list[nodes.section] = []
    open_: list[nodes.section] = []  # the path from the top to the last section
    for part in parts:
        section = _section(part)
        del open_[part.depth :]
        if open_:
            open_[-1].append(section)
        else:
            top.append(section)
        open_.append(section)
    return top


class Commands(SphinxDirective):
    """The help of ``simplenn`` and of all its subcommands."""

    def run(self) -> list[nodes.Node]:
        from simplenn_py.cli import parser

        return list(sections(commands(parser())))


class Exercises(SphinxDirective):
    """The statements of the exercises."""

    def run(self) -> list[nodes.Node]:
        return list(sections(exercises()))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives."""
    app.add_directive("commands", Commands)
    app.add_directive("exercises", Exercises)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
