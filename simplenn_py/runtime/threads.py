"""How many threads compute, for Numba and for BLAS alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import OptionError

# Numba's and BLAS's threads take turns here.  A thread that spins for work of its own kind
# holds a core that the other kind needs: on two cores a training step of the lecture engine
# takes a quarter to a half longer with the libraries' own settings.  To be woken takes its time
# too: GNU's threads look for the next kernel a few microseconds before they sleep, for which the
# direct engine's step of a small network takes a fifth less time.  Not longer: after a pause both
# threads may stand on one core, where looking only keeps the other from working.
_POLITE = {
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "300",
    "OPENBLAS_THREAD_TIMEOUT": "4",
}


def polite_waiting() -> None:
    """Tell idle threads to sleep, unless the user has chosen; read when a library loads."""
    for name, value in _POLITE.items():
        os.environ.setdefault(name, value)


def available() -> int:
    """Number of cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def limit_threads(count: int) -> Iterator[int]:
    """Use `count` threads in Numba's kernels and in every BLAS pool; 0 means all cores.

    Raises
    ------
    OptionError
        Where `count` is more than this process can have.
    """
    polite_waiting()
    import numba
    from threadpoolctl import threadpool_limits

    most = int(numba.config.NUMBA_NUM_THREADS)
    if count > most:
        raise OptionError(f"threads is {count}; this process has {most} cores, give at most that")
    chosen = count or most
    before = numba.get_num_threads()
    numba.set_num_threads(chosen)
    try:
        with threadpool_limits(limits=chosen, user_api="blas"):
            yield chosen
    finally:
        numba.set_num_threads(before)
