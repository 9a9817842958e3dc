"""What a check found: its parts, their points, and the first thing that went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .form import Case, Exercise, Wrong
from .helpers import Helpers


@dataclass(frozen=True)
class Failure:
    """The first thing that went wrong.

    Parameters
    ----------
    says : str
        What, in a sentence.
    case : Case or None
        With which input; None if the file did not even load.
    expected, got : object
        What the reference and the student's routine returned, where both returned.
    frames : list of dict
        The student's own lines at which it crashed, the innermost last.
    notes : tuple of str
    mistakes : tuple of Wrong
        Typical mistakes that explain everything that was returned.
    not_written : bool
    """

    says: str
    case: Case | None = None
    expected: Any = None
    got: Any = None
    frames: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    mistakes: tuple[Wrong, ...] = ()
    not_written: bool = False


@dataclass
class Part:
    """One part of a check, its points and what there is to say of it."""

    name: str
    of: int
    points: int = 0
    says: str = "not reached"


@dataclass
class Report:
    """What a check found.

    Parameters
    ----------
    exercise : Exercise
    path : str
    sha256 : str
        Of the bytes that were run, as the process that ran them counted it.
    parts : list of Part
    failure : Failure or None
    printed : str
        What the student's code printed.
    helpers : Helpers
    seconds : float
        In the student's process.
    """

    exercise: Exercise
    path: str
    sha256: str
    parts: list[Part]
    helpers: Helpers
    failure: Failure | None = None
    printed: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> Part:
        """The part that says what went wrong; the first where all is right."""
        return next((part for part in self.parts if not part.points), self.parts[0])

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)

    @property
    def passed(self) -> bool:
        """Whether all is right; a routine may pass with half of the points for speed."""
        return self.failure is None and all(part.points for part in self.parts)
