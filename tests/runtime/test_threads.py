"""Threads: forked processes, several Python threads, more threads than cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numba
import pytest
from threadpoolctl import threadpool_info

from simplenn_py.errors import OptionError, UserError
from simplenn_py.runtime import threads
from simplenn_py.runtime.variables import check_variables

# A model that has predicted once, in a process of its own.
MODEL = """
import json, multiprocessing, os, sys
import concurrent.futures as futures
import numba, numpy as np
import simplenn_py as nn
config = nn.NetConfig.preset("digits", 8, 8, 1, 10)
model = nn.Model.initialise(config, np.arange(10), np.random.default_rng(0), np.float32)
images = np.zeros((4, 8, 8))

def predict(k=0):
    return model.predict(images + k).tolist()

def told(work):
    try:
        return work()
    except Exception as error:
        return [type(error).__name__, str(error)]

def in_grandchild():
    read, write = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            os.write(write, json.dumps(told(predict)).encode())
        os._exit(0)
    return json.loads(os.read(read, 10_000))

first = predict()
"""
FORKED = """
context = multiprocessing.get_context("fork")
with context.Pool(2) as pool:
    in_pool = told(lambda: pool.map_async(predict, range(2)).get(60))
with futures.ProcessPoolExecutor(1, mp_context=context) as pool:
    in_future = told(lambda: pool.submit(predict).result(60))
report = {"pool": in_pool, "future": in_future, "grandchild": in_grandchild()}
print(json.dumps(report | {"layer": numba.threading_layer(), "after": predict() == first}))
"""
AT_ONCE = """
with futures.ThreadPoolExecutor(2) as pool:
    same = [result == first for result in pool.map(lambda k: predict(), range(40))]
    data = nn.load_dataset("digits")
    options = nn.TrainOptions(epochs=1, limit=60)
    runs = [pool.submit(nn.train, data, None, options, progress=False) for _ in range(2)]
    theta = [run.result()[0].theta.tolist() for run in runs]
print(json.dumps([numba.threading_layer(), all(same), theta[0] == theta[1]]))
"""


def run(code: str, **variables: str) -> object:
    done = subprocess.run(
        [sys.executable, "-c", MODEL + code], capture_output=True, text=True, timeout=120,
        env=os.environ | variables,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only GNU OpenMP does not survive a fork")
def test_a_forked_process_says_how_to_start_it() -> None:
    report = run(FORKED, NUMBA_THREADING_LAYER="omp")
    assert report["layer"] == "omp"
    for name in ("pool", "future", "grandchild"):
        kind, message = report[name]
        assert kind == "UserError"
        assert "spawn" in message
        assert "loky" in message
    assert report["after"]  # the parent goes on


def test_on_workqueue_python_threads_take_turns() -> None:
    assert run(AT_ONCE, NUMBA_THREADING_LAYER="workqueue") == ["workqueue", True, True]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_on_workqueue_forked_processes_work() -> None:
    report = run(FORKED, NUMBA_THREADING_LAYER="workqueue")
    assert report["pool"][0] == report["future"] == report["grandchild"]
    assert report["after"]


def blas_threads() -> list[int]:
    return [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]


def test_overlapping_limits_restore_the_threads_of_blas() -> None:
    before = blas_threads()
    first, second = threads.limit_threads(1), threads.limit_threads(1)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)  # as when two Python threads train
    assert all(count == 1 for count in blas_threads())
    second.__exit__(None, None, None)
    assert blas_threads() == before


def test_limits_can_be_nested() -> None:
    before = blas_threads(), numba.get_num_threads()
    with threads.limit_threads(1), threads.limit_threads(0):
        pass
    assert (blas_threads(), numba.get_num_threads()) == before


def test_more_threads_than_cores() -> None:
    most = threads.most_threads()
    assert threads.usable_threads(most + 1) == most
    assert threads.usable_threads(0) == 0
    with pytest.raises(OptionError, match=f"threads is {most + 1}; it must be from 0 to {most}"):
        threads.check_threads(most + 1)
    with pytest.raises(OptionError, match="threads is -1"), threads.limit_threads(-1):
        pass


def test_all_cores_are_no_more_than_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available", lambda: 1)
    with threads.limit_threads(0) as count:
        assert count == 1


def test_a_layer_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> int:
        raise ValueError("No threading layer could be loaded.\nHINT:\nIntel TBB is required")

    monkeypatch.setenv("NUMBA_THREADING_LAYER", "tbb")
    monkeypatch.setattr(numba, "get_num_threads", missing)
    with pytest.raises(UserError, match=r"NUMBA_THREADING_LAYER is 'tbb': .* TBB is required"):
        threads.thread_layer()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NUMBA_NUM_THREADS", "-1"),
        ("NUMBA_THREADING_LAYER", "nonsense"),
        ("NUMBA_THREADING_LAYER_PRIORITY", "omp omp tbb"),
        ("NUMBA_CPU_FEATURES", "+avx2,fma"),
    ],
)
def test_a_variable_that_numba_cannot_use(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_variables()
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"{name} is '.*'; it must be .*unset it"):
        check_variables()
