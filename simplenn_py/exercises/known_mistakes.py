"""Find the typical mistake that explains what the student's routine returned.

For each known mistake the model solution is edited so that it makes the mistake.  It then runs on
the same cases.  The mistake is named if the edited solution gives the same answers as the student's
routine in all cases so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .differences import difference
from .exercise import Case, Exercise, Mistake
from .helpers import Helpers
from .worker_client import Limits, StoppedError, WorkerClient


@dataclass(frozen=True)
class Outcome:
    """Result of one case: the returned value, or the type of the exception.

    Parameters
    ----------
    case : Case
    value : object
        Returned value; None if the routine raised an exception.
    error : str
        Name of the exception's type; "" if the routine returned.
    """

    case: Case
    value: Any = None
    error: str = ""


def find_mistakes(
    exercise: Exercise, outcomes: Sequence[Outcome], helpers: Helpers
) -> tuple[Mistake, ...]:
    """Return the typical mistakes that explain all `outcomes`.

    Parameters
    ----------
    exercise : Exercise
    outcomes : sequence of Outcome
        Results of the student's routine, up to and including the case in which it failed.
    helpers : Helpers
        Routines of earlier exercises, the same as in the student's process.

    Returns
    -------
    tuple of Mistake
        Empty if no known mistake gives these results.
    """
    if not exercise.mistakes:
        return ()
    named = []
    try:
        # Without compilation: compiling each edited solution takes longer than running it.
        with WorkerClient(Limits(20.0, 2.0), NUMBA_DISABLE_JIT="1") as worker:
            helpers.load(worker, exercise)
            for k, mistake in enumerate(exercise.mistakes):
                source, name = exercise.edited(mistake).encode(), f"mistake{k}"
                path = f"{exercise.name} with {mistake.name}"
                worker.load(source, path, name, uses=list(exercise.uses))
                # The last case first: most mistakes differ from the student's routine there.
                if all(_explains(worker, name, exercise, o) for o in reversed(outcomes)):
                    named.append(mistake)
    except StoppedError:
        pass  # a mistake that never ends explains nothing
    return tuple(named)


def _explains(worker: WorkerClient, name: str, exercise: Exercise, outcome: Outcome) -> bool:
    case = outcome.case
    function = case.function or exercise.functions[0]
    answer = worker.call(name, function, case.args, bool(exercise.driver))
    if "error" in answer or outcome.error:
        return answer.get("error", {}).get("type", "") == outcome.error
    plain = replace(exercise, judge=None, fortran=False, where=lambda *_: "")
    try:
        return difference(plain, case.args, answer["value"], outcome.value) is None
    except (TypeError, ValueError):
        return False  # the student's value has a type that cannot be compared
