"""Measure the running time of the student's routine relative to the reference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import shown
from ..runtime.clock import seconds
from ..runtime.threads import limit_threads
from .differences import difference
from .exercise import Exercise
from .worker_client import WorkerClient

_ROUNDS = 3


@dataclass(frozen=True)
class SpeedResult:
    """Result of a speed measurement.

    Parameters
    ----------
    share : float
        Share of the points for speed: 0, 0.5 or 1.
    message : str
        Times, and the ratio needed for more points; or the error that the routine made.
    error : bool
        Whether the routine failed or returned wrong values, so that its time does not count.
    """

    share: float
    message: str
    error: bool = False


def measure_speed(
    exercise: Exercise, worker: WorkerClient, rng: np.random.Generator
) -> SpeedResult:
    """Run both routines alternately and compare their shortest times.

    Parameters
    ----------
    exercise : Exercise
        Exercise with a `speed`.
    worker : WorkerClient
        Process that has loaded the student's file.
    rng : Generator
        Random generator for the input.

    Returns
    -------
    SpeedResult

    Raises
    ------
    StoppedError
        If the process reaches one of its limits.
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
        answer = worker.ask(
            do="time", name=exercise.name, function=function, args=case.args,
            driver=bool(exercise.driver), repeat=2,
        )  # fmt: skip
        if "error" in answer:
            error = answer["error"]
            what = " ".join(error["message"].split())  # Numba's messages have many lines
            message = shown(f"{case.label}: {error['type']}: {what}", most=200)
            return SpeedResult(0.0, message, error=True)
        # Compare every result, not only the first: with threads one run may be correct by chance.
        for got in (answer["value"], *answer["others"]):
            found = difference(lenient, case.args, expected, got)
            if found is not None:
                return SpeedResult(0.0, f"{case.label}: {found.message}", error=True)
        theirs = min(theirs, answer["seconds"])
        if theirs > 100 * speed.half * mine:
            break  # too slow to be explained by noise
    ratio = theirs / mine
    times = f"{ratio:.2g}" if ratio < 99.5 else f"{ratio:.0f}"
    share = 1.0 if ratio <= speed.full else 0.5 if ratio <= speed.half else 0.0
    needed = "" if share == 1.0 else f"; all points for at most {speed.full:g} times as long"
    if share == 0.0:
        needed += f", half of them for at most {speed.half:g} times"
    return SpeedResult(
        share,
        f"{duration(theirs)}, {times} times as long as the reference on one thread "
        f"({duration(mine)}){needed}",
    )


def duration(seconds: float) -> str:
    """Write a running time with three digits: "24.5 ms", "2.45 s"."""
    for value, unit in ((1e3 * seconds, "ms"), (seconds, "s")):
        if value < 999.5:
            return f"{value:.3g} {unit}"
    return f"{seconds:.0f} s"
