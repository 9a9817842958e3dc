"""The report of a check as plain lines of text, for the student to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..layout import Array
from .differences import kind
from .report import CheckReport, Failure

_PRINTABLE = 240  # entries: the largest array that is printed in full
_LINES = 15  # lines of a message, or of printed text, that are shown


def lines(
    report: CheckReport, short: bool = True, adjoint: bool = True, hint: str = ""
) -> Iterator[str]:
    """Yield the report line by line.

    Text from the student's code cannot control the terminal: control characters are escaped.

    Parameters
    ----------
    report : CheckReport
    short : bool
        Whether to shorten the hash.
    adjoint : bool
        Whether to say how the adjoint identity fails.
    hint : str
        Command that shows a hint; by default the one for the files of the current folder.
    """
    return map(_harmless, _lines(report, short, adjoint, hint))


def _harmless(line: str) -> str:
    """Escape characters that cannot be printed, as Python does: ``\\x1b``, ``\\ud800``."""
    return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in line)


def _lines(report: CheckReport, short: bool, adjoint: bool, hint: str) -> Iterator[str]:
    e = report.exercise
    yield f"{e.name}: {e.title}"
    yield f"  file {report.path}"
    yield f"  sha256 {report.sha256[:16]}..." if short else f"  sha256 {report.sha256}"
    for line in report.helpers.describe():
        yield f"  {line}"
    failure = report.failure
    if failure is not None and failure.not_written:
        yield f"  not written yet: {failure.message}"
        yield f"  0 of {e.points.total} points; the statement is at the top of the file"
        return
    for part in report.parts:
        yield f"  {part.name + ':':27}{part.points:2d} of {part.of:2d}  {part.message}"
    if failure is not None:
        yield from (f"  {line}".rstrip() for line in _failed(report, failure, adjoint))
    if report.printed.strip():
        yield "  your code printed:"
        yield from (f"  | {line}" for line in _shortened(report.printed.rstrip()))
    yield f"  {_verdict(report)}"
    if not report.passed:
        yield f"  for a hint: {hint or f'simplenn exercise hint {e.name}'}"


def _verdict(report: CheckReport) -> str:
    total = report.exercise.points.total
    points = f"{report.points} of {total} points"
    if report.failure is not None:
        return f"not yet correct: {points}"
    if report.points == total:
        return f"all correct: {points}"
    slow = "" if report.passed else ", but too slow"
    if report.parts[-1].error:
        slow = ", but not the run that measures the speed"
    return f"values correct{slow}: {points} ({total - report.points} are for speed)"


def _failed(report: CheckReport, failure: Failure, adjoint: bool) -> Iterator[str]:
    yield ""
    yield from _shortened(failure.message)
    for frame, _ in groupby(failure.frames):  # a recursion is shown as one line
        inside = f" in {frame['function']}" if frame["function"] not in ("", "<module>") else ""
        # A routine of an earlier exercise is in another file, so the file is named.
        own = frame["file"] == Path(report.path).name
        where = "line" if own else f"{frame['file']}, line"
        yield f"  {where} {frame['line']}{inside}: {frame['code']}"
    for note in failure.notes:
        yield f"note: {note}"
    if adjoint and failure.adjoint:
        yield f"note: {failure.adjoint}"
    for mistake in failure.mistakes:
        yield f"likely mistake: {mistake.name}. {mistake.explanation}"
    case = failure.case
    if case is not None:
        function = case.function or report.exercise.functions[0]
        yield f"case: {case.label}; {function}({', '.join(case.args)}) with"
        for name, value in case.args.items():
            yield from _value(name, value)
        if failure.expected is not None:
            yield from _results(report, "expected", failure.expected, failure.got)
        if failure.got is not None:
            yield from _results(report, "got", failure.got, failure.expected)
    yield ""


def _results(report: CheckReport, what: str, value: Any, other: Any) -> Iterator[str]:
    """Write a returned value, so that its differences from `other` are visible."""
    names = report.exercise.returns

    def each(x: Any) -> bool:
        return isinstance(x, tuple | list) and len(x) == len(names) > 1

    if not each(value):  # one value, or not the tuple that was asked for: then no names fit
        yield from _value(f"{what} {names[0]}" if len(names) == 1 else what, value, other)
        return
    others = other if each(other) else [None] * len(names)
    for name, one, two in zip(names, value, others, strict=True):
        yield from _value(f"{what} {name}", one, two)


def _value(name: str, value: Any, other: Any = None) -> Iterator[str]:
    """Write a value: small arrays in full, others by their shape."""
    if isinstance(value, np.ndarray):
        if 0 < value.size <= _PRINTABLE:
            yield f"  {name}, shape {value.shape}:"
            yield from (f"    {line}" for line in table(value, other))
        else:
            yield f"  {name}: {kind(value)}"
    elif isinstance(value, SimpleNamespace):
        yield f"  {name}: " + " ".join(f"{k}={v}" for k, v in vars(value).items())
    elif isinstance(value, bool | int | float | str | np.generic):
        yield f"  {name} = {value}"
    elif isinstance(value, tuple | list) and (numbers := _numbers(value)) is not None:
        form = f"a {type(value).__name__} of " + " x ".join(map(str, numbers.shape)) + " numbers"
        if 0 < numbers.size <= _PRINTABLE:
            yield f"  {name}, {form}:"
            yield from (f"    {line}" for line in table(numbers, other))
        else:
            yield f"  {name}: {form}"
    elif isinstance(value, tuple | list):
        for k, one in enumerate(value):
            yield from _value(f"{name}[{k}]", one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _value(f"{name}[{key!r}]", one)
    else:
        yield f"  {name}: {kind(value)}"


def _numbers(value: Sequence[Any]) -> Array | None:
    """Return a list of numbers, or of equally long lists of numbers, as an array; else None."""
    try:
        array = np.array(value)
    except (ValueError, TypeError):  # lists of different lengths, or other objects
        return None
    plain = all(isinstance(x, bool | int | float | np.generic) for x in _leaves(value))
    return array if plain and array.dtype.kind in "biuf" else None


def _leaves(value: Any) -> Iterator[Any]:
    for x in value if isinstance(value, tuple | list) else ():
        yield from _leaves(x) if isinstance(x, tuple | list) else (x,)


def table(array: Array, other: Any = None) -> list[str]:
    """Format an array.

    There are enough digits to show each difference from `other`, and no small number appears as 0.

    Parameters
    ----------
    array : ndarray of any shape
    other : ndarray of the same shape, optional

    Returns
    -------
    list of str
        Lines of text.
    """
    pair = [array]
    if isinstance(other, np.ndarray) and other.shape == array.shape:
        pair.append(other)
    options: dict[str, Any] = {"precision": 5, "suppress": True}
    if all(x.dtype.kind in "iuf" for x in pair) and not _plain(pair, 5):
        digits = next((d for d in (5, 9, 16) if _distinguishable(pair, d)), 16)
        options = {"formatter": {"float_kind": lambda x: f"{x:{digits + 7}.{digits}e}"}}
    with np.printoptions(linewidth=92, threshold=_PRINTABLE, **options):
        return str(array).splitlines()


def _plain(pair: list[Array], digits: int) -> bool:
    """Whether `digits` after the decimal point show every number and every difference."""
    for x in pair:
        size = np.abs(x[np.isfinite(x)])
        largest = size.max(initial=0.0)
        smallest = size[size > 1e-12 * largest].min(initial=1.0)  # the others are rounding errors
        if largest >= 1e8 or smallest < 10.0 ** (1 - digits):
            return False
    return _distinguishable(pair, digits, "f")


def _distinguishable(pair: list[Array], digits: int, style: str = "e") -> bool:
    """Whether all entries that differ look different in this format."""
    if len(pair) == 1:
        return True
    small = 1e-9 * max(np.abs(x[np.isfinite(x)]).max(initial=0.0) for x in pair)
    differ = ~np.isclose(pair[0], pair[1], rtol=0.0, atol=small, equal_nan=True)
    return all(
        f"{x:.{digits}{style}}" != f"{y:.{digits}{style}}"
        for x, y in zip(pair[0][differ], pair[1][differ], strict=True)
    )


def _shortened(text: str) -> list[str]:
    found = text.splitlines()
    left_out = len(found) - _LINES
    return found if left_out <= 0 else [*found[:_LINES], f"... ({left_out} more lines)"]
