"""Progress, stand-ins, the bundle and Gradescope's results."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simplenn_py.errors import DataError, UserError
from simplenn_py.exercises.bundle import write_bundle
from simplenn_py.exercises.check import check_file
from simplenn_py.exercises.course import EXERCISES, exercise_named
from simplenn_py.exercises.gradescope import results
from simplenn_py.exercises.progress import NAME, Progress, load_progress

INDEX = exercise_named("find_index_phiZ")
BINCOUNT = exercise_named("vTP_phi_bincount")


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text, "utf-8")
    return path


def test_a_solved_exercise_is_used_by_a_later_one(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    own = INDEX.solution.replace("k = 0", 'k = 0\n    print("this is mine")')
    progress.record(check_file(INDEX, write(tmp_path, INDEX.name, own)))
    progress = load_progress(tmp_path)
    path = write(tmp_path, BINCOUNT.name, BINCOUNT.solution)
    report = check_file(BINCOUNT, path, progress.helpers(BINCOUNT))
    assert report.passed
    assert "this is mine" in report.printed
    assert report.helpers.told() == [f"find_index_phiZ: yours ({tmp_path / 'find_index_phiZ.py'})"]


@pytest.mark.parametrize("text", [None, INDEX.skeleton, INDEX.solution + "\n"])
def test_otherwise_the_reference_stands_in(tmp_path: Path, text: str | None) -> None:
    progress = Progress(tmp_path)
    progress.record(check_file(INDEX, write(tmp_path, INDEX.name, INDEX.solution)))
    if text is None:
        (tmp_path / "find_index_phiZ.py").unlink()
    else:
        write(tmp_path, INDEX.name, text)  # changed since it passed
    helpers = progress.helpers(BINCOUNT)
    assert helpers.told() == ["find_index_phiZ: the reference stands in"]
    assert check_file(BINCOUNT, write(tmp_path, "mine", BINCOUNT.solution), helpers).passed


def test_the_best_points_are_kept(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    progress.record(check_file(INDEX, write(tmp_path, INDEX.name, INDEX.solution)))
    progress.record(check_file(INDEX, write(tmp_path, INDEX.name, INDEX.skeleton)))
    entry = load_progress(tmp_path).entries[INDEX.name]
    assert (entry.best, entry.points, entry.passed) == (INDEX.points.total, 0, False)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 2, "exercises": {}}',
             '{"format": 1, "exercises": {"a": {"points": "x"}}}',
             '{"format": 1, "exercises": {"a": {"other": 1}}}'],
)  # fmt: skip
def test_a_damaged_progress_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(DataError, match="is not a progress file of this version; remove it"):
        load_progress(tmp_path)


def test_gradescope_counts_points_part_by_part(tmp_path: Path) -> None:
    right = check_file(INDEX, write(tmp_path, INDEX.name, INDEX.solution))
    wrong = check_file(BINCOUNT, write(tmp_path, BINCOUNT.name, BINCOUNT.skeleton))
    missing = exercise_named("maxpooling")
    told = results([right, wrong], [missing])
    assert told["score"] == INDEX.points.total
    assert sum(t["max_score"] for t in told["tests"]) == sum(
        e.points.total for e in (INDEX, BINCOUNT, missing)
    )
    assert [t["status"] for t in told["tests"]] == ["passed"] * 2 + ["failed"] * 3
    assert all(t["output_format"] == "text" for t in told["tests"])
    assert told["tests"][-1]["output"] == "maxpooling.py was not handed in"
    assert json.loads(json.dumps(told)) == told


def test_a_bundle_has_what_was_asked_for(tmp_path: Path) -> None:
    exercises = [INDEX, BINCOUNT]
    assert [p.name for p in write_bundle(tmp_path / "kit", exercises)] == ["grader", "student"]
    assert {p.name for p in (tmp_path / "kit/student").iterdir()} == {
        "README.txt", "find_index_phiZ.py", "vTP_phi_bincount.py"
    }  # fmt: skip
    write_bundle(tmp_path / "all", [exercise_named(n) for n in EXERCISES], solutions=True)
    for name in EXERCISES:
        for folder, text in (("student", "skeleton"), ("solutions", "solution")):
            made = (tmp_path / "all" / folder / f"{name}.py").read_text("utf-8")
            assert made == getattr(exercise_named(name), text)
    assert list(tmp_path.glob("all/**/__pycache__")) == []
    with pytest.raises(UserError, match="exists already; name a new folder"):
        write_bundle(tmp_path / "kit", exercises)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all", "kit"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="the grader's script is for bash")
def test_the_grader_grades(tmp_path: Path) -> None:
    write_bundle(tmp_path / "out", [INDEX, exercise_named("maxpooling")])
    home = tmp_path / "autograder"
    shutil.copytree(tmp_path / "out" / "grader", home / "source")
    (home / "submission").mkdir()
    (home / "results").mkdir()
    write(home / "submission", INDEX.name, INDEX.solution)
    script = (home / "source" / "run_autograder").read_text().replace("/autograder", str(home))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"PATH": path}, cwd=tmp_path,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads((home / "results" / "results.json").read_text())
    assert told["score"] == INDEX.points.total
    assert [t["name"] for t in told["tests"]][-1] == "maxpooling"
