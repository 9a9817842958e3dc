"""Ctrl-C ends a run after the update under way, with everything saved."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from ..opt.hooks import Hook


class InterruptHook(Hook):
    """Turns SIGINT and SIGTERM into ``state.stop``; a second one raises KeyboardInterrupt.

    Signals reach the main thread only; in another thread this hook does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def on_start(self, state: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._handle)

    def on_batch(self, state: Any) -> None:
        if self.requested:
            state.stop = True

    def on_stop(self, state: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
