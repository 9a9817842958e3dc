"""Find the submitted files, and the exercise that each of them is for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError, UserError, shown
from .course import EXERCISES, exercise_named
from .exercise import Exercise
from .gradescope import Missing
from .near import exercise_of, is_other_kind, near_files, there_is

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
    meant = name or exercise_of(path)
    if not path.exists():
        own = path.parent / f"{meant}.py"
        if meant and own.is_file():
            remedy = f"did you mean {shown(own)}?"
        else:
            near = near_files(path.parent, meant) if meant else []
            remedy = there_is(near, meant) or "'simplenn exercise start' writes one"
        what = "file" if path.suffix else "file, folder or exercise"
        raise DataError(f"{shown(path)}: there is no such {what}; {remedy}")
    if other := is_other_kind(path):
        raise DataError(f"{shown(path)} {other}")
    if name is None and path.name not in {f"{e}.py" for e in EXERCISES}:
        remedy = f"it could be {meant}: add --exercise {meant}, or rename it to {meant}.py"
        raise UserError(
            f"{shown(path.name)} is not named after an exercise; "
            + (remedy if meant else "name the exercise with --exercise NAME")
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
        By default every file named after an exercise is used, and none is required; a file with
        almost such a name is reported as missing.

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
        near = [] if file.exists() or below else near_files(folder, exercise.name)
        if not names:
            near = [p for p in near if p.parent == folder]
        if file.is_file():
            found.append((exercise, file))
        elif file.exists():
            missing.append((exercise, f"{file} is not a file; replace it with your file"))
        elif names and len(below) == 1:
            found.append((exercise, below[0]))
        elif names and below:
            missing.append((exercise, _several(below)))
        elif names or near:
            remedy = there_is(near, exercise.name)
            missing.append((exercise, f"there is no {file}" + (remedy and f"; {remedy}")))
    if not found and not missing:
        raise DataError(f"{folder}: this folder has no exercise; {_elsewhere(folder)}")
    return found, missing


def _several(files: Sequence[Path]) -> str:
    """Say that several folders have a file: those of several students, or copies."""
    shown_here = ", ".join(shown(f) for f in files[:3]) + (", ..." if len(files) > 3 else "")
    return (
        f"{len(files)} folders have a {files[0].name}; keep only one of {shown_here}, or check the "
        "folder of one student at a time"
    )


def _elsewhere(folder: Path) -> str:
    """Suggest a folder below this one that has exercises."""
    near = sorted({p.parent for p in folder.glob(f"{_FOLDERS}/*.py") if p.stem in EXERCISES})
    if near:
        return f"did you mean {' or '.join(map(str, near[:3]))}?"
    return "'simplenn exercise start' writes one"
