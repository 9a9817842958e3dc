"""The race: the competitors take turns, again and again, so that all meet the same noise."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from simplenn_py.runtime.threads import available

from .case import Case
from .peers import PEERS

_QUIET = 0.05  # share of the cores that other programs may use
_REST = 0.012  # seconds between two turns
# Some machines set these for the sake of other programs; they slow BLAS down.
_HARMFUL = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass
class Runner:
    """A process that runs when it is asked, and its times so far."""

    name: str
    process: subprocess.Popen[str]
    version: str
    seconds: list[float] = field(default_factory=list, kw_only=True)

    @property
    def ms_min(self) -> float:
        return 1000 * min(self.seconds)

    @property
    def ms_median(self) -> float:
        return 1000 * statistics.median(self.seconds)


@dataclass
class Entrant(Runner):
    """A competitor that runs the network of a case."""

    losses: list[float]


class RaceError(Exception):
    """Nothing can be compared: ours does not run, or a competitor runs another network."""


def race(case: Case, names: list[str], repeat: int, engine: str = "") -> list[Entrant]:
    """Time "ours" and the competitors `names` on one case.

    Parameters
    ----------
    case : Case
    names : list of str
        Keys of ``PEERS``; one that cannot be imported is skipped with a line on stderr.
    repeat : int
        Number of turns per competitor.  A turn is one run that does not count and two that do.
    engine : str
        Name of our engine; "" means the default.

    Returns
    -------
    list of Entrant
        Ours first.

    Raises
    ------
    RaceError
        If ours does not run, or a competitor's losses over the first steps differ from ours.
    """
    entrants: list[Entrant] = []
    try:
        for name in ["ours", *names]:
            entrant = _enter(case, name, engine if name == "ours" else PEERS[name].variant)
            if entrant is not None:
                entrants.append(entrant)
                _compare(case, entrants[0], entrant)
                let_run(entrant.process, False)
        take_turns(entrants, repeat)
    finally:
        for entrant in entrants:
            stop(entrant.process)
    return entrants


def take_turns(runners: Sequence[Runner], repeat: int) -> None:
    """Ask every process in turn, `repeat` times; warn on stderr if other programs disturbed them.

    Parameters
    ----------
    runners : sequence of Runner
        Frozen processes.  Each answers "go" with {"seconds": [...]}, which are added to its times.
    repeat : int
        Number of turns per process.
    """
    foreign, began = foreign_seconds(runners), time.perf_counter()
    for _ in range(repeat):
        for runner in runners:
            time.sleep(_REST)
            let_run(runner.process, True)
            runner.seconds += ask(runner.process, "go")["seconds"]
            let_run(runner.process, False)
    foreign = foreign_seconds(runners) - foreign
    share = foreign / (time.perf_counter() - began) / available()
    if share > _QUIET:
        print(
            f"benchmarks: other programs used {100 * share:.0f} % of the cores meanwhile; "
            "competitors whose threads spin while they wait suffer most, so do not trust these "
            "ratios",
            file=sys.stderr,
        )


def foreign_seconds(runners: Sequence[Runner]) -> float:
    """Core seconds used so far by other processes, or by other guests of the host."""
    times = psutil.cpu_times()
    busy = sum(times) - times.idle - getattr(times, "iowait", 0.0)
    busy -= getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # in user, nice
    ours = [psutil.Process(), *(psutil.Process(runner.process.pid) for runner in runners)]
    return busy - sum(sum(process.cpu_times()[:2]) for process in ours)


def _enter(case: Case, name: str, variant: str) -> Entrant | None:
    peer = PEERS[name]
    order = {"case": asdict(case), "module": peer.module, "variant": variant}
    process, ready = start(["benchmarks.worker"], peer.environment, json.dumps(order))
    if "losses" in ready:
        return Entrant(name, process, ready["version"], ready["losses"])
    stop(process)
    reason = ready["reason"].strip()
    if name == "ours":
        raise RaceError(reason)
    print(f"benchmarks: {name} is skipped: {reason}", file=sys.stderr)
    return None


def start(
    words: list[str], environment: Mapping[str, str], order: str
) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start a module in its own process, and send it its order.

    Parameters
    ----------
    words : list of str
        Words after ``python -m``.
    environment : mapping
        Variables to set, unless the user's environment sets them.
    order : str
        The first line on its stdin.

    Returns
    -------
    process : Popen
    answer : dict
        Its first answer, or {"reason": its output on stderr} if the process has ended.
    """
    own = {k: v for k, v in os.environ.items() if k not in _HARMFUL}
    own |= {k: v for k, v in environment.items() if k not in os.environ}
    with tempfile.TemporaryFile("w+") as chatter:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=Path(__file__).parents[1],
            env=own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=chatter,
            text=True,
        )
        try:
            return process, ask(process, order)
        except EOFError:
            chatter.seek(0)
            return process, {"reason": "its process ended:\n" + chatter.read()}


def ask(process: subprocess.Popen[str], line: str) -> dict[str, Any]:
    """Write a line to a process and read its answer; EOFError if it has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise EOFError
    return dict(json.loads(answer))


def let_run(process: subprocess.Popen[str], running: bool) -> None:
    """Run or freeze a process: between its turns, idle threads of some libraries would spin."""
    if hasattr(signal, "SIGSTOP"):  # not on Windows
        process.send_signal(signal.SIGCONT if running else signal.SIGSTOP)


def stop(process: subprocess.Popen[str]) -> None:
    """End a process."""
    process.kill()
    process.communicate()


def _compare(case: Case, ours: Entrant, other: Entrant) -> None:
    tolerance = 2e-3 if case.dtype == "float32" else 1e-8
    for mine, its in zip(ours.losses, other.losses, strict=True):
        if not abs(mine - its) <= tolerance * abs(mine):
            raise RaceError(
                f"{other.name} has losses {other.losses}, but ours are {ours.losses}: "
                "it runs another network"
            )
