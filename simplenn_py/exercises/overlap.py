"""Whether iterations of prange change the same entry: found without threads, by drivers/prange.py.

Compiled, such a race gives right numbers in one run and wrong ones in the next; here the file runs
uncompiled, and every iteration is watched, so that a check says the same each time.
"""

from __future__ import annotations

from collections.abc import Sequence

from .child import Child, Limits, StoppedError
from .form import HERE, Case, Exercise
from .helpers import Helpers
from .report import Failure

_NOTE = (
    "compiled, this is right in some runs and wrong in others; let prange run over what has "
    "entries of its own"
)


def overlap(
    exercise: Exercise, source: bytes, path: str, helpers: Helpers, cases: Sequence[Case]
) -> Failure | None:
    """Return the first case in which two iterations of a parallel loop change the same entry.

    Parameters
    ----------
    exercise : Exercise
    source : bytes
        The student's file; one without prange is not run.
    path : str
        Its name in messages.
    helpers : Helpers
        As in the check.
    cases : sequence of Case

    Returns
    -------
    Failure or None
        None, too, where nothing can be said: the file does not run uncompiled, is slow so, or
        asks which thread it is on, and so may share entries rightly.
    """
    if b"prange" not in source or b"thread_id" in source or exercise.driver:
        return None
    watcher = (HERE / "drivers" / "prange.py").read_bytes()
    try:
        with Child(Limits(20.0, 2.0), NUMBA_DISABLE_JIT="1") as child:
            child.load(watcher, "drivers/prange.py", "driver")
            helpers.load(child, exercise)
            child.load(source, path, exercise.name, uses=list(exercise.uses))
            for case in cases:
                function = case.function or exercise.functions[0]
                answer = child.call(exercise.name, function, case.args, driver=True)
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
    """Say it in the student's names."""
    lines = source.decode("utf-8", "replace").splitlines()
    frame = {
        "file": path.replace("\\", "/").rpartition("/")[2],
        "line": line,
        "code": lines[line - 1].strip() if 0 < line <= len(lines) else "",
        "function": function,
    }
    one, other = values
    return Failure(
        f"the parallel iterations {one} and {other} both change {name}{index}: on two threads at "
        "once, what one of them writes is lost",
        case,
        frames=(frame,),
        notes=(_NOTE,),
    )
