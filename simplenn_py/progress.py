"""What the user sees while a network trains: a bar on a terminal, else a line an epoch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .opt.hooks import Hook
from .opt.sgd import Record, SGDState

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


class ProgressHook(Hook):
    """Shows loss, images a second and the time left.

    Parameters
    ----------
    console : rich.console.Console
        A terminal or a notebook gets a bar, anything else plain lines only.
    epochs : int
    l : int
        Images an epoch.
    """

    def __init__(self, console: Console, epochs: int, l: int) -> None:
        self._console, self._epochs, self._l = console, epochs, l
        self._bar: Progress | None = None
        self._drawn = 0.0

    def on_start(self, state: SGDState) -> None:
        if self._console.is_terminal or self._console.is_jupyter:
            self._bar = self._make_bar()
            total = self._epochs * self._l
            self._task = self._bar.add_task(
                "", total=total, completed=state.epoch * self._l + state.position, loss=""
            )
            self._bar.start()

    def on_batch(self, state: SGDState) -> None:
        # Drawn from here and not from a thread of its own, which would take turns with Python.
        now = time.perf_counter()
        if self._bar is not None and now - self._drawn > 0.1:
            self._drawn = now
            self._bar.update(
                self._task,
                completed=state.epoch * self._l + state.position,
                description=f"epoch {state.epoch + 1}/{self._epochs}",
                loss=f"loss {state.loss_sum / max(state.position, 1):.4f}  "
                f"{state.position / max(state.seconds, 1e-9):,.0f} images/s",
            )
            self._bar.refresh()

    def on_epoch(self, state: SGDState) -> None:
        line = self._line(state.history[-1])
        (self._bar.console if self._bar is not None else self._console).print(
            line, highlight=False, soft_wrap=True
        )

    def on_stop(self, state: SGDState) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _line(self, record: Record) -> str:
        width = len(str(self._epochs))
        parts = [
            f"epoch {record['epoch']:{width}}/{self._epochs}",
            f"loss {record['loss']:.4f}",
            f"train {100 * record['train_accuracy']:5.2f} %",
        ]
        if record.get("validation_accuracy") is not None:
            parts.append(f"validation {100 * record['validation_accuracy']:5.2f} %")
        parts.append(f"{record['seconds']:.1f} s")
        parts.append(f"{self._l / max(record['seconds'], 1e-9):,.0f} images/s")
        return "  ".join(parts)

    def _make_bar(self) -> Progress:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
