"""Say on the standard error what a check is doing, if it takes longer than a moment."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

from ..runtime.console import make_console

if TYPE_CHECKING:
    from rich.status import Status

_PATIENCE = 1.5  # seconds without a word


class Waiting:
    """A context manager for one check.

    On a terminal, a line shows the current step until the check ends.  Otherwise one line is
    printed.

    Parameters
    ----------
    name : str
        Name of the exercise.
    seconds : float
        Limit of the check's running time.
    """

    def __init__(self, name: str, seconds: float) -> None:
        self._name, self._seconds, self._step = name, seconds, "starting"
        self._status: Status | None = None
        self._timer = threading.Timer(_PATIENCE, self._speak)
        self._timer.daemon = True

    def __enter__(self) -> Waiting:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._status is not None:
            self._status.stop()

    def step(self, text: str) -> None:
        """Set the current step, for instance "case 3 of 17"."""
        self._step = text
        if self._status is not None:
            self._status.update(self._line())

    def _line(self) -> str:
        return f"checking {self._name}: {self._step}"

    def _speak(self) -> None:
        console = make_console(stderr=True, soft_wrap=True)
        if console.is_terminal:
            self._status = console.status(self._line(), spinner="line")
            self._status.start()
        else:
            console.print(
                f"checking {self._name}; the code is stopped after {self._seconds:g} seconds"
            )
