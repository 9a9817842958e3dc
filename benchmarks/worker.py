"""One competitor in its own process: it waits for its turn, runs, and reports the time.

``race`` starts it.  The first line of stdin names the case to build; each further line is a turn.
Every answer is a line of JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from simplenn_py.errors import UserError
from simplenn_py.runtime.threads import polite_waiting

TURN = 2  # timed runs per turn
WARM_UP = 3  # runs before the first turn; their losses show that all run the same network


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of a library must not mix with the answers

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=answers, flush=True)

    order = json.loads(sys.stdin.readline())
    if order["module"] == "simplenn":
        polite_waiting()  # before NumPy loads its BLAS, as in our command line
    from .case import Case

    case = Case(**order["case"] | {"shape": tuple(order["case"]["shape"])})
    try:
        module = importlib.import_module(f".peers.{order['module']}", __package__)
    except ImportError as error:
        answer(reason=str(error))
        return
    try:
        runner = module.build(case, order["variant"])
    except UserError as error:
        answer(reason=str(error))
        return
    losses = [runner.loss(runner.run()) for _ in range(WARM_UP)]
    answer(version=runner.version, losses=losses)
    for _ in sys.stdin:
        runner.run()  # untimed: caches and threads are another process's, which costs a tenth
        answer(seconds=[_timed(runner.run) for _ in range(TURN)])


def _timed(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
