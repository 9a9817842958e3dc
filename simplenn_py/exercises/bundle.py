"""Write the kit for students and the grader for instructors."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from .. import __version__
from ..errors import UserError
from .exercise import Exercise

_PACKAGE = Path(__file__).parent.parent


def write_bundle(out: Path, exercises: Sequence[Exercise], solutions: bool = False) -> list[Path]:
    """Write ``student/``, ``grader/`` and, if asked, ``solutions/`` into a new folder.

    Parameters
    ----------
    out : Path
        New folder; it must not exist, and it appears only when it is complete.
    exercises : sequence of Exercise
        Exercises of the bundle.
    solutions : bool
        Whether to write the model solutions, too.

    Returns
    -------
    list of Path
        Folders that were written.

    Raises
    ------
    UserError
        If `out` exists or cannot be written.
    """
    if out.exists():
        raise UserError(f"{out} already exists; name a new folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name[:24]}.", dir=out.parent))
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
        work.chmod(0o755)  # mkdtemp gives access to the owner only
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
    if solutions:
        yield "solutions/README.txt", _SOLUTIONS


def _needs() -> list[str]:
    """Return the requirements of the package, without those of its extras."""
    try:
        found = requires("simplenn-py") or []
    except PackageNotFoundError:
        found = []
    needed = [r for r in found if "extra ==" not in r]
    if not needed:  # the package runs from a clone that was not installed
        setup = ConfigParser()
        setup.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")
        needed = setup.get("options", "install_requires", fallback="").split("\n")
    return [r.replace(" ", "") for r in needed if r]


def _readme(exercises: Sequence[Exercise]) -> str:
    width = max(len(e.name) for e in exercises)
    table = "\n".join(
        f"  {e.name:{width}}  {e.points.total:2d} points  {e.title}" for e in exercises
    )
    first = exercises[0].name
    does = (
        ("check .", "checks all exercises and shows the first failure of each"),
        (f"check {first}.py", "checks one exercise"),
        (f"hint {first}", "shows the next of three hints"),
        ("progress", "shows your points so far"),
    )
    width = max(len(words) for words, _ in does)
    commands = "\n".join(f"  simplenn exercise {words:{width}}  {what}" for words, what in does)
    return f"""\
Exercises
=========

{table}

Each file begins with its statement.  Replace the line "raise NotImplementedError(...)" with your
code, and keep the names of the routine and its parameters.  You can test the example in the
statement:

  python -m doctest {first}.py

If simplenn_py is installed, run in this folder:

{commands}

Submit the .py files.
"""


_SETUP = """\
#!/usr/bin/env bash
# Runs once, when the image is built: makes a virtual environment with simplenn_py's requirements.
set -euo pipefail
root="${{AUTOGRADER_ROOT:-/autograder}}"
python="${{PYTHON:-python3}}" # if it is too old, install another one and name it here

fail() {{
    echo "setup.sh: $1" >&2
    exit 1
}}
command -v "$python" >/dev/null || fail "there is no $python; install Python 3.11 or later"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "this is $("$python" --version 2>&1), simplenn_py needs 3.11 or later; see README.txt"
if ! "$python" -c 'import ensurepip' 2>/dev/null; then # a separate package in Debian and Ubuntu
    package="$(basename "$python")-venv"
    [ "$(id -u)" -eq 0 ] || fail "$python cannot make virtual environments; install $package"
    apt-get install -y "$package"
fi
"$python" -m venv "$root/venv"
"$root/venv/bin/python3" -m pip install {requirements}
"""

_RUN = """\
#!/usr/bin/env bash
# Runs for every submission.  Status 1 of the check means only that an exercise is not correct.
set -uo pipefail
root="${{AUTOGRADER_ROOT:-/autograder}}"
seed="${{GRADER_SEED:-0}}" # seed of the random shapes: choose your own, the students use 0
export PYTHONPATH="$root/source"
"$root/venv/bin/python3" -P -m simplenn_py exercise check "$root/submission" \\
    --exercises {names} \\
    --seed "$seed" --gradescope "$root/results/results.json"
status=$?
[ "$status" -le 1 ]
"""

_GRADER = """\
The grader for a programming assignment in Gradescope.

  setup.sh         makes a virtual environment with the requirements of simplenn_py
  run_autograder   checks a submission and writes results.json
  simplenn_py/     the package, version {version}, which wrote this folder

1. Choose the seed of the random shapes: in run_autograder, the line that begins with seed=.  If the
   environment variable GRADER_SEED is set, it is used instead.

2. Test the grader on your computer with the model solutions ('bundle --solutions') or with a
   student's files.  Run in the folder above this one:

     mkdir -p trial/submission trial/results
     cp -r grader trial/source
     cp solutions/*.py trial/submission
     export AUTOGRADER_ROOT="$PWD/trial"
     bash trial/source/setup.sh
     bash trial/source/run_autograder
     cat trial/results/results.json

3. Pack it in the folder above this one; the files must be at the top of the archive:

     (cd grader && zip -r ../grader.zip .)

4. Upload grader.zip as the autograder.  Choose an image whose python3 is 3.11 or later: Ubuntu
   24.04 has 3.12, Debian 12 has 3.11.  Ubuntu 22.04 has 3.10: there, add the line
   apt-get install -y python3.11 at the top of setup.sh and set python=python3.11.

Students may submit the files as they are or in one folder.  A student's code runs in a separate
process with limits of time and memory, but this is not a sandbox: run submissions in the container
that Gradescope provides, or in your own container.
"""

_SOLUTIONS = """\
Model solutions, for instructors only: do not give this folder to students.
"""
