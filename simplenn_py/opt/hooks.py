"""What a solver tells the outside world, and how the outside stops it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Hook:
    """Base of everything that watches a run; each method does nothing unless overridden."""

    def on_start(self, state: Any) -> None:
        """Before the first update, or the first after a resumption."""

    def on_batch(self, state: Any) -> None:
        """After an update.  Setting ``state.stop`` ends the run here."""

    def on_epoch(self, state: Any) -> None:
        """After an epoch, its record already in ``state.history``."""

    def on_stop(self, state: Any) -> None:
        """When the run ends, however it does."""


class Hooks(Hook):
    """Several hooks as one, called in the order given."""

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
