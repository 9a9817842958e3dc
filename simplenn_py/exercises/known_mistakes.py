"""Find the typical mistake that explains what the student's routine returned.

For each known mistake the model solution is edited so that it makes the mistake.  It then runs on
all cases of the exercise.  The mistake is named only if the edited solution gives the same answer
as the student's routine in every case.  The cases of each exercise tell its mistakes apart: no two
of them, nor the solution, give the same answers in all cases.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .differences import same
from .exercise import Case, Exercise, Mistake
from .helpers import Helpers
from .worker_client import Limits, StoppedError, WorkerClient

#: Error of an :class:`Outcome` whose process was stopped, or ended.
STOPPED = "stopped"

_CASE = 5.0  # seconds for one case: the correct routines need milliseconds
_ALL = 40.0  # seconds after which nothing is named


@dataclass(frozen=True)
class Outcome:
    """Result of one case: the returned value, or the type of the exception.

    Parameters
    ----------
    case : Case
    value : object
        Returned value; None if the routine raised an exception.
    error : str
        Name of the exception's type, or :data:`STOPPED`; "" if the routine returned.
    """

    case: Case
    value: Any = None
    error: str = ""


def outcomes_of(
    exercise: Exercise, worker: WorkerClient, name: str, cases: Sequence[Case]
) -> list[Outcome] | None:
    """Run a routine on the cases, up to the first case in which the process is stopped.

    Parameters
    ----------
    exercise : Exercise
    worker : WorkerClient
        Process that has loaded the file.
    name : str
        Name of the loaded module.
    cases : sequence of Case

    Returns
    -------
    list of Outcome or None
        None if all cases together take too long.
    """
    outcomes = []
    end = time.perf_counter() + _ALL
    for case in cases:
        if time.perf_counter() > end:
            return None
        outcomes.append(_outcome(exercise, worker, name, case))
        if outcomes[-1].error == STOPPED:
            break
    return outcomes


def find_mistakes(
    exercise: Exercise,
    mistakes: Sequence[Mistake],
    outcomes: Sequence[Outcome],
    helpers: Helpers,
) -> tuple[Mistake, ...]:
    """Return those of some typical mistakes that explain all `outcomes`.

    Parameters
    ----------
    exercise : Exercise
    mistakes : sequence of Mistake
    outcomes : sequence of Outcome
        Results of the student's routine.
    helpers : Helpers
        Routines of earlier exercises, the same as in the student's process.

    Returns
    -------
    tuple of Mistake
        Empty if none of the mistakes gives these results.
    """
    named: list[Mistake] = []
    left = [(mistake, text) for mistake in mistakes for text in exercise.edited(mistake)]
    end = time.perf_counter() + _ALL
    try:
        while left:
            # Without compilation: compiling each edited solution takes longer than running it.
            with WorkerClient(Limits(_CASE, 2.0), NUMBA_DISABLE_JIT="1") as worker:
                helpers.load(worker, exercise)
                alive = True
                while left and alive:
                    if time.perf_counter() > end:
                        return ()
                    mistake, text = left.pop(0)
                    explains, alive = _explains(exercise, text, worker, outcomes)
                    if explains and mistake not in named:
                        named.append(mistake)
    except StoppedError:  # the files do not load in time
        return ()
    return tuple(named)


def _explains(
    exercise: Exercise, text: str, worker: WorkerClient, outcomes: Sequence[Outcome]
) -> tuple[bool, bool]:
    """Return whether an edited solution gives these outcomes, and whether the process runs on."""
    worker.allow(_CASE)
    worker.load(text.encode(), exercise.name, "edited", uses=list(exercise.uses))
    for theirs in outcomes:
        ours = _outcome(exercise, worker, "edited", theirs.case)
        if ours.error != theirs.error or not same(theirs.value, ours.value, exercise.tolerance):
            return False, ours.error != STOPPED
    return True, not any(o.error == STOPPED for o in outcomes)


def _outcome(exercise: Exercise, worker: WorkerClient, name: str, case: Case) -> Outcome:
    function = case.function or exercise.functions[0]
    worker.allow(_CASE)
    try:
        answer = worker.call(name, function, case.args, bool(exercise.driver))
    except StoppedError:
        return Outcome(case, error=STOPPED)
    if "error" in answer:
        return Outcome(case, error=answer["error"]["type"])
    return Outcome(case, answer["value"])
