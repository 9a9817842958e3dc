"""What stands beside a student's file in its process: the driver, and earlier routines.

An exercise that builds on earlier ones declares their routines and leaves them unwritten.  In a
check each is the student's own, where their file for it has passed and is still the same;
otherwise the model solution stands in, so that an unsolved exercise never blocks a later one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import DataError
from .child import Child
from .form import Exercise


@dataclass(frozen=True)
class Provided:
    """A file that provides an earlier exercise's routine."""

    exercise: Exercise
    source: bytes
    path: str
    own: bool


@dataclass(frozen=True)
class Helpers:
    """What to load before the student's file.

    Parameters
    ----------
    provided : dict
        By the routine's name, in the course's order: a file may use what comes before it.
    """

    provided: Mapping[str, Provided] = field(default_factory=dict)

    def load(self, child: Child, exercise: Exercise) -> None:
        """Load the driver and the earlier routines into a process.

        Raises
        ------
        DataError
            If a student's own file does not load, though it passed once.
        """
        for routine, p in self.provided.items():
            answer = child.load(
                p.source, p.path, f"earlier_{routine}",
                allows=list(p.exercise.allows), provides=routine, uses=list(p.exercise.uses),
            )  # fmt: skip
            if "error" in answer:
                error = answer["error"]
                raise DataError(
                    f"{p.path}: does not load any more ({error['type']}: {error['message']}); "
                    "check it by itself, or move it away and the reference stands in"
                )
        if exercise.driver:
            child.load(exercise.driver, f"drivers/{exercise.name}.py", "driver")

    def told(self) -> list[str]:
        """Say of each routine whose it is."""
        return [
            f"{routine}: yours ({p.path})" if p.own else f"{routine}: the reference stands in"
            for routine, p in self.provided.items()
        ]
