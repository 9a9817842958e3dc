"""Gradients, Jacobians and Hessians of functions, by the two modes; finite differences.

All except :func:`finite_difference` take a function and return a function, and can be nested:
``gradient(gradient(f))``.
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
    """Return the function that computes ``f`` and its gradient, by one backward pass.

    Parameters
    ----------
    f : callable
        Scalar function of arrays.
    argnum : int or tuple of int
        Positions of the arguments to differentiate with respect to, counted from 0.

    Returns
    -------
    callable
        Function of the arguments of `f`.  It returns the value, and the gradient in the shape of
        the argument (a list of gradients if `argnum` is a tuple).

    Raises
    ------
    ValueError
        When the returned function is called, if the result of `f` is not a scalar.
    TypeError
        When the returned function is called, if the result of `f` is a list or tuple.

    Examples
    --------
    >>> f = value_and_gradient(lambda w: np.sum(w * w))
    >>> value, g = f(np.array([1.0, 2.0]))
    >>> float(value), g.tolist()
    (5.0, [2.0, 4.0])
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
    """Return the function that computes the gradient of the scalar function ``f``.

    Parameters
    ----------
    f, argnum
        As in :func:`value_and_gradient`.

    Returns
    -------
    callable
        Function of the arguments of `f`; it returns the gradient, or a list of gradients.

    Raises
    ------
    ValueError, TypeError
        In the same cases as :func:`value_and_gradient`.

    Examples
    --------
    The example of section E of the lecture, df/dx at (2, 5):

    >>> f = lambda x, y: np.log(x) + x * y - np.sin(y)
    >>> float(gradient(f)(2.0, 5.0))
    5.5
    """
    both = value_and_gradient(f, argnum)

    def only(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return only


def jacobian(f: Function, mode: str = "reverse") -> Function:
    """Return the function that computes the explicit Jacobian of ``f``.

    Parameters
    ----------
    f : callable
        Function of one array; its result is an array or a number.
    mode : {"reverse", "forward"}
        One backward pass for every entry of the result, or one forward pass for every entry of
        the argument: choose the mode with fewer passes.

    Returns
    -------
    callable
        Function of `x`; it returns an array of shape ``f(x).shape + x.shape``.

    Raises
    ------
    ValueError
        If `mode` is unknown.

    Notes
    -----
    Section E of the lecture: because of the size of this array, layers only offer
    vector-Jacobian products.

    Examples
    --------
    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
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
    """Return the function ``(x, v) -> H v``, where ``H`` is the Hessian of ``f`` at `x`.

    Forward over reverse: the derivative of the gradient along `v`.  It costs a few gradients and
    never forms a matrix.

    Parameters
    ----------
    f : callable
        Scalar function of one array.

    Returns
    -------
    callable
        Function of `x` and `v`, of the same shape; it returns an array of that shape.

    Raises
    ------
    ValueError
        When the returned function is called, if the result of `f` is not a scalar, or `v` does
        not have the shape of `x`.

    Notes
    -----
    Section E of the lecture.

    Examples
    --------
    ``f = x1^2 x2`` has the Hessian ``[[2 x2, 2 x1], [2 x1, 0]]``:

    >>> product = hvp(lambda x: x[0] ** 2 * x[1])
    >>> product(np.array([1.0, 3.0]), np.array([1.0, 0.0])).tolist()
    [6.0, 2.0]
    """

    def product(x: Any, v: Any) -> Value:
        return jvp(gradient(f), x, v)[1]

    return product


def hessian(f: Function) -> Function:
    """Return the function that computes the explicit Hessian of ``f``.

    It takes one :func:`hvp` per column.

    Parameters
    ----------
    f : callable
        Scalar function of one array.

    Returns
    -------
    callable
        Function of `x`; it returns an array of shape ``x.shape + x.shape``.

    Raises
    ------
    ValueError
        When the returned function is called, if the result of `f` is not a scalar.

    Notes
    -----
    Section E of the lecture.

    Examples
    --------
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0])).tolist()
    [[6.0, 2.0], [2.0, 0.0]]
    """
    return jacobian(gradient(f), mode="forward")


def finite_difference(f: Function, x: Any, v: Any = None, step: float | None = None) -> Any:
    """Approximate derivatives by central differences, ``(f(x + t v) - f(x - t v))/(2t)``.

    Parameters
    ----------
    f : callable
        Function of one array; its result is an array or a number.
    x : array_like, any shape
        Point of differentiation; integers become float64.
    v : array_like, the shape of `x`, optional
        Direction.  If omitted, the whole Jacobian is computed, one entry of `x` after the other.
    step : float, optional
        Largest change of an entry of `x`.  The default is ``eps**(1/3)`` times a size, which is
        at least 1: the modulus of the changed entry or, if `v` is given, of the largest entry.

    Returns
    -------
    ndarray or number
        ``J v`` in the shape of ``f(x)``; without `v`, the Jacobian of shape
        ``f(x).shape + x.shape``.

    Raises
    ------
    ValueError
        If the shapes of `v` and `x` differ, or `step` is not positive and finite.
    TypeError
        If `x` or `v` is not real.

    Notes
    -----
    Section E of the lecture.  The error of the formula is ``t**2 f'''/6``, and rounding adds about
    ``eps |f|/t``; the sum is smallest at ``t = (3 eps |f/f'''|)**(1/3)``.  If ``f'''`` is not
    known, ``t`` is ``eps**(1/3)`` (6e-6 in float64) times the scale of `x`.  This leaves an error
    of ``eps**(2/3)``, about ten correct digits.  One-sided differences need ``eps**(1/2)`` and
    leave eight.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> float(finite_difference(lambda x: x @ x, x, v=np.array([0.0, 1.0])).round(6))
    4.0
    >>> finite_difference(lambda x: x @ x, x).round(6).tolist()
    [2.0, 4.0]
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
        width = np.sum(ahead - behind)  # the step after rounding, which is not exactly 2 t
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
