"""The lecture engine's table of operators, under simpleNN's names.

Each entry takes arrays and returns an array.  ``replace`` swaps entries for routines of
one's own: they need not know of ``out``, the table copies what they return.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from ..cnn.operators import padding, phi, pooling, relu
from ..errors import UserError, closest
from ..layout import Array, ConvGeometry

Operator = Callable[..., Any]


@dataclass(frozen=True)
class Operators:
    """The operators that every pass of the lecture engine calls.

    See the functions of ``simplenn_py.cnn.operators`` for each.

    Attributes
    ----------
    replaced : tuple of callable
        The routines that :meth:`replace` put into the table.
    """

    padding_and_phiZ: Operator = phi.padding_and_phiZ
    vTP_phi: Operator = phi.vTP_phi
    unpad: Operator = padding.unpad
    maxpooling: Operator = pooling.maxpooling
    vTP_pool: Operator = pooling.vTP_pool
    P_pool: Operator = pooling.P_pool
    bias_relu: Operator = relu.bias_relu
    mask: Operator = relu.mask
    replaced: tuple[Operator, ...] = ()

    @staticmethod
    def names() -> tuple[str, ...]:
        """Return the names of the entries."""
        return tuple(f.name for f in dataclasses.fields(Operators) if f.name != "replaced")

    def report(self) -> list[dict[str, Any]]:
        """Return what each replaced routine says of itself by ``as_dict()``, as plain values."""
        return [routine.as_dict() for routine in self.replaced if hasattr(routine, "as_dict")]

    def replace(self, **routines: Operator) -> Operators:
        """Return a table with some entries replaced.

        Parameters
        ----------
        **routines : callable
            By name, for instance ``vTP_phi=mine``.  Called as the entry of that name is, but
            without ``out``: it returns new arrays (``maxpooling`` two of them).

        Raises
        ------
        UserError
            For an unknown name; and, when called, for a result of another shape.
        """
        known = self.names()
        for name in routines:
            if name not in known:
                raise UserError(
                    f"there is no operator {name!r}; there are {', '.join(known)}"
                    + closest(name, list(known))
                )
        adapted = {
            name: _in_place(name, r) if name in _IN_PLACE else _into_out(name, r)
            for name, r in routines.items()
        }
        return dataclasses.replace(self, **adapted, replaced=(*self.replaced, *routines.values()))


_IN_PLACE = ("bias_relu", "mask")


def _copy(name: str, result: Array, out: Array) -> None:
    shape = getattr(result, "shape", type(result).__name__)
    if shape != out.shape:
        raise UserError(f"{name} returned {shape}; it must return an array of shape {out.shape}")
    out[...] = result


def _into_out(name: str, routine: Operator) -> Operator:
    @wraps(routine)
    def operator(*args: Any, out: Array, **more: Any) -> Any:
        if name == "vTP_pool":
            args = _one_gradient_per_instance(*args)
        if name != "maxpooling":
            _copy(name, routine(*args), out)
            return out
        result = routine(*args)
        if not isinstance(result, tuple) or len(result) != 2:
            raise UserError("maxpooling must return two arrays, Z and idx_pool")
        _copy(name, result[0], out)
        _copy(name, result[1], more["idx_pool"])
        return out, more["idx_pool"]

    return operator


def _one_gradient_per_instance(V: Array, idx_pool: Array, g: ConvGeometry) -> tuple[Any, ...]:
    """Repeat the indices of an instance for each of its gradient columns.

    A stored Jacobian has nL columns per instance, of which the lecture's routine knows nothing.
    """
    columns = V.shape[1] // (g.a_next * g.b_next * idx_pool.shape[1])
    return V, np.repeat(idx_pool, columns, axis=1) if columns > 1 else idx_pool, g


def _in_place(name: str, routine: Operator) -> Operator:
    @wraps(routine)
    def operator(first: Array, *args: Any) -> Array:
        if name == "mask":
            Z, columns = (*args, 1)[:2]
            args = (np.repeat(Z, columns, axis=1) if columns > 1 else Z,)
        _copy(name, routine(first, *args), first)
        return first

    return operator
