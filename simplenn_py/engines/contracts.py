"""What the engine passes to a routine of yours, and what the routine must return.

Compiled code writes wherever an index points, and fails on a dtype that it does not know.  So
every result is checked before anything else sees it, and a routine gets copies of the engine's
arrays.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from ..layout import Array, ConvGeometry
from ..runtime.arguments import described


@dataclass(frozen=True)
class Contract:
    """The call of one operator.

    Parameters
    ----------
    arguments : tuple of str
        Names of the arguments, as the engine passes them.
    results : tuple of str
        Names of the results; empty for a single one.  ``idx_pool`` holds indices, all others hold
        real numbers.
    """

    arguments: tuple[str, ...]
    results: tuple[str, ...] = ()


CONTRACTS = {
    "padding_and_phiZ": Contract(("Z", "g")),
    "vTP_phi": Contract(("V", "g")),
    "unpad": Contract(("V", "g")),
    "maxpooling": Contract(("S", "g"), results=("Z", "idx_pool")),
    "vTP_pool": Contract(("V", "idx_pool", "g")),
    "P_pool": Contract(("V", "idx_pool", "g")),
    "bias_relu": Contract(("S", "bias", "activate")),
    "mask": Contract(("V", "Z")),
}


def check_call(name: str, routine: Any) -> None:
    """Check that a routine takes the arguments of an operator.

    Parameters
    ----------
    name : str
        Name of the operator.
    routine : object

    Raises
    ------
    UserError
        If it does not, or is not callable.
    """
    arguments = CONTRACTS[name].arguments
    call = f"{name}({', '.join(arguments)})"
    if not callable(routine):
        raise UserError(f"{name} is {described(routine)}; it must be a function, {call}")
    try:
        signature = inspect.signature(routine)
    except (ValueError, TypeError):
        return  # a function written in C may not tell its arguments
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise UserError(
            f"{_where(name, routine)} takes {signature}, but the engine calls {call}: {error}"
        ) from None


@dataclass(frozen=True)
class CheckedRoutine:
    """A routine that is called with copies, and whose results are checked.

    Parameters
    ----------
    name : str
        Name of the operator.
    routine : callable
        If it has the attribute ``path``, this is the file in the messages.
    ours : callable
        The package's operator.
    finite : bool
        Whether its results must be finite if its arguments and the package's results are.

    Raises
    ------
    UserError
        If `routine` cannot be called with the operator's arguments.
    """

    name: str
    routine: Callable[..., Any]
    ours: Callable[..., Any]
    finite: bool = False

    def __post_init__(self) -> None:
        check_call(self.name, self.routine)

    @property
    def where(self) -> str:
        """Start of the messages: the file of the routine, if it is in one, and its name."""
        return _where(self.name, self.routine)

    @property
    def results(self) -> tuple[str, ...]:
        """Names of the results; empty for a single one."""
        return CONTRACTS[self.name].results

    def __call__(self, args: Sequence[Any], *outs: Array) -> None:
        """Call the routine and write its results into `outs`.

        Parameters
        ----------
        args : sequence
            Arguments of the operator.
        *outs : ndarray
            Arrays for the results, of the shapes and dtypes that these must have.  They may be
            among `args`.

        Raises
        ------
        UserError
            If a result breaks a rule; then nothing is written.
        """
        results = self._one_per_name(self.routine(*_copies(args)))
        names = self.results or ("",)
        checked = [
            self._indices(name, result, out, args)
            if name == "idx_pool"
            else self._numbers(name, result, out, args)
            for name, result, out in zip(names, results, outs, strict=True)
        ]
        if self.finite and not all(np.isfinite(result).all() for result in checked):
            self._check_finite(checked, args)
        for result, out in zip(checked, outs, strict=True):
            out[...] = result

    def _one_per_name(self, returned: Any) -> Sequence[Any]:
        names = self.results
        if not names:
            return (returned,)
        if isinstance(returned, tuple | list) and len(returned) == len(names):
            return returned
        found = kind(returned)
        if isinstance(returned, tuple | list):
            found = f"{len(returned)} value{'' if len(returned) == 1 else 's'}"
        forgotten = "; is a 'return' statement missing?" if returned is None else ""
        raise UserError(
            f"{self.where} returned {found}; it must return two arrays, {' and '.join(names)}"
            f"{forgotten}"
        )

    def _array(self, name: str, result: Any, out: Array) -> Array:
        """Return a result as a plain array of the right shape."""
        array = as_array(result)
        if array is None or array.shape != out.shape:
            found = kind(result) if array is None else f"shape {array.shape}"
            what = f"{name}, an array" if name else "an array"
            raise UserError(
                f"{self.where} returned {found}; it must return {what} of shape {out.shape}"
                + ("; is a 'return' statement missing?" if result is None else "")
            )
        return array

    def _numbers(self, name: str, result: Any, out: Array, args: Sequence[Any]) -> Array:
        array = self._array(name, result, out)
        # More digits are rounded.  Fewer digits, or whole numbers, have lost something already.
        if array.dtype.kind != "f" or array.dtype.itemsize < out.dtype.itemsize:
            like = CONTRACTS[self.name].arguments[0]
            raise UserError(
                f"{self.where} returned {name or 'an array'} of dtype {array.dtype}; it must have "
                f"the dtype of {like}, here {out.dtype}: allocate it with dtype={like}.dtype"
            )
        with np.errstate(all="ignore"):  # a large number becomes infinite, which is looked at later
            return array.astype(out.dtype, copy=False)

    def _indices(self, name: str, result: Any, out: Array, args: Sequence[Any]) -> Array:
        array, g = self._array(name, result, out), args[1]
        if array.dtype.kind not in "iu":
            raise UserError(
                f"{self.where} returned {name} of dtype {array.dtype}; it must contain integers: "
                "allocate it with dtype=np.int64"
            )
        entries, least, most = _entries(g), int(array.min()), int(array.max())
        if least < 0 or most >= entries:
            raise UserError(
                f"{self.where} returned {name} with entries from {least} to {most}; each must be "
                f"the index of the maximum in vec(sigma(S)) of its own instance, from 0 to "
                f"{entries - 1}{_guess(array, least, most, entries)}"
            )
        return array

    def _check_finite(self, checked: Sequence[Array], args: Sequence[Any]) -> None:
        """Raise a UserError if a routine made NaN or infinity out of finite numbers."""
        arrays = [a for a in args if isinstance(a, np.ndarray)]
        if not all(np.isfinite(a).all() for a in arrays):
            return  # training diverges; the solver says so
        expected = self.ours(*_copies(args))
        pairs = zip(checked, expected if len(checked) > 1 else (expected,), strict=True)
        for result, wanted in pairs:
            bad = np.isfinite(wanted) & ~np.isfinite(result)
            if bad.any():
                index = tuple(int(i) for i in np.argwhere(bad)[0])
                raise UserError(
                    f"{self.where} returned {result[index]} in entry {list(index)}, but its "
                    "arguments are finite; was this entry never assigned (np.empty does not "
                    "initialise its entries), or divided by 0?"
                )


def as_array(result: Any) -> Array | None:
    """Return a routine's result as a plain array; None if it is not an array of numbers.

    Parameters
    ----------
    result : object
        An ndarray, or an array of another package that NumPy can convert.  Lists and masked arrays
        are refused.

    Returns
    -------
    ndarray or None
    """
    if isinstance(result, np.ma.MaskedArray | type):
        return None
    try:
        array = np.asarray(result) if hasattr(result, "__array__") else None
    except Exception:  # whatever the other package raises
        return None
    return array if array is not None and array.dtype.kind in "biufc" else None


def kind(result: Any) -> str:
    """Describe a result that is not an array of numbers.

    Parameters
    ----------
    result : object

    Returns
    -------
    str
        The name of its type with an article, and the dtype of an array.
    """
    if result is None:
        return "None"
    if isinstance(result, np.ma.MaskedArray):
        return "an array with masked entries"
    if isinstance(result, np.ndarray):
        return f"an array of dtype {result.dtype}"
    name = type(result).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _entries(g: ConvGeometry) -> int:
    """Return the number of entries of ``vec(sigma(S))`` of one instance."""
    return g.d_next * g.a_conv * g.b_conv


def _guess(array: Array, least: int, most: int, entries: int) -> str:
    """Say what the indices count instead, if the numbers show it."""
    instances = np.arange(array.shape[1], dtype=np.int64)
    if least >= 1 and most == entries:
        return "; these seem to count from 1"
    if least >= 0 and np.array_equal(array // entries, np.broadcast_to(instances, array.shape)):
        return "; these count through all instances of the batch"
    return ""


def _copies(args: Sequence[Any]) -> list[Any]:
    """Copy the arrays: a routine may write into its arguments, as in MATLAB, or keep them."""
    return [a.copy(order="F") if isinstance(a, np.ndarray) else a for a in args]


def _where(name: str, routine: Any) -> str:
    """Return the start of the messages: the file of a routine, if it is in one, and its name."""
    path = getattr(routine, "path", None)
    if path is None:
        code = getattr(inspect.unwrap(routine), "__code__", None)
        path = getattr(code, "co_filename", "")
    in_file = isinstance(path, str | os.PathLike) and os.path.isfile(path)
    return f"{path}: {name}" if in_file else name
