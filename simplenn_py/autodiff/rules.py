"""The derivative rules of NumPy's functions: one table for both modes.

The rules call NumPy's own functions: on plain arrays they are plain NumPy, on boxes they are
recorded again, so every derivative here can be differentiated again.  ``define.py`` has the three
kinds of rules.

If a maximum is attained more than once, its derivative is SPLIT equally among the places
(``maximum``, ``minimum``, ``max``, ``min``); central differences give the same for two places.
``abs`` has derivative 0 at 0.  Max pooling and the ReLU of ``rules_cnn.py`` follow the lecture
instead: the first maximum, and 0 at 0.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .box import HANDLERS, Box, Rule, Value, apply, plain
from .define import RULES, define, elementwise, linear, unbroadcast

__all__ = ["RULES"]  # filled here

# --- entry by entry: r is the result, x and y the inputs -------------------------------------


def _power(x: Value, y: Value) -> Value:
    # y*x**(y-1), but 0 and not 0*inf at x = y = 0; a Python number y keeps float32
    if isinstance(y, int | float):
        return y * x ** (y - 1 if y != 0 else 1)
    return y * x ** (y - (plain(y) != 0))


def _share(r: Value, mine: Value, other: Value) -> Any:
    """Return 1 where `mine` alone attains the extremum r, 1/2 where both do, and 0 elsewhere."""
    mine, other = plain(r == mine), plain(r == other)
    return (mine * (1 - 0.5 * other)).astype(r.dtype)


for _rule in (
    elementwise(np.add, lambda r, x, y: 1, lambda r, x, y: 1),
    elementwise(np.subtract, lambda r, x, y: 1, lambda r, x, y: -1),
    elementwise(np.multiply, lambda r, x, y: y, lambda r, x, y: x),
    elementwise(np.divide, lambda r, x, y: 1 / y, lambda r, x, y: -r / y),
    elementwise(
        np.power,
        lambda r, x, y: _power(x, y),
        lambda r, x, y: r * np.log(np.where(plain(x) == 0, 1, x)),  # 0**y stays 0
    ),
    elementwise(np.logaddexp, lambda r, x, y: np.exp(x - r), lambda r, x, y: np.exp(y - r)),
    elementwise(np.negative, lambda r, x: -1),
    elementwise(np.positive, lambda r, x: 1),
    elementwise(np.square, lambda r, x: 2 * x),
    elementwise(np.exp, lambda r, x: r),
    elementwise(np.expm1, lambda r, x: r + 1),
    elementwise(np.log, lambda r, x: 1 / x),
    elementwise(np.log1p, lambda r, x: 1 / (1 + x)),
    elementwise(np.sin, lambda r, x: np.cos(x)),
    elementwise(np.cos, lambda r, x: -np.sin(x)),
    elementwise(np.tan, lambda r, x: 1 + r * r),
    elementwise(np.arctan, lambda r, x: 1 / (1 + x * x)),
    elementwise(np.sinh, lambda r, x: np.cosh(x)),
    elementwise(np.cosh, lambda r, x: np.sinh(x)),
    elementwise(np.tanh, lambda r, x: 1 - r * r),
    elementwise(np.sqrt, lambda r, x: 0.5 / r),
    elementwise(np.absolute, lambda r, x: np.sign(x)),
    elementwise(np.maximum, lambda r, x, y: _share(r, x, y), lambda r, x, y: _share(r, y, x)),
    elementwise(np.minimum, lambda r, x, y: _share(r, x, y), lambda r, x, y: _share(r, y, x)),
):
    define(getattr(np, _rule.name), _rule)


def _choose(x: Value, y: Value, condition: Any) -> Any:
    return np.where(condition, x, y)


def _where_vjp(
    k: int, delta: Value, result: Value, inputs: tuple[Value, ...], condition: Any
) -> Value:
    part = np.where(condition, delta, 0) if k == 0 else np.where(condition, 0, delta)
    return unbroadcast(part, np.shape(inputs[k]))


def _where_jvp(
    k: int, tangent: Value, result: Value, inputs: tuple[Value, ...], condition: Any
) -> Value:
    part = np.where(condition, tangent, 0) if k == 0 else np.where(condition, 0, tangent)
    return np.broadcast_to(part, np.shape(result))


define(
    np.where,
    Rule("where", _choose, _where_vjp, _where_jvp),
    lambda condition, x, y: ((x, y), {"condition": plain(condition)}),
)


# --- shapes ----------------------------------------------------------------------------------


def _read_reshape(a: Value, shape: Any, order: str = "C") -> Any:
    if order not in ("C", "F"):
        raise ValueError(f"order is {order!r}; on a watched array it must be 'C' or 'F'")
    return (a,), {"shape": shape, "order": order}


define(
    np.reshape,
    linear(
        "reshape",
        lambda x, shape, order: np.reshape(x, shape, order=order),
        lambda delta, x, shape, order: np.reshape(delta, np.shape(x), order=order),
    ),
    _read_reshape,
)
define(
    np.transpose,
    linear(
        "transpose",
        lambda x, axes: np.transpose(x, axes),
        lambda delta, x, axes: np.transpose(
            delta, None if axes is None else np.argsort(np.mod(axes, len(axes))).tolist()
        ),
    ),
    lambda a, axes=None: ((a,), {"axes": axes}),
)
define(
    np.broadcast_to,
    linear(
        "broadcast_to",
        lambda x, shape: np.broadcast_to(x, shape),
        lambda delta, x, shape: unbroadcast(delta, np.shape(x)),
    ),
    lambda array, shape: ((array,), {"shape": shape}),
)


# --- sums and extrema: options axis and keepdims ---------------------------------------------


def _expand(x: Value, shape: tuple[int, ...], axis: Any) -> Value:
    """Insert the axes of `shape` that a reduction removed, with length 1."""
    axes = range(len(shape)) if axis is None else np.atleast_1d(axis) % max(len(shape), 1)
    return np.reshape(x, tuple(1 if i in axes else n for i, n in enumerate(shape)))


def _spread(delta: Value, x: Value, axis: Any, keepdims: bool) -> Value:
    return np.broadcast_to(_expand(delta, np.shape(x), axis), np.shape(x))


def _mean_adjoint(delta: Value, x: Value, axis: Any, keepdims: bool) -> Value:
    count = np.size(plain(x)) // max(np.size(plain(delta)), 1)
    return _spread(delta, x, axis, keepdims) / count


def _shares(result: Value, x: Value, axis: Any) -> Any:
    """Return 1/n at each of the n places where an extremum is attained, and 0 elsewhere."""
    x = plain(x)
    places = x == _expand(plain(result), x.shape, axis)
    return (places / places.sum(axis=axis, keepdims=True)).astype(x.dtype)


def _extremum(name: str, function: Callable[..., Any]) -> Rule:
    def vjp(
        k: int, delta: Value, r: Value, inputs: tuple[Value, ...], axis: Any, keepdims: bool
    ) -> Value:
        return _expand(delta, np.shape(inputs[0]), axis) * _shares(r, inputs[0], axis)

    def jvp(
        k: int, tangent: Value, r: Value, inputs: tuple[Value, ...], axis: Any, keepdims: bool
    ) -> Value:
        return np.sum(tangent * _shares(r, inputs[0], axis), axis=axis, keepdims=keepdims)

    return Rule(name, function, vjp, jvp)


def _read_reduction(a: Value, axis: Any = None, *, keepdims: bool = False) -> Any:
    return (a,), {"axis": axis, "keepdims": keepdims}


define(np.sum, linear("sum", np.sum, _spread), _read_reduction)
define(np.mean, linear("mean", np.mean, _mean_adjoint), _read_reduction)
for _function, _alias in ((np.max, np.amax), (np.min, np.amin)):
    _name = _function.__name__.removeprefix("a")
    for _key in (_function, _alias):
        define(_key, _extremum(_name, _function), _read_reduction)


# --- products --------------------------------------------------------------------------------


def _swapped(x: Value) -> Value:
    """Transpose the last two axes."""
    n = len(np.shape(x))
    return np.transpose(x, (*range(n - 2), n - 1, n - 2))


def _matmul_vjp(k: int, delta: Value, result: Value, inputs: tuple[Value, ...]) -> Value:
    # as in np.matmul, a vector is one row on the left, one column on the right
    x, y = inputs
    X = np.reshape(x, (1, -1)) if len(np.shape(x)) == 1 else x
    Y = np.reshape(y, (-1, 1)) if len(np.shape(y)) == 1 else y
    batch = np.broadcast_shapes(np.shape(X)[:-2], np.shape(Y)[:-2])
    D = np.reshape(delta, (*batch, np.shape(X)[-2], np.shape(Y)[-1]))
    if k == 0:
        return np.reshape(unbroadcast(D @ _swapped(Y), np.shape(X)), np.shape(x))
    return np.reshape(unbroadcast(_swapped(X) @ D, np.shape(Y)), np.shape(y))


def _matmul_jvp(k: int, tangent: Value, result: Value, inputs: tuple[Value, ...]) -> Value:
    return tangent @ inputs[1] if k == 0 else inputs[0] @ tangent


define(np.matmul, Rule("matmul", np.matmul, _matmul_vjp, _matmul_jvp))


# --- parts of arrays -------------------------------------------------------------------------


def _put(x: Any, shape: tuple[int, ...], key: Any) -> Any:
    out = np.zeros(shape, x.dtype)
    np.add.at(out, key, x)  # an array of indices may have an index more than once
    return out


_getitem: Rule = linear(
    "getitem",
    lambda x, key: x[key],
    lambda delta, x, key: apply(_put_rule, (delta,), {"shape": np.shape(x), "key": key}),
)
_put_rule: Rule = linear(
    "put", _put, lambda delta, x, shape, key: apply(_getitem, (delta,), {"key": key})
)
RULES["put"] = _put_rule


def _read_getitem(x: Value, key: Any) -> Any:
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, Box):
            raise TypeError("an index is watched but has no derivative; use its .value")
    return (x,), {"key": np.asarray(key) if isinstance(key, list) else key}


define(operator.getitem, _getitem, _read_getitem)


def _slice_of(k: int, inputs: tuple[Value, ...], axis: int) -> tuple[slice, ...]:
    """Return the slice of the concatenation that holds input k."""
    axis %= len(np.shape(inputs[0]))
    start = sum(np.shape(x)[axis] for x in inputs[:k])
    return (*[slice(None)] * axis, slice(start, start + np.shape(inputs[k])[axis]))


def _concatenate_jvp(
    k: int, tangent: Value, result: Value, inputs: tuple[Value, ...], axis: int
) -> Value:
    options = {"shape": np.shape(result), "key": _slice_of(k, inputs, axis)}
    return apply(_put_rule, (tangent,), options)


def _read_concatenate(arrays: Sequence[Value], axis: int = 0) -> Any:
    if axis is None:
        raise ValueError("axis is None; np.ravel each watched array and use axis=0")
    return tuple(arrays), {"axis": axis}


define(
    np.concatenate,
    Rule(
        "concatenate",
        lambda *inputs, axis: np.concatenate(inputs, axis),
        lambda k, delta, result, inputs, axis: delta[_slice_of(k, inputs, axis)],
        _concatenate_jvp,
    ),
    _read_concatenate,
)


# --- functions composed of others, and functions without derivative --------------------------


def _dot(a: Value, b: Value) -> Value:
    if np.shape(a) == () or np.shape(b) == ():
        return a * b
    if len(np.shape(b)) > 2:
        raise ValueError(f"b has shape {np.shape(b)}; use np.matmul for more than two axes")
    return np.matmul(a, b)


def _stack(arrays: Sequence[Value], axis: int = 0) -> Value:
    n = len(np.shape(arrays[0])) + 1
    place = axis % n
    parts = [np.reshape(x, (*np.shape(x)[:place], 1, *np.shape(x)[place:])) for x in arrays]
    return np.concatenate(parts, axis=place)


def _clip(a: Value, a_min: Value, a_max: Value) -> Value:
    a = a if a_min is None else np.maximum(a, a_min)
    return a if a_max is None else np.minimum(a, a_max)


def _var(a: Value, axis: Any = None, *, keepdims: bool = False) -> Value:
    aside = a - np.mean(a, axis=axis, keepdims=True)
    return np.mean(aside * aside, axis=axis, keepdims=keepdims)


HANDLERS[np.dot] = _dot
HANDLERS[np.clip] = _clip
HANDLERS[np.var] = _var
HANDLERS[np.std] = lambda a, axis=None, *, keepdims=False: np.sqrt(_var(a, axis, keepdims=keepdims))
HANDLERS[np.outer] = lambda a, b: np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))
HANDLERS[np.stack] = _stack
HANDLERS[np.ravel] = lambda a, order="C": np.reshape(a, -1, order=order)


def _constant(function: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: function(*map(plain, args), **kwargs)


_constants: tuple[Any, ...] = (
    *(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal),
    *(np.sign, np.floor, np.ceil, np.isfinite, np.isnan, np.argmax, np.argmin),
    *(np.shape, np.ndim, np.size, np.zeros_like, np.ones_like),
)
HANDLERS.update({function: _constant(function) for function in _constants})
