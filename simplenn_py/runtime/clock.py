"""The clock: the best-of-N timing that the whole package uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any


def seconds(call: Callable[[], Any], repeat: int = 5, span: float = 0.2) -> float:
    """Return the shortest time of several calls, after a first call that is not timed.

    Parameters
    ----------
    call : callable
        The work to time; it is called without arguments.
    repeat : int
        Minimum number of timed calls.
    span : float
        Minimum duration of all calls together, in seconds.

    Returns
    -------
    float
        Seconds.

    Notes
    -----
    The first call may compile code or touch memory for the first time.  Other work on the
    computer can only make a call slower.  It affects short calls most, so these are repeated
    until `span` is over, and some of them are not disturbed.
    """
    call()
    best, calls, start = float("inf"), 0, time.perf_counter()
    while calls < repeat or time.perf_counter() - start < span:
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
        calls += 1
    return best


class Shortest:
    """The shortest time of each of several tasks that run in turn.

    Attributes
    ----------
    seconds : dict
        Shortest time so far, in seconds, of each task, by the key given to :meth:`time`.
    """

    def __init__(self) -> None:
        self.seconds: dict[Any, float] = {}

    @contextmanager
    def time(self, key: Hashable) -> Iterator[None]:
        """Time the body of a ``with`` statement, and keep the time if it is the shortest so far.

        Parameters
        ----------
        key : hashable
            Name of the task.
        """
        began = time.perf_counter()
        yield
        took = time.perf_counter() - began
        self.seconds[key] = min(took, self.seconds.get(key, took))


def busy() -> str:
    """Check whether the cores have other work, so that times measured now may be too long.

    Returns
    -------
    str
        A sentence for the user if the load of the last minute exceeds half of the cores,
        otherwise "".
    """
    import psutil

    load, cores = psutil.getloadavg()[0], psutil.cpu_count() or 1
    if load <= cores / 2:
        return ""
    return (
        f"Note: {load:.1f} tasks were running or waiting on {cores} cores in the last minute. "
        "The times below may be too long, mostly for work that uses all cores."
    )
