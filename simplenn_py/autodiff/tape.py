"""Reverse mode on a tape: the mechanism, without a single derivative rule.

An operation on watched arrays computes its value and appends a record to the tape: its rule, its
inputs, and its result.  The records are in the order of computation, which is a topological order
of the computational graph.  So the backward pass only reads the tape from its end and adds up
cotangents (section E of the lecture).  A tape inside a tape gives gradients of gradients, see
``box.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from .box import Box, Rule, Trace, Value, apply, plain, real

_USED = (
    "the tape has been used for its one gradient; make it GradientTape(persistent=True) to keep "
    "its records"
)


class Variable(Box):
    """A watched array: a value and its place on a tape.

    Parameters
    ----------
    tape : GradientTape
        Tape that watches it.
    value : ndarray, number or Box
        The value, of any shape.
    index : int
        Index of its record on the tape, from 0.
    """

    __slots__ = ("index",)

    def __init__(self, tape: GradientTape, value: Value, index: int) -> None:
        super().__init__(tape, value)
        self.index = index


@dataclass(frozen=True)
class TapeEntry:
    """One operation on a tape, or a watched input.

    Attributes
    ----------
    rule : Rule or None
        Rule of the operation; None for a watched input.
    inputs : tuple of ndarray, number or Box
        Values that the operation takes.
    parents : tuple of int or None
        Indices of the inputs' records, all less than the index of this record; None for a
        constant.
    options : dict
        Keyword arguments of the rule's functions.
    result : ndarray, number or Box
        Value of the result, or of the watched input.
    """

    rule: Rule | None
    inputs: tuple[Value, ...]
    parents: tuple[int | None, ...]
    options: dict[str, Any]
    result: Value


class GradientTape(Trace):
    """Record operations on watched arrays, and differentiate the recorded results.

    Parameters
    ----------
    persistent : bool
        Whether to keep the records, which hold every intermediate array, after :meth:`gradient`;
        more gradients can then be computed.

    Examples
    --------
    >>> with GradientTape() as tape:
    ...     x, y = tape.watch(2.0, 5.0)
    ...     f = np.log(x) + x * y - np.sin(y)
    >>> dx, dy = tape.gradient(f, [x, y])
    >>> float(dx)
    5.5

    Notes
    -----
    The example is that of section E of the lecture.  A gradient of a gradient needs a tape inside
    a tape: ``x = inner.watch(outer.watch(x0))``.  Outside the ``with`` block nothing is recorded,
    and an operation returns a plain value.
    """

    def __init__(self, persistent: bool = False) -> None:
        super().__init__()
        self.persistent = persistent
        self.records: list[TapeEntry] = []
        self._recording = self._used = False

    def __enter__(self) -> Self:
        if self._used:
            raise ValueError(_USED)
        self._recording = True
        return self

    def __exit__(self, *exception: object) -> None:
        self._recording = False

    def watch(self, *values: Value) -> Any:
        """Watch arrays: operations on the returned variables are recorded.

        Parameters
        ----------
        *values : array_like or Box, any shape
            Arrays to watch.  Floating arrays are not copied; integers become float64.

        Returns
        -------
        Variable or tuple of Variable
            A tuple unless there is exactly one value.

        Raises
        ------
        TypeError
            If an entry is not a real number.
        ValueError
            If the tape is not recording (outside the ``with`` block), or if a value is a box of
            this tape or of an inner one.
        """
        if not self._recording:
            raise ValueError(
                _USED if self._used else "the tape is not recording; watch inside its 'with' block"
            )
        watched = tuple(self._append(TapeEntry(None, (), (), {}, self._start(x))) for x in values)
        return watched[0] if len(watched) == 1 else watched

    def _start(self, x: Value) -> Value:
        if not isinstance(x, Box):
            return real(x, "a watched value")
        if x.trace.level >= self.level:
            raise ValueError(
                "this array is already watched by this tape or by one made later; with nested "
                "tapes watch with the tape made first, then with the inner: "
                "inner.watch(outer.watch(x))"
            )
        return x

    def _append(self, record: TapeEntry) -> Variable:
        self.records.append(record)
        return Variable(self, record.result, len(self.records) - 1)

    def run(self, rule: Rule, inputs: tuple[Value, ...], options: dict[str, Any]) -> Value:
        """Compute an operation; record it while the tape is recording.

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
        Variable, or ndarray, number or Box
            The result, as a Variable if it is recorded.
        """
        own = [x if isinstance(x, Variable) and x.trace is self else None for x in inputs]
        values = tuple(x if v is None else v.value for x, v in zip(inputs, own, strict=True))
        result = apply(rule, values, options)
        if not self._recording:
            return result
        parents = tuple(None if v is None else v.index for v in own)
        return self._append(TapeEntry(rule, values, parents, options, result))

    def find(self, x: Value, role: str) -> int:
        """Return the index of a variable on this tape, even if it is in boxes of inner traces.

        Parameters
        ----------
        x : Variable
            Variable to find.
        role : str
            Role of the variable, such as ``"target"``, for the message.

        Returns
        -------
        int
            Index of its record.

        Raises
        ------
        ValueError
            If `x` is not on this tape, or the tape has been used.
        """
        while isinstance(x, Box) and x.trace.level > self.level:
            x = x.value
        if not isinstance(x, Variable) or x.trace is not self:
            raise ValueError(
                f"the {role} is not on this tape; it must be an array that the tape watches, or "
                "that was computed from such an array inside the 'with' block (for a gradient of a "
                "gradient use a tape inside a tape)"
            )
        if self._used:
            raise ValueError(_USED)
        return x.index

    def gradient(self, target: Any, sources: Any, delta: Any = None) -> Any:
        """Differentiate ``<target, delta>``, summed over the targets, with respect to every source.

        Parameters
        ----------
        target : Variable, or a list or tuple of them
            Results to differentiate, of any shapes.
        sources : Variable, or a list or tuple of them
            Arrays to differentiate with respect to.
        delta : array_like or list of them, optional
            Cotangent of each target, with the same shape as the target.  It is treated as a
            constant; by default it is 1 for a scalar.

        Returns
        -------
        ndarray, or a list of them if `sources` is a list or tuple
            Gradient in the shape of the source (a number for a number); zero if the target does
            not depend on the source.  The result is a box if an outer trace is recording the
            computation.

        Raises
        ------
        ValueError
            If an array is not on the tape, the tape has been used, a target that is not a scalar
            has no `delta`, or a `delta` has a different shape from its target.
        """
        many = isinstance(target, list | tuple)
        targets = list(target) if many else [target]
        deltas = [delta] * len(targets) if delta is None or not many else list(delta)
        if len(deltas) != len(targets):
            raise ValueError(f"there are {len(targets)} targets but {len(deltas)} deltas")
        several = isinstance(sources, list | tuple)
        wanted = [self.find(x, "source") for x in (sources if several else [sources])]
        cotangents: dict[int, Value] = {}
        for x, v in zip(targets, deltas, strict=True):
            index = self.find(x, "target")
            _add(cotangents, index, _cotangent(self.records[index].result, v))
        self._back(cotangents, frozenset(wanted))
        found = [_own(cotangents.get(i), self.records[i].result) for i in wanted]
        if not self.persistent:  # recording ends: new records would get the indices of old ones
            self.records, self._used, self._recording = [], True, False
        return found if several else found[0]

    def _back(self, cotangents: dict[int, Value], keep: frozenset[int]) -> None:
        """Read the tape from its end; cotangents not in `keep` are dropped once they are used."""
        for index in range(max(cotangents, default=-1), -1, -1):
            record = self.records[index]
            if index not in cotangents or record.rule is None:
                continue
            delta = cotangents[index] if index in keep else cotangents.pop(index)
            for k, parent in enumerate(record.parents):
                if parent is not None:
                    part = record.rule.vjp(k, delta, record.result, record.inputs, **record.options)
                    _add(cotangents, parent, part)


def _add(cotangents: dict[int, Value], index: int, part: Value) -> None:
    cotangents[index] = cotangents[index] + part if index in cotangents else part


def _cotangent(result: Value, delta: Value) -> Value:
    shape = np.shape(plain(result))
    if delta is None and shape != ():
        raise ValueError(
            f"the target has shape {shape}; give delta, its cotangent: np.ones({shape}) "
            "differentiates the sum of its entries"
        )
    if delta is None:
        return np.ones((), np.asarray(plain(result)).dtype)
    delta = delta if isinstance(delta, Box) else np.asarray(delta)
    if delta.shape != shape:
        raise ValueError(f"delta has shape {delta.shape}; it must be that of the target, {shape}")
    return delta


def _own(part: Value | None, source: Value) -> Value:
    """Copy a plain gradient: rules may return views, which may be shared or read-only."""
    if part is None:
        return np.zeros_like(plain(source))[()]
    return part if isinstance(part, Box) else np.array(part)[()]
