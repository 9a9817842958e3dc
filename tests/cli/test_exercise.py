"""``simplenn exercise``: a student's way through an exercise, and wrong commands."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from simplenn_py.cli import main
from simplenn_py.exercises.course import EXERCISES, exercise_named

NAME = "find_index_phiZ"


def test_from_start_to_passed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    path = folder / f"{NAME}.py"
    assert main(["exercise", "start", NAME, "--dir", str(folder)]) == 0
    assert path.read_text("utf-8") == exercise_named(NAME).skeleton
    assert main(["exercise", "check", str(path)]) == 1
    assert "not written yet: find_index_phiZ has no code yet" in capsys.readouterr().out

    for level in (1, 2, 3, 3):
        assert main(["exercise", "hint", NAME, "--dir", str(folder)]) == 0
        assert capsys.readouterr().out.startswith(f"{NAME}, hint {level} of 3:")

    path.write_text(exercise_named(NAME).solution.replace("u in range(g.h)", "u in range(1)"))
    assert main(["exercise", "check", str(path)]) == 1
    assert "expected index, shape (16,):" in capsys.readouterr().out

    path.write_text(exercise_named(NAME).solution)
    assert main(["exercise", "check", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "all correct: 6 of 6 points" in out
    assert "this is not a sandbox" in out

    assert main(["exercise", "progress", "--dir", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:5] == [NAME, "6", "of", "6", "passed"]
    assert lines[-1].startswith("6 of ")
    path.write_text(path.read_text() + "\n")
    main(["exercise", "progress", "--dir", str(folder)])
    assert "passed, changed since then" in capsys.readouterr().out


def test_list_names_every_exercise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exercise", "list", "--dir", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["exercise", *EXERCISES]
    trains = {line.split()[0] for line in lines if "  yes" in line}
    assert trains == {n for n in EXERCISES if exercise_named(n).trains}
    assert "yes, with find_index_phiZ" in lines[1 + EXERCISES.index("vTP_phi_bincount")]


def test_start_all_does_not_change_existing_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"{NAME}.py").write_text("mine")
    assert main(["exercise", "start", "all", "--dir", str(tmp_path)]) == 0
    assert (tmp_path / f"{NAME}.py").read_text() == "mine"
    assert {p.stem for p in tmp_path.glob("*.py")} == set(EXERCISES)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(f"simplenn exercise check {tmp_path / EXERCISES[0]}.py")


def test_a_folders_unwritten_exercises_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (NAME, "vTP_phi_loop", "cg"):
        (tmp_path / f"{name}.py").write_text(exercise_named(name).skeleton)
    (tmp_path / f"{NAME}.py").write_text(exercise_named(NAME).solution)
    assert main(["exercise", "check", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "not written yet: vTP_phi_loop, cg" in out.splitlines()
    assert exercise_named("cg").title not in out
    assert "1 of 3 exercises are correct" in out


def test_files_are_graded_although_others_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"{NAME}.py").write_text(exercise_named(NAME).solution)
    (tmp_path / "cg.py").mkdir()
    with (tmp_path / "JTv.py").open("wb") as stream:
        stream.truncate(50_000_000)
    out = tmp_path / "results.json"
    words = ["--exercises", f"JTv,cg,{NAME}", "--gradescope", str(out)]
    assert main(["exercise", "check", str(tmp_path), *words]) == 1
    printed = capsys.readouterr().out
    assert "cg.py is not a file; replace it with your file" in printed
    assert "JTv.py: is 50 MB" in printed
    content = json.loads(out.read_text())
    assert content["score"] == 6
    assert [t["output"].count("\n") for t in content["tests"][-2:]] == [0, 0]


def test_another_file_name_and_gradescope(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "answer.py", tmp_path / "results.json"
    path.write_text(exercise_named(NAME).solution)
    words = ["--exercise", NAME, "--gradescope", str(out), "--seed", "3"]
    assert main(["exercise", "check", str(path), *words]) == 0
    assert json.loads(out.read_text())["score"] == 6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["answer.py", "results.json"]


def test_an_exercise_that_was_not_submitted_is_not_correct(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"{NAME}.py"
    path.write_text(exercise_named(NAME).solution)
    words = ["--exercises", f"maxpooling,{NAME}"]
    assert main(["exercise", "check", str(tmp_path), *words]) == 1
    out = capsys.readouterr().out
    assert "maxpooling: there is no" in out
    assert "1 of 2 exercises are correct: 6 of 14 points" in out


def test_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "course"
    assert main(["exercise", "bundle", str(out), "--exercises", NAME, "--solutions"]) == 0
    assert {p.name for p in (out / "solutions").iterdir()} == {"README.txt", f"{NAME}.py"}
    printed = capsys.readouterr().out
    assert f"for instructors only: {out / 'solutions'}" in printed
    assert printed.splitlines()[-1].startswith(f"next: read {out / 'grader' / 'README.txt'}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["start", "find_index"],
            "there is no exercise 'find_index'; did you mean 'find_index_phi",
        ),
        (["start", NAME, "--dir", "{full}"], "already exists; remove or rename it"),
        (["check", "{tmp}/none.py"], "there is no such file"),
        (["check", "none"], "there is no such file, folder or exercise"),
        (["check", NAME, "--dir", "{tmp}"], "there is no such file"),
        (["check", "--dir", "{tmp}/none"], "there is no such folder"),
        (["check", "--dir", "{full}/odd.py"], "is not a folder; name the folder of your files"),
        (["hint", "{full}/find_index.py"], "there is no exercise 'find_index'; did you mean"),
        (
            ["hint", f"{{full}}/{NAME} (1).py"],
            f"; rename the file to {NAME}.py, or use: simplenn exercise hint {NAME} --dir {{full}}",
        ),
        (
            ["hint", "{full}"],
            "is a folder; name one exercise, such as: simplenn exercise hint {full}/",
        ),
        (
            ["start", "full", "--dir", "{tmp}"],
            "full is a folder; name one exercise, such as: simpl",
        ),
        (["start", "cg", "--dir", "{full}/odd.py"], "odd.py is a file, not a folder; name another"),
        (["start", "all", "--dir", "{full}/odd.py"], "odd.py is a file, not a folder; name anoth"),
        (["hint", "ex"], "there is no exercise 'ex'; the exercises are find_index_phiZ"),
        (["hint", "{tmp}/none/cg.py"], "there is no such folder"),
        (["start", "{tmp}/foo.py"], "there is no exercise 'foo'"),
        (["progress", "{full}", "--dir", "{tmp}"], "; give one of them"),
        (["check", "{tmp}"], "this folder has no exercise; did you mean {full}?"),
        (["check", "{full}/odd.py"], "is not named after an exercise; name the exercise with"),
        (
            ["check", "{full}/odd.py", "--exercises", NAME],
            "; this option is for a folder, use --exercise for one file",
        ),
        (
            ["check", "{full}", "--exercise", NAME],
            "; this option is for one file, use --exercises A,B for a folder",
        ),
        (["check", "{full}", "--time-limit", "0"], "--time-limit is 0; it must be positive"),
        (["check", "{full}", "--seed", "-1"], "--seed is -1"),
        (["hint", "foo"], "there is no exercise 'foo'; the exercises are find_index_phiZ, padding"),
        (["hint", "vtp_ph"], "did you mean 'vTP_phi_loop' or 'vTP_phi_bincount' or 'vTP_phi_nu"),
        (["check", "{full}", "--exercises", "foo"], "--exercises is 'foo'; there is no exercise"),
        (["progress", "--dir", "{tmp}"], "this folder holds no exercise file; name the folder"),
        (["progress", "--dir", "{tmp}/none"], "there is no such folder"),
        (["bundle", "{full}"], "already exists; name a new folder"),
    ],
)
def test_a_wrong_command_gives_one_line_and_status_2(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    for name in (NAME, "odd"):
        (tmp_path / "full" / f"{name}.py").write_text("x = 1\n")
    filled = [word.format(tmp=tmp_path, full=tmp_path / "full") for word in words]
    assert main(["exercise", *filled]) == 2
    err = capsys.readouterr().err
    assert message.format(tmp=tmp_path, full=tmp_path / "full") in err
    assert err.count("\n") == 1


def test_the_commands_that_are_printed_work_in_every_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = exercise_named(NAME).solution.replace("index[k] = c", "index[k] = 1 + c")
    for folder in (".", "my course"):
        assert main(["exercise", "start", NAME, "--dir", folder]) == 0
        command = capsys.readouterr().out.strip().rpartition("then: ")[2]
        Path(folder, f"{NAME}.py").write_text(wrong)
        assert main(shlex.split(command)[1:]) == 1
        out = capsys.readouterr().out
        assert "likely mistake: counted from 1." in out
        command = out.strip().splitlines()[-1].partition("for a hint: ")[2]
        where = "" if folder == "." else " --dir 'my course'"
        assert command == f"simplenn exercise hint {NAME}{where}"
        assert main(shlex.split(command)[1:]) == 0
        assert "hint 1 of 3" in capsys.readouterr().out
        assert Path(folder, ".simplenn_progress.json").exists()


def test_a_name_a_path_or_nothing_is_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = f"{NAME}.py"
    for words in (["start", f"mine/{file}"], ["start", file], ["start", NAME, "--dir", "other"]):
        assert main(["exercise", *words]) == 0
    for place in (tmp_path, tmp_path / "mine", tmp_path / "other"):
        assert (place / file).read_text() == exercise_named(NAME).skeleton
    capsys.readouterr()
    for words, path in (
        ([], file),
        ([NAME], file),
        (["--dir", "mine"], f"mine/{file}"),
        ([NAME, "--dir", "mine"], f"mine/{file}"),
        ([file, "--dir", "mine"], f"mine/{file}"),
    ):
        assert main(["exercise", "check", *words]) == 1
        out = capsys.readouterr().out
        assert f"file {path}\n" in out or f"not written yet: {NAME}\n" in out
    for level, words in enumerate(([f"mine/{file}"], [NAME, "--dir", "mine"]), start=1):
        assert main(["exercise", "hint", *words]) == 0
        assert capsys.readouterr().out.startswith(f"{NAME}, hint {level} of 3:")
    for words in (["mine"], ["--dir", "mine"]):
        assert main(["exercise", "progress", *words]) == 0
        assert "2 of 3" in capsys.readouterr().out
        assert main(["exercise", "list", *words]) == 0
        assert NAME in capsys.readouterr().out


def test_the_adjoint_note_is_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("vTP_phi_loop", "vTP_phi_bincount"):
        exercise = exercise_named(name)
        wrong = exercise.solution.replace("    return ", "    return 2 * ")
        wrong = wrong.replace(".astype(V.dtype)", "")
        (tmp_path / f"{name}.py").write_text(wrong)
    note = "fails for random vectors"
    assert main(["exercise", "check", str(tmp_path)]) == 1
    assert capsys.readouterr().out.count(note) == 1
    assert main(["exercise", "check", str(tmp_path / "vTP_phi_loop.py")]) == 1
    assert note not in capsys.readouterr().out


@pytest.mark.parametrize("folder", [False, True])
def test_a_file_with_a_near_name(
    folder: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"{NAME} (1).py"
    path.write_text(exercise_named(NAME).solution)
    assert main(["exercise", "check", str(tmp_path if folder else path)]) == (1 if folder else 2)
    printed = capsys.readouterr()
    assert f"rename it to {NAME}.py" in (printed.out if folder else printed.err)


def test_a_long_check_says_so_on_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simplenn_py.exercises.waiting._PATIENCE", 0.01)
    path = tmp_path / f"{NAME}.py"
    path.write_text(exercise_named(NAME).solution)
    assert main(["exercise", "check", str(path)]) == 0
    assert capsys.readouterr().err == (f"checking {NAME}; the code is stopped after 60 seconds\n")
    monkeypatch.setattr("simplenn_py.exercises.waiting._PATIENCE", 60.0)
    assert main(["exercise", "check", str(path)]) == 0
    assert capsys.readouterr().err == ""
