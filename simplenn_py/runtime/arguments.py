"""The kind of an argument: what a call from Python must be given, said in one line."""

from __future__ import annotations

import inspect
import os
from numbers import Integral
from typing import Any

from ..errors import OptionError, UserError, shown


def expect(name: str, value: Any, kinds: type | tuple[type, ...], what: str) -> None:
    """Check the type of an argument.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : object
    kinds : type or tuple of type
        The types that it may have.
    what : str
        What it must be, for the message: "a Dataset, such as load_dataset('digits')".

    Raises
    ------
    UserError
        If `value` has none of these types.

    Examples
    --------
    >>> from simplenn_py.runtime.arguments import expect
    >>> expect("options", "-s 2", dict, "a dict")
    Traceback (most recent call last):
    ...
    simplenn_py.errors.UserError: options is '-s 2'; it must be a dict
    """
    if not isinstance(value, kinds):
        raise UserError(f"{name} is {described(value)}; it must be {what}")


def expect_path(name: str, value: Any, what: str) -> None:
    """Check that an argument is the path of a file or folder, a str or a Path.

    Parameters
    ----------
    name, value, what
        See :func:`expect`.

    Raises
    ------
    UserError
        If it is not, or if it is empty or no path can have this name.
    """
    expect(name, value, (str, os.PathLike), what)
    text = os.fspath(value)
    if not isinstance(text, str) or not text or "\0" in text:
        raise UserError(f"{name} is {described(value)}; it must be {what}")


def expect_whole(name: str, value: Any, least: int, error: type[UserError] = UserError) -> None:
    """Check that an argument is a whole number, of Python or NumPy.

    Parameters
    ----------
    name, value
        See :func:`expect`.
    least : int
        The smallest number that it may be.
    error : type
        Class of the error.

    Raises
    ------
    UserError
        If it is not, or if it is smaller.
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise error(f"{name} is {described(value)}; it must be a whole number, {least} or more")
    if value < least:
        raise error(f"{name} is {described(value)}; it must be {least} or more")


def expect_array(name: str, value: Any, what: str) -> Any:
    """Return an argument as an array.

    Parameters
    ----------
    name, value, what
        See :func:`expect`.

    Returns
    -------
    ndarray

    Raises
    ------
    UserError
        If NumPy cannot make an array of numbers of it.
    """
    import numpy as np

    try:
        array = np.asarray(value)
    except (ValueError, TypeError):  # rows of several lengths
        array = None
    if array is None or array.dtype.kind not in "biufc":
        raise UserError(f"{name} is {described(value)}; it must be {what}")
    return array


def expect_float_dtype(dtype: Any) -> None:
    """Check that an argument is the dtype float32 or float64.

    Parameters
    ----------
    dtype : object

    Raises
    ------
    OptionError
        If it is not.
    """
    import numpy as np

    try:
        known = np.dtype(dtype) in (np.float32, np.float64)
    except TypeError:
        known = False
    if not known:
        raise OptionError(f"dtype is {described(dtype)}; it must be float32 or float64")


def expect_methods(name: str, value: Any, methods: tuple[str, ...], what: str) -> None:
    """Check that an argument is an object with certain methods or attributes.

    Parameters
    ----------
    name, value, what
        See :func:`expect`.
    methods : tuple of str
        Names that it must have.

    Raises
    ------
    UserError
        If one of them is missing, or `value` is a class.
    """
    if inspect.isclass(value) or not all(hasattr(value, method) for method in methods):
        raise UserError(f"{name} is {described(value)}; it must be {what}")


def described(value: Any) -> str:
    """Describe a value of a wrong kind in a few words.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
        A number or a text itself; of anything else its type, and the shape of an array.

    Examples
    --------
    >>> from simplenn_py.runtime.arguments import described
    >>> described(3), described([1, 2]), described(int)
    ('3', 'a list', 'the class int')
    """
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return shown(repr(value), 60)
    if inspect.isclass(value):
        return f"the class {value.__name__}"
    if inspect.isroutine(value):
        return f"the function {getattr(value, '__name__', '')}"
    if isinstance(value, os.PathLike):
        return shown(repr(os.fspath(value)), 60)
    shape = getattr(value, "shape", None)
    if shape == ():  # a number of NumPy
        return shown(str(value), 60)
    kind = type(value).__name__
    article = "an" if kind[:1].lower() in tuple("aeiou") else "a"
    of_shape = f" of shape {shape}" if isinstance(shape, tuple) else ""
    return f"{article} {shown(kind, 60)}{of_shape}"
