"""Labels: how they are normalised, and how they are compared with the classes of a model.

A label is a whole number or a text.  The number 7 and the text "7" are the same label; "007",
"7.0" and " 7" are others.  So a folder whose classes are named 0, 1, other and a folder with 0 and
1 alone agree, although the names of the second can be read as numbers.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import DataError, shown
from .layout import Array
from .runtime.numerals import is_digits

_EXACT64 = 2**53  # float64 holds every integer up to here
_LISTED = 8  # labels named in one line


def as_labels(y: Any, where: str = "y", padded: bool = False) -> Array:
    """Return labels as int64 or as fixed-width strings.

    Parameters
    ----------
    y : array_like, shape (l,), (l, 1) or (1, l)
        Labels: whole numbers of any dtype (MATLAB stores all numbers as doubles), Booleans
        (which become 0 and 1), strings, or bytes in UTF-8; an array, a list, a pandas Series, or
        anything else that NumPy converts to an array.
    where : str
        Start of the error messages.
    padded : bool
        Whether to remove blanks at the ends of strings, with which MATLAB pads them.

    Returns
    -------
    ndarray of int64 or str, shape (l,)
        Strings have Unicode's form NFC, whatever the form in which a file system stores names.

    Raises
    ------
    DataError
        If `y` is not a vector, or a label is missing or neither a whole number nor a string.

    Examples
    --------
    >>> from simplenn_py.labels import as_labels
    >>> as_labels([1.0, 2.0]).tolist(), as_labels(["cat  ", b"dog"], padded=True).tolist()
    ([1, 2], ['cat', 'dog'])
    """
    if np.ma.is_masked(y):
        raise DataError(f"{where}: a label is masked; leave out the images without a label")
    # As objects, so that a list of texts and numbers keeps both.
    y = np.asarray(y, dtype=object if isinstance(y, list | tuple) else None)
    if y.ndim == 2 and 1 in y.shape:
        y = y.reshape(-1)
    if y.ndim != 1:
        shape = "x".join(map(str, y.shape)) or "a single value"
        raise DataError(
            f"{where}: is {shape}; labels must be a vector with one label per image (if they are "
            "one-hot, give y.argmax(axis=1))"
        )
    if y.dtype.kind in "OT":
        y = _from_objects(y.tolist(), where)
    if y.dtype.kind in "SU":
        return _by_label(y, lambda label: _normal(_decoded(label, where), padded))
    if y.dtype.kind not in "biuf":
        raise DataError(
            f"{where}: has dtype {y.dtype}; labels must be integers or strings; convert them, for "
            "instance with y.astype(str)"
        )
    if y.dtype.kind == "f":
        y = y.astype(np.promote_types(y.dtype, np.float64), copy=False)
        whole = np.isfinite(y) & (y == np.floor(y)) & (np.abs(y) <= _EXACT64)
        if not whole.all():
            n = int(np.argmin(whole))
            if np.isnan(y[n]):
                raise DataError(_no_label(where, n, "nan"))
            raise DataError(
                f"{where}: label {y[n]} at index {n} is not a whole number; each label must be a "
                "whole number or a string; convert the labels first"
            )
    if y.dtype.kind == "u" and y.size and y.max() > np.iinfo(np.int64).max:
        raise DataError(f"{where}: label {y.max()} does not fit in int64; use smaller labels")
    return y.astype(np.int64, copy=False)


def _from_objects(labels: list[Any], where: str) -> Array:
    """Return an array of Python objects, such as a column of pandas, with a dtype of its own."""
    text = [isinstance(label, str | bytes) for label in labels]
    numbers = int | float | np.integer | np.floating | np.bool_
    number = [isinstance(label, numbers) for label in labels]
    some_text = any(text)
    for n, label in enumerate(labels):
        missing = some_text and isinstance(label, float | np.floating) and np.isnan(label)
        if missing or not (text[n] or number[n]):
            found = shown(repr(label), 60)
            if label is None or missing:
                raise DataError(_no_label(where, n, found))
            raise DataError(
                f"{where}: label {found} at index {n} is neither a whole number nor a text; "
                "convert the labels first"
            )
    if some_text and any(number):
        raise DataError(
            f"{where}: mixes texts and numbers, such as the labels at index {text.index(True)} and "
            f"{number.index(True)}; make all of them texts: [str(label) for label in y]"
        )
    if some_text:
        return np.array([_decoded(label, where) for label in labels], dtype=str)
    some_floats = any(isinstance(label, float | np.floating) for label in labels)
    try:
        return np.array(labels, np.float64 if some_floats else np.int64)
    except OverflowError:
        n = max(range(len(labels)), key=lambda n: abs(labels[n]))
        found = labels[n] if abs(labels[n]) < 10**40 else "of more than 40 digits"
        raise DataError(
            f"{where}: label {found} at index {n} does not fit in int64; use smaller labels"
        ) from None


def _by_label(y: Array, change: Callable[[Any], str]) -> Array:
    """Apply `change` to each different label once; return the same array if it changes none."""
    labels, place = np.unique(y, return_inverse=True)
    changed = np.array([change(label) for label in labels.tolist()], dtype=str)
    if y.dtype.kind == "U":
        if y.dtype.isnative and np.array_equal(changed, labels):
            return y
        # As wide as before: the fingerprint of a run's data contains the dtype.
        changed = changed.astype(np.promote_types(changed.dtype, y.dtype))
    result: Array = changed[place]
    return result


def _decoded(label: str | bytes, where: str) -> str:
    try:
        return label.decode("utf-8") if isinstance(label, bytes) else label
    except UnicodeDecodeError:
        raise DataError(
            f"{where}: label {shown(repr(label), 60)} is not text in UTF-8; save the labels as "
            "strings, not as bytes"
        ) from None


def _no_label(where: str, n: int, found: str) -> str:
    return (
        f"{where}: image {n} (counted from 0) has no label ({found}); leave out the images without "
        "a label"
    )


def _normal(label: str, padded: bool) -> str:
    label = unicodedata.normalize("NFC", label)
    return label.rstrip() if padded else label


def in_kind_of(y: Array, others: Array) -> Array:
    """Return labels as numbers or as texts, as `others` are, if that is possible.

    Parameters
    ----------
    y, others : ndarray of int64 or str
        Labels from :func:`as_labels`.

    Returns
    -------
    ndarray of int64 or str
        Numbers become texts.  Texts become numbers if each of them is the text of a number;
        otherwise they are returned unchanged.
    """
    if y.dtype.kind == others.dtype.kind:
        return y
    if others.dtype.kind == "U":
        return y.astype(str)
    labels = np.unique(y).tolist()
    if not all(_is_number(label) for label in labels):
        return y
    return y.astype(np.int64)


def _is_number(label: str) -> bool:
    plain = is_digits(label.removeprefix("-"), most=19)
    return plain and str(int(label)) == label and -(2**63) <= int(label) < 2**63


def match_labels(y: Any, classes: Array, where: str = "y") -> tuple[Array, dict[Any, int]]:
    """Find the class of each label.

    Parameters
    ----------
    y : array_like
        Labels, see :func:`as_labels`.
    classes : ndarray of int64 or str, shape (nL,)
        Labels of the classes, all different, in any order.
    where : str
        Start of the error messages.

    Returns
    -------
    index : ndarray of int64, shape (l,)
        Index of the class of each label; nL for a label that is no class.
    unknown : dict
        The labels that are no class, sorted, and their numbers of images.

    Raises
    ------
    DataError
        See :func:`as_labels`.

    Notes
    -----
    Labels are compared as texts: the number 7 is the text "7".  Blanks at the end count only if
    two classes differ in nothing else.

    Examples
    --------
    >>> import numpy as np
    >>> from simplenn_py.labels import match_labels
    >>> match_labels([1, 0, 7], np.array(["0", "1", "other"]))
    (array([1, 0, 3]), {7: 1})
    """
    labels, place = np.unique(as_labels(y, where), return_inverse=True)
    texts = [str(label) for label in classes.tolist()]
    known = {text.rstrip(): k for k, text in enumerate(texts)}
    known |= {text: k for k, text in enumerate(texts)}
    found = [known.get(text, known.get(text.rstrip(), classes.size)) for text in labels.astype(str)]
    index = np.array(found, np.int64)
    images = np.bincount(place, minlength=labels.size)
    absent = np.flatnonzero(index == classes.size)
    return index[place], dict(zip(labels[absent].tolist(), images[absent].tolist(), strict=True))


def listed(unknown: dict[Any, int]) -> str:
    """Return labels and their numbers of images for one line: ``'cat' (3), 'dog' (1)``.

    Parameters
    ----------
    unknown : dict
        From :func:`match_labels`.
    """
    entries = [f"{quoted(label)} ({n:,})" for label, n in list(unknown.items())[:_LISTED]]
    more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
    return ", ".join(entries) + more


def quoted(label: Any) -> str:
    """Return a label for a message: a text in quotes, a number as it is.

    Parameters
    ----------
    label : int or str
    """
    return f"'{shown(label, 60)}'" if isinstance(label, str) else str(label)


def sentence(unknown: dict[Any, int], images: str, without: str) -> str:
    """Say which images have an unknown label: "3 images have the label 'dog', which ... lacks".

    Parameters
    ----------
    unknown : dict
        From :func:`match_labels`, not empty.
    images : str
        Kind of the images: "" or "test ".
    without : str
        What lacks the labels, with its verb: "the model does not know".
    """
    n = sum(unknown.values())
    subject = f"{n:,} {images}image{'s have' if n > 1 else ' has'}"
    if len(unknown) == 1:
        return f"{subject} the label {quoted(next(iter(unknown)))}, which {without}"
    return f"{subject} labels that {without}: {listed(unknown)}"


def note_unknown(unknown: dict[Any, int]) -> None:
    """Log labels that a model does not know; without a logger of the caller's, on stderr.

    Parameters
    ----------
    unknown : dict
        From :func:`match_labels`.  Nothing is logged if it is empty.
    """
    if unknown:
        what = sentence(unknown, "", "the model does not know")
        logging.getLogger("simplenn_py").warning("counted as mistakes: %s", what)
