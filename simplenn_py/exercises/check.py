"""Check a student's file: run its routine on every case and report the first failure."""

from __future__ import annotations

import ast
import hashlib
import stat
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..io.files import not_python_text
from .differences import difference, number
from .exercise import Case, Exercise, Mistake
from .helpers import Helpers
from .known_mistakes import Outcome, find_mistakes, outcomes_of
from .near import other_format
from .overlap import overlap
from .report import CheckReport, Failure, Part
from .speed import measure_speed
from .worker_client import Limits, StoppedError, WorkerClient

_LIMITS = Limits()
_LARGEST = 1_000_000  # bytes: the largest file that is read


@dataclass
class _Run:
    """A check in progress."""

    exercise: Exercise
    source: bytes
    path: str
    helpers: Helpers
    limits: Limits
    step: Callable[[str], None]
    cases: list[Case] = field(default_factory=list)

    def open(self, worker: WorkerClient) -> dict[str, Any]:
        """Load the helpers and the student's file; return the answer for the student's file."""
        self.helpers.load(worker, self.exercise)
        e = self.exercise
        return worker.load(
            self.source, self.path, e.name,
            allows=list(e.allows), functions=list(e.functions), uses=list(e.uses),
        )  # fmt: skip

    def call(self, worker: WorkerClient, case: Case) -> dict[str, Any]:
        function = case.function or self.exercise.functions[0]
        return worker.call(self.exercise.name, function, case.args, bool(self.exercise.driver))

    def mistakes(self, worker: WorkerClient, failed: Outcome) -> tuple[Mistake, ...]:
        """Return the typical mistakes that give the failed outcome and those of all other cases."""
        exercise = self.exercise
        self.step("looking for the mistake")
        found = find_mistakes(exercise, exercise.mistakes, [failed], self.helpers)
        if not found:
            return ()
        try:
            worker.ask(do="quiet")  # the report shows what was printed up to the failure
        except StoppedError:
            return ()
        others = [case for case in self.cases if case is not failed.case]
        outcomes = outcomes_of(exercise, worker, exercise.name, others)
        return find_mistakes(exercise, found, outcomes, self.helpers) if outcomes else ()

    def overlap(self, cases: Sequence[Case]) -> Failure | None:
        return overlap(self.exercise, self.source, self.path, self.helpers, cases)


def read_source(path: Path) -> bytes:
    """Read a student's file, once.

    Raises
    ------
    DataError
        If the file cannot be read, is too large to be an exercise, or is not Python but a
        notebook, an archive or the like.
    """
    try:
        what = path.stat()
        if stat.S_ISREG(what.st_mode) and what.st_size > _LARGEST:
            raise DataError(
                f"{path}: is {what.st_size / 1e6:.3g} MB; an exercise is a few kB of Python"
            )
        if stat.S_ISREG(what.st_mode):
            source = path.read_bytes()
            if what_else := other_format(source, path):
                raise DataError(f"{path}: is {what_else}")
            return source
        reason = "it is not a file"
    except OSError as error:
        reason = error.strerror or "no reason given"
    raise DataError(
        f"{path}: cannot be read ({reason}); give a file written by 'simplenn exercise start', "
        "or the folder that contains it"
    )


def check_file(
    exercise: Exercise,
    path: Path,
    helpers: Helpers | None = None,
    limits: Limits = _LIMITS,
    seed: int = 0,
    step: Callable[[str], None] = lambda text: None,
) -> CheckReport:
    """Check a student's file.

    Parameters
    ----------
    exercise : Exercise
        Exercise that the file solves.
    path : Path
        File to check.  It is read once; the same contents are hashed and run.
    helpers : Helpers, optional
        Routines of earlier exercises.
    limits : Limits
        Limits on time and memory, shared by all correctness cases.  The speed measurement gets a
        fresh allowance of the same size.
    seed : int
        Seed of the random cases.
    step : callable, optional
        ``step(text)`` is called with what the check does next, for instance "case 3 of 17".

    Returns
    -------
    CheckReport
        Points of each part, and the first failure.

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
    # Compiled with the full path, so that tracebacks and Numba's messages name the student's file.
    run = _Run(exercise, source, str(path.resolve()), helpers, limits, step)
    sha256 = hashlib.sha256(source).hexdigest()
    report = CheckReport(exercise, str(path), sha256, parts, helpers)
    with WorkerClient(limits, NUMBA_BOUNDSCHECK="1") as worker:
        report.failure = _values(run, worker, report, seed)
        report.printed, report.seconds = worker.printed, worker.seconds
    if report.failure is None and exercise.speed is not None:
        step("speed")
        _check_speed(run, report, seed)
    return report


def _values(run: _Run, worker: WorkerClient, report: CheckReport, seed: int) -> Failure | None:
    """Load the file and run the cases in order; return the first failure."""
    exercise = run.exercise
    if not run.source.strip():
        return Failure("the file is empty; 'simplenn exercise start' writes the skeleton")
    if fault := not_python_text(run.source):
        return Failure(f"{fault}; open it in an editor and save it as UTF-8")
    try:
        loaded = run.open(worker)
    except StoppedError as stopped:
        return _stopped(run, None, stopped)
    if "error" in loaded:
        return _crashed(run, None, loaded["error"])
    report.sha256 = loaded["sha256"]
    if loaded["missing"]:
        names = ", ".join(loaded["missing"])
        return Failure(f"the file does not define {names}; keep the names of the skeleton")
    rng = np.random.default_rng(seed)
    cases = run.cases = list(exercise.cases(rng))
    for part, small in zip(report.parts, (True, False), strict=False):
        group = [case for case in cases if case.small == small]
        for k, case in enumerate(group):
            run.step(f"{part.name}, case {k + 1} of {len(group)}: {case.label}")
            failure = _one(run, worker, case, rng)
            if failure is not None and failure.got is not None:
                failure = run.overlap([case]) or failure
            if failure is None and small and k == 0 and exercise.source_check:
                with warnings.catch_warnings(action="ignore"):  # the run has shown them already
                    message = exercise.source_check(ast.parse(run.source))
                if message:
                    part.message = "not written in the required form"
                    return Failure(message)
            if failure is not None:
                part.message = _all_or_nothing(k, len(group), case)
                return failure
        if not small and (failure := run.overlap(cases)) is not None:
            part.message = "values correct, but the parallel loop is not; the points need both"
            return failure
        identity = f"; {exercise.adjoint.identity} holds" if exercise.adjoint else ""
        part.points, part.message = part.of, f"{len(group)} cases correct{identity}"
    return None


def _all_or_nothing(right: int, count: int, case: Case) -> str:
    """Describe how far a group of cases got, and that the points need all of them."""
    if count == 1:
        return f"failed in case 1 of 1: {case.label}"
    return f"{right} of {count} cases correct, failed in: {case.label}; the points need all {count}"


def _one(run: _Run, worker: WorkerClient, case: Case, rng: np.random.Generator) -> Failure | None:
    """Run one case; return the failure, or None if the answer is correct."""
    exercise = run.exercise
    expected = exercise.reference(*case.args.values())
    try:
        answer = run.call(worker, case)
    except StoppedError as stopped:
        return _stopped(run, case, stopped)
    if "error" in answer:
        return _crashed(run, case, answer["error"], expected, worker)
    if answer["changed"]:
        names = " and ".join(answer["changed"])
        return Failure(
            f"the routine changed its argument {names}; work on a copy and leave the caller's "
            "array unchanged",
            case,
        )
    got = answer["value"]
    found = difference(exercise, case.args, expected, got)
    broken = _adjoint(exercise, case, got, rng) if found is None or found.values else ""
    if found is None:
        return Failure(broken, case, expected, got) if broken else None
    named = () if found.complete else run.mistakes(worker, Outcome(case, got))
    return Failure(
        found.message, case, expected, got, notes=found.notes, adjoint=broken, mistakes=named
    )


def _adjoint(exercise: Exercise, case: Case, got: Any, rng: np.random.Generator) -> str:
    """Describe how the adjoint identity fails; "" if it holds."""
    if exercise.adjoint is None:
        return ""
    with np.errstate(all="ignore"):
        left, right = exercise.adjoint.sides(case.args, got, rng)
    if abs(left - right) <= 1e-9 * max(abs(left), abs(right), 1.0):
        return ""
    return (
        f"{exercise.adjoint.identity} fails for random vectors: the two sides are {number(left)} "
        f"and {number(right)}"
    )


def _stopped(run: _Run, case: Case | None, stopped: StoppedError) -> Failure:
    """Describe why the process ended; if compiled code killed it, run uncompiled to find the line.

    Numba's compiled code can crash the process without a Python exception.
    """
    if stopped.died and b"numba" in run.source:
        return _crashed(run, case, {"type": "", "message": str(stopped), "compiled": True})
    return Failure(str(stopped), case)


def _crashed(
    run: _Run,
    case: Case | None,
    error: dict[str, Any],
    expected: Any = None,
    worker: WorkerClient | None = None,
) -> Failure:
    """Describe an exception; if compiled code raised it, raise it again uncompiled."""
    if error.get("not_written"):
        return Failure(error["message"], case, not_written=True)
    notes: tuple[str, ...] = ()
    if error["compiled"] and b"numba" in run.source:
        again, note = _uncompiled(run, case)
        error, notes = again or error, (note,)
    named: tuple[Mistake, ...] = ()
    if case is not None and worker is not None:
        named = run.mistakes(worker, Outcome(case, error=error["type"]))
    message = ": ".join(filter(None, (error["type"], error["message"])))
    frames = tuple(error.get("frames", ()))
    return Failure(message, case, expected, frames=frames, notes=notes, mistakes=named)


def _uncompiled(run: _Run, case: Case | None) -> tuple[dict[str, Any] | None, str]:
    """Run a case again in plain Python, without Numba; return its error and a note."""
    try:
        with WorkerClient(run.limits, NUMBA_DISABLE_JIT="1") as worker:
            answer = run.open(worker)
            if "error" not in answer and case is not None:
                answer = run.call(worker, case)
    except StoppedError as stopped:
        return None, f"run again without compilation: {stopped}"
    if "error" in answer:
        return answer["error"], (
            "run again without compilation (NUMBA_DISABLE_JIT=1) to find the line in your file"
        )
    return None, "without compilation it does not fail: only the code compiled by Numba does"


def _check_speed(run: _Run, report: CheckReport, seed: int) -> None:
    """Measure the speed of the routine, in a new process without bounds checks."""
    exercise, part = run.exercise, report.parts[-1]
    assert exercise.speed is not None
    try:
        with WorkerClient(run.limits) as worker:
            run.open(worker)
            result = measure_speed(exercise, worker, np.random.default_rng(seed))
            report.seconds += worker.seconds
    except StoppedError as stopped:
        part.message, part.error = str(stopped), True
        return
    part.message, part.error = result.message, result.error
    part.points = round(part.of * result.share)
