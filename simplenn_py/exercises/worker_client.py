"""The parent's side of :mod:`.worker`: start the process, send requests, stop it at its limits."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ..errors import OptionError
from ..runtime.threads import polite_waiting
from . import worker

_POLL = 0.05  # seconds between two measurements of the memory
_KEPT = 20_000  # bytes of printed text that are kept


@dataclass(frozen=True)
class Limits:
    """Limits of time and memory for a set of cases.

    Parameters
    ----------
    seconds : float
        Maximum running time of the student's code; the time of the reference does not count.
    gib : float
        Maximum memory in GiB, in addition to the memory that the process has before the student's
        file is loaded.

    Raises
    ------
    OptionError
        If a limit is not positive.
    """

    seconds: float = 60.0
    gib: float = 2.0

    def __post_init__(self) -> None:
        for name, value, usual in (
            ("--time-limit", self.seconds, 60),
            ("--memory-limit", self.gib, 2),
        ):
            if not 0 < value < float("inf"):
                raise OptionError(f"{name} is {value:g}; it must be positive, for instance {usual}")


class StoppedError(Exception):
    """The process has ended: out of time, out of memory, or crashed, as the message says."""

    def __init__(self, message: str, died: bool = False) -> None:
        super().__init__(message)
        self.died = died


#: Seconds that a process may take to start, independent of the student's limit.
_START = 60.0


class WorkerClient:
    """A process that runs a student's code, as a context manager that always ends it.

    Parameters
    ----------
    limits : Limits
    **environment : str
        Environment variables of the process, for instance ``NUMBA_BOUNDSCHECK="1"``.  Numba's
        cache is always a new folder, which is removed with the process, so that compiled code is
        never older than its source.
    """

    def __init__(self, limits: Limits, **environment: str) -> None:
        self._limits, self._left = limits, limits.seconds
        self._environment = environment
        self._answers: queue.Queue[bytes | None] = queue.Queue()
        self._printed = bytearray()
        self.seconds = 0.0

    def __enter__(self) -> WorkerClient:
        polite_waiting()
        self._cache = tempfile.TemporaryDirectory(
            prefix="simplenn-exercise-", ignore_cleanup_errors=True
        )
        script = Path(worker.__file__)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", str(script), *filter(None, sys.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=self._cache.name,
            env=os.environ | {"NUMBA_CACHE_DIR": self._cache.name} | self._environment,
        )  # fmt: skip
        self._requests, answers, printed = map(
            _given, (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        self._threads = [
            threading.Thread(target=self._read, args=(answers,), daemon=True),
            threading.Thread(target=self._keep, args=(printed,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        try:
            import psutil

            self._base, self._look = 0, psutil.Process(self._process.pid)
            self._left = max(self._left, _START)  # the start of Python does not count
            self._wait()
            self._base, self._left = self._resident(), self._limits.seconds
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, **message: Any) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises
        ------
        StoppedError
            If the process ran out of time or memory, or died.
        """
        if "args" in message and not isinstance(message["args"], dict):
            message["args"] = dict(message["args"])
        with suppress(OSError):  # _wait reports a process that has ended
            worker.send(self._requests, message)
        return self._wait()

    def load(self, source: bytes, path: str, name: str, **more: Any) -> dict[str, Any]:
        """Load the bytes of a file as module `name`; see :meth:`worker.Worker.load`."""
        return self.ask(do="load", source=source, path=path, name=name, **more)

    def call(
        self, name: str, function: str, args: Mapping[str, Any], driver: bool
    ) -> dict[str, Any]:
        """Call ``function(*args)`` of module `name`."""
        return self.ask(do="call", name=name, function=function, args=args, driver=driver)

    def allow(self, seconds: float) -> None:
        """Set the remaining running time."""
        self._left = seconds

    @property
    def printed(self) -> str:
        """Text that the student's code has printed so far, cut after its first 20 kB."""
        text = self._printed.decode("utf-8", "replace")
        return text + "\n..." if len(self._printed) >= _KEPT else text

    def close(self) -> None:
        """End the process and all processes that it started."""
        import psutil

        with suppress(OSError):
            self._requests.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.0 if self._left <= 0 else 0.5)
        with suppress(psutil.Error):
            for other in psutil.Process(self._process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    other.kill()
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(1.0)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None and not any(t.is_alive() for t in self._threads):
                stream.close()
        self._cache.cleanup()

    def _read(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError):
            while (data := worker.receive(stream)) is not None:
                self._answers.put(data)
        self._answers.put(None)

    def _keep(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError):
            while data := os.read(stream.fileno(), 65536):
                self._printed += data[: max(0, _KEPT - len(self._printed))]

    def _resident(self) -> int:
        import psutil

        total = 0
        with suppress(psutil.Error):
            for process in (self._look, *self._look.children(recursive=True)):
                with suppress(psutil.Error):
                    total += process.memory_info().rss
        return total

    def _wait(self) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            while True:
                left = self._left - (time.perf_counter() - began)
                try:
                    data = self._answers.get(timeout=max(0.0, min(_POLL, left)))
                    break
                except queue.Empty:
                    if left <= 0:
                        self._left = 0.0
                        raise StoppedError(
                            f"the code ran longer than {self._limits.seconds:g} seconds and was "
                            "stopped"
                        ) from None
                    above = (self._resident() - self._base) / 2**30 if self._base else 0.0
                    if above > self._limits.gib:
                        self._left = 0.0
                        raise StoppedError(
                            f"the code used more than {self._limits.gib:g} GiB of memory and was "
                            "stopped"
                        ) from None
        finally:
            self.seconds += time.perf_counter() - began
            self._left -= time.perf_counter() - began
        if data is None:
            status = self._process.wait()
            raise StoppedError(f"the process ended {_status(status)}", died=True)
        return worker.unpack(data)


def _given(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # all three are pipes
    return stream


def _status(status: int) -> str:
    if status >= 0:
        return f"with status {status} before the check was complete"
    import signal

    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:
        return f"by signal {-status}"
