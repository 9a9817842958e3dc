"""Find iterations of prange that change the same entry, without threads (drivers/prange.py).

If two threads write to the same entry, the compiled code gives correct numbers in one run and wrong
ones in the next.  Here the file runs without compilation and every iteration is watched, so that
the result of a check does not change from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence

from .exercise import HERE, Case, Exercise
from .helpers import Helpers
from .report import Failure
from .worker_client import Limits, StoppedError, WorkerClient

_NOTE = (
    "compiled code with this loop is correct in some runs and wrong in others; use prange for a "
    "loop in which each iteration changes its own entries"
)


def overlap(
    exercise: Exercise, source: bytes, path: str, helpers: Helpers, cases: Sequence[Case]
) -> Failure | None:
    """Return the first case in which two iterations of a parallel loop change the same entry.

    Parameters
    ----------
    exercise : Exercise
    source : bytes
        Content of the student's file.  A file without prange is not run.
    path : str
        Name of the file in messages.
    helpers : Helpers
        Routines of earlier exercises, the same as in the check.
    cases : sequence of Case

    Returns
    -------
    Failure or None
        None if there is no such case.  Also None if nothing is known: the file does not run without
        compilation or is too slow, or it asks for the thread's number and may share entries safely.
    """
    if b"prange" not in source or b"thread_id" in source or exercise.driver:
        return None
    watcher = (HERE / "drivers" / "prange.py").read_bytes()
    try:
        with WorkerClient(Limits(20.0, 2.0), NUMBA_DISABLE_JIT="1") as worker:
            worker.load(watcher, "drivers/prange.py", "driver")
            helpers.load(worker, exercise)
            worker.load(source, path, exercise.name, uses=list(exercise.uses))
            for case in cases:
                function = case.function or exercise.functions[0]
                answer = worker.call(exercise.name, function, case.args, driver=True)
                if "error" in answer:
                    return None
                if answer["value"]:
                    return _failure(case, source, path, **answer["value"])
    except StoppedError:
        pass
    return None


def _failure(
    case: Case,
    source: bytes,
    path: str,
    name: str,
    index: list[int],
    values: list[int],
    line: int,
    function: str,
) -> Failure:
    """Describe the failure with the names in the student's file."""
    lines = source.decode("utf-8", "replace").splitlines()
    frame = {
        "file": path.replace("\\", "/").rpartition("/")[2],
        "line": line,
        "code": lines[line - 1].strip() if 0 < line <= len(lines) else "",
        "function": function,
    }
    one, other = values
    return Failure(
        f"the parallel iterations {one} and {other} both change {name}{index}: if two threads run "
        "them at the same time, one of the two values is lost",
        case,
        frames=(frame,),
        notes=(_NOTE,),
    )
