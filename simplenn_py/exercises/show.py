"""What a student reads: the report of a check as plain lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..layout import Array
from .check import Failure, Report
from .compare import kind

_PRINTABLE = 240  # entries of an array that is printed whole
_LINES = 15  # of a message, or of what a student printed


def lines(report: Report) -> Iterator[str]:
    """Yield the report line by line."""
    e = report.exercise
    yield f"{e.name}: {e.title}"
    yield f"  ran {report.path}"
    yield f"  sha256 {report.sha256}"
    for told in report.helpers.told():
        yield f"  {told}"
    failure = report.failure
    if failure is not None and failure.not_written:
        yield f"  not written yet: {failure.says}"
        yield f"  0 of {e.points.total} points; the statement is at the top of the file"
        return
    for part in report.parts:
        yield f"  {part.name + ':':27}{part.points:2d} of {part.of:2d}  {part.says}"
    if failure is not None:
        yield from (f"  {line}" for line in _failed(report, failure))
    if report.printed.strip():
        yield "  your code printed:"
        yield from (f"  | {line}" for line in _shortened(report.printed.rstrip()))
    verdict = "all right" if report.passed else "not yet right"
    yield f"  {verdict}: {report.points} of {e.points.total} points"
    if not report.passed:
        yield f"  a hint: simplenn exercise hint {e.name}"


def _failed(report: Report, failure: Failure) -> Iterator[str]:
    yield ""
    yield from _shortened(failure.says)
    for frame, _ in groupby(failure.frames):  # a recursion is one line
        inside = f" in {frame['function']}" if frame["function"] not in ("", "<module>") else ""
        # A routine that this one uses has a file of its own, the student's or the model solution.
        own = frame["file"] == Path(report.path).name
        where = "line" if own else f"{frame['file']}, line"
        yield f"  {where} {frame['line']}{inside}: {frame['code']}"
    for note in failure.notes:
        yield f"note: {note}"
    names = [m.name for m in failure.mistakes]
    if len(names) > 1:
        yield f"each of these mistakes gives exactly this: {'; '.join(names)}"
    for mistake in failure.mistakes:
        yield f"this looks like: {mistake.name}. {mistake.says}"
    case = failure.case
    if case is not None:
        function = case.function or report.exercise.functions[0]
        yield f"case: {case.label}; {function}({', '.join(case.args)}) with"
        for name, value in case.args.items():
            yield from _value(name, value)
        if failure.expected is not None:
            yield from _results(report, "expected", failure.expected)
        if failure.got is not None:
            yield from _results(report, "got", failure.got)
    yield ""


def _results(report: Report, what: str, value: Any) -> Iterator[str]:
    names = report.exercise.returns
    several = isinstance(value, tuple | list) and len(value) == len(names) > 1
    if not several:  # also where it should have been: then no name fits
        yield from _value(f"{what} {names[0]}" if len(names) == 1 else what, value)
        return
    for name, one in zip(names, value, strict=True):
        yield from _value(f"{what} {name}", one)


def _value(name: str, value: Any) -> Iterator[str]:
    """Write a value: small arrays whole, others by their shape."""
    if isinstance(value, np.ndarray):
        if 0 < value.size <= _PRINTABLE:
            yield f"  {name}, shape {value.shape}:"
            yield from (f"    {line}" for line in _table(value))
        else:
            yield f"  {name}: {kind(value)}"
    elif isinstance(value, SimpleNamespace):
        yield f"  {name}: " + " ".join(f"{k}={v}" for k, v in vars(value).items())
    elif isinstance(value, bool | int | float | str | np.generic):
        yield f"  {name} = {value}"
    elif isinstance(value, tuple | list):
        for k, one in enumerate(value):
            yield from _value(f"{name}[{k}]", one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _value(f"{name}[{key!r}]", one)
    else:
        yield f"  {name}: {kind(value)}"


def _table(array: Array) -> list[str]:
    with np.printoptions(precision=5, suppress=True, linewidth=92, threshold=_PRINTABLE):
        return str(array).splitlines()


def _shortened(text: str) -> list[str]:
    found = text.splitlines()
    left_out = len(found) - _LINES
    return found if left_out <= 0 else [*found[:_LINES], f"... ({left_out} more lines)"]
