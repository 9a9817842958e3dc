"""Code that is loaded together with a student's file: the driver and routines of earlier exercises.

An exercise that builds on earlier ones declares their routines without code.  A check uses the
student's own routine if its file has passed and has not changed since.  Otherwise it uses the model
solution, so that an unsolved exercise never blocks a later one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import DataError
from .exercise import Exercise
from .worker_client import WorkerClient


@dataclass(frozen=True)
class Provided:
    """A file that provides a routine of an earlier exercise.

    Parameters
    ----------
    exercise : Exercise
        Exercise that the file answers.
    source : bytes
        Content of the file.
    path : str
        Name of the file in messages.
    own : bool
        Whether it is the student's own file, not the model solution.
    """

    exercise: Exercise
    source: bytes
    path: str
    own: bool


@dataclass(frozen=True)
class Helpers:
    """Routines to load before the student's file.

    Parameters
    ----------
    provided : dict of Provided
        Files by name of the routine, in the order of the course: a file may use the routines
        before it.
    """

    provided: Mapping[str, Provided] = field(default_factory=dict)

    def load(self, worker: WorkerClient, exercise: Exercise) -> None:
        """Load the driver and the earlier routines into a process.

        Raises
        ------
        DataError
            If one of the student's own files does not load, although it has passed.
        """
        for routine, p in self.provided.items():
            answer = worker.load(
                p.source, p.path, f"earlier_{routine}",
                allows=list(p.exercise.allows), provides=routine, uses=list(p.exercise.uses),
            )  # fmt: skip
            if "error" in answer:
                error = answer["error"]
                raise DataError(
                    f"{p.path}: cannot be loaded any more ({error['type']}: {error['message']}); "
                    "check this file by itself, or move it away to use the model solution"
                )
        if exercise.driver:
            worker.load(exercise.driver, f"drivers/{exercise.name}.py", "driver")

    def describe(self) -> list[str]:
        """Return one line per routine: whether it is the student's own or the model solution."""
        return [
            f"{routine}: yours ({p.path})" if p.own else f"{routine}: the model solution"
            for routine, p in self.provided.items()
        ]
