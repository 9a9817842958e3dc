"""The lecture engine's table of operators, under simpleNN's names.

Each entry takes arrays and returns an array.  ``replace`` puts your own routines in the place
of entries.  They need no argument ``out``: the table copies their results.
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

    Parameters
    ----------
    padding_and_phiZ, vTP_phi, unpad, maxpooling, vTP_pool, P_pool, bias_relu, mask : callable
        By default the functions of these names in ``simplenn_py.cnn.operators``, which describe
        the arguments and results.
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
        """Return the names of the operators, a tuple of str."""
        return tuple(f.name for f in dataclasses.fields(Operators) if f.name != "replaced")

    def report(self) -> list[dict[str, Any]]:
        """Describe the replaced routines.

        Returns
        -------
        list of dict
            The result of ``as_dict()`` of each routine in ``replaced`` that has this method.
        """
        return [routine.as_dict() for routine in self.replaced if hasattr(routine, "as_dict")]

    def replace(self, **routines: Operator) -> Operators:
        """Return a table with some entries replaced.

        Parameters
        ----------
        **routines : callable
            Routines by the name of the entry, for instance ``vTP_phi=mine``.  A routine is called
            with the arguments of that entry, but without ``out`` and ``columns``, and returns a
            new array (``maxpooling``: two arrays).

        Returns
        -------
        Operators
            A new table; this one does not change.

        Raises
        ------
        UserError
            If a name is unknown; later, when a routine is called, if its result has another
            shape.
        """
        known = self.names()
        for name in routines:
            if name not in known:
                raise UserError(
                    f"there is no operator {name!r}; the operators are {', '.join(known)}"
                    + closest(name, list(known))
                )
        adapted = {
            name: _in_place(name, r) if name in _IN_PLACE else _into_out(name, r)
            for name, r in routines.items()
        }
        return dataclasses.replace(self, **adapted, replaced=(*self.replaced, *routines.values()))


_IN_PLACE = ("bias_relu", "mask")


def _copy(name: str, result: Array, out: Array) -> None:
    shape = getattr(result, "shape", None)
    if shape != out.shape:
        returned = type(result).__name__ if shape is None else f"shape {shape}"
        raise UserError(f"{name} returned {returned}; it must return an array of shape {out.shape}")
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
    """Repeat the indices of each instance, once per gradient of that instance.

    A stored Jacobian has nL gradients per instance, but the lecture's routine takes only one.
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
