"""Ctrl-C ends a run after the current update; everything is saved."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from ..opt.hooks import Hook


class InterruptHook(Hook):
    """Sets ``state.stop`` after SIGINT or SIGTERM; a second signal raises KeyboardInterrupt.

    Signals reach only the main thread.  In any other thread this hook does nothing.

    Attributes
    ----------
    requested : bool
        Whether a signal has arrived.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def on_start(self, state: Any) -> None:
        """Install the signal handlers.

        Parameters
        ----------
        state : object
            State of the solver, not used.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._handle)

    def on_batch(self, state: Any) -> None:
        """End the run if a signal has arrived.

        Parameters
        ----------
        state : object
            State of the solver; its ``stop`` is set.
        """
        if self.requested:
            state.stop = True

    def on_stop(self, state: Any) -> None:
        """Restore the previous signal handlers.

        Parameters
        ----------
        state : object
            State of the solver, not used.
        """
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
