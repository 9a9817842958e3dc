"""The lecture engine's table of operators, under simpleNN's names.

Each entry takes arrays and returns an array.  ``replace`` puts your own routines in the place
of entries.  They need no argument ``out``: the table checks and copies their results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import Any

import numpy as np

from ..cnn.operators import padding, phi, pooling, relu
from ..errors import UserError, closest
from ..layout import Array, ConvGeometry
from .contracts import CheckedRoutine

Operator = Callable[..., Any]


@dataclass(frozen=True)
class Operators:
    """The operators that every pass of the lecture engine calls.

    Parameters
    ----------
    padding_and_phiZ, vTP_phi, unpad, maxpooling, vTP_pool, P_pool, bias_relu, mask : callable
        By default the functions of these names in ``simplenn_py.cnn.operators``, which describe
        the arguments and results.
    replaced : tuple of CheckedRoutine
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
    replaced: tuple[CheckedRoutine, ...] = ()

    @staticmethod
    def names() -> tuple[str, ...]:
        """Return the names of the operators, a tuple of str."""
        return tuple(f.name for f in fields(Operators) if f.name != "replaced")

    def report(self) -> list[dict[str, Any]]:
        """Describe the replaced routines.

        Returns
        -------
        list of dict
            The result of ``as_dict()`` of each replaced routine that has this method.
        """
        routines = [checked.routine for checked in self.replaced]
        return [routine.as_dict() for routine in routines if hasattr(routine, "as_dict")]

    def replace(self, **routines: Operator) -> Operators:
        """Return a table with some entries replaced.

        Parameters
        ----------
        **routines : callable
            Routines by the name of the entry, for instance ``vTP_phi=mine``.  A routine is called
            with the arguments of that entry, but without ``out`` and ``columns``, and returns an
            array (``maxpooling``: two arrays).  It gets copies of the engine's arrays.  If it has
            the attribute ``path``, this is the file in the messages.

        Returns
        -------
        Operators
            A new table; this one does not change.

        Raises
        ------
        UserError
            If a name is unknown, or a routine takes other arguments; later, when a routine is
            called, if its result has another shape or dtype, or holds an index outside of its
            instance.
        """
        known = self.names()
        for name in routines:
            if name not in known:
                raise UserError(
                    f"there is no operator {name!r}; the operators are {', '.join(known)}"
                    + closest(name, list(known))
                )
        return self._with(
            [CheckedRoutine(name, r, getattr(Operators, name)) for name, r in routines.items()]
        )

    def require_finite(self) -> Operators:
        """Return the same table, in which a replaced routine may not make NaN or infinity.

        Returns
        -------
        Operators
            Its routines raise a UserError if a result is not finite although the arguments are.
        """
        return self._with([replace(checked, finite=True) for checked in self.replaced])

    def _with(self, new: list[CheckedRoutine]) -> Operators:
        by_name = {checked.name: checked for checked in (*self.replaced, *new)}
        entries: dict[str, Operator] = {checked.name: _entry(checked) for checked in new}
        return replace(self, **entries, replaced=tuple(by_name.values()))


def _entry(checked: CheckedRoutine) -> Operator:
    return _in_place(checked) if checked.name in _IN_PLACE else _into_out(checked)


_IN_PLACE = ("bias_relu", "mask")


def _into_out(checked: CheckedRoutine) -> Operator:
    @wraps(checked.routine)
    def operator(*args: Any, out: Array, idx_pool: Array | None = None) -> Any:
        if checked.name == "vTP_pool":
            args = _one_gradient_per_instance(*args)
        if idx_pool is None:
            checked(args, out)
            return out
        checked(args, out, idx_pool)
        return out, idx_pool

    return operator


def _in_place(checked: CheckedRoutine) -> Operator:
    @wraps(checked.routine)
    def operator(first: Array, *args: Any) -> Array:
        if checked.name == "mask":
            Z, columns = (*args, 1)[:2]
            args = (_repeated(Z, columns),)
        checked((first, *args), first)
        return first

    return operator


def _one_gradient_per_instance(V: Array, idx_pool: Array, g: ConvGeometry) -> tuple[Any, ...]:
    """Repeat the indices of each instance, once per gradient of that instance.

    A stored Jacobian has nL gradients per instance, but the lecture's routine takes only one.
    """
    columns = V.shape[1] // (g.a_next * g.b_next * idx_pool.shape[1])
    return V, _repeated(idx_pool, columns), g


def _repeated(A: Array, columns: int) -> Array:
    return np.repeat(A, columns, axis=1) if columns > 1 else A
