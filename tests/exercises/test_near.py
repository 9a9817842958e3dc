"""Files that are handed in under another name or in another form."""

from __future__ import annotations

from pathlib import Path

import pytest

from simplenn_py.errors import DataError, UserError
from simplenn_py.exercises.check import check_file, read_source
from simplenn_py.exercises.course import EXERCISES, exercise_named
from simplenn_py.exercises.near import exercise_of
from simplenn_py.exercises.submissions import in_folder, one_file

POOLING = exercise_named("maxpooling")
INDEX = exercise_named("find_index_phiZ")


@pytest.mark.parametrize(
    ("name", "exercise"),
    [
        *((f"{e}.py", e) for e in EXERCISES),
        ("maxpooling (1).py", "maxpooling"),
        ("maxpooling(2).py", "maxpooling"),
        ("maxpooling.py.txt", "maxpooling"),
        ("Maxpooling.py", "maxpooling"),
        ("MAXPOOLING.PY", "maxpooling"),
        ("maxpooling-2.py", "maxpooling"),
        ("maxpooling2.py", "maxpooling"),
        ("maxpooling_final.py", "maxpooling"),
        ("max_pooling.py", "maxpooling"),
        ("maxpoling.py", "maxpooling"),
        ("Copy of maxpooling.py", "maxpooling"),
        ("jane_doe_1234_maxpooling-1.py", "maxpooling"),
        ("maxpooling.ipynb", "maxpooling"),
        ("vtp_phi_loop (3).py", "vTP_phi_loop"),
        ("gradient_w_bias.py", "gradient_W_bias"),
        ("jv.py", "Jv"),
        ("cg-new.py", "cg"),
        ("cgroups.py", ""),
        ("pooling.py", ""),
        ("vTP_phi.py", ""),
        ("maxpooling and cg.py", ""),
        ("notes.txt", ""),
    ],
)
def test_the_exercise_that_a_name_means(name: str, exercise: str) -> None:
    assert exercise_of(Path(name)) == exercise


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("maxpooling (1).py", "if '{at}' is your file, rename it to maxpooling.py"),
        ("maxpooling.py.txt", "if {at} is your file, rename it to maxpooling.py"),
        ("maxpooling.txt", "if {at} is your file, rename it to maxpooling.py"),
        ("MaxPooling.py", "if {at} is your file, rename it to maxpooling.py"),
        ("maxpooling-2.py", "if {at} is your file, rename it to maxpooling.py"),
        ("maxpooling_final.py", "if {at} is your file, rename it to maxpooling.py"),
        (
            "maxpooling.ipynb",
            "{at} is a notebook; export it: jupyter nbconvert --to script {at}",
        ),
        (
            "maxpooling (1).ipynb",
            "'{at}' is a notebook; export it: jupyter nbconvert --to script --output maxpooling "
            "'{at}'",
        ),
        ("maxpooling.zip", "{at} is an archive; unpack it, then check the folder"),
    ],
)
def test_a_file_with_a_near_name_is_named_and_not_used(
    name: str, remedy: str, tmp_path: Path
) -> None:
    at = tmp_path / name
    at.write_text(POOLING.solution)
    remedy = remedy.format(at=at)
    wanted = tmp_path / "maxpooling.py"
    if wanted.exists():
        pytest.skip("the file system ignores case")
    with pytest.raises(DataError) as caught:
        one_file(wanted, None)
    assert str(caught.value) == f"{wanted}: there is no such file; {remedy}"
    found, missing = in_folder(tmp_path, ["maxpooling", "cg"])
    assert found == []
    assert missing[0] == (POOLING, f"there is no {wanted}; {remedy}")
    assert missing[1][1] == f"there is no {tmp_path / 'cg.py'}"
    assert in_folder(tmp_path, None) == ([], missing[:1])  # a folder without required exercises
    (tmp_path / "find_index_phiZ.py").write_text(INDEX.solution)
    assert in_folder(tmp_path, None)[1] == missing[:1]
    wanted.write_text(POOLING.solution)
    assert in_folder(tmp_path, None)[1] == []  # the other file is a copy
    with pytest.raises(UserError):
        one_file(at, None)


def test_a_file_with_a_near_name_can_be_checked_by_name(tmp_path: Path) -> None:
    path = tmp_path / "maxpooling (1).py"
    path.write_text(POOLING.solution)
    with pytest.raises(UserError, match="it could be maxpooling: add --exercise maxpooling, or"):
        one_file(path, None)
    assert one_file(path, "maxpooling") == (POOLING, path)


def test_a_misspelt_path_names_the_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "maxpooling.py").write_text(POOLING.solution)
    for name in ("maxpoling.py", "maxpoolin", "maxpooling_new.py"):
        with pytest.raises(DataError, match=r"did you mean .*maxpooling\.py\?$"):
            one_file(tmp_path / name, None)


def test_a_file_in_a_folder_below_is_named(tmp_path: Path) -> None:
    (tmp_path / "ex").mkdir()
    below = tmp_path / "ex" / "maxpooling.py"
    below.write_text(POOLING.solution)
    with pytest.raises(DataError) as caught:
        one_file(tmp_path / "maxpooling.py", None)
    assert str(caught.value).endswith(f"there is no such file; did you mean {below}?")
    (tmp_path / "ex" / "maxpooling (1).py").write_text(POOLING.solution)
    with pytest.raises(DataError) as caught:
        one_file(tmp_path / "maxpooling.py", None)
    assert f"there is no such file; did you mean {below}?; if " in str(caught.value)


def test_the_folders_of_several_students(tmp_path: Path) -> None:
    for student in ("ann", "bob", "eve", "zoe"):
        (tmp_path / student).mkdir()
        (tmp_path / student / "maxpooling.py").write_text(POOLING.solution)
    _, ((_, why),) = in_folder(tmp_path, ["maxpooling"])
    assert why.startswith("4 folders have a maxpooling.py; keep only one of ")
    assert why.endswith(", ..., or check the folder of one student at a time")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            b'{"cells": [], "nbformat": 4}',
            r"notebook, not Python; rename it to maxpooling.ipynb, "
            r"then run: jupyter nbconvert --to script \S+maxpooling.ipynb$",
        ),
        (b"\xef\xbb\xbf{\n 'cells': 1, \"nbformat\": 4}", "is a notebook"),
        (b"PK\x03\x04rest", "is an archive; unpack it"),
        (b"{\\rtf1\\ansi text}", "is a rich text document; save it as plain text"),
        (b"<!DOCTYPE html><html>", "is a web page; download the file itself"),
        (b"%PDF-1.7", "is a PDF document"),
    ],
)
def test_a_file_of_another_format_under_the_right_name(
    content: bytes, what: str, tmp_path: Path
) -> None:
    path = tmp_path / "maxpooling.py"
    path.write_bytes(content)
    with pytest.raises(DataError, match=what):
        read_source(path)


HELPERS = """from __future__ import annotations

import doctest
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as numeric

Sizes = SimpleNamespace


def timed(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def inner(*args: Any, **named: Any) -> Any:
        began = time.perf_counter()
        result = f(*args, **named)
        print("seconds:", time.perf_counter() - began >= 0)
        return result

    return inner


@dataclass
class Place:
    row: int
    column: int


@timed
def find_index_phiZ(sizes: Sizes, debug: bool = False) -> "numeric.ndarray":
\tg = sizes
\treturn numeric.array([
\t\tc + g.d * (p.row + g.a_pad * p.column)
\t\tfor j in range(g.b_conv) for i in range(g.a_conv) for c in range(g.d)
\t\tfor p in [Place(i * g.s + u, j * g.s + w) for w in range(g.h) for u in range(g.h)]
\t])


def maxpooling(S, g):
    return None


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    doctest.testmod()
    plt.show()
"""


@pytest.mark.parametrize(
    "content",
    [
        HELPERS.encode(),
        b"\xef\xbb\xbf" + HELPERS.replace("\n", "\r\n").encode(),
        f"# -*- coding: latin-1 -*-\n{HELPERS}# größer\n".encode("latin-1"),
    ],
    ids=["UTF-8", "BOM and CRLF", "latin-1"],
)
def test_python_that_students_write(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "find_index_phiZ.py"
    path.write_bytes(content)
    report = check_file(INDEX, path)
    assert report.failure is None, report.failure
    assert report.passed
    assert "seconds: True" in report.printed


def test_an_import_of_an_earlier_exercise_says_what_to_do(tmp_path: Path) -> None:
    from simplenn_py.exercises.gradebook import Gradebook

    exercise = exercise_named("vTP_phi_bincount")
    path = tmp_path / "vTP_phi_bincount.py"
    path.write_text("from find_index_phiZ import find_index_phiZ\n" + exercise.solution)
    failure = check_file(exercise, path, Gradebook(tmp_path).helpers(exercise)).failure
    assert failure is not None
    assert failure.message.endswith(
        "; keep the function of the skeleton that has no code: the check gives it yours"
    )
