"""JSON: reports are written without infinities and NaN, and every text is read with care."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from ..errors import shown


def to_json(report: dict[str, Any]) -> str:
    """Return strict JSON; infinities and NaN become the strings "inf", "-inf" and "nan".

    Parameters
    ----------
    report : dict
        Plain values, NumPy scalars, lists, tuples and dicts.

    Returns
    -------
    str
        JSON, indented by 2 blanks.

    Examples
    --------
    >>> from simplenn_py.io.strict_json import to_json
    >>> print(to_json({"xi": float("inf"), "epoch": 3}))
    {
      "xi": "inf",
      "epoch": 3
    }
    """

    def strict(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): strict(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [strict(v) for v in value]
        if isinstance(value, np.generic):
            return strict(value.item())
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return value

    return json.dumps(strict(report), indent=2, allow_nan=False)


#: Depth to which lists and dicts of a file may be nested.
_DEPTH = 32


def from_json(text: str) -> Any:
    """Parse the JSON of a file that is not trusted.

    Parameters
    ----------
    text : str
        JSON.  Infinity and NaN are allowed: checkpoints hold them.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If the text is not JSON, is nested too deeply, or names a key twice.  The message is short
        and does not name the file.

    Examples
    --------
    >>> from simplenn_py.io.strict_json import from_json
    >>> from_json('{"epoch": 3, "epoch": 4}')
    Traceback (most recent call last):
    ValueError: the key 'epoch' occurs twice
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not valid JSON in line {error.lineno}") from None
    except RecursionError:
        raise ValueError("it is not valid JSON: it is nested too deeply") from None
    except ValueError as error:
        if isinstance(error, _Repetition):
            raise ValueError(str(error)) from None
        raise ValueError("it is not valid JSON: a number has too many digits") from None
    level, depth = [value], 0
    while level:
        inner = [v.values() if isinstance(v, dict) else v for v in level if type(v) in (dict, list)]
        level, depth = [entry for entries in inner for entry in entries], depth + 1
        if depth > _DEPTH:
            raise ValueError(f"it is nested more than {_DEPTH} deep")
    return value


class _Repetition(ValueError):
    """A key occurs twice; JSON does not say which one counts."""


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _Repetition(f"the key '{shown(key, 60)}' occurs twice")
        result[key] = value
    return result
