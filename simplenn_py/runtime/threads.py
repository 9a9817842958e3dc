"""Number of threads that compute, the same for Numba and BLAS, and how they wait for work."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import OptionError

# Numba's threads and BLAS's take turns here.  A thread that spins while it waits for its next
# work holds a core that the other library needs: on two cores a training step of the lecture
# engine takes a quarter to a half longer with the libraries' own settings.  Waking a thread takes
# time too.  GNU's threads therefore look for the next kernel for a few microseconds before they
# sleep: the direct engine's step of a small network takes a fifth less time.  They do not look
# longer: after a pause both threads may be on one core, and one that looks keeps the other from
# working.
_POLITE = {
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "300",
    "OPENBLAS_THREAD_TIMEOUT": "4",
}


def polite_waiting() -> None:
    """Set the environment variables that make idle threads sleep, unless the user has set them.

    A library reads its variables when it loads.  The command line calls this at its start, before
    NumPy loads OpenBLAS.  In a program of your own it is called when the first kernel is needed:
    in time for Numba's threads, but too late for NumPy's OpenBLAS, so set
    ``OPENBLAS_THREAD_TIMEOUT`` yourself.  The variables stay set: the run folder records them,
    and processes that the program starts share its cores, so they should wait in the same way.
    """
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
        If `count` is larger than the number of cores of this process.
    """
    polite_waiting()
    import numba
    from threadpoolctl import threadpool_limits

    most = int(numba.config.NUMBA_NUM_THREADS)
    if count > most:
        raise OptionError(f"threads is {count}; this process has {most} cores, so at most {most}")
    chosen = count or most
    before = numba.get_num_threads()
    numba.set_num_threads(chosen)
    try:
        with threadpool_limits(limits=chosen, user_api="blas"):
            yield chosen
    finally:
        numba.set_num_threads(before)
