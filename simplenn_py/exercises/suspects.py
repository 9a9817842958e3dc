"""Which typical mistake gives what the student's routine returned.

The model solution is edited to make each mistake, run on the same cases, and compared: a mistake
is named if it answers every case so far as the student's routine did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .child import Child, Limits, StoppedError
from .compare import difference
from .form import Case, Exercise, Wrong
from .helpers import Helpers


@dataclass(frozen=True)
class Outcome:
    """What a routine made of a case: a value, or an error's type."""

    case: Case
    value: Any = None
    error: str = ""


def mistakes(
    exercise: Exercise, outcomes: Sequence[Outcome], helpers: Helpers
) -> tuple[Wrong, ...]:
    """Return the typical mistakes that explain all `outcomes`.

    Parameters
    ----------
    exercise : Exercise
    outcomes : sequence of Outcome
        What the student's routine made of the cases, up to the one where it failed.
    helpers : Helpers
        As the student's process has them.
    """
    if not exercise.wrong:
        return ()
    named = []
    try:
        # Uncompiled: to compile each would take longer than to run it.
        with Child(Limits(20.0, 2.0), NUMBA_DISABLE_JIT="1") as child:
            helpers.load(child, exercise)
            for k, wrong in enumerate(exercise.wrong):
                source, name = exercise.edited(wrong).encode(), f"wrong{k}"
                path = f"{exercise.name} with {wrong.name}"
                child.load(source, path, name, uses=list(exercise.uses))
                # The last first: there most of them part from the student's.
                if all(_explains(child, name, exercise, o) for o in reversed(outcomes)):
                    named.append(wrong)
    except StoppedError:
        pass  # a mistake that runs away names nobody
    return tuple(named)


def _explains(child: Child, name: str, exercise: Exercise, outcome: Outcome) -> bool:
    case = outcome.case
    function = case.function or exercise.functions[0]
    answer = child.call(name, function, case.args, bool(exercise.driver))
    if "error" in answer or outcome.error:
        return answer.get("error", {}).get("type", "") == outcome.error
    plain = replace(exercise, judge=None, fortran=False, where=lambda *_: "")
    try:
        return difference(plain, case.args, answer["value"], outcome.value) is None
    except (TypeError, ValueError):
        return False  # the student's value is of no kind that could be compared
