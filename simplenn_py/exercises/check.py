"""Check a student's file: run its routine on every case, and say where it first goes wrong."""

from __future__ import annotations

import ast
import hashlib
import stat
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .child import Child, Limits, StoppedError
from .compare import difference, number
from .form import Case, Exercise, Wrong
from .helpers import Helpers
from .overlap import overlap
from .race import race
from .report import Failure, Part, Report
from .suspects import Outcome, mistakes

_LIMITS = Limits()
_LARGEST = 1_000_000  # bytes of a student's file


@dataclass
class _Run:
    """A check in progress."""

    exercise: Exercise
    source: bytes
    path: str
    helpers: Helpers
    limits: Limits
    outcomes: list[Outcome] = field(default_factory=list)

    def open(self, child: Child) -> dict[str, Any]:
        """Load all that belongs into a process; return the answer for the student's file."""
        self.helpers.load(child, self.exercise)
        e = self.exercise
        return child.load(
            self.source, self.path, e.name,
            allows=list(e.allows), functions=list(e.functions), uses=list(e.uses),
        )  # fmt: skip

    def call(self, child: Child, case: Case) -> dict[str, Any]:
        function = case.function or self.exercise.functions[0]
        return child.call(self.exercise.name, function, case.args, bool(self.exercise.driver))

    def overlap(self, cases: Sequence[Case]) -> Failure | None:
        return overlap(self.exercise, self.source, self.path, self.helpers, cases)


def read_source(path: Path) -> bytes:
    """Read a student's file, once.

    Raises
    ------
    DataError
        If it cannot be read, or is too large to be an exercise's.
    """
    try:
        what = path.stat()
        if stat.S_ISREG(what.st_mode) and what.st_size > _LARGEST:
            raise DataError(
                f"{path}: has {what.st_size / 1e6:.3g} MB; an exercise's file is a few kB of Python"
            )
        if stat.S_ISREG(what.st_mode):
            return path.read_bytes()
        reason = "it is no file"
    except OSError as error:
        reason = error.strerror or "no reason given"
    raise DataError(
        f"{path}: cannot be read ({reason}); name a file that 'simplenn exercise start' wrote, "
        "or its folder"
    )


def check_file(
    exercise: Exercise,
    path: Path,
    helpers: Helpers | None = None,
    limits: Limits = _LIMITS,
    seed: int = 0,
) -> Report:
    """Check a student's file.

    Parameters
    ----------
    exercise : Exercise
    path : Path
        The file; it is read once, and these bytes are hashed and run.
    helpers : Helpers, optional
        Earlier routines.
    limits : Limits
        Of the correctness cases; the race has the same once more.
    seed : int
        Of the random cases.

    Returns
    -------
    Report

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    source = read_source(path)
    points = exercise.points
    parts = [Part("small shapes", points.small), Part("awkward and random shapes", points.awkward)]
    if exercise.speed is not None:
        parts.append(Part("speed", points.speed))
    helpers = helpers or Helpers()
    # Compiled to the full path: tracebacks and Numba's messages name the student's own file.
    run = _Run(exercise, source, str(path.resolve()), helpers, limits)
    sha256 = hashlib.sha256(source).hexdigest()
    report = Report(exercise, str(path), sha256, parts, helpers)
    with Child(limits, NUMBA_BOUNDSCHECK="1") as child:
        report.failure = _values(run, child, report, seed)
        report.printed, report.seconds = child.printed, child.seconds
    if report.failure is None and exercise.speed is not None:
        _speed(run, report, seed)
    return report


def _values(run: _Run, child: Child, report: Report, seed: int) -> Failure | None:
    """Load the file and run the cases in order; return the first failure."""
    exercise = run.exercise
    if not run.source.strip():
        return Failure("the file is empty; 'simplenn exercise start' writes its beginning")
    if b"\0" in run.source:
        return Failure("the file holds NUL bytes, which no Python text has; save it as UTF-8")
    try:
        loaded = run.open(child)
    except StoppedError as stopped:
        return _stopped(run, None, stopped)
    if "error" in loaded:
        return _crashed(run, None, loaded["error"])
    report.sha256 = loaded["sha256"]
    if loaded["missing"]:
        names = ", ".join(loaded["missing"])
        return Failure(f"the file defines no function {names}; keep the skeleton's names")
    rng = np.random.default_rng(seed)
    cases = list(exercise.cases(rng))
    for part, small in zip(report.parts, (True, False), strict=False):
        group = [case for case in cases if case.small == small]
        for k, case in enumerate(group):
            failure = _one(run, child, case, rng)
            if failure is not None and failure.got is not None:
                failure = run.overlap([case]) or failure
            if failure is None and small and k == 0 and exercise.form:
                with warnings.catch_warnings(action="ignore"):  # of the file, told by its run
                    says = exercise.form(ast.parse(run.source))
                if says:
                    part.says = "not in the form that is asked for"
                    return Failure(says)
            if failure is not None:
                part.says = _all_or_nothing(k, len(group), case)
                return failure
        if not small and (failure := run.overlap(cases)) is not None:
            part.says = "the numbers are right, the parallel loop is not; the points are for both"
            return failure
        identity = f", and {exercise.adjoint.identity}" if exercise.adjoint else ""
        part.points, part.says = part.of, f"{len(group)} cases{identity}"
    return None


def _all_or_nothing(right: int, count: int, case: Case) -> str:
    """Say how far a group of cases went, and that only all of them count."""
    if count == 1:
        return f"case 1 of 1: {case.label}"
    return f"{right} of {count} cases right, then: {case.label}; the points are for all {count}"


def _one(run: _Run, child: Child, case: Case, rng: np.random.Generator) -> Failure | None:
    """Run one case; return what is wrong with the answer."""
    exercise = run.exercise
    expected = exercise.reference(*case.args.values())
    try:
        answer = run.call(child, case)
    except StoppedError as stopped:
        return _stopped(run, case, stopped)
    if "error" in answer:
        return _crashed(run, case, answer["error"], expected)
    if answer["changed"]:
        names = " and ".join(answer["changed"])
        return Failure(
            f"it changed its argument {names}; work on a copy and leave the caller's array alone",
            case,
        )
    got = answer["value"]
    run.outcomes.append(Outcome(case, got))
    found = difference(exercise, case.args, expected, got)
    broken = _adjoint(exercise, case, got, rng) if found is None or found.values else ""
    if found is None:
        return Failure(broken, case, expected, got) if broken else None
    notes = (*found.notes, *filter(None, [broken]))
    named = mistakes(exercise, run.outcomes, run.helpers)
    return Failure(found.says, case, expected, got, notes=notes, mistakes=named)


def _adjoint(exercise: Exercise, case: Case, got: Any, rng: np.random.Generator) -> str:
    """Say how the adjoint identity fails, or ""."""
    if exercise.adjoint is None:
        return ""
    with np.errstate(all="ignore"):
        left, right = exercise.adjoint.sides(case.args, got, rng)
    if abs(left - right) <= 1e-9 * max(abs(left), abs(right), 1.0):
        return ""
    return (
        f"{exercise.adjoint.identity} fails for random vectors: {number(left)} and {number(right)}"
    )


def _stopped(run: _Run, case: Case | None, stopped: StoppedError) -> Failure:
    """Describe a process that is gone; if compiled code killed it, find the line uncompiled."""
    if stopped.died and b"numba" in run.source:
        return _crashed(run, case, {"type": "", "message": str(stopped), "compiled": True})
    return Failure(str(stopped), case)


def _crashed(run: _Run, case: Case | None, error: dict[str, Any], expected: Any = None) -> Failure:
    """Describe an exception; one from compiled code is raised once more uncompiled."""
    if error.get("not_written"):
        return Failure(error["message"], case, not_written=True)
    notes: tuple[str, ...] = ()
    if error["compiled"] and b"numba" in run.source:
        again, note = _uncompiled(run, case)
        error, notes = again or error, (note,)
    named: tuple[Wrong, ...] = ()
    if case is not None and error["type"]:
        run.outcomes.append(Outcome(case, error=error["type"]))
        named = mistakes(run.exercise, run.outcomes, run.helpers)
    says = ": ".join(filter(None, (error["type"], error["message"])))
    frames = tuple(error.get("frames", ()))
    return Failure(says, case, expected, frames=frames, notes=notes, mistakes=named)


def _uncompiled(run: _Run, case: Case | None) -> tuple[dict[str, Any] | None, str]:
    """Run a case again with plain Python in place of Numba; return its error, and a note."""
    try:
        with Child(run.limits, NUMBA_DISABLE_JIT="1") as child:
            answer = run.open(child)
            if "error" not in answer and case is not None:
                answer = run.call(child, case)
    except StoppedError as stopped:
        return None, f"run again uncompiled: {stopped}"
    if "error" in answer:
        return answer["error"], "run again uncompiled (NUMBA_DISABLE_JIT=1), to find your line"
    return None, "uncompiled it does not fail: what failed is what Numba makes of it"


def _speed(run: _Run, report: Report, seed: int) -> None:
    """Race the routine; its own process, without bounds checks."""
    exercise, part = run.exercise, report.parts[-1]
    assert exercise.speed is not None
    try:
        with Child(run.limits) as child:
            run.open(child)
            result = race(exercise, child, np.random.default_rng(seed))
            report.seconds += child.seconds
    except StoppedError as stopped:
        part.says = str(stopped)
        return
    part.says = result.says
    part.points = round(part.of * result.share)
