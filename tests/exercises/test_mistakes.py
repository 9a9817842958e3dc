"""What a check says about a mistake is true: named only if it is the one, else only described."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from telling_apart import alike

from simplenn_py.exercises.check import check_file
from simplenn_py.exercises.course import exercise_named
from simplenn_py.exercises.differences import difference, same
from simplenn_py.exercises.exercise import Exercise
from simplenn_py.exercises.helpers import Helpers
from simplenn_py.exercises.known_mistakes import STOPPED, find_mistakes, outcomes_of
from simplenn_py.exercises.report import Failure
from simplenn_py.exercises.worker_client import Limits, WorkerClient

INDEX = exercise_named("find_index_phiZ")
PADDING = exercise_named("padding_and_phiZ")
POOLING = exercise_named("maxpooling")
PLACE = "value, c + d * pixel"


def failed(tmp_path: Path, exercise: Exercise, *edits: tuple[str, str], text: str = "") -> Failure:
    text = text or exercise.solution
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / f"{exercise.name}.py"
    path.write_text(text, "utf-8")
    failure = check_file(exercise, path).failure
    assert failure is not None
    return failure


def test_the_cases_tell_the_mistakes_of_an_exercise_apart() -> None:
    assert alike(INDEX) == []


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("value, 1 + c + d * pixel", "counted from 1"),
        ("value, c + d * (g.b_conv * (i * size + u) + j * size + w)", "index row by row"),
    ],
)
def test_mistakes_that_look_the_same_in_the_first_case(
    place: str, name: str, tmp_path: Path
) -> None:
    failure = failed(tmp_path, POOLING, (PLACE, place))
    assert failure.case is not None
    assert failure.case.label == "one window"
    assert "idx_pool[0, 0] is 2; it must be 1" in failure.message
    assert [m.name for m in failure.mistakes] == [name]


@pytest.mark.parametrize(
    "edits",
    [
        ((PLACE, "value, c + d * pixel + 1"), ("value > best", "value >= best")),
        ((PLACE, "value, c + d * pixel + (g.d_next == 1)"),),
    ],
    ids=["two mistakes", "a mistake that nobody listed"],
)
def test_nothing_is_guessed(edits: tuple[tuple[str, str], ...], tmp_path: Path) -> None:
    failure = failed(tmp_path, POOLING, *edits)
    assert "idx_pool[0, 0] is 2; it must be 1" in failure.message
    assert failure.mistakes == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (".T\n", ".T.copy()\n", "are correct, but it is not in Fortran order"),
        (", Z.dtype", "", "are correct, but its dtype is float64; it must be float32"),
    ],
)
def test_a_right_result_of_the_wrong_form_is_only_that(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    failure = failed(tmp_path, PADDING, (old, new))
    assert message in failure.message
    assert failure.mistakes == failure.notes == ()
    assert failure.adjoint == ""


def test_wrong_values_come_before_the_memory_order(rng: np.random.Generator) -> None:
    case = next(iter(PADDING.cases(rng)))
    right = PADDING.reference(*case.args.values())
    found = difference(PADDING, case.args, right, right[::-1].copy())
    assert found is not None
    assert found.values
    assert not found.complete
    assert "phiZ[0, 0] is 5; it must be 1" in found.message


def test_results_in_another_order(tmp_path: Path) -> None:
    failure = failed(tmp_path, POOLING, ("return Z, idx_pool", "return idx_pool, Z"))
    assert failure.message == "the routine returned idx_pool, Z; it must return Z, idx_pool"
    assert failure.mistakes == ()


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda x: x.T, "phiZ is the transpose of the expected array"),
        (lambda x: x.reshape(-1, order="F"), "phiZ has the expected numbers in the expected order"),
    ],
)
def test_right_numbers_of_another_shape(change, note: str, rng: np.random.Generator) -> None:
    case = list(PADDING.cases(rng))[1]
    right = PADDING.reference(*case.args.values())
    found = difference(PADDING, case.args, right, change(right))
    assert found is not None
    assert found.notes == (note,)
    unlike = difference(PADDING, case.args, right, change(right) + 1)
    assert unlike is not None
    assert unlike.notes == ()


def test_the_report_shows_what_was_printed_up_to_the_failure(tmp_path: Path) -> None:
    path = tmp_path / "find_index_phiZ.py"
    path.write_text(INDEX.edited(INDEX.mistakes[-1])[0] + "    print('never')\n")
    path.write_text(path.read_text().replace("    k = 0", "    k = 0\n    print('here', g.s)"))
    report = check_file(INDEX, path)
    assert report.failure is not None
    assert report.printed.split() == ["here", "1"]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
        (np.array([1.0, np.inf]), np.array([1.0, np.inf]), True),
        (np.array([1.0, np.inf]), np.array([2.0, np.inf]), False),
        (np.array([1.0]), np.array([[1.0]]), False),
        ((1, np.array([2])), [1.0, np.array([2.0])], True),
        ((1, 2), (1, 2, 3), False),
        ({"a": [1.0]}, {"a": [1.0 + 1e-12]}, True),
        ({"a": 1.0}, {"b": 1.0}, False),
        (None, None, True),
        (None, 0.0, False),
        ("x", "x", True),
        (np.array(["x"]), np.array(["x"]), False),
    ],
)
def test_the_same_values(one: object, other: object, equal: bool) -> None:
    assert same(one, other, 1e-9) is equal


def test_a_routine_that_does_not_end_is_compared_up_to_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from simplenn_py.exercises import known_mistakes

    monkeypatch.setattr(known_mistakes, "_CASE", 0.3)
    text = INDEX.edited(INDEX.mistakes[-1])[0]
    endless = text.replace("    k = 0", "    k = 0\n    while g.s > 1:\n        pass")
    cases = list(INDEX.cases(np.random.default_rng(0)))
    with WorkerClient(Limits(60.0)) as worker:
        worker.load(endless.encode(), "mine.py", "mine")
        outcomes = outcomes_of(INDEX, worker, "mine", cases)
    assert outcomes is not None
    assert [o.error for o in outcomes] == ["", "", "", STOPPED]
    assert find_mistakes(INDEX, INDEX.mistakes, outcomes, Helpers()) == ()
    assert find_mistakes(INDEX, INDEX.mistakes, outcomes[:3], Helpers()) == (INDEX.mistakes[-1],)
