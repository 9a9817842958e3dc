"""Numbers that people write: one rule, ASCII digits, wherever a text is read as a number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import simplenn_py
from simplenn_py.autodiff.expression import parse
from simplenn_py.cli import main
from simplenn_py.errors import UserError
from simplenn_py.interfaces.matlab import parse_options
from simplenn_py.machine import doctor
from simplenn_py.runtime.numerals import is_digits, real, whole

ARABIC, ETHIOPIC, FULL_WIDTH, SUPERSCRIPT = "\u0662", "\u136b", "\uff12", "\u00b2"
OTHERS = (ARABIC, ETHIOPIC, FULL_WIDTH, SUPERSCRIPT)


@pytest.mark.parametrize("digit", OTHERS)
def test_the_rule(digit):
    assert not is_digits(digit)
    for convert in (whole, real):
        with pytest.raises(ValueError, match=r"is not a (whole )?number"):
            convert(digit)
    assert (whole("-12"), real("1e-3"), is_digits("07"), is_digits("")) == (-12, 1e-3, True, False)


@pytest.mark.parametrize("digit", [ARABIC, ETHIOPIC])
def test_variables_may_end_in_any_digit(digit):
    f = parse(f"x{digit} + x1{digit} + x10 + x9 + x")
    assert f.names == ("x", f"x1{digit}", "x9", "x10", f"x{digit}")
    with pytest.raises(UserError, match=r"is not a finite number"):
        f.point(f"1,2,3,4,{digit}")


@pytest.mark.parametrize("digit", OTHERS)
@pytest.mark.parametrize(
    "words",
    [
        "graph --expression x+y --at 1,{}",
        "graph digits --batch {}",
        "train digits --seed {}",
        "train digits --lr {}",
        "train digits --image-shape {}x8x1",
        "summary layer4 --image-shape 2{}x28x1",
        "summary layer4 --batch-size {}",
        "im2col --size {}x8x1",
        "gemm --sizes {}",
        "gemm --shapes {}x8x1",
        "compress none.npz --energy {}",
    ],
)
def test_every_command_refuses_other_digits(words, digit, capsys):
    assert _status(words.format(digit)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("simplenn: error: ")


@pytest.mark.parametrize("digit", OTHERS)
def test_the_options_of_simplenn_and_the_environment(digit, monkeypatch):
    with pytest.raises(UserError, match=r"-epoch_max is .* must be a number"):
        parse_options(f"-epoch_max {digit}")
    monkeypatch.setenv("OMP_NUM_THREADS", digit)
    assert list(doctor._variables())


@pytest.mark.parametrize(
    "words",
    [
        "train digits --image-shape {}x8x1",
        "train digits --seed {}",
        "summary layer4 --image-shape {}x8x1",
        "im2col --size {}x8x1",
        "gemm --shapes {}x8x1",
    ],
)
def test_more_digits_than_python_converts(words, capsys):
    assert _status(words.format("9" * 5000)) == 2
    assert len(capsys.readouterr().err) < 1200


def _status(words):
    try:
        return main(words.split())
    except SystemExit as stop:
        return stop.code


def test_nothing_else_asks_whether_a_text_is_a_number():
    """No file calls str.isdigit and its kin but runtime/numerals.py."""
    root = Path(simplenn_py.__file__).parent
    callers = [
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"\.is(digit|numeric|decimal)\(", path.read_text("utf-8"))
    ]
    # The names of stages are our own.
    assert sorted(callers) == ["linalg/roofline.py", str(Path("runtime", "numerals.py"))]
