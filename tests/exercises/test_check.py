"""The messages of a check for code that fails in ways that no known mistake covers."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from simplenn_py.errors import DataError, OptionError
from simplenn_py.exercises import worker
from simplenn_py.exercises.check import check_file
from simplenn_py.exercises.course import exercise_named
from simplenn_py.exercises.differences import difference
from simplenn_py.exercises.exercise import Speed
from simplenn_py.exercises.helpers import Helpers
from simplenn_py.exercises.overlap import overlap
from simplenn_py.exercises.report import CheckReport, Failure
from simplenn_py.exercises.show import lines, table
from simplenn_py.exercises.speed import duration
from simplenn_py.exercises.worker_client import Limits, StoppedError, WorkerClient

LOOP = exercise_named("vTP_phi_loop")
HEAD = "import numpy as np\n\n\ndef vTP_phi(V, g):\n"
Check = Callable[..., CheckReport]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def run(
        body: str, limits: Limits | None = None, exercise=LOOP, head: str = HEAD
    ) -> CheckReport:
        path = tmp_path / f"{exercise.name}.py"
        path.write_text(head + "".join(f"    {line}\n" for line in body.splitlines()), "utf-8")
        return check_file(exercise, path, limits=limits or Limits())

    return run


def message_of(report: CheckReport) -> str:
    assert report.failure is not None
    return report.failure.message


ZEROS = "out = np.zeros((g.d, g.a_pad * g.b_pad * (V.shape[1] // (g.a_conv * g.b_conv))))\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("V = V + 1", r"vTP must be a NumPy array; it is None; is a 'return' statement missing\?"),
        ("return [1.0]", "vTP must be a NumPy array; it is a list"),
        ("return np.matrix(V)", "it is an object of type matrix"),
        ("return object()", "it is an object of type object"),
        ("return V[:, :0]", r"vTP has shape \(4, 0\); it must be \(1, 16\)"),
        (ZEROS + "return out + 1j", "vTP has dtype complex128; it must contain real numbers"),
        (ZEROS + "return out * np.nan", r"vTP\[0, 0\] is NaN"),
        (ZEROS + "V[0, 0] = 7\nreturn out", "the routine changed its argument V"),
        (ZEROS + "g.s = 1\nreturn out", "the routine changed its argument g"),
        ("return g.bconv", "AttributeError: .* no attribute 'bconv'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import scipy", "ImportError: this exercise does not allow scipy; it allows numpy, math"),
        ("import simplenn_py", "ImportError: simplenn_py cannot be imported here"),
        ("np.load.__globals__['os']._exit(5)", "the process ended with status 5"),
    ],
)
def test_each_kind_of_failure_has_its_message(body: str, message: str, check: Check) -> None:
    report = check(body)
    assert report.points == 0
    assert re.search(message, message_of(report)), message_of(report)


def test_importlib_does_not_reach_the_package_either(check: Check) -> None:
    report = check("return np.ma.core.__builtins__['__import__']('simplenn_py')")
    assert "simplenn_py cannot be imported here" in message_of(report)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def vTP_phi(V, g)\n    return V\n", "SyntaxError: expected ':'"),
        ("def vtp(V, g):\n    return V\n", "the file does not define vTP_phi"),
        ("1 / 0\n", "ZeroDivisionError"),
        (" \n", "the file is empty; 'simplenn exercise start' writes the skeleton"),
        (
            "x = 1\0\n",
            "line 1 holds the byte 0x00, so it is not a text file in UTF-8; open it in an editor",
        ),
    ],
)
def test_a_file_that_does_not_load(text: str, message: str, check: Check) -> None:
    report = check("", head=text)
    assert message in message_of(report)


def test_the_students_own_line_is_shown(check: Check) -> None:
    text = "\n".join(lines(check("x = 1\nreturn V[x, 10**6]")))
    assert "line 6 in vTP_phi: return V[x, 10**6]" in text
    assert "IndexError" in text


def test_the_report_shows_input_expected_got_and_the_first_difference(check: Check) -> None:
    text = "\n".join(lines(check(ZEROS + "out[0, 0] = 1.0\nreturn out")))
    assert (
        "vTP[0, 1] is 0; it must be 2 (channel 0, instance 0, pixel (i=1, j=0) of pad(Z))" in text
    )
    assert "<v' P_phi, z> = <v, P_phi z> fails for random vectors" in text
    for line in ("V, shape (4, 4):", "expected vTP, shape (1, 16):", "got vTP, shape (1, 16):"):
        assert line in text


def test_the_hash_is_that_of_the_bytes_that_ran(check: Check, tmp_path: Path) -> None:
    report = check("open(__file__, 'w').write('nothing')\nreturn V")
    assert report.sha256 != hashlib.sha256(b"nothing").hexdigest()
    text = HEAD + "    open(__file__, 'w').write('nothing')\n    return V\n"
    assert report.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (tmp_path / "vTP_phi_loop.py").read_text() == "nothing"


def test_printed_text_is_shown_and_does_not_disturb_the_check(check: Check) -> None:
    report = check("import math\nprint('x' * 5)\nprint(b'\\xff\\0')\nreturn V")
    assert "xxxxx" in report.printed
    assert "  | xxxxx" in list(lines(report))
    flood = check("for k in range(20000):\n    print(k)\nreturn V")
    assert len(flood.printed) < 30_000
    assert any("more lines" in line for line in lines(flood))


def test_an_endless_loop_is_stopped(check: Check) -> None:
    report = check("while True:\n    pass", Limits(1.0))
    assert message_of(report) == "the code ran longer than 1 seconds and was stopped"
    assert report.parts[0].message == (
        "0 of 7 cases correct, failed in: no overlap: stride 2, filter 2; the points need all 7"
    )


def test_code_that_uses_too_much_memory_is_stopped(check: Check) -> None:
    body = "x = []\nwhile True:\n    x.append(np.ones(10**6))"
    report = check(body, Limits(60.0, 0.3))
    assert message_of(report) == "the code used more than 0.3 GiB of memory and was stopped"


def test_limits_are_positive() -> None:
    with pytest.raises(
        OptionError, match=r"^--time-limit is 0; it must be positive, for instance 60$"
    ):
        Limits(0.0)
    with pytest.raises(
        OptionError, match=r"^--memory-limit is -1; it must be positive, for instance 2$"
    ):
        Limits(1.0, -1.0)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        check_file(LOOP, tmp_path / "none.py")


@pytest.mark.parametrize("kind", ["folder", "pipe", "large"])
def test_a_path_that_cannot_be_an_exercise_is_not_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "vTP_phi_loop.py"
    if kind == "folder":
        path.mkdir()
    elif kind == "large":
        with path.open("wb") as stream:
            stream.truncate(50_000_000)
    elif hasattr(os, "mkfifo"):
        os.mkfifo(path)
    else:
        pytest.skip("no named pipes here")
    message = "is 50 MB; an exercise is a few kB" if kind == "large" else "it is not a file"
    with pytest.raises(DataError, match=message):
        check_file(LOOP, path)


THREADS = (
    exercise_named("vTP_phi_numba")
    .solution.replace("import njit", "import njit, prange")
    .replace("@njit", "@njit(parallel=True)")
)
REDUCED = """
import numpy as np
from numba import njit, prange
@njit(parallel=True)
def image(V, s, b, a):
    b_conv, a_conv, d, h, _ = V.shape
    out = np.zeros((b, a, d), V.dtype)
    for j in prange(b_conv):
        mine = np.zeros((b, a, d), V.dtype)
        for i in range(a_conv):
            for w in range(h):
                for u in range(h):
                    mine[j * s + w, i * s + u] += V[j, i, :, w, u]
        out += mine
    return out
def vTP_phi(V, g):
    patches = np.ascontiguousarray(V.T).reshape(-1, g.b_conv, g.a_conv, g.d, g.h, g.h)
    return np.concatenate([image(x, g.s, g.b_pad, g.a_pad) for x in patches]).reshape(-1, g.d).T
"""


def overlapping(text: str) -> Failure | None:
    exercise = exercise_named("vTP_phi_numba")
    cases = list(exercise.cases(np.random.default_rng(0)))
    return overlap(exercise, text.encode(), "mine.py", Helpers(), cases)


@pytest.mark.parametrize(
    ("loop", "label"),
    [
        ("for j in range(b_conv)", "overlaps in both directions"),
        ("for i in range(a_conv)", "overlapping patches"),
    ],
)
def test_threads_that_change_one_entry_are_always_found(loop: str, label: str) -> None:
    failure = overlapping(THREADS.replace(loop, loop.replace("range", "prange")))
    assert failure is not None
    assert failure.case is not None
    assert failure.case.label == label
    assert failure.message.startswith("the parallel iterations 0 and 1 both change out[0, ")
    assert failure.frames[0]["code"] == loop.replace("range", "prange") + ":"


@pytest.mark.parametrize(
    "text",
    [
        THREADS.replace("n in range", "n in prange"),
        THREADS.replace("c in range", "c in prange"),
        # Nested: Numba runs only the outer loop in parallel.
        THREADS.replace("n in range", "n in prange").replace("j in range", "j in prange"),
        # Without parallel=True prange is range.
        THREADS.replace("(parallel=True)", "").replace("j in range", "j in prange"),
        # Every h-th column: they do not overlap.
        THREADS.replace(
            "for j in range(b_conv):",
            "for first in range(h):\n          for k in prange((b_conv - first + h - 1) // h):\n"
            "            j = first + k * h",
        ),
        REDUCED,
    ],
    ids=["instances", "channels", "nested", "serial", "every h-th column", "reduction"],
)
def test_threads_that_change_different_entries_are_correct(text: str) -> None:
    assert "prange" in text
    assert overlapping(text) is None


def test_a_race_of_threads_costs_the_points_after_the_small_cases(check: Check) -> None:
    exercise = exercise_named("vTP_phi_numba")
    report = check("", exercise=exercise, head=THREADS.replace("j in range", "j in prange"))
    assert report.failure is not None
    assert "both change out[0, " in report.failure.message
    assert sum(part.points for part in report.parts[1:]) == 0


def test_every_run_of_the_speed_measurement_must_be_correct(check: Check) -> None:
    once = "\n_runs = 0\n" + LOOP.solution.replace(
        "    return out", "    global _runs\n    _runs += 1\n    return out * (_runs != 3)"
    )
    numba = exercise_named("vTP_phi_numba")
    small = next(LOOP.cases(np.random.default_rng(0)))
    speed = Speed(lambda rng: small, numba.reference, full=1e9, half=1e9)
    exercise = replace(numba, speed=speed, cases=lambda rng: iter([small]), adjoint=None)
    report = check("", exercise=exercise, head=once)
    assert report.failure is None
    assert report.parts[2].points == 0
    assert "is 0; it must be 1" in report.parts[2].message
    verdict = "  values correct, but not the run that measures the speed: 6 of 12 points"
    assert f"{verdict} (6 are for speed)" in list(lines(report))


def test_a_crash_in_compiled_code_shows_the_line(check: Check) -> None:
    exercise = exercise_named("vTP_phi_numba")
    text = exercise.solution.replace("range(h)", "range(h + 1)")
    report = check("", exercise=exercise, head=text)
    assert message_of(report).startswith("IndexError: index 2 is out of bounds")
    assert report.failure is not None
    assert report.failure.frames[-1]["code"].startswith("out[n, j * s + w")
    assert "NUMBA_DISABLE_JIT=1" in report.failure.notes[0]


def test_compiled_code_is_never_stale(check: Check) -> None:
    exercise = replace(exercise_named("vTP_phi_numba"), speed=None, mistakes=())
    text = exercise.solution.replace("@njit", "@njit(cache=True)")
    assert check("", exercise=exercise, head=text).failure is None
    changed = check("", exercise=exercise, head=text.replace("+= V", "-= V"))
    assert "every entry of vTP is -1 times the expected one" in changed.failure.notes


def test_a_driver_calls_routines_that_take_more_than_arrays(check: Check) -> None:
    exercise = replace(LOOP)
    exercise.__dict__["driver"] = b"def call(student, function, V, g):\n" + (
        b"    return student.vTP_phi(lambda: V, lambda: g)\n"
    )
    text = LOOP.solution.replace("n_conv, n_pad =", "V, g = V(), g()\n    n_conv, n_pad =")
    assert check("", exercise=exercise, head=text).failure is None
    assert "AttributeError: 'numpy.ndarray'" in message_of(
        check("return V().T + V().x", exercise=exercise)
    )
    assert "object is not callable" in message_of(check("", head=text))


def test_slow_code_loses_only_the_points_for_speed(check: Check) -> None:
    numba = exercise_named("vTP_phi_numba")
    small = next(LOOP.cases(np.random.default_rng(0)))
    strict = Speed(lambda rng: small, numba.reference, full=1e-9, half=1e-6)
    report = check("", exercise=replace(numba, speed=strict), head=LOOP.solution)
    assert report.failure is None
    assert [p.points for p in report.parts] == [2, 4, 0]
    assert not report.passed
    verdict = "  values correct, but too slow: 6 of 12 points (6 are for speed)"
    assert verdict in list(lines(report))
    generous = replace(strict, full=1e-9, half=1e9)
    report = check("", exercise=replace(numba, speed=generous), head=LOOP.solution)
    assert report.parts[2].points == 3
    assert report.passed
    assert list(lines(report))[-1] == "  values correct: 9 of 12 points (3 are for speed)"


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda x: x.astype(np.float32), "agrees to single precision"),
        (lambda x: 0 * x, "all entries of vTP are 0"),
        (lambda x: 2 * x, "every entry of vTP is 2 times"),
        (lambda x: x.T, "is the transpose"),
        (lambda x: x.reshape(-1, order="F").reshape(4, 4), "is the transpose"),
        (lambda x: x[::-1], "the expected numbers in another order"),
    ],
)
def test_a_note_describes_the_pattern_of_the_numbers(
    change: Callable, note: str, rng: np.random.Generator
) -> None:
    expected = rng.standard_normal((4, 4))
    exercise = replace(LOOP, where=lambda *_: "here")
    found = difference(exercise, {}, expected, change(expected))
    assert found is not None
    assert note in found.notes[0]


@pytest.mark.parametrize("expected", [np.array([3]), np.array(2.5)])
def test_a_single_entry_has_no_pattern(expected: np.ndarray) -> None:
    exercise = replace(LOOP, where=lambda *_: "here")
    for got in (expected + 1, 2 * expected, 0 * expected):
        found = difference(exercise, {}, expected, got)
        assert found is not None
        assert found.notes == ()


@pytest.mark.parametrize(
    ("expected", "got", "shown"),
    [
        ([-2e-7, -1e-7], [-2.5e-7, -1e-7], ("-2.00000e-07", "-2.50000e-07")),
        ([1.0, 2.0], [1.0 + 1e-7, 2.0], ("1.000000000e+00", "1.000000100e+00")),
        ([1.0, 2.5], [1.0, 3.0], ("[1.  2.5]", "[1. 3.]")),
        ([1.0, 1e-17], [2.0, 0.0], ("[1. 0.]", "[2. 0.]")),
        ([np.nan, 1.0], [np.nan, 2.0], ("[nan  1.]", "[nan  2.]")),
    ],
)
def test_entries_that_differ_look_different(
    expected: list[float], got: list[float], shown: tuple[str, str]
) -> None:
    one, two = np.array(expected), np.array(got)
    assert shown[0] in "\n".join(table(one, two))
    assert shown[1] in "\n".join(table(two, one))


def test_a_report_has_no_trailing_blanks(check: Check) -> None:
    report = check(ZEROS + "return out")
    text = list(lines(report))
    assert [line for line in text if line != line.rstrip()] == []
    assert f"  sha256 {report.sha256[:16]}..." in text
    assert f"  sha256 {report.sha256}" in list(lines(report, short=False))


def test_expected_numbers_row_by_row(rng: np.random.Generator) -> None:
    expected = rng.standard_normal((2, 6))
    got = expected.reshape(-1, order="F").reshape(2, 6)
    found = difference(replace(LOOP, where=lambda *_: "here"), {}, expected, got)
    assert found is not None
    assert "order='F'" in found.notes[0]


def test_fortran_order_if_required(rng: np.random.Generator) -> None:
    expected = np.asfortranarray(rng.standard_normal((3, 4)))
    exercise = replace(LOOP, fortran=True)
    assert difference(exercise, {}, expected, expected) is None
    found = difference(exercise, {}, expected, np.ascontiguousarray(expected))
    assert found is not None
    assert "not in Fortran order" in found.message


def test_indices_must_be_integers() -> None:
    found = difference(LOOP, {}, np.arange(3), np.arange(3.0))
    assert found is not None
    assert found.message == (
        "the values of vTP are correct, but its dtype is float64; it must contain integers, "
        "for instance int64"
    )
    assert found.complete
    wrong = difference(LOOP, {}, np.arange(3), np.arange(3.0) + 1)
    assert wrong is not None
    assert "vTP has dtype float64; it must contain integers" in wrong.message
    assert not wrong.complete


def test_messages_keep_values_and_memory_order(rng: np.random.Generator) -> None:
    A = np.asfortranarray(rng.standard_normal((3, 4)))
    sent = {
        "A": A,
        "g": SimpleNamespace(a=1),
        "t": (None, True, 2.5, "x", [np.int64(3)], b"\0\xff"),
    }
    back = worker.unpack(worker.pack(sent))
    assert back["A"].flags.f_contiguous
    np.testing.assert_array_equal(back["A"], A)
    assert back["g"] == sent["g"]
    assert back["t"] == sent["t"]
    other = worker.unpack(worker.pack(np.array([object()])))
    assert other.description == "ndarray of dtype object"


def test_no_process_is_left_behind() -> None:
    with WorkerClient(Limits(5.0)) as client:
        client.load(b"def f():\n    while True: pass\n", "f.py", "f", functions=["f"])
        pid = client._process.pid
        client._left = 0.2
        with pytest.raises(StoppedError, match="ran longer"):
            client.call("f", "f", {}, driver=False)
    assert not psutil.pid_exists(pid)


def test_characters_that_cannot_be_printed_are_escaped(check):
    text = "\n".join(lines(check('return "\\ud800\\x1b[31m"')))
    text.encode()
    assert "\x1b" not in text


def test_the_time_to_start_python_does_not_count(check):
    report = check("while True:\n    pass", limits=Limits(seconds=0.01))
    assert "the code ran longer than 0.01 seconds" in message_of(report)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2.45e-5, "0.0245 ms"),
        (0.0245, "24.5 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (2.45, "2.45 s"),
        (245.4, "245 s"),
        (2454.0, "2454 s"),
    ],
)
def test_a_running_time_is_easy_to_read(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_list_of_numbers_is_one_table(check: Check) -> None:
    text = list(lines(check(ZEROS + "return out.tolist()")))
    k = text.index("    got vTP, a list of 1 x 16 numbers:")
    assert text[k + 1] == "      [[0. 0. 0. 0. 0. 0. 0. 0. 0. 0. 0. 0. 0. 0. 0. 0.]]"
    assert "    got vTP: a list of 1 x 300 numbers" in list(lines(check("return [[0.5] * 300]")))
    ragged = list(lines(check("return [[1, 2], [3], 'x']")))
    k = ragged.index("    got vTP[0], a list of 2 numbers:")
    assert ragged[k + 1] == "      [1 2]"
    assert "    got vTP[2] = x" in ragged
