"""What the direct engine promises beside right results: the same bits, and no more memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numba
import numpy as np
import pytest
from agreement import Setting, assert_identical
from networks import net
from numba.core.runtime import _nrt_python, rtsys

import simplenn_py
from simplenn_py import Dataset, Images, TrainOptions, layout
from simplenn_py.cnn.gradient import lossgrad_subset
from simplenn_py.engines.direct import DirectEngine

# A convolutional layer is (filters, h, p, s, h_pool).
NETS = {
    "Winograd, pools": net(12, 10, 3, (17, 5, 2, 1, 2), (32, 3, 1, 1, 2), (16, 3, 1, 1, 1)),
    "dense ways back": net(7, 6, 16, (130, 3, 1, 1, 1), (70, 3, 1, 2, 1), full=(40, 5)),
    "strides": net(13, 11, 3, (16, 3, 1, 2, 1), (33, 3, 1, 3, 1), full=(10,)),
    "full layers": net(5, 4, 3, full=(300, 130, 7)),
}
every_net = pytest.mark.parametrize("name", NETS)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
two_threads = pytest.mark.skipif(
    numba.config.NUMBA_NUM_THREADS < 2, reason="this process has one thread"
)


@pytest.fixture
def threads():
    """numba.set_num_threads, undone afterwards."""
    before = numba.get_num_threads()
    yield numba.set_num_threads
    numba.set_num_threads(before)


@two_threads
@every_dtype
@every_net
@pytest.mark.parametrize("l", [5, 37])
def test_any_number_of_threads_gives_the_same_bits(name, dtype, l, threads):
    setting, found = Setting(NETS[name], l, dtype, smooth=False), []
    for count in (1, 2):
        threads(count)
        results = setting.everything(setting.engine())
        forward = setting.step(setting.engine(training=False, batch_size=l), gradient=False)
        results |= {f"prediction: {k}": x for k, x in forward.items()}
        found.append(results)
    assert_identical(*found)


@every_dtype
@every_net
def test_the_same_again_gives_the_same_bits(name, dtype):
    """In the same engine, whatever else it did in between, and in a new one."""
    setting = Setting(NETS[name], 21, dtype, smooth=False)
    engine = setting.engine()
    first = setting.everything(engine)
    for other in (engine, setting.engine()):
        assert_identical(setting.everything(other), first)


def stripes(l, seed):
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, l)
    images = rng.integers(0, 60, (l, 8, 9)).astype(np.uint8)
    images[kind == 0, ::2, :] += 150
    images[kind == 1, :, ::2] += 150
    return Images(layout.from_nhwc(images), np.array(["h", "v", "x"])[kind], 8, 9)


@two_threads
@every_dtype
def test_a_training_run_is_the_same_for_any_number_of_threads(dtype):
    data = Dataset("stripes", stripes(75, 1), stripes(30, 2), "made by the test")
    config = net(8, 9, 1, (17, 3, 1, 1, 2), (33, 3, 1, 1, 1), (16, 3, 1, 2, 1), full=(20, 3))
    assert DirectEngine(config, 40, dtype).path(1).startswith("Winograd")
    found = []
    for threads in (1, 2, 2):
        options = TrainOptions(
            epochs=2, batch_size=40, lr=0.02, C=1.0, seed=3, threads=threads,
            engine="direct", dtype=np.dtype(dtype).name, validation=0.2,
        )  # fmt: skip
        model, history = simplenn_py.train(data, config, options, progress=False)
        records = [{k: v for k, v in r.items() if k != "seconds"} for r in history.records]
        found.append((model.theta, records))
    for theta, records in found[1:]:
        np.testing.assert_array_equal(theta, found[0][0])
        assert records == found[0][1]
    assert np.all(np.isfinite(found[0][0]))


def held(engine):
    return {role: buffer.nbytes for role, buffer in engine.buffers.items()}


def forecast_of(name, l, dtype, training=True):
    return DirectEngine.forecast(NETS[name], l, dtype, training, winograd=True)


@every_dtype
@every_net
@pytest.mark.parametrize("l", [3, 40])
def test_forecast_is_what_a_training_step_holds(name, dtype, l):
    setting = Setting(NETS[name], l, dtype, integers=True)
    engine = setting.engine()
    forecast = forecast_of(name, l, dtype)
    assert forecast == held(engine)
    setting.step(engine)
    assert forecast == held(engine)


@every_dtype
@every_net
def test_forecast_is_what_prediction_holds(name, dtype):
    setting = Setting(NETS[name], 9, dtype, integers=True)
    engine = setting.engine(training=False)
    forecast = forecast_of(name, 9, dtype, training=False)
    setting.step(engine, gradient=False)
    assert forecast == held(engine)
    assert sum(forecast.values()) < sum(forecast_of(name, 9, dtype).values())


@every_dtype
@every_net
def test_memory_is_proportional_to_the_batch(name, dtype):
    """Beyond 16 parts every buffer grows by the same amount for as many more instances.

    The buffers of a slab of tiles grow no more once the slab is full.
    """
    sizes = [forecast_of(name, l, dtype) for l in (64, 128, 192)]
    growth = [{r: b - a[r] for r, b in c.items()} for a, c in pairwise(sizes)]
    slab = {"U", "V", "tile_lists"}
    assert all(growth[1][role] <= growth[0][role] for role in slab & growth[0].keys())
    first, second = ({r: n for r, n in g.items() if r not in slab} for g in growth)
    assert first == second
    g = NETS[name].image_shape
    assert growth[0]["Z0"] >= 64 * np.prod(g) * np.dtype(dtype).itemsize
    assert sum(growth[0].values()) <= sum(sizes[0].values())


@every_dtype
@every_net
def test_every_buffer_starts_on_a_cache_line(name, dtype):
    """Those of a step, and those that tangents and stored Jacobians add."""
    setting = Setting(NETS[name], 3, dtype, integers=True)
    engine = setting.engine()
    setting.everything(engine)
    wrong = [role for role, b in engine.buffers.items() if b.ctypes.data % 64]
    assert wrong == []


@every_dtype
@every_net
def test_a_second_step_keeps_every_buffer(name, dtype):
    """Not even after a tangent and a stored Jacobian, which take more once."""
    setting = Setting(NETS[name], 18, dtype, integers=True)
    engine = setting.engine()
    setting.everything(engine)
    before = {role: (b.ctypes.data, b.nbytes) for role, b in engine.buffers.items()}
    setting.everything(engine)
    after = {role: (b.ctypes.data, b.nbytes) for role, b in engine.buffers.items()}
    assert after == before


@pytest.fixture(scope="module")
def _counted():
    """Numba counts the allocations of its kernels only if asked to."""
    _nrt_python.memsys_enable_stats()
    yield
    _nrt_python.memsys_disable_stats()


@pytest.mark.usefixtures("_counted")
@every_net
def test_a_step_allocates_no_memory(name):
    """Neither NumPy, more than a few kilobytes, nor kernels, more for a larger batch."""
    counts = []
    for l in (16, 128):
        setting = Setting(NETS[name], l, np.float32, integers=True)
        engine, gradient = setting.engine(), np.empty_like(setting.model.theta)
        chosen = np.arange(l)

        def step(engine=engine, setting=setting, chosen=chosen, gradient=gradient):
            lossgrad_subset(engine, setting.model, setting.problem, chosen, gradient)

        step()
        before = rtsys.get_allocation_stats().alloc
        tracemalloc.start()
        step()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        counts.append(rtsys.get_allocation_stats().alloc - before)
        assert peak < 60_000
    assert counts[0] == counts[1]


MEASURE = """
import numpy as np
import psutil
from agreement import Setting
from networks import net
from simplenn_py.engines import engine_class

config = net(28, 28, 3, (32, 5, 2, 1, 2), (64, 3, 1, 1, 2), full=(10,))
l = 1200
small, large = (Setting(config, n, np.float32, integers=True) for n in (2, l))
small.step(small.engine())  # compiled code and threads are there
gradient = np.ones_like(large.model.theta)
before = psutil.Process().memory_info().rss
engine = large.engine()
p = large.problem
engine.load(p.images, np.arange(l), p.scale, p.offset)
for m, (W, bias) in enumerate(zip(large.model.W, large.model.bias)):
    engine.forward(m, W, bias, activate=m < config.L - 1)
engine.set_gradient(large.V)
dW, dbias = large.model.split(gradient)
for m in reversed(range(config.L)):
    engine.backward(m, large.model.W[m], dW[m], dbias[m], input_gradient=m > 0)
grown = psutil.Process().memory_info().rss - before
print(grown, sum(engine_class("direct").forecast(config, l, np.dtype(np.float32)).values()))
"""


def test_the_process_grows_by_what_was_forecast():
    tests = Path(__file__).parents[1]
    paths = [str(tests), str(tests.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    grown, forecast = map(int, done.stdout.split())
    assert forecast > 150_000_000
    assert abs(grown - forecast) < 0.1 * forecast, (grown, forecast)


def test_path_says_what_runs():
    config = net(
        9, 8, 1, (16, 5, 2, 1, 2), (32, 3, 1, 1, 1), (128, 3, 1, 1, 1), (4, 1, 0, 1, 1), full=(3,)
    )
    engine = DirectEngine(config, 2, np.float32, winograd=True)
    assert [engine.path(m) for m in range(config.L)] == [
        "direct / winners",
        "Winograd 4x4 / Winograd",
        "Winograd 4x4 / Winograd",
        "direct / lists",
        "direct / lists",
    ]
