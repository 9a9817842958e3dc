"""Every exercise of the course: its statement, solution, skeleton and typical mistakes."""

from __future__ import annotations

import ast
import doctest
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from telling_apart import alike, answers, equal

from simplenn_py.exercises.check import check_file
from simplenn_py.exercises.course import EXERCISES, exercise_named
from simplenn_py.exercises.exercise import HERE, Exercise, Mistake
from simplenn_py.exercises.gradebook import Gradebook
from simplenn_py.exercises.report import CheckReport

pytestmark = pytest.mark.course

#: Exercises whose checks take seconds, and whose mistakes are mostly those of a cheaper one.
LONG = {"vTP_phi_numba", "gradient_Z", "JTv", "Jv", "newton_step", "blocked_product"}
MISTAKES = [
    pytest.param(
        name,
        mistake,
        text,
        id=f"{name}-{mistake.name}" + (f" {k}" if k else ""),
        marks=pytest.mark.slow if name in LONG and number >= 4 else (),
    )
    for name in EXERCISES
    for number, mistake in enumerate(exercise_named(name).mistakes)
    for k, text in enumerate(exercise_named(name).edited(mistake))
]


def checked(tmp_path: Path, exercise: Exercise, text: str) -> CheckReport:
    path = tmp_path / f"{exercise.name}.py"
    path.write_text(text, "utf-8")
    return check_file(exercise, path, Gradebook(tmp_path).helpers(exercise))


def solved(exercise: Exercise) -> dict[str, Any]:
    """Return the names that the model solution defines, including earlier routines."""
    space: dict[str, Any] = {"__name__": exercise.name}
    exec(compile(exercise.solution, exercise.name, "exec"), space)
    for p in Gradebook(HERE).helpers(exercise).provided.values():
        earlier = solved(p.exercise)
        space |= {routine: earlier[routine] for routine in p.exercise.functions}
    return space


@pytest.fixture(params=EXERCISES)
def exercise(request: pytest.FixtureRequest) -> Exercise:
    return exercise_named(request.param)


def test_the_example_of_the_statement_is_correct(exercise: Exercise) -> None:
    space = solved(exercise) | {"np": np}
    parser = doctest.DocTestParser()
    examples = parser.get_doctest(exercise.statement, space, exercise.name, None, 0)
    assert examples.examples, "a statement has a worked example"
    failures: list[str] = []
    doctest.DocTestRunner(verbose=False).run(examples, out=failures.append)
    assert failures == []


def test_its_files_belong_together(exercise: Exercise) -> None:
    skeleton = ast.parse(exercise.skeleton)
    defined = {n.name: n for n in skeleton.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    assert {*exercise.functions, *exercise.uses} <= defined.keys()
    assert exercise.statement.startswith(f"{exercise.name}:")
    assert all(ast.get_docstring(defined[name]) for name in exercise.functions)
    assert exercise.skeleton.isascii()
    assert len(exercise.hints) == 3
    assert len(set(exercise.hints)) == 3
    assert (exercise.speed is not None) == (exercise.points.speed > 0)
    assert len({w.name for w in exercise.mistakes}) == len(exercise.mistakes)
    assert len(exercise.mistakes) >= 3


def test_cases_begin_small_and_are_the_same_for_a_seed(exercise: Exercise) -> None:
    one, two = (list(exercise.cases(np.random.default_rng(5))) for _ in range(2))
    kinds = [case.small for case in one]
    assert kinds == sorted(kinds, reverse=True)
    assert {True, False} <= set(kinds)
    for case, again in zip(one, two, strict=True):
        for x, y in zip(case.args.values(), again.args.values(), strict=True):
            if isinstance(x, np.ndarray):
                np.testing.assert_array_equal(x, y)
                assert x.flags.f_contiguous
                assert not case.small or x.size <= 240, "small cases are printed in full"


def test_the_solution_passes(exercise: Exercise, tmp_path: Path) -> None:
    report = checked(tmp_path, exercise, exercise.solution)
    assert report.failure is None
    right = report.parts[:2]
    assert [p.points for p in right] == [exercise.points.small, exercise.points.awkward]
    assert report.passed, report.parts


def test_the_skeleton_is_not_written_yet(exercise: Exercise, tmp_path: Path) -> None:
    report = checked(tmp_path, exercise, exercise.skeleton)
    assert not report.passed
    assert report.points == 0
    assert report.failure is not None
    assert report.failure.not_written
    assert "no code yet" in report.failure.message


@pytest.mark.parametrize(("name", "mistake", "text"), MISTAKES)
def test_a_typical_mistake_is_found_and_named(
    name: str, mistake: Mistake, text: str, tmp_path: Path
) -> None:
    report = checked(tmp_path, exercise_named(name), text)
    assert report.failure is not None
    assert [m.name for m in report.failure.mistakes] == [mistake.name]


# Wrong routines that are written differently from the solutions: their values reveal the mistake.

ROW_MAJOR_SCATTER = """
import numpy as np
def vTP_phi(V, g):
    l = V.shape[1] // (g.a_conv * g.b_conv)
    out = np.zeros((g.d, g.a_pad * g.b_pad * l))
    for k in range(V.shape[1]):
        n, rest = divmod(k, g.a_conv * g.b_conv)
        j, i = divmod(rest, g.a_conv)
        patch = V[:, k].reshape(g.d, g.h, g.h)
        for u in range(g.h):
            for w in range(g.h):
                at = i * g.s + u + g.a_pad * (j * g.s + w) + n * g.a_pad * g.b_pad
                out[:, at] += patch[:, u, w]
    return out
"""
LAST_WRITE = ROW_MAJOR_SCATTER.replace("patch[:, u, w]", "patch[:, w, u]").replace("+=", "=")
NO_STRIDE = """
import numpy as np
def find_index_phiZ(g):
    j, i, c, w, u = np.indices((g.b_conv, g.a_conv, g.d, g.h, g.h))
    return (c + g.d * (i + u + g.a_pad * (j + w))).ravel()
"""
MATLAB_COUNT = """
import numpy as np
def find_index_phiZ(g):
    j, i, c, w, u = np.indices((g.b_conv, g.a_conv, g.d, g.h, g.h)) + 1
    row, column = (i - 1) * g.s + u, (j - 1) * g.s + w
    return (c + g.d * (row - 1 + g.a_pad * (column - 1))).ravel()
"""
CEILING = """
import numpy as np
def maxpooling(S, g):
    k, l = g.h_pool, S.shape[1] // (g.a_conv * g.b_conv)
    rows, columns = -(-g.a_conv // k), -(-g.b_conv // k)
    Z, idx = [], []
    for image in np.split(S, l, axis=1):
        for j in range(columns):
            for i in range(rows):
                pixels = [a + g.a_conv * b for b in range(j * k, min(j * k + k, g.b_conv))
                          for a in range(i * k, min(i * k + k, g.a_conv))]
                best = image[:, pixels].argmax(axis=1)
                Z.append(image[:, pixels].max(axis=1))
                idx.append([c + g.d_next * pixels[q] for c, q in enumerate(best)])
    idx = np.reshape(idx, (l, -1)).T
    return np.array(Z).T, idx
"""
UNPADDED = """
import numpy as np
def padding_and_phiZ(Z, g):
    a, b = (g.a - g.h) // g.s + 1, (g.b - g.h) // g.s + 1
    l = Z.shape[1] // (g.a * g.b)
    patches = []
    for n in range(l):
        for j in range(b):
            for i in range(a):
                pixels = [i * g.s + u + g.a * (j * g.s + w) + n * g.a * g.b
                          for w in range(g.h) for u in range(g.h)]
                patches.append(Z[:, pixels].ravel())
    return np.array(patches).T
"""
CG_AFTER_A_STEP = """
import numpy as np
def cg(G, g, cg_tol, CGmax):
    d = np.zeros_like(g)
    r = -g
    q = r.copy()
    old = r @ r
    for _ in range(CGmax if g.any() else 0):
        Gq = G(q)
        alpha = old / (q @ Gq)
        d += alpha * q
        r -= alpha * Gq
        new = r @ r
        if np.sqrt(new) <= cg_tol * np.linalg.norm(g):
            break
        q = r + new / old * q
        old = new
    return d
"""
CG_ABSOLUTE = CG_AFTER_A_STEP.replace(" * np.linalg.norm(g)", "")
CG_ALIAS = CG_AFTER_A_STEP.replace("r.copy()", "r")
CG_ALIAS_KEPT = CG_ALIAS.replace("q = r + new / old * q", "q *= new / old; q += r")


def test_cg_may_test_its_stopping_rule_after_a_step(tmp_path: Path) -> None:
    assert checked(tmp_path, exercise_named("cg"), CG_AFTER_A_STEP).passed


@pytest.mark.parametrize(
    ("name", "text", "mistake"),
    [
        ("vTP_phi_loop", ROW_MAJOR_SCATTER, "index order swapped"),
        ("vTP_phi_loop", LAST_WRITE, "= instead of +="),
        ("find_index_phiZ", NO_STRIDE, "stride forgotten"),
        ("find_index_phiZ", MATLAB_COUNT, "counted from 1"),
        ("maxpooling", CEILING, "incomplete windows kept"),
        ("padding_and_phiZ", UNPADDED, "padding missing"),
        ("cg", CG_ABSOLUTE, "absolute stopping rule, tested after a step"),
        ("cg", CG_ALIAS, "q is r itself"),
        ("cg", CG_ALIAS_KEPT, "q is r itself, in every step"),
    ],
)
def test_a_mistake_is_named_in_code_of_any_form(
    name: str, text: str, mistake: str, tmp_path: Path
) -> None:
    report = checked(tmp_path, exercise_named(name), text)
    assert report.failure is not None
    assert [m.name for m in report.failure.mistakes] == [mistake], report.failure


def test_the_cases_tell_the_mistakes_apart(exercise: Exercise) -> None:
    assert alike(exercise) == []


@pytest.mark.parametrize("name", [n for n in EXERCISES if exercise_named(n).same_dtype])
def test_float64_is_named_where_the_dtype_of_the_input_is_asked(name: str, tmp_path: Path) -> None:
    exercise = exercise_named(name)
    (old,) = {"Z.dtype", "A.dtype"} & set(re.findall(r"\b[ZA]\.dtype", exercise.solution))
    report = checked(tmp_path, exercise, exercise.solution.replace(old, "np.float64"))
    assert report.failure is not None
    assert "but its dtype is float64; it must be float32" in report.failure.message
    assert report.failure.mistakes == ()


@pytest.mark.parametrize("name", [n for n in EXERCISES if exercise_named(n).fortran])
def test_a_right_result_in_c_order_is_only_that(name: str, tmp_path: Path) -> None:
    exercise = exercise_named(name)
    routine = exercise.functions[0]
    text = exercise.solution + (
        f"\n\nright = {routine}\n\n\ndef {routine}(*args):\n"
        "    return np.ascontiguousarray(right(*args))\n"
    )
    report = checked(tmp_path, exercise, text)
    assert report.failure is not None
    assert "are correct, but it is not in Fortran order" in report.failure.message
    assert report.failure.mistakes == ()
    assert report.failure.notes == ()


@pytest.mark.slow
def test_two_mistakes_at_once_are_not_called_one(exercise: Exercise, tmp_path: Path) -> None:
    for one, other in list(pairwise(exercise.mistakes))[::8]:
        try:
            (text,) = exercise.edited(Mistake("", "", one.edits + other.edits))
            ast.parse(text)
        except (ValueError, SyntaxError):  # they change the same line
            continue
        failure = checked(tmp_path, exercise, text).failure
        for named in failure.mistakes if failure is not None else ():
            both, *single = answers(exercise, (text, *exercise.edited(named)))
            assert any(equal(exercise, both, x) for x in single), (one.name, other.name, named.name)
