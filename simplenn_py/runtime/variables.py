"""Environment variables that Numba cannot read, found before it fails on them."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable

from ..errors import UserError, shown
from .numerals import is_digits

_LAYERS = ("default", "tbb", "omp", "workqueue", "threadsafe", "forksafe", "safe")


def mistakes() -> list[tuple[str, str]]:
    """Find variables of Numba whose values it cannot use.

    Returns
    -------
    list of (str, str)
        Name of a variable, and the rule that its value breaks.
    """
    found = [
        (name, rule)
        for name, (is_right, rule) in _RULES.items()
        if name in os.environ and not is_right(os.environ[name])
    ]
    return found or _unreadable()


def check_variables() -> None:
    """Check the variables before Numba is imported.

    Raises
    ------
    UserError
        If Numba cannot use one of them.
    """
    for name, rule in mistakes():
        raise UserError(f"{name} is '{shown(os.environ[name])}'; {rule}; correct or unset it")


def _is_count(value: str) -> bool:
    return is_digits(value.strip()) and int(value) > 0


def _is_order(value: str) -> bool:
    return sorted(value.split()) == ["omp", "tbb", "workqueue"]


def _is_feature_list(value: str) -> bool:
    return all(re.fullmatch(r"[+-].+", feature) for feature in value.split(",") if feature)


_RULES: dict[str, tuple[Callable[[str], bool], str]] = {
    "NUMBA_NUM_THREADS": (_is_count, "it must be a whole number, 1 or more"),
    "NUMBA_THREADING_LAYER": (
        lambda value: value.lower() in _LAYERS,
        f"it must be one of {', '.join(_LAYERS)}",
    ),
    "NUMBA_THREADING_LAYER_PRIORITY": (_is_order, "it must be 'tbb omp workqueue' in any order"),
    "NUMBA_CPU_FEATURES": (_is_feature_list, "it must be a list such as +avx2,-avx512f"),
}


def _unreadable() -> list[tuple[str, str]]:
    """Ask Numba, which warns once, with a traceback, of each value that it cannot read."""
    if "numba" in sys.modules or not any(name.startswith("NUMBA_") for name in os.environ):
        return list(_told)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        import numba.core.config  # noqa: F401
    names = re.findall(r"Environment variable '(\w+)'", "\n".join(str(w.message) for w in told))
    _told.extend(
        (name, "Numba cannot read this value, it must be a number such as 0 or 1") for name in names
    )
    return list(_told)


_told: list[tuple[str, str]] = []
