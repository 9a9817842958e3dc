"""Strict JSON, without infinities and NaN."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np


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
