"""Find the first difference between a returned value and the expected one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from ..layout import Array, vec
from .exercise import Args, Exercise
from .worker import Other


@dataclass(frozen=True)
class Difference:
    """The first difference from the expected result.

    Parameters
    ----------
    message : str
        One sentence that describes the difference.
    notes : tuple of str
        Further observations that follow from the numbers alone.
    values : bool
        Whether only values differ, while types and shapes are correct.
    complete : bool
        Whether the message says all there is to say, so that no typical mistake is looked for: the
        values are correct, but not their dtype or memory order, or the result is not an array.
    """

    message: str
    notes: tuple[str, ...] = ()
    values: bool = False
    complete: bool = False


def difference(exercise: Exercise, args: Args, expected: Any, got: Any) -> Difference | None:
    """Compare types, shapes and NaN, then values, then the dtype and the memory order.

    Parameters
    ----------
    exercise : Exercise
    args : dict
        Arguments of the call, to describe an entry.
    expected, got : object
        Expected and returned value: arrays or numbers, or tuples of them, one per name in
        ``exercise.returns``.

    Returns
    -------
    Difference or None
        None if the returned value is correct.
    """
    names = exercise.returns
    if len(names) == 1:
        wanted, given = (expected,), (got,)
    else:
        wanted, given = tuple(expected), got
        if not isinstance(given, tuple | list) or len(given) != len(names):
            what = f"{len(given)} values" if isinstance(given, tuple | list) else kind(given)
            return Difference(
                f"the routine returned {what}; it must return {len(names)}: {', '.join(names)}"
            )
        if (swapped := _swapped(names, wanted, tuple(given), exercise.tolerance)) is not None:
            return Difference(
                f"the routine returned {', '.join(swapped)}; it must return {', '.join(names)}",
                complete=True,
            )
    found = [
        _kind_of(exercise, name, w, v) for name, w, v in zip(names, wanted, given, strict=True)
    ]
    for one in found:
        if one is not None:
            return one
    if exercise.judge is not None:
        message = exercise.judge(args, expected, got)
        return Difference(message, values=True) if message else None
    for name, w, v in zip(names, wanted, given, strict=True):
        with np.errstate(all="ignore"):  # a student's numbers may be infinite
            found_here = _values(exercise, args, name, np.asarray(w), np.asarray(v))
        if found_here is not None:
            return found_here
    for name, w, v in zip(names, wanted, given, strict=True):
        form = _form(exercise, name, w, v)
        if form:
            return Difference(form, complete=True)
    return None


def same(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two returned values are the same: the shapes and the numbers, NaN included.

    Parameters
    ----------
    one, other : object
        Arrays, numbers, text, or tuples, lists and dicts of them.
    tolerance : float
        Largest allowed difference, relative to the largest finite entry of an array.
    """
    if isinstance(one, tuple | list):
        return (
            isinstance(other, tuple | list)
            and len(one) == len(other)
            and all(same(x, y, tolerance) for x, y in zip(one, other, strict=True))
        )
    if isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS):
        x, y = np.asarray(one), np.asarray(other)
        if x.shape != y.shape or x.dtype.kind not in "biufc" or y.dtype.kind not in "biufc":
            return False
        scale = tolerance * float(np.abs(x[np.isfinite(x)]).max(initial=0.0))
        with np.errstate(all="ignore"):
            return bool(np.all((np.abs(x - 1.0 * y) <= scale) | (x == y) | ((x != x) & (y != y))))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k], tolerance) for k in one)
    if isinstance(one, Other) and isinstance(other, Other):
        return one.description == other.description
    return type(one) is type(other) and bool(one == other)


_NUMBERS = (bool, int, float, complex, np.generic, np.ndarray)


def _swapped(
    names: Sequence[str], wanted: Sequence[Any], given: Sequence[Any], tolerance: float
) -> Sequence[str] | None:
    """Return the names in the order in which the correct values were returned, if it is wrong."""
    if same(wanted, given, tolerance):
        return None
    for order in permutations(range(len(names))):
        if same([wanted[k] for k in order], given, tolerance):
            return [names[k] for k in order]
    return None


def _form(exercise: Exercise, name: str, expected: Any, got: Any) -> str:
    """Describe a dtype or memory order that is not the required one, of correct values; or ""."""
    if not isinstance(got, np.ndarray):
        return ""
    if exercise.same_dtype and got.dtype != np.asarray(expected).dtype:
        return (
            f"the values of {name} are correct, but its dtype is {got.dtype}; it must be "
            f"{np.asarray(expected).dtype}, that of the input"
        )
    if exercise.fortran and got.ndim > 1 and not got.flags.f_contiguous:
        return (
            f"the values of {name} are correct, but it is not in Fortran order; allocate it with "
            "order='F', or use np.asfortranarray"
        )
    return ""


def kind(value: Any) -> str:
    """Describe a value: its type, and the shape and dtype of an array."""
    if isinstance(value, Other):
        return f"an object of type {value.description}"
    if value is None:
        return "None; is a 'return' statement missing?"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}, dtype {value.dtype}"
    return f"{'an' if type(value).__name__[0] in 'aeiou' else 'a'} {type(value).__name__}"


def _kind_of(exercise: Exercise, name: str, expected: Any, got: Any) -> Difference | None:
    """Compare the type, shape, kind of dtype and NaN of one result."""
    if np.ndim(expected) == 0 and isinstance(got, int | float | np.generic):
        got = np.asarray(got)
    if not isinstance(got, np.ndarray):
        want = "a number" if np.ndim(expected) == 0 else "a NumPy array"
        return Difference(f"{name} must be {want}; it is {kind(got)}", complete=True)
    expected = np.asarray(expected)
    if got.shape != expected.shape:
        message = f"{name} has shape {got.shape}; it must be {expected.shape}"
        if same(got.T, expected, exercise.tolerance):
            return Difference(message, (f"{name} is the transpose of the expected array",))
        if same(vec(got), vec(expected), exercise.tolerance):
            return Difference(message, (f"{name} has the expected numbers in the expected order",))
        return Difference(message)
    integers = expected.dtype.kind in "iu"
    if got.dtype.kind not in ("iu" if integers else "iuf"):
        want = "integers, for instance int64" if integers else "real numbers, like the input"
        right = same(got, expected, 0.0 if integers else exercise.tolerance)
        start = f"the values of {name} are correct, but its dtype is" if right else None
        return Difference(
            f"{start or f'{name} has dtype'} {got.dtype}; it must contain {want}", complete=right
        )
    if not integers and np.isnan(got).sum() > np.isnan(expected).sum():
        index = _first(np.isnan(got) & ~np.isnan(expected))
        return Difference(
            f"{name}{list(index)} is NaN: was this entry never assigned, or divided by zero? "
            "(np.empty does not initialise its entries)"
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
        message = f"{name} is {number(got[()])}; it must be {number(expected[()])}"
        return Difference(message, tuple(_remarks(name, expected, got)), values=True)
    place = exercise.where(args, name, index)
    message = (
        f"{name}{list(index)} is {number(got[index])}; it must be {number(expected[index])}"
        f" ({place}); {bad.sum()} of {bad.size} entries differ"
    )
    return Difference(message, tuple(_remarks(name, expected, got)), values=True)


def _first(bad: Array) -> tuple[int, ...]:
    """Return the first index at which `bad` is true, column by column."""
    flat = int(np.argmax(vec(bad)))
    return tuple(int(i) for i in np.unravel_index(flat, bad.shape, order="F"))


def number(value: Any) -> str:
    """Format a number with up to 10 significant digits."""
    return f"{value:.10g}"


def _remarks(name: str, expected: Array, got: Array) -> Iterator[str]:
    """Yield observations that follow from the numbers alone, for any routine."""
    if close(got, expected, 1e-5):
        yield f"{name} agrees to single precision: was a step computed in float32?"
    elif expected.size == 1:
        return  # a single entry has no pattern
    elif not got.any():
        yield f"all entries of {name} are 0"
    elif expected.ndim == 2 and expected.shape[0] == expected.shape[1] and close(got.T, expected):
        yield f"{name} is the transpose of the expected array"
    elif expected.ndim == 2 and close(got.reshape(-1).reshape(got.shape, order="F"), expected):
        yield (
            f"{name} has the expected numbers, but row by row; they must be in column order: "
            "order='F'"
        )
    elif close(np.sort(vec(got)), np.sort(vec(expected))):
        yield f"{name} has the expected numbers in another order"
    elif expected.dtype.kind in "iu" and np.ptp(got - expected) == 0:
        yield (
            f"every entry of {name} differs from the expected one by "
            f"{int((got - expected).flat[0]):+d}"
        )
    else:
        norm = float(np.vdot(expected, expected).real)
        factor = float(np.vdot(expected, got).real) / norm if norm else 0.0
        if factor and close(got, factor * expected):
            yield f"every entry of {name} is {factor:.6g} times the expected one"


def close(got: Array, expected: Array, tolerance: float = 1e-9) -> bool:
    """Whether two arrays agree, relative to the largest expected entry.

    Parameters
    ----------
    got, expected : ndarray of one shape
    tolerance : float
        Largest allowed difference, relative to the largest absolute entry of `expected`.
    """
    scale = tolerance * float(np.abs(expected).max(initial=0.0))
    return bool(np.all(np.abs(got - expected) <= scale))
