"""Hooks: how a solver reports its progress, and how it is stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Hook:
    """Base class of all hooks; each method does nothing unless it is overridden.

    `state` is the solver's state, for instance a ``BatchState`` or a ``NewtonState``.
    """

    def on_start(self, state: Any) -> None:
        """Called before the first update of a run, also if the run is resumed."""

    def on_batch(self, state: Any) -> None:
        """Called after every update, or every CG step.  Setting ``state.stop`` ends the run."""

    def on_epoch(self, state: Any) -> None:
        """Called after every epoch or Newton iteration, with its record in ``state.history``."""

    def on_stop(self, state: Any) -> None:
        """Called when the run ends, also after an exception."""


class Hooks(Hook):
    """Several hooks as one.

    Parameters
    ----------
    hooks : sequence of Hook
        Called in this order.
    """

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = list(hooks)

    def on_start(self, state: Any) -> None:
        for hook in self._hooks:
            hook.on_start(state)

    def on_batch(self, state: Any) -> None:
        for hook in self._hooks:
            hook.on_batch(state)

    def on_epoch(self, state: Any) -> None:
        for hook in self._hooks:
            hook.on_epoch(state)

    def on_stop(self, state: Any) -> None:
        for hook in self._hooks:
            hook.on_stop(state)
