"""Gradients, Jacobians and Hessians of functions, made of the two modes; finite differences.

All take a function and return a function (but for :func:`finite_difference`), and all but the
last may be nested, as ``gradient(gradient(f))``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .box import Box, Value, constant, plain, real
from .forward import jvp
from .tape import GradientTape, Variable

Function = Callable[..., Value]


def value_and_gradient(f: Function, argnum: int | tuple[int, ...] = 0) -> Function:
    """Return the function that computes ``f`` and its gradient, by one pass back.

    Parameters
    ----------
    f : callable
        Of arrays; its result is a scalar.
    argnum : int or tuple of int
        The arguments to differentiate in, counted from 0.

    Returns
    -------
    callable
        Of the arguments of `f`; returns the value, and the gradient in the shape of the
        argument (a list of gradients where `argnum` is a tuple).

    Raises
    ------
    ValueError
        When called: where the result of `f` is not a scalar.
    TypeError
        When called: where it is a list or tuple.
    """
    many = isinstance(argnum, tuple)
    chosen = argnum if isinstance(argnum, tuple) else (argnum,)

    def both(*args: Any, **kwargs: Any) -> tuple[Value, Any]:
        arguments = list(args)
        with GradientTape() as tape:
            for k in chosen:
                arguments[k] = tape.watch(args[k])
            result = f(*arguments, **kwargs)
        sources = [arguments[k] for k in chosen]
        if not _on(tape, result):  # f is constant
            if (shape := np.shape(constant(result))) != ():
                raise ValueError(f"f returned an array of shape {shape}; it must return a scalar")
            zeros = [np.zeros(x.shape, x.dtype)[()] for x in sources]
            return result, zeros if many else zeros[0]
        found = tape.gradient(result, sources)
        return result.value, found if many else found[0]

    return both


def gradient(f: Function, argnum: int | tuple[int, ...] = 0) -> Function:
    """Return the gradient of a scalar function; see :func:`value_and_gradient`."""
    both = value_and_gradient(f, argnum)

    def only(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return only


def jacobian(f: Function, mode: str = "reverse") -> Function:
    """Return the function that computes the explicit Jacobian of ``f``, an array of one array.

    Parameters
    ----------
    f : callable
    mode : {"reverse", "forward"}
        One pass back for every entry of the result, or one pass forward for every entry of
        the argument: choose the smaller number.

    Returns
    -------
    callable
        Of `x`; returns an array of shape ``f(x).shape + x.shape``.

    Raises
    ------
    ValueError
        For another mode.

    Notes
    -----
    Section E: the size of this array is why layers only offer vector-Jacobian products.
    """
    if mode not in ("reverse", "forward"):
        raise ValueError(f"mode is {mode!r}; it must be 'reverse' or 'forward'")

    def forward(x: Any) -> Value:
        x = x if isinstance(x, Box) else real(x, "x")
        columns = [jvp(f, x, e)[1] for e in _units(x)]
        if not columns:  # x has no entries
            return np.zeros((*np.shape(f(x)), *x.shape), x.dtype)
        return np.reshape(np.stack(columns, axis=-1), (*np.shape(columns[0]), *x.shape))

    def reverse(x: Any) -> Value:
        with GradientTape(persistent=True) as tape:
            x = tape.watch(x)
            result = f(x)
        if not _on(tape, result):  # f is constant
            return np.zeros((*np.shape(constant(result)), *x.shape), x.dtype)
        shape = (*result.shape, *x.shape)
        rows = [tape.gradient(result, x, e) for e in _units(result)]
        return np.reshape(np.stack(rows), shape) if rows else np.zeros(shape, x.dtype)

    return forward if mode == "forward" else reverse


def hvp(f: Function) -> Function:
    """Return ``(x, v) -> H v`` with ``H`` the Hessian of the scalar function ``f``.

    Forward over reverse: the derivative along `v` of the gradient, at the price of a few
    gradients and never a matrix.

    Parameters
    ----------
    f : callable
        Of one array; its result is a scalar.

    Returns
    -------
    callable
        Of `x` and `v` of the same shape; returns an array of that shape.
    """

    def product(x: Any, v: Any) -> Value:
        return jvp(gradient(f), x, v)[1]

    return product


def hessian(f: Function) -> Function:
    """Return the function that computes the explicit Hessian, shape ``x.shape + x.shape``.

    One :func:`hvp` a column.
    """
    return jacobian(gradient(f), mode="forward")


def finite_difference(f: Function, x: Any, v: Any = None, step: float | None = None) -> Any:
    """Approximate derivatives by central differences, ``(f(x + t v) - f(x - t v))/(2t)``.

    Parameters
    ----------
    f : callable
        Of one array; its result is an array or a number.
    x : array_like, any shape
    v : array_like, the shape of `x`, optional
        The direction; if omitted, the whole Jacobian, one entry of `x` after the other.
    step : float, optional
        The largest change of an entry of `x`.  By default ``eps**(1/3)`` times the size of
        what is changed: the entry alone without `v`, the largest entry with it, at least 1.

    Returns
    -------
    ndarray or number
        ``J v`` in the shape of ``f(x)``; without `v` the shape is ``f(x).shape + x.shape``.

    Raises
    ------
    ValueError
        If `v` has another shape than `x`, or `step` is not positive and finite.

    Notes
    -----
    Section E of the lecture.  The formula is off by ``t**2 f'''/6``, and rounding adds about
    ``eps |f|/t``; their sum is least at ``t = (3 eps |f/f'''|)**(1/3)``.  With nothing known
    of ``f'''`` that is ``eps**(1/3)`` (6e-6 in float64) times the scale of `x`, and leaves
    ``eps**(2/3)``, some ten correct digits.  One-sided differences want ``eps**(1/2)``
    and leave eight.
    """
    x = real(x, "x")
    if step is not None and not (step > 0 and math.isfinite(step)):
        raise ValueError(f"step is {step}; it must be positive and finite")
    if v is not None:
        v = real(v, "v")
        if v.shape != x.shape:
            raise ValueError(f"v has shape {v.shape}; it must be that of x, {x.shape}")
        size, largest = np.max(np.abs(x), initial=1.0), np.max(np.abs(v), initial=0.0)
        if largest == 0:
            return np.zeros_like(f(x), dtype=x.dtype)[()]
        t = x.dtype.type((step or _relative_step(x) * size) / largest)
        return (f(x + t * v) - f(x - t * v)) / (2 * t)
    columns = []
    for e, entry in zip(_units(x), x.reshape(-1), strict=True):
        t = x.dtype.type(step or _relative_step(x) * max(abs(entry), 1.0))
        ahead, behind = x + t * e, x - t * e
        width = np.sum(ahead - behind)  # the step that rounding left, not the one asked for
        columns.append((np.asarray(f(ahead)) - np.asarray(f(behind))) / width)
    if not columns:
        return np.zeros((*np.shape(f(x)), *x.shape))
    return np.stack(columns, axis=-1).reshape((*columns[0].shape, *x.shape))[()]


def _relative_step(x: Any) -> float:
    return float(np.finfo(x.dtype).eps) ** (1 / 3)


def _on(tape: GradientTape, x: Value) -> bool:
    return isinstance(x, Variable) and x.trace is tape


def _units(x: Value) -> Any:
    """Yield the unit arrays of the shape and dtype of `x`, in C order."""
    shape, dtype = np.shape(x), np.asarray(plain(x)).dtype
    for k in range(math.prod(shape)):
        e = np.zeros(math.prod(shape), dtype)
        e[k] = 1
        yield e.reshape(shape)
