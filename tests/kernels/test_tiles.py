"""The kernels on raw pointers, which bounds checks do not see: guard zones around every buffer.

Every buffer of the direct engine lies between two pages of sentinels (every byte 0xFF: NaN among
floats, -1 among integers).  After all passes the sentinels are as they were, the room behind the
rows that a whole vector may read was not written, and no NaN came in, from there or from what an
earlier pass has left in scratch memory.  Once more with pages that cannot even be read, in a
process of its own, which such a read ends.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from agreement import Setting, assert_identical
from networks import net

from simplenn_py.engines.direct import DirectEngine
from simplenn_py.engines.direct_plan import tile_rows
from simplenn_py.kernels.cover import HALF, cover
from simplenn_py.kernels.emitter import at, lanes_of
from simplenn_py.kernels.groups import Panel, Rows, Target
from simplenn_py.kernels.tile import ROWS, VECTORS
from simplenn_py.layout import aligned_empty
from simplenn_py.linalg.products import packed_tile

PAGE = 4096

# A convolutional layer is (filters, h, p, s, h_pool).
NETS = {
    "odd channels, pools": net(9, 7, 3, (7, 3, 1, 1, 2), (5, 3, 1, 1, 3)),
    "odd channels, strides": net(9, 8, 5, (17, 3, 1, 2, 1), (33, 2, 0, 3, 1)),
    "one of everything": net(1, 1, 1, (1, 1, 0, 1, 1), full=(2,)),
    "7x7 filters": net(8, 7, 1, (3, 7, 3, 1, 2), (5, 5, 2, 1, 1)),
    "Winograd, odd": net(7, 5, 17, (33, 3, 1, 1, 1), (19, 3, 0, 1, 2)),
    "Winograd, one pixel": net(1, 1, 16, (17, 3, 1, 1, 1), (16, 3, 1, 1, 1)),
    "dense": net(5, 3, 33, (125, 3, 1, 1, 1), (35, 3, 1, 2, 1)),
    "full layers": net(3, 3, 5, full=(801, 67, 11)),
}
every_net = pytest.mark.parametrize("name", NETS)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


class Guards:
    """Allocates buffers between two pages of sentinels."""

    def __init__(self):
        self.raw, self.buffers = [], {}

    def place(self, buffer):
        """Return a copy of `buffer` between guards, on a cache line as it was."""
        raw = aligned_empty((2 * PAGE + buffer.nbytes,), np.uint8)
        raw[:] = 0xFF
        self.raw.append((raw, buffer.nbytes))
        inside = raw[PAGE : PAGE + buffer.nbytes].view(buffer.dtype).reshape(buffer.shape)
        inside[...] = buffer
        return inside

    def check(self):
        for raw, size in self.raw:
            assert np.all(raw[:PAGE] == 0xFF), "something was written before a buffer"
            assert np.all(raw[PAGE + size :] == 0xFF), "something was written behind a buffer"


@pytest.fixture
def guards(monkeypatch):
    """Every buffer that an engine allocates from now on lies between guards."""
    placed, allocate = Guards(), DirectEngine._allocate

    def guarded_allocate(self, role, shape):
        placed.buffers[role] = placed.place(allocate(self, role, shape))
        return placed.buffers[role]

    monkeypatch.setattr(DirectEngine, "_allocate", guarded_allocate)
    return placed


def poison(guards, clean):
    """Fill all buffers with sentinels but ``pad(Z)``, whose borders of zeros the passes rely on."""
    for role, buffer in guards.buffers.items():
        if not role.startswith(clean):
            buffer.reshape(-1).view(np.uint8)[:] = 0xFF


def room(guards, setting):
    """Return the room behind the last instance: it may be read by a vector, but not written."""
    config, l = setting.config, setting.l
    sizes = {f"Z{config.L}": config.nL}
    for m, g in enumerate(config.conv_layers):
        sizes[f"Z{m}"] = g.a_pad * g.b_pad * g.d
        sizes[f"winner{m}"] = g.a_next * g.b_next * g.d_next
    for m, g in enumerate(config.full_layers, config.LC):
        sizes |= {f"Z{m}": g.n_in, f"winner{m}": g.n_out}
    views = {role: guards.buffers[role][l * size :] for role, size in sizes.items()}
    assert all(view.size > 0 for view in views.values())
    return {role: view.view(np.uint8) for role, view in views.items()}


@every_dtype
@every_net
@pytest.mark.parametrize("batch_size", [3, 5])
def test_all_passes_stay_within_their_buffers(name, dtype, batch_size, guards):
    setting = Setting(NETS[name], 3, dtype, smooth=False)
    engine = setting.engine(batch_size=batch_size)
    wanted = setting.everything(engine)
    guards.check()
    assert all(np.all(np.isfinite(x)) for x in wanted.values())
    poison(guards, ("Z", "RZ"))
    behind = room(guards, setting)
    for view in behind.values():
        view[:] = 0xFF
    assert_identical(setting.everything(engine), wanted)
    guards.check()
    assert [role for role, view in behind.items() if np.any(view != 0xFF)] == []


@every_dtype
@every_net
def test_an_engine_for_prediction_stays_within_its_buffers(name, dtype, guards):
    setting = Setting(NETS[name], 4, dtype, smooth=False)
    engine = setting.engine(training=False)
    wanted = setting.step(engine, gradient=False)
    poison(guards, "Z")
    assert_identical(setting.step(engine, gradient=False), wanted)
    guards.check()


@every_dtype
def test_a_layer_without_its_pool_stays_within_its_buffers(dtype, guards):
    setting = Setting(net(9, 7, 3, (5, 3, 1, 1, 3)), 4, dtype, smooth=False)
    engine, model, p = setting.engine(), setting.model, setting.problem
    engine.load(p.images, np.arange(4), p.scale, p.offset)
    for pool in (False, True, False):
        engine.forward(0, model.W[0], model.bias[0], pool=pool)
        assert np.all(np.isfinite(engine.Z(1)))
    guards.check()


def test_guards_see_a_write_just_outside():
    guards = Guards()
    inside = guards.place(np.zeros(5, np.float32))
    guards.check()
    raw, size = guards.raw[0]
    assert inside.ctypes.data == raw.ctypes.data + PAGE
    for outside in (PAGE - 1, PAGE + size):
        raw[outside] = 0
        with pytest.raises(AssertionError, match="something was written"):
            guards.check()
        raw[outside] = 0xFF


def fenced(buffer, behind):
    """Return a copy of `buffer` whose end, or start, touches a page that cannot be read."""
    page, libc = mmap.PAGESIZE, ctypes.CDLL(None, use_errno=True)
    size = -(-buffer.nbytes // page) * page
    memory = mmap.mmap(-1, size + page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fence = address + size if behind else address
    assert libc.mprotect(ctypes.c_void_p(fence), ctypes.c_size_t(page), 0) == 0
    start = size - buffer.nbytes if behind else page
    inside = np.frombuffer(memory, buffer.dtype, buffer.size, start).reshape(buffer.shape)
    inside[...] = buffer
    return inside


def run_between_fences(behind):
    """What the subprocess of the next test runs."""
    allocate = DirectEngine._allocate
    DirectEngine._allocate = lambda self, *args: fenced(allocate(self, *args), behind)
    for config in NETS.values():
        for dtype in (np.float32, np.float64):
            setting = Setting(config, 3, dtype, smooth=False)
            setting.everything(setting.engine())
            setting.step(setting.engine(training=False), gradient=False)


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect is called as on Linux")
@pytest.mark.parametrize("behind", [True, False])
def test_nothing_is_read_outside_a_buffer(behind):
    tests = Path(__file__).parents[1]
    code = f"import test_tiles; test_tiles.run_between_fences({behind}); print('done')"
    paths = [str(tests), str(tests / "kernels"), str(tests.parent), os.environ.get("PYTHONPATH")]
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-4000:]


def guarded(values, dtype):
    guards = Guards()
    return guards.place(np.asarray(values, dtype)), guards


@numba.njit
def cover_arrays(vectors, n, z, offsets, segments, w, width, out, targets, add):
    rows = Rows(at(z, 0), at(offsets, 0), segments[0], segments[1], segments[2])
    cover(vectors, n, rows, Panel(at(w, 0), width), Target(at(out, 0), at(targets, 0)), add)


@every_dtype
@pytest.mark.parametrize("vectors", [1, VECTORS])
@pytest.mark.parametrize("n", [1, 2, HALF - 1, HALF, HALF + 1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS])
def test_tiles_cover_a_list_of_any_length(n, vectors, dtype, rng):
    """``out[k] = sum over r of z[offset_k + r] * w[r]``, for n rows and not one more."""
    width, segments, steps, stride = vectors * lanes_of(np.dtype(dtype).itemsize), 2, 3, 7
    z = rng.integers(-4, 5, stride + steps + 2 * n).astype(dtype)
    w, w_guards = guarded(rng.integers(-4, 5, segments * steps * width), dtype)
    places = rng.integers(0, 2 * n, n)
    offsets = np.append(places, np.full(ROWS, places[-1]))
    targets = np.append(np.arange(n), np.full(ROWS, n - 1)) * width
    first = rng.integers(-4, 5, (n, width)).astype(dtype)
    patches = np.array([[z[o + s * stride + r] for s in (0, 1) for r in range(3)] for o in places])
    product = patches @ w.reshape(-1, width)
    for add in (0, 1):
        out, guards = guarded(first.ravel(), dtype)
        cover_arrays(vectors, n, z, offsets, (segments, stride, steps), w, width, out, targets, add)
        np.testing.assert_array_equal(out.reshape(n, width), product + add * first)
        guards.check()
        w_guards.check()


@pytest.mark.parametrize("n", [*range(1, 4 * ROWS), 100, 101, 202])
def test_endings_leave_little_over(n):
    rows = tile_rows(n)
    assert n <= rows < n + ROWS
    # Not always the fewest rows: a tile of HALF rows pays only if it saves enough of them.
    best = min(
        a * ROWS + b * HALF
        for a in range(n // ROWS + 2)
        for b in range(5)
        if a * ROWS + b * HALF >= n
    )
    assert rows - best <= HALF // 2


@every_dtype
@pytest.mark.parametrize("shape", [(3, 5, 7), (40, 70, 33), (200, 50, 65), (260, 400, 500)])
def test_products_read_and_write_their_operands_alone(shape, dtype, rng):
    """In either memory order; the last case packs both operands in several blocks."""
    m, k, n = shape
    A, B = (rng.integers(-3, 4, s).astype(dtype) for s in ((m, k), (k, n)))
    for left in (A, A.T):
        for right in (B, B.T):
            first, first_guards = guarded(left.ravel(), dtype)
            second, second_guards = guarded(right.ravel(), dtype)
            C = packed_tile(
                first.reshape(left.shape) if left is A else first.reshape(left.shape).T,
                second.reshape(right.shape) if right is B else second.reshape(right.shape).T,
            )
            np.testing.assert_array_equal(C, A @ B)
            first_guards.check()
            second_guards.check()
