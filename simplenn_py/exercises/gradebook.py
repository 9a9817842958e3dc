"""Exercises that a student has passed, stored in ``.simplenn_progress.json`` beside the files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..io.atomic import atomic_write_bytes
from ..io.damage import reason
from ..io.files import read_text
from ..io.stored import Mismatch, record, text, told, whole
from ..io.strict_json import from_json
from .check import read_source
from .course import EXERCISES, exercise_named
from .exercise import Exercise
from .helpers import Helpers, Provided
from .report import CheckReport

NAME = ".simplenn_progress.json"
_FORMAT = 1


@dataclass
class Entry:
    """Stored results of one exercise.

    Parameters
    ----------
    points : int
        Points of the last check.
    best : int
        Most points of any check.
    passed : bool
        Whether the last check was passed.
    file : str
        Name of the file that was checked.
    sha256 : str
        Hash of its bytes.
    checked : str
        Date and time of the last check (UTC); "" if there was none.
    hints : int
        Number of hints shown.
    told : bool
        Whether a report has shown how the adjoint identity fails.
    """

    points: int = 0
    best: int = 0
    passed: bool = False
    file: str = ""
    sha256: str = ""
    checked: str = ""
    hints: int = 0
    told: bool = False


@dataclass
class Gradebook:
    """Stored results of all exercises in a folder.

    Parameters
    ----------
    folder : Path
        Folder of the student's files.
    entries : dict of Entry
        Results by name of the exercise.
    """

    folder: Path
    entries: dict[str, Entry] = field(default_factory=dict)

    def entry(self, name: str) -> Entry:
        """Return the entry of an exercise; create it if there is none."""
        return self.entries.setdefault(name, Entry())

    def record(self, report: CheckReport, save: bool = True) -> None:
        """Store the result of a check and, if `save`, write the file."""
        entry = self.entry(report.exercise.name)
        entry.points, entry.passed = report.points, report.passed
        entry.best = max(entry.best, report.points)
        entry.file, entry.sha256 = Path(report.path).name, report.sha256
        entry.checked = datetime.now(UTC).isoformat(timespec="seconds")
        if save:
            self.save()

    def tell(self, report: CheckReport) -> bool:
        """Whether a report shows how the adjoint identity fails: the first time for each identity.

        Exercises with the same routine have the same identity.
        """
        adjoint, failure = report.exercise.adjoint, report.failure
        if adjoint is None or failure is None or not failure.adjoint:
            return False
        for name, entry in self.entries.items():
            if entry.told and name in EXERCISES and exercise_named(name).adjoint == adjoint:
                return False
        self.entry(report.exercise.name).told = True
        return True

    def save(self) -> None:
        """Write the file atomically."""
        content = {"format": _FORMAT, "exercises": {k: asdict(e) for k, e in self.entries.items()}}
        text = json.dumps(content, indent=2) + "\n"
        atomic_write_bytes(self.folder / NAME, text.encode())

    def own(self, name: str) -> Provided | None:
        """Return the student's file for an exercise if it has passed and has not changed since."""
        entry = self.entries.get(name)
        if entry is None or not entry.passed:
            return None
        path = self.folder / Path(entry.file).name
        if not path.is_file():
            return None
        try:
            source = read_source(path)
        except DataError:
            return None  # the model solution is used
        if hashlib.sha256(source).hexdigest() != entry.sha256:
            return None
        return Provided(exercise_named(name), source, str(path.resolve()), own=True)

    def helpers(self, exercise: Exercise) -> Helpers:
        """Return the routines of earlier exercises that an exercise uses.

        If several exercises define a routine, the last one that the student has passed provides
        it.  If none is passed, the model solution of the last one is used.
        """
        provided: dict[str, Provided] = {}
        for routine in exercise.uses:
            self._provide(routine, exercise.name, provided)
        return Helpers(provided)

    def _provide(self, routine: str, user: str, provided: dict[str, Provided]) -> None:
        """Add a routine to `provided`, after the routines that its file uses."""
        if routine in provided:
            return
        before = EXERCISES[: EXERCISES.index(user)]
        makers = [e for e in map(exercise_named, before) if routine in e.functions]
        if not makers:
            raise ValueError(f"{user} uses {routine}, which no earlier exercise defines")
        own = [p for e in makers if (p := self.own(e.name)) is not None]
        last = makers[-1]
        found = Provided(last, last.solution.encode(), f"solutions/{last.name}.py", own=False)
        if own:
            found = own[-1]
        for used in found.exercise.uses:
            self._provide(used, found.exercise.name, provided)
        provided[routine] = found


def load_gradebook(folder: Path) -> Gradebook:
    """Read the results stored in a folder; return an empty gradebook if there are none.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    path = folder / NAME
    if not path.exists():
        return Gradebook(folder)
    try:
        content = from_json(read_text(path))
        entries = _CONTENT(content, "")["exercises"]
    except (ValueError, Mismatch) as fault:
        raise DataError(
            f"{path}: is not a progress file of this version; remove it and run the check again "
            f"({reason(fault)})"
        ) from None
    return Gradebook(folder, {name: Entry(**entry) for name, entry in entries.items()})


def _flag(value: Any, name: str) -> bool:
    if type(value) is not bool:
        raise Mismatch(f"{name} is {told(value)}; it must be true or false")
    return value


_ENTRY = record(
    {},
    {
        "points": whole(high=1000),
        "best": whole(high=1000),
        "passed": _flag,
        "file": text(255, surrogates=True),
        "sha256": text(64),
        "checked": text(40),
        "hints": whole(),
        "told": _flag,
    },
)
_CONTENT = record({"format": whole(_FORMAT, _FORMAT), "exercises": record({}, others=_ENTRY)})
