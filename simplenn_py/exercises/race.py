"""A race of the student's routine with the reference, in turns, in the same run."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..runtime.clock import seconds
from ..runtime.threads import limit_threads
from .child import Child
from .compare import difference
from .form import Exercise

_ROUNDS = 3


@dataclass(frozen=True)
class Result:
    """The share of the points for speed, and why."""

    share: float
    says: str


def race(exercise: Exercise, child: Child, rng: np.random.Generator) -> Result:
    """Let both run in turns, and compare the shortest times.

    Parameters
    ----------
    exercise : Exercise
        With a `speed`.
    child : Child
        The student's file is loaded.
    rng : Generator
        Of the case.

    Returns
    -------
    Result

    Raises
    ------
    StoppedError
        At a limit of the process.
    """
    speed = exercise.speed
    assert speed is not None
    case = speed.case(rng)
    values = list(case.args.values())
    function = case.function or exercise.functions[0]
    lenient = replace(exercise, tolerance=max(exercise.tolerance, 1e-5))
    expected = speed.kernel(*values)
    mine = theirs = float("inf")
    for _ in range(_ROUNDS):
        with limit_threads(1):
            mine = min(mine, seconds(lambda: speed.kernel(*values), repeat=2))
        answer = child.ask(
            do="time", name=exercise.name, function=function, args=case.args,
            driver=bool(exercise.driver), repeat=2,
        )  # fmt: skip
        if "error" in answer:
            error = answer["error"]
            return Result(0.0, f"{case.label}: {error['type']}: {error['message']}")
        # Every run's result, not the first's alone: threads may be right once and wrong then.
        for got in (answer["value"], *answer["others"]):
            found = difference(lenient, case.args, expected, got)
            if found is not None:
                return Result(0.0, f"{case.label}: {found.says}")
        theirs = min(theirs, answer["seconds"])
        if theirs > 100 * speed.half * mine:
            break  # no noise of the machine explains that
    ratio = theirs / mine
    share = 1.0 if ratio <= speed.full else 0.5 if ratio <= speed.half else 0.0
    needed = "" if share == 1.0 else f"; all points up to {speed.full:g} times"
    if share == 0.0:
        needed += f", half up to {speed.half:g}"
    return Result(
        share,
        f"{1e3 * theirs:.3g} ms, {ratio:.2g} times the reference's {1e3 * mine:.3g} ms on one "
        f"thread{needed}",
    )
