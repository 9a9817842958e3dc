"""Result of a check: its parts, their points, and the first failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .exercise import Case, Exercise, Mistake
from .helpers import Helpers


@dataclass(frozen=True)
class Failure:
    """The first failure of a check.

    Parameters
    ----------
    message : str
        One sentence that describes the failure.
    case : Case or None
        Case that failed; None if the file did not load.
    expected, got : object
        Results of the reference and of the student's routine, if both returned.
    frames : tuple of dict
        Lines of the student's code that were active when an exception was raised, the innermost
        last.
    notes : tuple of str
        Further observations.
    adjoint : str
        How the adjoint identity fails; "" if it holds or if the exercise has none.
    mistakes : tuple of Mistake
        Typical mistakes that explain all returned values.
    not_written : bool
        Whether the routine still raises NotImplementedError.
    """

    message: str
    case: Case | None = None
    expected: Any = None
    got: Any = None
    frames: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    adjoint: str = ""
    mistakes: tuple[Mistake, ...] = ()
    not_written: bool = False


@dataclass
class Part:
    """One part of a check.

    Parameters
    ----------
    name : str
    of : int
        Maximum number of points.
    points : int
        Number of points reached.
    message : str
        One line about the result.
    error : bool
        Whether the routine failed or was wrong while its speed was measured.
    """

    name: str
    of: int
    points: int = 0
    message: str = "not reached"
    error: bool = False


@dataclass
class CheckReport:
    """Result of a check.

    Parameters
    ----------
    exercise : Exercise
    path : str
        Name of the student's file.
    sha256 : str
        Hash of the bytes that were run, computed by the process that ran them.
    parts : list of Part
        Parts of the check, with their points.
    helpers : Helpers
        Routines of earlier exercises that were used.
    failure : Failure or None
        First failure; None if all values are correct.
    printed : str
        Text that the student's code printed.
    seconds : float
        Running time in the student's process.
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
        """The part that failed; the first part if all values are correct."""
        return next((part for part in self.parts if not part.points), self.parts[0])

    @property
    def points(self) -> int:
        """Sum of the points reached."""
        return sum(part.points for part in self.parts)

    @property
    def passed(self) -> bool:
        """Whether the exercise is passed; half of the points for speed suffice."""
        return self.failure is None and all(part.points for part in self.parts)
