"""A box: an array that a tape or a forward trace follows, also through NumPy's functions.

When a NumPy ufunc or function meets a :class:`Box`, NumPy calls ``__array_ufunc__`` or
``__array_function__``.  They call a handler, the handler finds the :class:`Rule`, and
:func:`apply` runs it on the box's trace: a tape records the operation, forward mode computes its
tangent.  This module contains neither of the two, and no derivative.

The value of a box may itself be a box of an outer trace, which is one that was made earlier.
Every operation goes to the innermost trace among its inputs.  The rules are written in NumPy's
functions, so the outer traces follow the computations of the inner ones.  Gradients of gradients
need nothing else.
"""

from __future__ import annotations

import itertools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: An array, a number, or a box: the inputs and results of rules.
Value = Any
#: Handlers by (NumPy) function, called when an argument is a box; ``rules.py`` fills the table.
HANDLERS: dict[Any, Callable[..., Value]] = {}

_levels = itertools.count()


@dataclass(frozen=True)
class Rule:
    """An operation and its derivatives.

    Parameters
    ----------
    name : str
        Name of the operation, its key in ``RULES``.
    function : callable
        The operation, ``function(*inputs, **options)`` on plain arrays.
    vjp : callable
        Vector-Jacobian product, ``vjp(k, delta, result, inputs, **options)``: returns the
        cotangent of input k, in that input's shape, from the cotangent `delta` of the result.
    jvp : callable
        Jacobian-vector product, ``jvp(k, tangent, result, inputs, **options)``: returns the term
        that a tangent of input k adds to the tangent of the result, in the result's shape.
    """

    name: str
    function: Callable[..., Value]
    vjp: Callable[..., Value]
    jvp: Callable[..., Value]


class Trace(ABC):
    """Base class of tape and forward mode: runs operations on its own boxes.

    Attributes
    ----------
    level : int
        Number in the order of creation; the trace with the larger level is the inner one.
    """

    def __init__(self) -> None:
        self.level = next(_levels)

    @abstractmethod
    def run(self, rule: Rule, inputs: tuple[Value, ...], options: dict[str, Any]) -> Value:
        """Compute the operation on the values in the trace's own boxes, and box the result.

        Parameters
        ----------
        rule : Rule
            The operation.
        inputs : tuple of ndarray, number or Box
            Its inputs; boxes of outer traces are handled as plain arrays.
        options : dict
            Keyword arguments of the rule's functions.

        Returns
        -------
        Box
            The result.
        """


def apply(rule: Rule, inputs: Sequence[Value], options: dict[str, Any] | None = None) -> Value:
    """Run an operation on the innermost trace among its inputs, or plainly if there is none.

    Parameters
    ----------
    rule : Rule
        The operation.
    inputs : sequence of array_like or Box
        Its inputs, of any shapes that the operation takes.
    options : dict, optional
        Keyword arguments of the rule's functions.

    Returns
    -------
    Box or ndarray or number
        The result, a box if an input is one.
    """
    inputs = tuple(x if isinstance(x, Box | int | float) else np.asarray(x) for x in inputs)
    traces = [x.trace for x in inputs if isinstance(x, Box)]
    if not traces:
        return rule.function(*inputs, **(options or {}))
    return max(traces, key=lambda trace: trace.level).run(rule, inputs, options or {})


def plain(x: Value) -> Any:
    """Return the plain array or number inside all boxes; lists and tuples entry by entry.

    Parameters
    ----------
    x : ndarray, number, Box, or a list or tuple of them
        Value to unpack, of any shape.

    Returns
    -------
    ndarray, number, or a list or tuple of them
        The value without boxes, not copied.
    """
    while isinstance(x, Box):
        x = x.value
    return type(x)(map(plain, x)) if type(x) in (list, tuple) else x


def handle(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Value:
    """Run a function on arguments of which some are boxes.

    Parameters
    ----------
    function : callable
        Key of :data:`HANDLERS`, mostly a function or ufunc of NumPy.
    args : sequence
        Positional arguments.
    kwargs : dict
        Keyword arguments.

    Returns
    -------
    Box or ndarray or number
        The result of the handler.

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
            "simplenn_py.autodiff.RULES), or use .value if you need no derivative"
        )
    return handler(*args, **kwargs)


class Box:
    """An array that a trace follows; it supports NumPy's operators, ufuncs and functions.

    Parameters
    ----------
    trace : Trace
        Trace that runs the operations on this box.
    value : ndarray, number or Box
        The value in the box, of any shape; if traces are nested, a box of an outer trace.
    """

    __slots__ = ("trace", "value")
    __hash__ = None  # type: ignore[assignment]  # == compares entry by entry, as for arrays

    def __init__(self, trace: Trace, value: Value) -> None:
        self.trace = trace
        self.value = value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Value:
        if kwargs.get("out") is not None:
            raise TypeError(_in_place(ufunc))
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
            "a watched array cannot become a plain one: its derivative would be lost without "
            "notice; join watched arrays with np.stack or np.concatenate (also in place of "
            "writing them into a plain array, s[i] = x), or use .value"
        )

    def __float__(self) -> float:
        raise TypeError(
            "float(), the functions of math, and writing into a plain array (s[i] = x) would lose "
            "the derivative of a watched number; use NumPy's functions, join numbers with "
            "np.stack, or use float(x.value)"
        )

    __int__ = __complex__ = __float__

    def __format__(self, spec: str) -> str:
        return format(plain(self), spec) if spec else str(self)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError(
            "a watched array cannot be changed in place: its derivative would be wrong; make a "
            "new one with np.where, np.stack or np.concatenate"
        )

    def __getattr__(self, name: str) -> Any:
        # Only called for a name that is not there.  NumPy asks for some with underscores.
        message = f"a watched array has no attribute {name!r}"
        function = getattr(np, name, None)
        if not name.startswith("_") and hasattr(np.ndarray, name):
            if function in HANDLERS:
                message += f"; use np.{name}(x)"
            else:
                message += f"; use x.value.{name} if you need no derivative"
        raise AttributeError(message)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the plain array inside."""
        return np.shape(plain(self))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(np.size(plain(self)))

    @property
    def dtype(self) -> Any:
        """Dtype of the plain array inside."""
        return np.asarray(plain(self)).dtype

    @property
    def T(self) -> Value:
        """The transpose, on the trace."""
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
        """Return :func:`numpy.reshape` of the box.

        Parameters
        ----------
        *shape : int, or one tuple of int
            New shape.
        order : {"C", "F"}
            Order in which the entries are read and placed.

        Returns
        -------
        Box
            Result on the trace.
        """
        return handle(np.reshape, (self, shape[0] if len(shape) == 1 else shape), {"order": order})

    def transpose(self, *axes: Any) -> Value:
        """Return :func:`numpy.transpose` of the box.

        Parameters
        ----------
        *axes : int, or one tuple of int
            New order of the axes; reversed if omitted.

        Returns
        -------
        Box
            Result on the trace.
        """
        return handle(np.transpose, (self, (axes[0] if len(axes) == 1 else axes) or None), {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


#: Operators that change an array in place, by the ufunc that they call.
_SYMBOLS: dict[Any, str] = {
    np.add: "+",
    np.subtract: "-",
    np.multiply: "*",
    np.divide: "/",
    np.power: "**",
    np.matmul: "@",
}


def _in_place(ufunc: np.ufunc) -> str:
    """Explain why the result of a ufunc with a watched input must not go into a plain array."""
    symbol = _SYMBOLS.get(ufunc)
    written = f"s {symbol}= x" if symbol else f"np.{ufunc.__name__}(x, out=s)"
    remedy = f"s = s {symbol} x" if symbol else f"s = np.{ufunc.__name__}(x)"
    return (
        f"{written} would write a watched value into the plain array s and lose its derivative; "
        f"write {remedy}"
    )


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
    """Return a value as a floating array; integers and booleans become float64.

    Parameters
    ----------
    x : array_like, any shape
        Value to convert; float arrays are not copied.
    name : str
        Name of the value, for the message.

    Returns
    -------
    ndarray, the shape of `x`
        The array.

    Raises
    ------
    TypeError
        If `x` is not real.
    """
    array = np.asarray(x)
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} has dtype {array.dtype}; it must be real: float32 or float64")
    return array


def constant(result: Any) -> Any:
    """Return the derivative of a result that does not depend on a watched value: zeros.

    Parameters
    ----------
    result : array_like or Box, any shape
        Result of the user's function.

    Returns
    -------
    ndarray or number, the shape of `result`
        Zeros.

    Raises
    ------
    TypeError
        If `result` is not an array or a number: the entries of a tuple might depend on a watched
        value.
    """
    if isinstance(result, list | tuple):
        raise TypeError(
            f"the function returned a {type(result).__name__}; it must return one array or number: "
            "join several with np.stack or np.concatenate"
        )
    return np.zeros_like(real(plain(result), "the result of the function"))[()]
