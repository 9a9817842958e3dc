"""Forward mode: dual numbers, with the same rules as the tape.

A :class:`Dual` has a value and its derivative along one direction.  Every operation computes both
at once, and nothing is recorded.  One direction costs about as much as the function, so forward
mode is for functions with few inputs (section E of the lecture).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .box import Box, Rule, Trace, Value, apply, constant, plain, real


class Dual(Box):
    """A value and its tangent, of the same shape.

    Parameters
    ----------
    trace : ForwardTrace
        Trace that computes with it.
    value, tangent : ndarray, number or Box
        The value, and its derivative along the direction; any shape.
    """

    __slots__ = ("tangent",)

    def __init__(self, trace: ForwardTrace, value: Value, tangent: Value) -> None:
        super().__init__(trace, value)
        self.tangent = tangent


class ForwardTrace(Trace):
    """Run operations on dual numbers: the value by the function, the tangent by the rule's jvp."""

    def run(self, rule: Rule, inputs: tuple[Value, ...], options: dict[str, Any]) -> Value:
        """Compute an operation and its tangent.

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
        Dual
            The result and its tangent.
        """
        own = [x if isinstance(x, Dual) and x.trace is self else None for x in inputs]
        values = tuple(x if v is None else v.value for x, v in zip(inputs, own, strict=True))
        result = apply(rule, values, options)
        parts = [
            rule.jvp(k, v.tangent, result, values, **options)
            for k, v in enumerate(own)
            if v is not None
        ]
        tangent = parts[0]
        for part in parts[1:]:
            tangent = tangent + part
        return Dual(self, result, tangent)


def jvp(f: Callable[..., Value], x: Any, v: Any) -> tuple[Value, Value]:
    """Compute ``f(x)`` and ``J v``, its derivative at `x` along `v`.

    Parameters
    ----------
    f : callable
        Function of one array, or of several arrays if `x` is a tuple.
    x : array_like, any shape, or a tuple of them
        Point of differentiation; integers become float64.
    v : array_like, the shape of `x`, or a tuple of them
        Direction.

    Returns
    -------
    value : ndarray or number
        ``f(x)``.
    tangent : ndarray or number, the shape of the value
        ``J v``.

    Raises
    ------
    ValueError
        If `v` does not have the shape of `x`.
    TypeError
        If an entry is not a real number, `f` uses a function without a rule, or `f` returns a
        tuple.

    Notes
    -----
    Section B of the lecture calls the tangent ``R{.}``.

    Examples
    --------
    >>> value, tangent = jvp(lambda x: x * x, np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    >>> value.tolist(), tangent.tolist()
    ([1.0, 4.0], [2.0, 40.0])
    """
    points, directions = (x, v) if isinstance(x, tuple) else ((x,), (v,))
    if len(points) != len(directions):
        raise ValueError(f"x has {len(points)} parts but v has {len(directions)}")
    trace = ForwardTrace()
    duals = []
    for point, direction in zip(points, directions, strict=True):
        point = point if isinstance(point, Box) else real(point, "x")
        direction = direction if isinstance(direction, Box) else real(direction, "v")
        if point.shape != direction.shape:
            raise ValueError(f"v has shape {direction.shape}; it must be that of x, {point.shape}")
        duals.append(Dual(trace, point, direction))
    result = f(*duals)
    if isinstance(result, Dual) and result.trace is trace:
        return result.value, result.tangent
    return result, constant(result)


def derivative(f: Callable[[Value], Value], x: Any) -> Value:
    """Compute the derivative ``f'(x)`` of a function of one number.

    Parameters
    ----------
    f : callable
        Function of a number; its result may be an array.
    x : float
        Point of differentiation.

    Returns
    -------
    number or ndarray, the shape of ``f(x)``
        The derivative.

    Raises
    ------
    ValueError
        If `x` is not a number: for an array there is one derivative per direction.

    Examples
    --------
    >>> float(derivative(lambda x: x**3, 2.0))
    12.0
    """
    if np.shape(x) != ():
        raise ValueError(
            f"x has shape {np.shape(x)}; it must be a number: for an array use gradient, "
            "jacobian, or jvp with a direction"
        )
    return jvp(f, x, np.ones_like(real(plain(x), "x")))[1]
