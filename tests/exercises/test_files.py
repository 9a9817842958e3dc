"""The gradebook, routines of earlier exercises, the bundle and the results for Gradescope."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path

import pytest

from simplenn_py.engines.operator_table import Operators
from simplenn_py.errors import DataError, UserError
from simplenn_py.exercises.bundle import _needs, write_bundle
from simplenn_py.exercises.check import check_file
from simplenn_py.exercises.course import EXERCISES, exercise_named
from simplenn_py.exercises.exercise import OPERATORS, Case
from simplenn_py.exercises.gradebook import NAME, Gradebook, load_gradebook
from simplenn_py.exercises.gradescope import results
from simplenn_py.exercises.helpers import Helpers, Provided
from simplenn_py.exercises.submissions import in_folder

INDEX = exercise_named("find_index_phiZ")
BINCOUNT = exercise_named("vTP_phi_bincount")


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text, "utf-8")
    return path


def test_a_solved_exercise_is_used_by_a_later_one(tmp_path: Path) -> None:
    gradebook = Gradebook(tmp_path)
    own = INDEX.solution.replace("k = 0", 'k = 0\n    print("this is mine")')
    gradebook.record(check_file(INDEX, write(tmp_path, INDEX.name, own)))
    gradebook = load_gradebook(tmp_path)
    path = write(tmp_path, BINCOUNT.name, BINCOUNT.solution)
    report = check_file(BINCOUNT, path, gradebook.helpers(BINCOUNT))
    assert report.passed
    assert "this is mine" in report.printed
    assert report.helpers.describe() == [
        f"find_index_phiZ: yours ({tmp_path / 'find_index_phiZ.py'})"
    ]


@pytest.mark.parametrize("text", [None, INDEX.skeleton, INDEX.solution + "\n"])
def test_otherwise_the_model_solution_is_used(tmp_path: Path, text: str | None) -> None:
    gradebook = Gradebook(tmp_path)
    gradebook.record(check_file(INDEX, write(tmp_path, INDEX.name, INDEX.solution)))
    if text is None:
        (tmp_path / "find_index_phiZ.py").unlink()
    else:
        write(tmp_path, INDEX.name, text)  # changed since it passed
    helpers = gradebook.helpers(BINCOUNT)
    assert helpers.describe() == ["find_index_phiZ: the model solution"]
    assert check_file(BINCOUNT, write(tmp_path, "mine", BINCOUNT.solution), helpers).passed


def test_the_best_points_are_kept(tmp_path: Path) -> None:
    gradebook = Gradebook(tmp_path)
    gradebook.record(check_file(INDEX, write(tmp_path, INDEX.name, INDEX.solution)))
    gradebook.record(check_file(INDEX, write(tmp_path, INDEX.name, INDEX.skeleton)))
    entry = load_gradebook(tmp_path).entries[INDEX.name]
    assert (entry.best, entry.points, entry.passed) == (INDEX.points.total, 0, False)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 2, "exercises": {}}',
             '{"format": 1, "exercises": {"a": {"points": "x"}}}',
             '{"format": 1, "exercises": {"a": {"other": 1}}}',
             '{"format": 1, "exercises": {"a": {"hints": -5}}}', "[" * 100_000, "\0"],
)  # fmt: skip
def test_a_damaged_progress_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(DataError, match="is not a progress file of this version; remove it"):
        load_gradebook(tmp_path)


def test_a_progress_file_that_is_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(DataError, match="is not a progress file of this version; remove it"):
        load_gradebook(tmp_path)


def test_an_own_file_that_no_longer_loads_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "find_index_phiZ.py"
    own = Provided(INDEX, b"raise ValueError('gone')", str(path), own=True)
    with pytest.raises(
        DataError, match=r"cannot be loaded any more .ValueError: gone.; check this"
    ):
        check_file(
            BINCOUNT,
            write(tmp_path, "mine", BINCOUNT.solution),
            Helpers({"find_index_phiZ": own}),
        )


def test_gradescope_explains_a_failure_in_the_part_that_failed(tmp_path: Path) -> None:
    text = INDEX.solution.replace("    return", "    if g.d > 1:\n        1 / 0\n    return")
    exercise = replace(INDEX, cases=lambda rng: _small_then_two_channels(INDEX.cases(rng)))
    report = check_file(exercise, write(tmp_path, INDEX.name, text))
    first, second = results([report])["tests"]
    assert (first["status"], second["status"]) == ("passed", "failed")
    assert "ZeroDivisionError" not in first["output"]
    assert "ZeroDivisionError" in second["output"]
    assert f"sha256 {report.sha256}" in second["output"]


def _small_then_two_channels(cases: Iterable[Case]) -> Iterator[Case]:
    return (case for case in cases if case.small == (case.args["g"].d == 1))


def test_gradescope_counts_points_part_by_part(tmp_path: Path) -> None:
    solved = check_file(INDEX, write(tmp_path, INDEX.name, INDEX.solution))
    unwritten = check_file(BINCOUNT, write(tmp_path, BINCOUNT.name, BINCOUNT.skeleton))
    missing = exercise_named("maxpooling")
    content = results([solved, unwritten], [(missing, "there is no maxpooling.py")])
    assert content["score"] == INDEX.points.total
    assert sum(t["max_score"] for t in content["tests"]) == sum(
        e.points.total for e in (INDEX, BINCOUNT, missing)
    )
    assert [t["status"] for t in content["tests"]] == ["passed"] * 2 + ["failed"] * 3
    assert all(t["output_format"] == "text" for t in content["tests"])
    assert content["tests"][-1]["output"] == "there is no maxpooling.py"
    assert json.loads(json.dumps(content)) == content


def test_a_bundle_has_the_selected_exercises(tmp_path: Path) -> None:
    exercises = [INDEX, BINCOUNT]
    assert [p.name for p in write_bundle(tmp_path / "kit", exercises)] == ["grader", "student"]
    assert {p.name for p in (tmp_path / "kit/student").iterdir()} == {
        "README.txt", "find_index_phiZ.py", "vTP_phi_bincount.py"
    }  # fmt: skip
    text = (tmp_path / "kit/student/README.txt").read_text()
    commands = [x for x in text.splitlines() if x.startswith("  simplenn exercise")]
    assert len(commands) == 4
    ends = {len(x) - len(re.split(r"  +", x)[-1]) for x in commands}
    assert len(ends) == 1, "the descriptions of the commands are aligned"
    write_bundle(tmp_path / "all", [exercise_named(n) for n in EXERCISES], solutions=True)
    for name in EXERCISES:
        for folder, text in (("student", "skeleton"), ("solutions", "solution")):
            made = (tmp_path / "all" / folder / f"{name}.py").read_text("utf-8")
            assert made == getattr(exercise_named(name), text)
    assert "instructors only" in (tmp_path / "all/solutions/README.txt").read_text()
    assert list(tmp_path.glob("all/**/__pycache__")) == []
    with pytest.raises(UserError, match="already exists; name a new folder"):
        write_bundle(tmp_path / "kit", exercises)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all", "kit"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="the grader's script is for bash")
def test_the_grader_grades(tmp_path: Path) -> None:
    write_bundle(tmp_path / "out", [INDEX, exercise_named("maxpooling")])
    home = tmp_path / "autograder"
    shutil.copytree(tmp_path / "out" / "grader", home / "source")
    (home / "submission" / "mine").mkdir(parents=True)  # submitted as a folder
    (home / "results").mkdir()
    (home / "venv").symlink_to(sys.prefix)  # instead of setup.sh
    write(home / "submission" / "mine", INDEX.name, INDEX.solution)
    done = bash(home / "source" / "run_autograder", AUTOGRADER_ROOT=str(home), GRADER_SEED="7")
    assert done.returncode == 0, done.stderr
    content = json.loads((home / "results" / "results.json").read_text())
    assert content["score"] == INDEX.points.total
    assert [t["name"] for t in content["tests"]][-1] == "maxpooling"
    assert content["tests"][-1]["output"] == f"there is no {home / 'submission' / 'maxpooling.py'}"


def bash(script: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(script)], env=os.environ | environment, cwd=script.parent,
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("bash") is None, reason="the grader's script is for bash")
def test_setup_asks_for_a_python_that_is_new_enough(tmp_path: Path) -> None:
    write_bundle(tmp_path / "out", [INDEX])
    setup = tmp_path / "out" / "grader" / "setup.sh"
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.10.12 && exit\nexit 1\n')
    old.chmod(0o755)
    root = {"AUTOGRADER_ROOT": str(tmp_path / "root")}
    done = bash(setup, PYTHON=str(old), **root)
    assert done.returncode == 1
    assert done.stderr == (
        "setup.sh: this is Python 3.10.12, simplenn_py needs 3.11 or later; see README.txt\n"
    )
    assert "there is no nothing" in bash(setup, PYTHON="nothing", **root).stderr
    # A new Python makes a virtual environment, whose pip installs the requirements.
    new = tmp_path / "new"
    new.write_text(
        '#!/bin/sh\nif [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python3"; fi\n'
        'echo "$@"\n'
    )
    new.chmod(0o755)
    done = bash(setup, PYTHON=str(new), **root)
    assert done.returncode == 0, done.stderr
    assert f"-m venv {tmp_path / 'root' / 'venv'}" in done.stdout
    assert "-m pip install" in done.stdout.splitlines()[-1]


def test_the_graders_readme_has_every_step(tmp_path: Path) -> None:
    write_bundle(tmp_path / "out", [INDEX])
    text = (tmp_path / "out/grader/README.txt").read_text()
    for part in ("AUTOGRADER_ROOT=", "cd grader && zip -r ../grader.zip .", "GRADER_SEED", "24.04"):
        assert part in text
    script = (tmp_path / "out/grader/run_autograder").read_text()
    assert any(line.startswith("seed=") for line in script.splitlines())


def test_exercises_whose_routine_can_train_a_network() -> None:
    assert set(Operators.names()) == OPERATORS
    assert exercise_named("maxpooling").trains
    assert not exercise_named("cg").trains


def test_files_one_folder_deep(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    deep = write(tmp_path / "one", INDEX.name, "")
    write(tmp_path / "__MACOSX", INDEX.name, "")
    assert in_folder(tmp_path, [INDEX.name]) == ([(INDEX, deep)], [])
    with pytest.raises(DataError, match=r"did you mean .*one\?$"):
        in_folder(tmp_path, None)
    (tmp_path / "two").mkdir()
    write(tmp_path / "two", INDEX.name, "")
    found, missing = in_folder(tmp_path, [INDEX.name])
    assert found == []
    assert "keep only one of" in missing[0][1]
    top = write(tmp_path, INDEX.name, "")
    assert in_folder(tmp_path, [INDEX.name]) == ([(INDEX, top)], [])


def test_the_grader_installs_what_the_package_needs():
    names = {re.split(r"[<>=!~]", need)[0] for need in _needs()}
    setup = ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")
    needed = setup.get("options", "install_requires").split()[::3]
    assert names == set(needed)
