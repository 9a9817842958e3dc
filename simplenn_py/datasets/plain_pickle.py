"""Reading a pickle of plain values without unpickling it.

Unpickling runs whatever code a file names.  This reader runs none: it knows the few instructions
that write numbers, texts, lists, tuples, dictionaries and arrays of unsigned bytes, and refuses
all others.  It reads the batches of CIFAR-10's Python version.
"""

from __future__ import annotations

import math
import pickletools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..layout import Array

_MAX_STEPS = 2**20  # a batch of CIFAR-10 has 60,000 instructions
_MARK = object()

# The names that a pickled array of NumPy refers to, and what each stands for here.
_NAMES = {
    "numpy.core.multiarray _reconstruct": "array",
    "numpy._core.multiarray _reconstruct": "array",
    "numpy ndarray": "type of arrays",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",  # how Python 3 writes bytes in Python 2's format
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS = frozenset({"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"})
_TEXTS = frozenset(
    {"STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
    | {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE"}
)
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUT = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GET = frozenset({"GET", "BINGET", "LONG_BINGET"})


@dataclass(frozen=True)
class _Name:
    """A name in the file that stands for one of `_NAMES`; nothing is ever called."""

    meaning: str


@dataclass(eq=False)
class Bytes:
    """An array of unsigned bytes.

    Attributes
    ----------
    value : ndarray of uint8
        Empty until the instruction that fills it has been read.
    """

    value: Array = field(default_factory=lambda: np.empty(0, np.uint8))


class NotPlainError(Exception):
    """The pickle holds something else, or is damaged; the text says what."""


def read_plain(content: bytes) -> Any:
    """Read a pickle of plain values.

    Parameters
    ----------
    content : bytes
        The pickle, of any protocol.

    Returns
    -------
    dict, list, tuple, int, bool, None, str, bytes or Bytes
        Byte strings of Python 2 come as text, one character per byte.

    Raises
    ------
    NotPlainError
        If the pickle holds anything else.
    Exception
        Any exception that ``pickletools`` raises for a malformed pickle.

    Examples
    --------
    >>> from simplenn_py.datasets.plain_pickle import read_plain
    >>> read_plain(b"\\x80\\x02}q\\x00U\\x01aq\\x01]q\\x02(K\\x01K\\x02es.")
    {'a': [1, 2]}
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    argument: Any
    for step, (instruction, argument, _) in enumerate(pickletools.genops(content)):
        if step >= _MAX_STEPS:
            raise NotPlainError(f"has more than {_MAX_STEPS} instructions")
        name = instruction.name
        if name == "STOP":
            break
        if name in ("PROTO", "FRAME"):
            continue
        if name in _NUMBERS or name in _TEXTS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _PUT:
            memo[argument] = _top(stack)
        elif name == "MEMOIZE":
            memo[len(memo)] = _top(stack)
        elif name in _GET:
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _TUPLES:
            stack.append(tuple(_pop(stack, _TUPLES[name])))
        else:
            _build(name, argument, stack)
    if len(stack) != 1:
        raise NotPlainError("does not hold one value")
    return _top(stack)


def _build(name: str, argument: Any, stack: list[Any]) -> None:
    """Follow an instruction that makes or fills a list, a tuple, a dictionary or an array."""
    if name == "EMPTY_DICT":
        stack.append({})
    elif name == "EMPTY_LIST":
        stack.append([])
    elif name == "EMPTY_TUPLE":
        stack.append(())
    elif name == "LIST":
        stack.append(_since_mark(stack))
    elif name == "TUPLE":
        stack.append(tuple(_since_mark(stack)))
    elif name == "DICT":
        stack.append(_fill({}, _since_mark(stack)))
    elif name == "APPEND":
        (item,) = _pop(stack, 1)
        _of_type(stack, list).append(item)
    elif name == "APPENDS":
        items = _since_mark(stack)
        _of_type(stack, list).extend(items)
    elif name == "SETITEM":
        pair = _pop(stack, 2)
        _fill(_of_type(stack, dict), pair)
    elif name == "SETITEMS":
        items = _since_mark(stack)
        _fill(_of_type(stack, dict), items)
    elif name == "GLOBAL":
        stack.append(_named(argument))
    elif name == "STACK_GLOBAL":
        stack.append(_named(" ".join(map(str, _pop(stack, 2)))))
    elif name == "REDUCE":
        callee, arguments = _pop(stack, 2)
        stack.append(_result(callee, arguments))
    elif name == "BUILD":
        (state,) = _pop(stack, 1)
        _set_state(_top(stack), state)
    else:
        raise NotPlainError(f"has the instruction {name}, which plain values do not need")


def _named(name: str) -> _Name:
    if name not in _NAMES:
        raise NotPlainError(f"refers to {name[:80]!r}, which is not plain data")
    return _Name(_NAMES[name])


def _result(callee: Any, arguments: Any) -> Any:
    """Return what a call in the file stands for."""
    if isinstance(callee, _Name) and isinstance(arguments, tuple):
        if callee.meaning == "array":
            return Bytes()
        if callee.meaning == "dtype" and arguments and _text(arguments[0]) in ("u1", "|u1"):
            return np.dtype(np.uint8)
        if callee.meaning == "encode" and len(arguments) == 2 and arguments[1] == "latin1":
            return _text(arguments[0]).encode("latin-1")
    raise NotPlainError("calls a function other than the one that makes an array of bytes")


def _set_state(target: Any, state: Any) -> None:
    """Fill an array; the state of a dtype says nothing about unsigned bytes."""
    if not isinstance(state, tuple):
        raise NotPlainError("sets the state of an object")
    if isinstance(target, np.dtype):
        return
    if not isinstance(target, Bytes) or len(state) != 5:
        raise NotPlainError("sets the state of an object")
    _, shape, dtype, fortran, values = state
    if not isinstance(dtype, np.dtype) or not isinstance(shape, tuple) or fortran:
        raise NotPlainError("holds an array that is not of unsigned bytes in C order")
    if len(shape) > 4 or not all(type(n) is int and 0 <= n < 2**32 for n in shape):
        raise NotPlainError("holds an array of an impossible shape")
    content = values if isinstance(values, bytes) else _text(values).encode("latin-1")
    if math.prod(shape) != len(content):
        raise NotPlainError(f"holds an array of shape {shape} with {len(content)} bytes")
    target.value = np.frombuffer(content, np.uint8).reshape(shape)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise NotPlainError("has no text where one is required")
    return value


def _fill(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2 or not all(isinstance(key, str | bytes) for key in items[::2]):
        raise NotPlainError("has a dictionary whose keys are not texts")
    target.update((_text(key), value) for key, value in zip(items[::2], items[1::2], strict=True))
    return target


def _of_type(stack: list[Any], kind: type) -> Any:
    if not isinstance(_top(stack), kind):
        raise NotPlainError(f"fills something other than a {kind.__name__}")
    return stack[-1]


def _top(stack: list[Any]) -> Any:
    return stack[-1] if stack and stack[-1] is not _MARK else _missing()


def _pop(stack: list[Any], count: int) -> list[Any]:
    items = stack[-count:]
    if len(items) < count or any(item is _MARK for item in items):
        _missing()
    del stack[-count:]
    return items


def _since_mark(stack: list[Any]) -> list[Any]:
    items = []
    while stack and stack[-1] is not _MARK:
        items.append(stack.pop())
    if not stack:
        _missing()
    stack.pop()
    return items[::-1]


def _missing() -> Any:
    raise NotPlainError("is damaged: an instruction lacks its values")
