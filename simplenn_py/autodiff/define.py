"""Functions that make a derivative rule and enter it in the table that both modes use.

There are three kinds of rules.  For an entry-by-entry function the rule has the PARTIAL
derivatives; vjp and jvp both multiply their argument by them.  For a linear function, which is its
own jvp, the rule has the ADJOINT.  The few other rules have both vjp and jvp written out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .box import HANDLERS, Rule, Value, apply

#: All rules by name.
RULES: dict[str, Rule] = {}


def define(function: Any, rule: Rule, read: Callable[..., Any] | None = None) -> Rule:
    """Enter a rule in the table: from now on `function` uses it for boxes.

    Parameters
    ----------
    function : callable
        Function or ufunc of NumPy, or any other key for ``box.handle``.
    rule : Rule
        Its rule.
    read : callable, optional
        Function that takes the arguments of `function` and returns ``(inputs, options)``; by
        default all arguments are inputs.

    Returns
    -------
    Rule
        `rule`.
    """
    read = read or (lambda *inputs: (inputs, {}))

    def handler(*args: Any, **kwargs: Any) -> Value:
        try:
            inputs, options = read(*args, **kwargs)
        except TypeError as error:
            why = str(error).split("() ")[-1]
            raise TypeError(
                f"{rule.name} on a watched array {why}; leave such arguments out"
            ) from None
        return apply(RULES[rule.name], inputs, options)  # the table's rule may be another one

    HANDLERS[function] = handler
    RULES[rule.name] = rule
    return rule


def unbroadcast(delta: Value, shape: tuple[int, ...]) -> Value:
    """Sum a cotangent over the axes along which an input of `shape` was broadcast.

    This is the adjoint of :func:`numpy.broadcast_to`.

    Parameters
    ----------
    delta : ndarray or Box
        Cotangent of the broadcast input, in the shape of the result.
    shape : tuple of int
        Shape of the input before broadcasting.

    Returns
    -------
    ndarray or Box, shape `shape`
        Cotangent of the input.

    Examples
    --------
    >>> unbroadcast(np.ones((2, 3)), (3,)).tolist()
    [2.0, 2.0, 2.0]
    """
    full = np.shape(delta)
    if full == shape:
        return delta
    extra = len(full) - len(shape)
    stretched = [extra + i for i, n in enumerate(shape) if n == 1 != full[extra + i]]
    return np.reshape(np.sum(delta, axis=(*range(extra), *stretched)), shape)


def elementwise(function: Any, *partials: Callable[..., Value], name: str = "") -> Rule:
    """Make the rule of an entry-by-entry function, whose inputs broadcast.

    Parameters
    ----------
    function : callable
        The function on plain arrays.
    *partials : callable
        Partial derivatives: ``partials[k](result, *inputs)`` is the derivative in input k, entry
        by entry.
    name : str, optional
        Name of the rule, ``function.__name__`` if omitted.

    Returns
    -------
    Rule
        The rule; :func:`define` enters it in the table.
    """

    def vjp(k: int, delta: Value, result: Value, inputs: tuple[Value, ...]) -> Value:
        return unbroadcast(delta * partials[k](result, *inputs), np.shape(inputs[k]))

    def jvp(k: int, tangent: Value, result: Value, inputs: tuple[Value, ...]) -> Value:
        part, shape = tangent * partials[k](result, *inputs), np.shape(result)
        return part if np.shape(part) == shape else np.broadcast_to(part, shape)

    return Rule(name or function.__name__, function, vjp, jvp)


def linear(name: str, function: Callable[..., Any], adjoint: Callable[..., Value]) -> Rule:
    """Make the rule of a linear function of one input.

    Parameters
    ----------
    name : str
        Name of the rule.
    function : callable
        The function, ``function(x, **options)`` on plain arrays; it is its own jvp.
    adjoint : callable
        Its adjoint, ``adjoint(delta, x, **options)``; it may use only the shape of `x`.

    Returns
    -------
    Rule
        The rule; :func:`define` enters it in the table.
    """

    def vjp(k: int, delta: Value, result: Value, inputs: tuple[Value, ...], **o: Any) -> Value:
        return adjoint(delta, inputs[0], **o)

    def jvp(k: int, tangent: Value, result: Value, inputs: tuple[Value, ...], **o: Any) -> Value:
        return apply(rule, (tangent,), o)

    rule = Rule(name, function, vjp, jvp)
    return rule
