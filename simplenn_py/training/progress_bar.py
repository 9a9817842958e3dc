"""The progress of a training: a bar on a terminal, and one line per epoch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..opt.hooks import Hook
from ..opt.minibatch import BatchState, Record
from ..opt.newton import NewtonState

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


class ProgressHook(Hook):
    """Shows loss, images per second and the time left.

    Parameters
    ----------
    console : rich.console.Console
        A terminal or a notebook shows a bar and lines, anything else only lines.
    epochs : int
        Number of epochs.
    l : int
        Number of images per epoch.
    """

    def __init__(self, console: Console, epochs: int, l: int) -> None:
        self._console, self._epochs, self._l = console, epochs, l
        self._bar: Progress | None = None
        self._drawn = 0.0

    def on_start(self, state: BatchState) -> None:
        if self._console.is_terminal or self._console.is_jupyter:
            self._bar = _make_bar(self._console)
            total = self._epochs * self._l
            self._task = self._bar.add_task(
                "", total=total, completed=state.epoch * self._l + state.position, loss=""
            )
            self._bar.start()

    def on_batch(self, state: BatchState) -> None:
        # Drawn here, because a separate thread would compete for the interpreter's lock.
        now = time.perf_counter()
        if self._bar is not None and now - self._drawn > 0.1:
            self._drawn = now
            self._bar.update(
                self._task,
                completed=state.epoch * self._l + state.position,
                description=f"epoch {state.epoch + 1}/{self._epochs}",
                loss=f"loss {loss_text(state.loss_sum / max(state.position, 1))}  "
                f"{state.position / max(state.seconds, 1e-9):,.0f} images/s",
            )
            self._bar.refresh()

    def on_epoch(self, state: BatchState) -> None:
        line = self._line(state.history[-1])
        (self._bar.console if self._bar is not None else self._console).print(
            line, highlight=False, markup=False, soft_wrap=True
        )

    def on_stop(self, state: BatchState) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _line(self, record: Record) -> str:
        width = len(str(self._epochs))
        parts = [
            f"epoch {record['epoch']:{width}}/{self._epochs}",
            f"loss {loss_text(record['loss'])}",
            f"train {100 * record['train_accuracy']:5.2f} %",
        ]
        if record.get("validation_accuracy") is not None:
            parts.append(f"validation {100 * record['validation_accuracy']:5.2f} %")
        parts.append(f"{record['seconds']:.1f} s")
        parts.append(f"{self._l / max(record['seconds'], 1e-9):,.0f} images/s")
        return "  ".join(parts)


def loss_text(loss: float) -> str:
    """Return a loss with four decimals, or in powers of ten if it is large.

    Parameters
    ----------
    loss : float
        The loss; a learning rate that is too large makes it huge before it is infinite.

    Examples
    --------
    >>> from simplenn_py.training.progress_bar import loss_text
    >>> loss_text(0.25), loss_text(1.2e24)
    ('0.2500', '1.2e+24')
    """
    return f"{loss:.4f}" if abs(loss) < 1e4 else f"{loss:.4g}"


class NewtonProgressHook(Hook):
    """Shows simpleNN's line after every iteration of Newton's method, and the current CG step.

    Parameters
    ----------
    console : rich.console.Console
        A terminal or a notebook shows a bar and lines, anything else only lines.
    iter_max : int
        Maximum number of iterations.
    """

    def __init__(self, console: Console, iter_max: int) -> None:
        self._console, self._iter_max = console, iter_max
        self._bar: Progress | None = None

    def on_start(self, state: NewtonState) -> None:
        if self._console.is_terminal or self._console.is_jupyter:
            self._bar = _make_bar(self._console)
            self._task = self._bar.add_task(
                "", total=self._iter_max, completed=state.iteration, loss=""
            )
            self._bar.start()

    def on_batch(self, state: NewtonState) -> None:
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=state.iteration,
                description=f"iteration {state.iteration + 1}/{self._iter_max}",
                loss=f"CG step {state.cg_steps}",
            )
            self._bar.refresh()

    def on_epoch(self, state: NewtonState) -> None:
        record = state.history[-1]
        width = len(str(self._iter_max))
        parts = [
            f"iter {record['iteration']:{width}}/{self._iter_max}",
            f"f {record['f']:.6g}",
            f"|g| {record['gradient_norm']:.4g}",
            f"alpha {record['alpha']:.3g}",
            f"ratio {record['ratio']:.3f}",
            f"lambda {record['lambda']:.4g}",
            f"#CG {record['cg_steps']}",
            f"actred {record['actred']:.4g}",
            f"prered {record['prered']:.4g}",
            f"train {100 * record['train_accuracy']:.2f} %",
        ]
        if record.get("validation_accuracy") is not None:
            parts.append(f"validation {100 * record['validation_accuracy']:.2f} %")
        parts.append(f"{record['seconds']:.1f} s")
        (self._bar.console if self._bar is not None else self._console).print(
            "  ".join(parts), highlight=False, markup=False, soft_wrap=True
        )

    def on_stop(self, state: NewtonState) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _make_bar(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        auto_refresh=False,
        transient=True,
    )
