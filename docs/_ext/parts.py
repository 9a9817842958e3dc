"""The content of the generated pages, taken from the code; needs no Sphinx."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A section of a generated page.

    Parameters
    ----------
    title : str
    text : str
        A paragraph, or "".
    verbatim : str
        Text after the paragraph, shown as it is.
    depth : int
        Level in the nesting of the sections, from 0.
    """

    title: str
    text: str
    verbatim: str
    depth: int = 0


def commands(parser: argparse.ArgumentParser, depth: int = 0) -> Iterator[Part]:
    """Yield the help of a command, then those of its subcommands.

    Parameters
    ----------
    parser : ArgumentParser
    depth : int
        Level of the command itself.
    """
    yield Part(parser.prog, "", parser.format_help().rstrip(), depth)
    for action in parser._actions:  # argparse has no public way to its subcommands
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from commands(child, depth + 1)


def exercises() -> Iterator[Part]:
    """Yield the title and the statement of every exercise, in the course's order."""
    from simplenn_py.exercises.course import EXERCISES, exercise_named

    for name in EXERCISES:
        exercise = exercise_named(name)
        summary = f"{exercise.points.total} points. May import {', '.join(exercise.allows)}."
        if exercise.uses:
            summary += f" Builds on {', '.join(exercise.uses)}."
        yield Part(f"{name}: {exercise.title}", summary, exercise.statement)
