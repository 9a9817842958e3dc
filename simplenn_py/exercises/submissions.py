"""Find the submitted files, and the exercise that each of them is for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError, UserError
from .course import EXERCISES, exercise_named
from .exercise import Exercise
from .gradescope import Missing

_FOLDERS = "[!._]*"  # no hidden folders, and none that an archive or Python leaves behind


def one_file(path: Path, name: str | None) -> tuple[Exercise, Path]:
    """Return a submitted file and its exercise.

    Parameters
    ----------
    path : Path
        Submitted file.
    name : str or None
        Name of the exercise; if None, the name of the file.

    Raises
    ------
    UserError
        If the file does not exist, or if `name` is None and the file is not named after an
        exercise.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file; 'simplenn exercise start' writes one")
    if name is None and path.stem not in EXERCISES:
        raise UserError(
            f"{path.name} is not named after an exercise; name the exercise with --exercise NAME"
        )
    return exercise_named(name or path.stem), path


def in_folder(
    folder: Path, names: Sequence[str] | None
) -> tuple[list[tuple[Exercise, Path]], list[Missing]]:
    """Return the submitted files of a folder, and the exercises whose file is missing.

    Parameters
    ----------
    folder : Path
    names : sequence of str, optional
        Names of the required exercises; their files may be in the folder or one folder below it.
        By default every file named after an exercise is used, and none is required.

    Returns
    -------
    found : list of (Exercise, Path)
    missing : list of (Exercise, str)
        Required exercises without a file, and the reason.

    Raises
    ------
    DataError
        If no exercise is required and no file is found.
    """
    found: list[tuple[Exercise, Path]] = []
    missing: list[Missing] = []
    for exercise in map(exercise_named, names or EXERCISES):
        file = folder / f"{exercise.name}.py"
        below = sorted(p for p in folder.glob(f"{_FOLDERS}/{file.name}") if p.is_file())
        if file.is_file():
            found.append((exercise, file))
        elif file.exists():
            missing.append((exercise, f"{file} is not a file; replace it with your file"))
        elif names and len(below) == 1:
            found.append((exercise, below[0]))
        elif names and below:
            missing.append((exercise, f"keep only one of {', '.join(map(str, below))}"))
        elif names:
            missing.append((exercise, f"there is no {file}"))
    if not found and not missing:
        raise DataError(f"{folder}: this folder has no exercise; {_elsewhere(folder)}")
    return found, missing


def _elsewhere(folder: Path) -> str:
    """Suggest a folder below this one that has exercises."""
    near = sorted({p.parent for p in folder.glob(f"{_FOLDERS}/*.py") if p.stem in EXERCISES})
    if near:
        return f"did you mean {' or '.join(map(str, near[:3]))}?"
    return "'simplenn exercise start' writes one"
