"""Which known mistakes of an exercise give the same answers in all cases."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np

from simplenn_py.exercises.differences import same
from simplenn_py.exercises.exercise import HERE, Exercise
from simplenn_py.exercises.gradebook import Gradebook
from simplenn_py.exercises.known_mistakes import STOPPED, Outcome, outcomes_of
from simplenn_py.exercises.worker_client import Limits, WorkerClient


def answers(exercise: Exercise, texts: Iterable[str]) -> list[list[Outcome]]:
    """Return the answers of several solutions in all cases of their exercise, for one seed."""
    cases = list(exercise.cases(np.random.default_rng(0)))
    found: list[list[Outcome]] = []
    left = list(texts)
    while left:
        with WorkerClient(Limits(60.0, 2.0), NUMBA_DISABLE_JIT="1") as worker:
            Gradebook(HERE).helpers(exercise).load(worker, exercise)
            while left:
                source = left.pop(0).encode()
                loaded = worker.load(source, "edited.py", "edited", uses=list(exercise.uses))
                assert "error" not in loaded, loaded
                outcomes = outcomes_of(exercise, worker, "edited", cases)
                assert outcomes is not None
                found.append(outcomes)
                if outcomes[-1].error == STOPPED:
                    break  # the next one gets a new process
    return found


def equal(exercise: Exercise, one: list[Outcome], other: list[Outcome]) -> bool:
    """Whether two solutions give the same answers in all cases."""
    return len(one) == len(other) and all(
        x.error == y.error and same(x.value, y.value, exercise.tolerance)
        for x, y in zip(one, other, strict=True)
    )


def alike(exercise: Exercise) -> list[tuple[str, str]]:
    """Return the pairs of mistakes, or of a mistake and the solution, that no case tells apart."""
    named = [("the solution", exercise.solution)]
    named += [(m.name, text) for m in exercise.mistakes for text in exercise.edited(m)]
    names, texts = zip(*named, strict=True)
    found = zip(names, answers(exercise, texts), strict=True)
    return [
        (one, other)
        for (one, x), (other, y) in combinations(found, 2)
        if one != other and equal(exercise, x, y)
    ]
