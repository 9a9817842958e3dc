"""How a derivative rule is made, and entered in the table that both modes use.

Three kinds.  Of an entry-by-entry function a rule has the PARTIAL derivatives; vjp and jvp
are both that number times what comes in.  A linear function is its own jvp, and the rule has
its ADJOINT.  The few that are left have both written out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .box import HANDLERS, Rule, Value, apply

#: All rules by name.
RULES: dict[str, Rule] = {}


def define(function: Any, rule: Rule, read: Callable[..., Any] | None = None) -> Rule:
    """Enter a rule in the table: boxes given to `function` are treated by it from now on.

    Parameters
    ----------
    function : callable
        A function or ufunc of NumPy, or any key that is handed to ``box.handle``.
    rule : Rule
    read : callable, optional
        Takes the arguments of `function`, returns ``(inputs, options)``; by default all
        arguments are inputs.
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
        return apply(RULES[rule.name], inputs, options)  # the table's, should it be replaced

    HANDLERS[function] = handler
    RULES[rule.name] = rule
    return rule


def unbroadcast(delta: Value, shape: tuple[int, ...]) -> Value:
    """Sum a cotangent over the axes along which an input of `shape` was broadcast.

    The adjoint of :func:`numpy.broadcast_to`.
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
    *partials : callable
        ``partials[k](result, *inputs)`` is the derivative in input k, entry by entry.
    name : str, optional
        ``function.__name__`` if omitted.
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
    function : callable
        ``function(x, **options)`` on plain arrays; it is its own jvp.
    adjoint : callable
        ``adjoint(delta, x, **options)``; of `x` it may use the shape only.
    """

    def vjp(k: int, delta: Value, result: Value, inputs: tuple[Value, ...], **o: Any) -> Value:
        return adjoint(delta, inputs[0], **o)

    def jvp(k: int, tangent: Value, result: Value, inputs: tuple[Value, ...], **o: Any) -> Value:
        return apply(rule, (tangent,), o)

    rule = Rule(name, function, vjp, jvp)
    return rule
