"""A box: an array that a tape or a forward trace follows, and how NumPy is made to follow it.

NumPy hands every ufunc and function of its own that meets a :class:`Box` to
``__array_ufunc__`` and ``__array_function__``; from there it goes to a handler, the handler
finds the :class:`Rule`, and :func:`apply` has it run by the box's trace: a tape records it,
forward mode computes its tangent.  This module knows neither, and no derivative.

What a box holds may itself be a box, of a trace that was made earlier: an outer one.  Every
operation is handed to the innermost trace among its inputs, and the rules are written in
NumPy's functions, so that what an inner trace computes is followed by the outer ones.  That
is all that gradients of gradients need.
"""

from __future__ import annotations

import itertools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: An array, a number or a box: what rules take and return.
Value = Any
#: What runs a function (of NumPy, mostly) when an argument is a box; ``rules.py`` fills it.
HANDLERS: dict[Any, Callable[..., Value]] = {}

_levels = itertools.count()


@dataclass(frozen=True)
class Rule:
    """An operation and its derivatives.

    Parameters
    ----------
    name : str
    function : callable
        ``function(*inputs, **options)`` on plain arrays.
    vjp : callable
        ``vjp(k, delta, result, inputs, **options)``: from the cotangent `delta` of the
        result, that of input k, in that input's shape.
    jvp : callable
        ``jvp(k, tangent, result, inputs, **options)``: what a tangent of input k adds to the
        tangent of the result, in the result's shape.
    """

    name: str
    function: Callable[..., Value]
    vjp: Callable[..., Value]
    jvp: Callable[..., Value]


class Trace(ABC):
    """What runs an operation for boxes of its own; a larger level is further inside."""

    def __init__(self) -> None:
        self.level = next(_levels)

    @abstractmethod
    def run(self, rule: Rule, inputs: tuple[Value, ...], options: dict[str, Any]) -> Value:
        """Compute the operation on what the trace's own boxes hold, and box the result."""


def apply(rule: Rule, inputs: Sequence[Value], options: dict[str, Any] | None = None) -> Value:
    """Run an operation: by the innermost trace among its inputs, or plainly if there is none."""
    inputs = tuple(x if isinstance(x, Box | int | float) else np.asarray(x) for x in inputs)
    traces = [x.trace for x in inputs if isinstance(x, Box)]
    if not traces:
        return rule.function(*inputs, **(options or {}))
    return max(traces, key=lambda trace: trace.level).run(rule, inputs, options or {})


def plain(x: Value) -> Any:
    """Return the plain array or number inside all boxes; lists and tuples entry by entry."""
    while isinstance(x, Box):
        x = x.value
    return type(x)(map(plain, x)) if type(x) in (list, tuple) else x


def handle(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Value:
    """Run `function` on arguments of which some are boxes.

    Raises
    ------
    TypeError
        If there is no rule for the function.
    """
    handler = HANDLERS.get(function)
    if handler is None:
        name = getattr(function, "__name__", function)
        raise TypeError(
            f"{name} has no derivative rule; write it with functions that have one (the keys of "
            "simplenn_py.autodiff.RULES), or take .value where no derivative is wanted"
        )
    return handler(*args, **kwargs)


class Box:
    """An array that a trace follows; it answers to NumPy's operators, ufuncs and functions.

    Parameters
    ----------
    trace : Trace
    value : ndarray, number or Box
        What it holds: a box of an outer trace where traces are nested.
    """

    __slots__ = ("trace", "value")
    __hash__ = None  # type: ignore[assignment]  # == compares entries, as an array's does

    def __init__(self, trace: Trace, value: Value) -> None:
        self.trace = trace
        self.value = value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Value:
        if method != "__call__":
            raise TypeError(
                f"np.{ufunc.__name__}.{method} has no derivative rule; use np.sum, np.max or "
                "another function that has one"
            )
        return handle(ufunc, args, kwargs)

    def __array_function__(
        self, function: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Value:
        return handle(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TypeError(
            "a watched array cannot become a plain one: its derivative would be lost in silence; "
            "join watched arrays by np.stack or np.concatenate, or take .value"
        )

    def __float__(self) -> float:
        raise TypeError(
            "float() and the functions of math would lose the derivative of a watched number; "
            "use NumPy's functions, or float(x.value)"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(plain(self))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.size(plain(self)))

    @property
    def dtype(self) -> Any:
        return np.asarray(plain(self)).dtype

    @property
    def T(self) -> Value:
        return np.transpose(self)  # type: ignore[call-overload]

    def __len__(self) -> int:
        return len(plain(self))

    def __bool__(self) -> bool:
        return bool(plain(self))

    def __iter__(self) -> Iterator[Value]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Value:
        return handle(operator.getitem, (self, key), {})

    def reshape(self, *shape: Any, order: str = "C") -> Value:
        return handle(np.reshape, (self, shape[0] if len(shape) == 1 else shape), {"order": order})

    def transpose(self, *axes: Any) -> Value:
        return handle(np.transpose, (self, (axes[0] if len(axes) == 1 else axes) or None), {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


def _method(function: Any, reflected: bool = False) -> Callable[..., Value]:
    def method(self: Box, *args: Any, **kwargs: Any) -> Value:
        if reflected:
            return function(args[0], self)
        return function(self, *args, **kwargs)

    return method


for _name, _ufunc in {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "pow": np.power,
    "matmul": np.matmul,
}.items():
    setattr(Box, f"__{_name}__", _method(_ufunc))
    setattr(Box, f"__r{_name}__", _method(_ufunc, reflected=True))
for _name, _function in {
    "__neg__": np.negative,
    "__pos__": np.positive,
    "__abs__": np.absolute,
    "__lt__": np.less,
    "__le__": np.less_equal,
    "__gt__": np.greater,
    "__ge__": np.greater_equal,
    "__eq__": np.equal,
    "__ne__": np.not_equal,
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "ravel": np.ravel,
    "dot": np.dot,
}.items():
    setattr(Box, _name, _method(_function))


def real(x: Any, name: str) -> Any:
    """Return `x` as a floating array (integers as float64); TypeError if it is not real."""
    array = np.asarray(x)
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} has dtype {array.dtype}; it must be real: float32 or float64")
    return array


def constant(result: Any) -> Any:
    """Return the zeros that are the derivative of a result that depends on nothing watched.

    Raises
    ------
    TypeError
        If it is no array or number; of a tuple the entries might depend on what is watched.
    """
    if isinstance(result, list | tuple):
        raise TypeError(
            f"the function returned a {type(result).__name__}; it must return one array or number: "
            "join several by np.stack or np.concatenate"
        )
    return np.zeros_like(real(plain(result), "the result of the function"))[()]
