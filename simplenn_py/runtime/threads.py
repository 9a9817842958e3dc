"""Number of threads that compute, the same for Numba and BLAS, and how they wait for work."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import OptionError, UserError
from .variables import check_variables

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


def most_threads() -> int:
    """Maximum number of threads of this process: its cores, or ``NUMBA_NUM_THREADS`` if set."""
    check_variables()
    import numba

    return int(numba.config.NUMBA_NUM_THREADS)


def usable_threads(count: int) -> int:
    """Return `count`, or the maximum of this process if that is smaller.

    For a number that was chosen earlier, perhaps on another computer.

    Parameters
    ----------
    count : int
        Number of threads; 0: all cores.
    """
    return min(count, most_threads())


def check_threads(count: int) -> None:
    """Raise an OptionError if this process cannot use `count` threads.

    Parameters
    ----------
    count : int
        Number of threads; 0: all cores.
    """
    most, chosen = most_threads(), os.environ.get("NUMBA_NUM_THREADS")
    if not 0 <= count <= most:
        why = "the cores of this process" if chosen is None else f"as NUMBA_NUM_THREADS={chosen}"
        raise OptionError(
            f"threads is {count}; it must be from 0 to {most}, {why}; 0 means all cores"
        )


@contextmanager
def limit_threads(count: int) -> Iterator[int]:
    """Use `count` threads in Numba's kernels and in every BLAS pool; 0 means all cores.

    Raises
    ------
    OptionError
        If `count` is larger than the number of cores of this process.
    UserError
        If Numba's threads cannot work in this process, see :func:`refuse_after_fork`.
    """
    refuse_after_fork()
    polite_waiting()
    check_threads(count)
    thread_layer()
    import numba

    chosen = count or max(1, min(available(), most_threads()))
    before = numba.get_num_threads()
    numba.set_num_threads(chosen)
    try:
        with _blas_threads(chosen):
            yield chosen
    finally:
        numba.set_num_threads(before)


def thread_layer() -> str:
    """Start Numba's threads; return the name of the library that runs them.

    Returns
    -------
    str
        "omp", "tbb" or "workqueue".

    Raises
    ------
    UserError
        If the library is not installed.
    """
    import numba

    try:
        numba.get_num_threads()  # starts them
    except ValueError as error:
        reason = " ".join(str(error).replace("$", "").split())
        raise UserError(
            f"NUMBA_THREADING_LAYER is {os.environ.get('NUMBA_THREADING_LAYER')!r}: {reason}; "
            "unset it to use what there is"
        ) from None
    return str(numba.threading_layer())


# -- several Python threads

# BLAS has one limit for the whole process.  The limits in force, in the order of their start:
_blas_limits: list[list[int]] = []
_blas_before: list[Any] = []  # how to restore the state before the first of them
_blas_lock = threading.Lock()
_turn = threading.RLock()


@contextmanager
def _blas_threads(count: int) -> Iterator[None]:
    """Limit BLAS to `count` threads; the last of overlapping limits to end restores the state."""
    from threadpoolctl import threadpool_limits

    own = [count]
    with _blas_lock:
        limits = threadpool_limits(limits=count, user_api="blas")
        if not _blas_limits:
            _blas_before[:] = [limits]
        _blas_limits.append(own)
    try:
        yield
    finally:
        with _blas_lock:
            _blas_limits[:] = [other for other in _blas_limits if other is not own]
            if _blas_limits:
                threadpool_limits(limits=_blas_limits[-1][0], user_api="blas")
            else:
                _blas_before.pop().restore_original_limits()


def one_at_a_time(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls a parallel kernel so that several Python threads may do so.

    OpenMP and TBB allow calls at the same time.  Numba's own layer, workqueue, would end the
    process: there the calls run one after the other.

    Parameters
    ----------
    kernel : callable
    """
    if thread_layer() != "workqueue":
        return kernel

    def in_turn(*args: Any) -> Any:
        with _turn:
            return kernel(*args)

    return in_turn


# -- forked processes

_forked_from_openmp = False


def refuse_after_fork() -> None:
    """Raise an error in a process in which parallel kernels cannot run.

    GNU OpenMP's threads do not survive a fork: a parallel kernel would end the process, and a
    parent that waits for its result would wait for ever.

    Raises
    ------
    UserError
        If this process was forked from one in which GNU OpenMP had started.
    """
    if _forked_from_openmp:
        raise UserError(
            "this process was forked from one that had already computed, and its OpenMP threads "
            "do not survive a fork; start processes with multiprocessing.get_context('spawn') "
            "(concurrent.futures: mp_context=...), or with joblib's backend 'loky'"
        )


def _after_fork() -> None:
    """Make the locks new, because their owners are gone, and find out whether kernels can run."""
    global _blas_lock, _turn, _forked_from_openmp
    _blas_lock, _turn = threading.Lock(), threading.RLock()
    numba = sys.modules.get("numba")
    with suppress(AttributeError, ValueError):  # Numba is being imported, or has no threads yet
        _forked_from_openmp = sys.platform == "linux" and numba.threading_layer() == "omp"  # type: ignore[union-attr]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
