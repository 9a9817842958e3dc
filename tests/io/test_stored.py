"""The rules of stored values, and the JSON that holds them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from simplenn_py.io.stored import (
    Mismatch,
    Rule,
    array,
    json_array,
    list_of,
    number,
    one_of,
    optional,
    plain,
    record,
    text,
    told,
    whole,
)
from simplenn_py.io.strict_json import from_json, to_json

RECORD = record({"n": whole(1, 3)}, {"x": optional(number())}, others=plain)
ACCEPTED: list[tuple[Rule, Any, Any]] = [
    (whole(), 0, 0),
    (whole(-2, 2), -2, -2),
    (number(), 3, 3.0),
    (number(0, 1), 1, 1.0),
    (number(finite=False), math.inf, math.inf),
    (text(3), "abc", "abc"),
    (text(surrogates=True), "\udce9", "\udce9"),
    (one_of("a", "b"), "b", "b"),
    (list_of(whole(), 2), [1, 2], [1, 2]),
    (
        RECORD,
        {"n": 1, "x": None, "more": [1, {"a": 2.5}]},
        {"n": 1, "x": None, "more": [1, {"a": 2.5}]},
    ),
]
REFUSED: list[tuple[Rule, Any, str]] = [
    (whole(), True, "v is True; it must be a whole number, 0 or more"),
    (whole(), -1, "v is -1; it must be a whole number, 0 or more"),
    (whole(), 1.0, "v is 1.0; it must be a whole number"),
    (whole(1, 3), 4, "v is 4; it must be a whole number from 1 to 3"),
    (whole(1, 1), 2, "v is 2; it must be 1"),
    (whole(), 2**63, "v is 9223372036854775808; it must be"),
    (number(), "1", "v is '1'; it must be a finite number"),
    (number(), False, "v is False; it must be a finite number"),
    (number(), math.nan, "v is nan; it must be a finite number"),
    (number(0), -0.5, "v is -0.5; it must be a finite number, 0 or more"),
    (number(0, 1), 1.5, "v is 1.5; it must be a number from 0 to 1"),
    (number(0, 1, finite=False), math.inf, "v is inf; it must be a number from 0 to 1"),
    (number(finite=False), 10**400, "v is 1000"),
    (number(), 1j, "v is 1j; it must be a finite number"),
    (text(3), "abcd", "v is 'abcd'; it must be a text of at most 3 characters"),
    (text(), "\ud800", r"v is '\ud800'; it must be valid Unicode"),
    (text(), 3, "v is 3; it must be a text"),
    (one_of("a", "b"), ["a"], "v is a list of length 1; it must be a or b"),
    (list_of(whole(), 1), [1, 2], "v is a list of length 2; it must be a list of at most 1"),
    (list_of(whole()), [1, "2"], "v[1] is '2'; it must be a whole number"),
    (RECORD, [], "v is a list of length 0; it must be a record with n"),
    (RECORD, {}, "v.n is missing"),
    (RECORD, {"n": 1, "x": "1"}, "v.x is '1'; it must be a finite number"),
    (RECORD, {"n": 1, "more": [{"a": "\ud800"}]}, "v.more[0].a is"),
    (RECORD, {"n": 1, "\ud800": 1}, "the name of a field of v is"),
    (record({"n": whole()}), {"n": 1, "m\n": 1}, r"v.m\n is not a field of such a file"),
]


@pytest.mark.parametrize(("rule", "value", "expected"), ACCEPTED)
def test_accepted(rule: Rule, value: Any, expected: Any) -> None:
    result = rule(value, "v")
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("rule", "value", "message"), REFUSED, ids=[str(k) for k in range(len(REFUSED))]
)
def test_refused(rule: Rule, value: Any, message: str) -> None:
    with pytest.raises(Mismatch) as caught:
        rule(value, "v")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 150


FLOATS = array([np.float32, np.float64], (2,))


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        (FLOATS, np.zeros(3), r"v is float64, shape \(3,\); it must be float32 or float64, shape"),
        (FLOATS, np.zeros(2, complex), "v is complex128"),
        (FLOATS, np.zeros(2, bool), "v is bool"),
        (FLOATS, [0.0, 0.0], "v is a list of length 2"),
        (FLOATS, np.array([0, np.nan]), "v holds numbers that are not finite"),
        (FLOATS, np.array([0, np.inf]), "v holds numbers that are not finite"),
        (array([float], (2,), low=0), np.array([0, -1.0]), "v holds -1.0; each entry must be 0 or"),
        (array([float], (1,), finite=False), np.array([np.nan]), "v holds numbers that are not"),
        (array(["integers"], (1,)), np.array(["a"]), "v is <U1, shape .*must be integers"),
        (array(["text"], ()), np.array(b"a"), "v is .S1, shape .*must be text"),
    ],
)
def test_arrays(rule: Rule, value: Any, message: str) -> None:
    with pytest.raises(Mismatch, match=message):
        rule(value, "v")


def test_arrays_that_are_right() -> None:
    FLOATS(np.zeros(2, np.float32), "v")
    array([float], (1,), low=0, finite=False)(np.array([np.inf]), "v")
    array(["integers", "text"], (1,))(np.array(["a"]), "v")
    assert json_array(np.array('{"C": Infinity}'), "v") == {"C": math.inf}


def test_what_was_found_is_less_than_a_line() -> None:
    for value in ("x" * 10_000, 10**400, [0] * 10_000, {"a": 1}, None, np.zeros((1,) * 30)):
        assert len(told(value)) <= 60


@pytest.mark.parametrize(
    ("json", "message"),
    [
        ("", "it is not valid JSON in line 1"),
        ('{"a":\n1', "it is not valid JSON in line 2"),
        ("[" * 100_000, "it is not valid JSON"),
        ("[" * 40 + "]" * 40, "it is nested more than 32 deep"),
        ("1" * 5000, "it is not valid JSON: a number has too many digits"),
        ('[{"a": {"b": 1, "b": 2}}]', "the key 'b' occurs twice"),
    ],
    ids=["nothing", "cut", "endless", "deep", "digits", "twice"],
)
def test_json_that_is_refused(json: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(json)


def test_a_key_that_occurs_twice_is_found_in_a_moment() -> None:
    keys = ", ".join(f'"{k}": 1' for k in [*range(50_000), 49_999])
    with pytest.raises(ValueError, match="the key '49999' occurs twice"):
        from_json(f"{{{keys}}}")


def test_json_there_and_back() -> None:
    report = {"a": [1, 2.5, None, True, {"b": "\udce9"}]}
    assert from_json(to_json(report)) == report
    assert from_json('["x", 1e400]') == ["x", math.inf]
