"""Reverse mode on a tape: the mechanism, without a single derivative rule.

An operation on watched arrays computes its value and leaves a record on the tape: which rule,
which inputs, which result.  Records are appended as they are computed, so the tape is a
topological order of the computational graph and the pass back only reads it from its end,
adding up cotangents (section E of the lecture).  A tape inside a tape gives gradients of
gradients, see ``box.py``.
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
    """A watched array: a value and its place on a tape."""

    __slots__ = ("index",)

    def __init__(self, tape: GradientTape, value: Value, index: int) -> None:
        super().__init__(tape, value)
        self.index = index


@dataclass(frozen=True)
class TapeEntry:
    """One operation on a tape; ``rule`` is None for a watched input.

    ``inputs`` are the values that went in, ``parents`` their places on the tape (None for a
    constant), so that ``parents[k] < `` the record's own place.
    """

    rule: Rule | None
    inputs: tuple[Value, ...]
    parents: tuple[int | None, ...]
    options: dict[str, Any]
    result: Value


class GradientTape(Trace):
    """Records operations on watched arrays, and differentiates what it recorded.

    Parameters
    ----------
    persistent : bool
        Keep the records after :meth:`gradient`, for more gradients; they hold every
        intermediate array.

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
    Section E of the lecture, whose example this is.  A gradient of a gradient takes a tape
    inside a tape: ``x = inner.watch(outer.watch(x0))``.  Outside the ``with`` block nothing is
    recorded: there an operation returns a plain value.
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
        """Return each of the arrays as a Variable: the one if there is one, else a tuple.

        Parameters
        ----------
        *values : array_like or Box, any shape
            Floating arrays are taken as they are, not copied; integers become float64.

        Raises
        ------
        TypeError
            If an entry is not a real number.
        ValueError
            Outside the ``with`` block, or for a box of a tape further inside.
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
                "tapes watch by the one made first, then by the inner: inner.watch(outer.watch(x))"
            )
        return x

    def _append(self, record: TapeEntry) -> Variable:
        self.records.append(record)
        return Variable(self, record.result, len(self.records) - 1)

    def run(self, rule: Rule, inputs: tuple[Value, ...], options: dict[str, Any]) -> Value:
        """Compute an operation; record it while the tape is recording."""
        own = [x if isinstance(x, Variable) and x.trace is self else None for x in inputs]
        values = tuple(x if v is None else v.value for x, v in zip(inputs, own, strict=True))
        result = apply(rule, values, options)
        if not self._recording:
            return result
        parents = tuple(None if v is None else v.index for v in own)
        return self._append(TapeEntry(rule, values, parents, options, result))

    def find(self, x: Value, role: str) -> int:
        """Return the place of a variable on this tape, looking through boxes of inner traces."""
        while isinstance(x, Box) and x.trace.level > self.level:
            x = x.value
        if not isinstance(x, Variable) or x.trace is not self:
            raise ValueError(
                f"the {role} is not on this tape; it must be an array that the tape watches, or "
                "that was computed from one inside the 'with' block (for a gradient of a gradient "
                "use a tape inside a tape)"
            )
        if self._used:
            raise ValueError(_USED)
        return x.index

    def gradient(self, target: Any, sources: Any, delta: Any = None) -> Any:
        """Differentiate ``<target, delta>``, the sum over the targets, in every source.

        Parameters
        ----------
        target : Variable, or a list or tuple of them
        sources : Variable, or a list or tuple of them
        delta : array_like or list of them, optional
            The cotangent of every target, in its shape, held fixed; 1 for a scalar.

        Returns
        -------
        ndarray, or a list of them where `sources` is a list or tuple
            In the shape of the source (a number for a number); zero where the target does not
            depend on it.  A box where an outer trace follows the computation.

        Raises
        ------
        ValueError
            For an array that is not on the tape, a tape already used, or a target that is not
            a scalar and has no `delta`, or one of another shape.
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
        if not self.persistent:  # nothing may be recorded any more: places would be given twice
            self.records, self._used, self._recording = [], True, False
        return found if several else found[0]

    def _back(self, cotangents: dict[int, Value], keep: frozenset[int]) -> None:
        """Read the tape from its end; cotangents that nobody wants are dropped once used."""
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
    """Give a plain gradient memory of its own: rules may return views, shared or read-only."""
    if part is None:
        return np.zeros_like(plain(source))[()]
    return part if isinstance(part, Box) else np.array(part)[()]
