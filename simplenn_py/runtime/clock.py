"""The clock: the one best-of-N timing that everything else uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any


def seconds(call: Callable[[], Any], repeat: int = 5, span: float = 0.2) -> float:
    """Return the shortest time of a few calls, after one that may compile or touch memory.

    What else a computer does can only make a call slower, and short calls suffer most: they are
    repeated until `span` is over, so that some of them are left alone.

    Parameters
    ----------
    call : callable
        Takes nothing.
    repeat : int
        At least so many calls.
    span : float
        For at least so many seconds.

    Returns
    -------
    float
        Seconds.
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
    """The shortest time of each of several pieces of work that are run in turns.

    Attributes
    ----------
    seconds : dict
        The shortest time so far, by the key that :meth:`time` was given.
    """

    def __init__(self) -> None:
        self.seconds: dict[Any, float] = {}

    @contextmanager
    def time(self, key: Hashable) -> Iterator[None]:
        """Time the body of a ``with`` statement, and keep the result if it is the shortest."""
        began = time.perf_counter()
        yield
        took = time.perf_counter() - began
        self.seconds[key] = min(took, self.seconds.get(key, took))


def busy() -> str:
    """Say whether the cores have other work, so that times measured now may be too long.

    Returns
    -------
    str
        A sentence where the load of the last minute exceeds half of the cores, otherwise "".
    """
    import psutil

    load, cores = psutil.getloadavg()[0], psutil.cpu_count() or 1
    if load <= cores / 2:
        return ""
    return (
        f"Note: {load:.1f} tasks were running or waiting on {cores} cores in the last minute; "
        "the times below may be too long, mostly of what uses all cores."
    )
