"""The kit for students and the grader for an instructor, from the one source of the course."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from .. import __version__
from ..errors import UserError
from .form import Exercise

_PACKAGE = Path(__file__).parent.parent


def write_bundle(out: Path, exercises: Sequence[Exercise], solutions: bool = False) -> list[Path]:
    """Write ``student/``, ``grader/`` and, if asked, ``solutions/`` into a new folder.

    Parameters
    ----------
    out : Path
        Must not exist; it appears when it is complete.
    exercises : sequence of Exercise
    solutions : bool

    Returns
    -------
    list of Path
        The folders.

    Raises
    ------
    UserError
        If `out` exists or cannot be written.
    """
    if out.exists():
        raise UserError(f"{out} exists already; name a new folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise UserError(
            f"{out}: cannot be written ({error.strerror}); check the folder above it"
        ) from None
    try:
        for name, text in _files(exercises, solutions):
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8", newline="\n")
            if text.startswith("#!"):
                path.chmod(0o755)
        shutil.copytree(
            _PACKAGE, work / "grader" / _PACKAGE.name,
            ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
        )  # fmt: skip
        work.chmod(0o755)  # mkdtemp's folders are the owner's alone
        os.replace(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return sorted(p for p in out.iterdir() if p.is_dir())


def _files(exercises: Sequence[Exercise], solutions: bool) -> Iterator[tuple[str, str]]:
    for exercise in exercises:
        yield f"student/{exercise.name}.py", exercise.skeleton
        if solutions:
            yield f"solutions/{exercise.name}.py", exercise.solution
    yield "student/README.txt", _readme(exercises)
    yield "grader/setup.sh", _SETUP.format(requirements=" ".join(map(shlex.quote, _needs())))
    names = ",".join(e.name for e in exercises)
    yield "grader/run_autograder", _RUN.format(names=names)
    yield "grader/README.txt", _GRADER.format(version=__version__)


def _needs() -> list[str]:
    """Return the package's requirements, without those of its extras."""
    try:
        found = requires("simplenn-py") or []
    except PackageNotFoundError:
        found = []
    needed = [r for r in found if "extra ==" not in r]
    return needed or ["numba", "numpy", "scipy", "psutil", "rich", "platformdirs", "threadpoolctl"]


def _readme(exercises: Sequence[Exercise]) -> str:
    width = max(len(e.name) for e in exercises)
    table = "\n".join(
        f"  {e.name:{width}}  {e.points.total:2d} points  {e.title}" for e in exercises
    )
    return f"""\
Exercises
=========

{table}

Each file begins with its statement.  Write the routine where the file says that it is not
written yet; keep its name and its parameters.  The example in the statement is a test:

  python -m doctest {exercises[0].name}.py

With simplenn_py installed, in this folder:

  simplenn exercise check .                  which of them are right, and where they go wrong
  simplenn exercise check {exercises[0].name}.py
  simplenn exercise hint {exercises[0].name}   one of three hints, then the next
  simplenn exercise progress

Hand in the .py files.
"""


_SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, when the image is built.
set -euo pipefail
python3 -m pip install {requirements}
"""

_RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for every submission.  Status 1 only says that something is not yet right.
set -uo pipefail
export PYTHONPATH=/autograder/source
python3 -P -m simplenn_py exercise check /autograder/submission --exercises {names} \\
    --seed "${{GRADER_SEED:-0}}" --gradescope /autograder/results/results.json
status=$?
[ "$status" -le 1 ]
"""

_GRADER = """\
The grader: zip the contents of this folder and upload the archive as the autograder of a
Gradescope programming assignment whose image has Python 3.11 or later.

  setup.sh         installs what simplenn_py needs
  run_autograder   checks a submission and writes results.json
  simplenn_py/     version {version}, which wrote this folder

GRADER_SEED draws other random shapes than the students'.  A student's code runs in a process of
its own with limits of time and memory, but that is no sandbox: run submissions in the container
that Gradescope provides, or in one of your own.
"""
