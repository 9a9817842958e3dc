"""What a file must hold: rules for its values, checked before any of them is used.

A rule is a function of a value and of its name.  It returns the value, or raises
:class:`Mismatch`, whose text names the value, what was found and what must be there.  Rules are
combined into the description of a whole file, for instance ``record({"epoch": whole(low=1)})``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import shown
from ..layout import Array
from .strict_json import from_json

Rule = Callable[[Any, str], Any]

#: The largest whole number, unless a rule says otherwise: that of int64.
LARGEST = 2**63 - 1


class Mismatch(Exception):
    """A value breaks its rule; the text names both, but not the file."""


def whole(low: int = 0, high: int = LARGEST) -> Rule:
    """Return the rule of a whole number from `low` to `high`; a bool is none.

    Parameters
    ----------
    low, high : int
    """
    expected = f"a whole number, {low} or more"
    if high != LARGEST:
        expected = str(low) if low == high else f"a whole number from {low} to {high}"

    def rule(value: Any, name: str) -> int:
        if type(value) is not int or not low <= value <= high:
            raise _wrong(name, value, expected)
        return value

    return rule


def number(low: float = -math.inf, high: float = math.inf, finite: bool = True) -> Rule:
    """Return the rule of a real number from `low` to `high`; an integer becomes a float.

    Parameters
    ----------
    low, high : float
    finite : bool
        Whether infinities and NaN are refused.
    """
    expected = "a finite number" if finite else "a number"
    if low > -math.inf:
        expected += f", {low:g} or more"
    if high < math.inf:
        expected = f"a number from {low:g} to {high:g}"

    def rule(value: Any, name: str) -> float:
        try:
            result = float(value) if type(value) in (int, float) else None
        except OverflowError:
            result = None
        outside = result is not None and (result < low or result > high)
        if result is None or outside or (finite and not math.isfinite(result)):
            raise _wrong(name, value, expected)
        return result

    return rule


def text(most: int = 200, surrogates: bool = False) -> Rule:
    """Return the rule of a text of at most `most` characters.

    Parameters
    ----------
    most : int
    surrogates : bool
        Whether lone surrogates may occur.  Python keeps the bytes of a path that is not UTF-8 as
        such, and no text that holds one can be written in UTF-8.
    """

    def rule(value: Any, name: str) -> str:
        if type(value) is not str or len(value) > most:
            raise _wrong(name, value, f"a text of at most {most} characters")
        if not surrogates and any("\ud800" <= c <= "\udfff" for c in value):
            raise _wrong(name, value, "valid Unicode")
        return value

    return rule


def one_of(*choices: str) -> Rule:
    """Return the rule of one of some texts.

    Parameters
    ----------
    *choices : str
    """

    def rule(value: Any, name: str) -> str:
        if type(value) is not str or value not in choices:
            raise _wrong(name, value, " or ".join(choices))
        return value

    return rule


def optional(rule: Rule) -> Rule:
    """Return the rule of a value that may be None.

    Parameters
    ----------
    rule : Rule
        Rule of other values.
    """
    return lambda value, name: None if value is None else rule(value, name)


def list_of(rule: Rule, most: int = LARGEST) -> Rule:
    """Return the rule of a list.

    Parameters
    ----------
    rule : Rule
        Rule of each entry.
    most : int
        Maximum number of entries.
    """

    def each(value: Any, name: str) -> list[Any]:
        if type(value) is not list or len(value) > most:
            least = "" if most == LARGEST else f" of at most {most} entries"
            raise _wrong(name, value, f"a list{least}")
        return [rule(entry, f"{name}[{k}]") for k, entry in enumerate(value)]

    return each


def record(
    fields: Mapping[str, Rule],
    optional: Mapping[str, Rule] | None = None,
    others: Rule | None = None,
) -> Rule:
    """Return the rule of a dict with given keys.

    Parameters
    ----------
    fields : mapping of str to Rule
        Rule of each field that must be there.
    optional : mapping of str to Rule, optional
        Rules of further fields that may be there.
    others : Rule, optional
        Rule of any other field, whose name is then at most 100 characters of valid Unicode; by
        default there must be none.
    """
    more = optional or {}

    def rule(value: Any, name: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise _wrong(name, value, f"a record with {', '.join(fields)}")
        for key in fields:
            if key not in value:
                raise Mismatch(f"{_field(name, key)} is missing")
        checked = {}
        for key, entry in value.items():
            expected = fields.get(key) or more.get(key) or others
            if expected is None:
                raise Mismatch(f"{_field(name, shown(key, 60))} is not a field of such a file")
            if expected is others:
                text(100)(key, f"the name of a field of {name}")
            checked[key] = expected(entry, _field(name, shown(key, 60)))
        return checked

    return rule


def array(
    dtypes: Sequence[DTypeLike],
    shape: tuple[int, ...],
    low: float = -math.inf,
    finite: bool = True,
) -> Rule:
    """Return the rule of an array.

    Parameters
    ----------
    dtypes : sequence of dtype
        Allowed dtypes; the texts "integers" and "text" stand for every such dtype.
    shape : tuple of int
    low : float
        Smallest entry.
    finite : bool
        Whether infinities are refused, if the entries are numbers.  NaN always is.
    """
    kinds = {"integers": "iu", "text": "U"}
    named = " or ".join(d if isinstance(d, str) else np.dtype(d).name for d in dtypes)
    needed = f"{named}, shape {shape}"

    def rule(value: Any, name: str) -> Array:
        fits = isinstance(value, np.ndarray) and any(
            value.dtype.kind in kinds[d] if isinstance(d, str) else value.dtype == d for d in dtypes
        )
        if not fits or value.shape != shape:
            raise _wrong(name, value, needed)
        if value.dtype.kind == "f":
            if np.isnan(value).any() or (finite and not np.isfinite(value).all()):
                raise Mismatch(f"{name} holds numbers that are not finite")
            if value.size and value.min() < low:
                raise Mismatch(f"{name} holds {value.min()}; each entry must be {low:g} or more")
        return np.asarray(value)

    return rule


def anything(value: Any, name: str) -> Any:
    """Rule of a value that is not used, or is checked later.

    Parameters
    ----------
    value : object
    name : str
    """
    return value


def json_array(value: Any, name: str) -> Any:
    """Rule of an array that holds one text, which is JSON; returns what the JSON describes.

    Parameters
    ----------
    value : object
    name : str
    """
    try:
        return from_json(str(array(["text"], ())(value, name)[()]))
    except ValueError as error:
        raise Mismatch(f"{name}: {error}") from None


def plain(value: Any, name: str) -> Any:
    """Rule of what is only kept: any JSON whose texts can be written in UTF-8.

    Parameters
    ----------
    value : object
    name : str
    """
    if type(value) is str:
        return text(2**20)(value, name)
    if type(value) is list:
        return list_of(plain)(value, name)
    return record({}, others=plain)(value, name) if type(value) is dict else value


def _field(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _wrong(name: str, value: Any, rule: str) -> Mismatch:
    return Mismatch(f"{name or 'its content'} is {told(value)}; it must be {rule}")


def told(value: Any) -> str:
    """Return a few words on a value that was found, for a message.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
        Less than a line, without the entries of a list, a dict or an array.

    Examples
    --------
    >>> from simplenn_py.io.stored import told
    >>> told("nine" * 100), told([1, 2]), told(None)
    ("'ninenineninenin ... inenineninenine'", 'a list of length 2', 'null')
    """
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"'{shown(value, 35)}'"
    if isinstance(value, dict):
        return "a record"
    if isinstance(value, list | tuple):
        return f"a list of length {len(value)}"
    if isinstance(value, np.ndarray):
        return shown(f"{value.dtype}, shape {value.shape}", 60)
    return shown(value, 40)
