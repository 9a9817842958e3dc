"""Which files of a folder are for which exercises."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError, UserError
from .course import EXERCISES, exercise_named
from .form import Exercise
from .gradescope import Missing

_FOLDERS = "[!._]*"  # neither hidden ones nor those that an archive or Python leaves behind


def one_file(path: Path, name: str | None) -> tuple[Exercise, Path]:
    """Return the exercise that a file is for: `name`, else what it is called.

    Raises
    ------
    UserError
        If it is not there, or not named after an exercise.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file; 'simplenn exercise start' writes one")
    if name is None and path.stem not in EXERCISES:
        raise UserError(f"{path.name} is not named after an exercise; say which: --exercise NAME")
    return exercise_named(name or path.stem), path


def in_folder(
    folder: Path, names: Sequence[str] | None
) -> tuple[list[tuple[Exercise, Path]], list[Missing]]:
    """Return the files of a folder, and exercises without one, with what there is instead.

    Parameters
    ----------
    folder : Path
    names : sequence of str, optional
        These exercises are asked for; their files may be one folder deep.  By default all are
        looked for, and none is asked for.

    Raises
    ------
    DataError
        If none is asked for and there is none.
    """
    found: list[tuple[Exercise, Path]] = []
    missing: list[Missing] = []
    for exercise in map(exercise_named, names or EXERCISES):
        file = folder / f"{exercise.name}.py"
        below = sorted(p for p in folder.glob(f"{_FOLDERS}/{file.name}") if p.is_file())
        if file.is_file():
            found.append((exercise, file))
        elif file.exists():
            missing.append((exercise, f"{file} is not a file; put yours in its place"))
        elif names and len(below) == 1:
            found.append((exercise, below[0]))
        elif names and below:
            missing.append((exercise, f"keep one of {', '.join(map(str, below))}"))
        elif names:
            missing.append((exercise, f"there is no {file}"))
    if not found and not missing:
        raise DataError(f"{folder}: is a folder without an exercise's file; {_elsewhere(folder)}")
    return found, missing


def _elsewhere(folder: Path) -> str:
    """Say where exercises' files are, in folders of this one."""
    near = sorted({p.parent for p in folder.glob(f"{_FOLDERS}/*.py") if p.stem in EXERCISES})
    if near:
        return f"give the folder: {' or '.join(map(str, near[:3]))}"
    return "'simplenn exercise start' writes one"
