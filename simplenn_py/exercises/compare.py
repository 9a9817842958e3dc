"""Where what a routine returned parts from what was expected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layout import Array, vec
from .form import Args, Exercise
from .runner import Other


@dataclass(frozen=True)
class Difference:
    """The first thing that is not as it should be.

    Parameters
    ----------
    says : str
        One sentence.
    notes : tuple of str
        What else can be seen from the numbers alone.
    values : bool
        Whether only values differ: types and shapes are right.
    """

    says: str
    notes: tuple[str, ...] = ()
    values: bool = False


def difference(exercise: Exercise, args: Args, expected: Any, got: Any) -> Difference | None:
    """Compare types, shapes, NaN, then values; None where all is right."""
    names = exercise.returns
    if len(names) == 1:
        wanted, given = (expected,), (got,)
    else:
        wanted, given = tuple(expected), got
        if not isinstance(given, tuple | list) or len(given) != len(names):
            what = f"{len(given)} values" if isinstance(given, tuple | list) else kind(given)
            return Difference(
                f"it returned {what}; it must return {len(names)}: {', '.join(names)}"
            )
    found = [
        _kind_of(exercise, name, w, v) for name, w, v in zip(names, wanted, given, strict=True)
    ]
    for difference in found:
        if difference is not None:
            return difference
    if exercise.judge is not None:
        says = exercise.judge(args, expected, got)
        return Difference(says, values=True) if says else None
    for name, w, v in zip(names, wanted, given, strict=True):
        with np.errstate(all="ignore"):  # a student's numbers may be infinite
            found_here = _values(exercise, args, name, np.asarray(w), np.asarray(v))
        if found_here is not None:
            return found_here
    return None


def kind(value: Any) -> str:
    """Say what a value is: its type, and an array's shape."""
    if isinstance(value, Other):
        return f"an object of type {value.description}"
    if value is None:
        return "None; is a 'return' missing?"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}, dtype {value.dtype}"
    return f"{'an' if type(value).__name__[0] in 'aeiou' else 'a'} {type(value).__name__}"


def _kind_of(exercise: Exercise, name: str, expected: Any, got: Any) -> Difference | None:
    """Look at the type, the shape, the dtype, NaN and the memory order of one result."""
    if np.ndim(expected) == 0 and isinstance(got, int | float | np.generic):
        got = np.asarray(got)
    if not isinstance(got, np.ndarray):
        want = "a number" if np.ndim(expected) == 0 else "a NumPy array"
        return Difference(f"{name} must be {want}; it is {kind(got)}")
    expected = np.asarray(expected)
    if got.shape != expected.shape:
        says = f"{name} has shape {got.shape}; it must be {expected.shape}"
        if got.shape == expected.shape[::-1]:
            return Difference(says, (f"{name} seems to be transposed",))
        return Difference(says)
    integers = expected.dtype.kind in "iu"
    if got.dtype.kind not in ("iu" if integers else "iuf"):
        want = "integers, for instance int64" if integers else "real numbers, as the input is"
        return Difference(f"{name} has dtype {got.dtype}; it must hold {want}")
    if not integers and np.isnan(got).sum() > np.isnan(expected).sum():
        index = _first(np.isnan(got) & ~np.isnan(expected))
        return Difference(
            f"{name}{list(index)} is NaN: was it ever written, or divided by zero? (np.empty "
            "leaves whatever was in memory)"
        )
    if exercise.fortran and got.ndim > 1 and not got.flags.f_contiguous:
        return Difference(
            f"{name} is not in Fortran order; allocate with order='F', or see np.asfortranarray"
        )
    return None


def _values(
    exercise: Exercise, args: Args, name: str, expected: Array, got: Array
) -> Difference | None:
    scale = exercise.tolerance * float(np.abs(expected).max(initial=0.0))
    if expected.dtype.kind in "iu":
        scale = 0.0
    bad = ~((np.abs(got - expected) <= scale) | (got == expected))
    if not bad.any():
        return None
    index = _first(bad)
    if not index:  # a number
        says = f"{name} is {number(got[()])}; it must be {number(expected[()])}"
        return Difference(says, tuple(_remarks(name, expected, got)), values=True)
    place = exercise.where(args, name, index)
    says = (
        f"{name}{list(index)} is {number(got[index])}; it must be {number(expected[index])}"
        f" ({place}); {bad.sum()} of {bad.size} entries differ"
    )
    return Difference(says, tuple(_remarks(name, expected, got)), values=True)


def _first(bad: Array) -> tuple[int, ...]:
    """Return the first index at which `bad` is true, down the columns."""
    flat = int(np.argmax(vec(bad)))
    return tuple(int(i) for i in np.unravel_index(flat, bad.shape, order="F"))


def number(value: Any) -> str:
    """Write a number as short as it can be told apart."""
    return f"{value:.10g}"


def _remarks(name: str, expected: Array, got: Array) -> Iterator[str]:
    """Say what the numbers show, whatever the routine: each remark is a fact."""
    if close(got, expected, 1e-5):
        yield f"{name} agrees to single precision: was something computed in float32?"
    elif expected.size == 1:
        return  # one entry has no pattern
    elif not got.any():
        yield f"{name} is all zeros"
    elif expected.ndim == 2 and expected.shape[0] == expected.shape[1] and close(got.T, expected):
        yield f"{name} is the transpose of what it must be"
    elif expected.ndim == 2 and close(got.reshape(-1).reshape(got.shape, order="F"), expected):
        yield f"{name} has the right numbers row by row; they belong column by column: order='F'"
    elif close(np.sort(vec(got)), np.sort(vec(expected))):
        yield f"{name} has the right numbers in the wrong order"
    elif expected.dtype.kind in "iu" and np.ptp(got - expected) == 0:
        yield f"every entry of {name} is off by {int((got - expected).flat[0]):+d}"
    else:
        norm = float(np.vdot(expected, expected).real)
        factor = float(np.vdot(expected, got).real) / norm if norm else 0.0
        if factor and close(got, factor * expected):
            yield f"every entry of {name} is {factor:.6g} times what it must be"


def close(got: Array, expected: Array, tolerance: float = 1e-9) -> bool:
    """Whether two arrays agree to `tolerance` of the largest entry."""
    scale = tolerance * float(np.abs(expected).max(initial=0.0))
    return bool(np.all(np.abs(got - expected) <= scale))
