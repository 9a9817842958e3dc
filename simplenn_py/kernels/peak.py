"""The peak rate of the cores: nothing but multiply-adds in registers."""

from __future__ import annotations

import numpy as np
from numba import prange, types
from numba.extending import intrinsic
from numpy.typing import DTypeLike

from ..runtime.clock import seconds
from .emitter import FLOAT32_LANES, I64, Emitter, lanes_of
from .policy import compiled

#: Number of independent vectors.  A multiply-add takes about 4 cycles and a core starts 2 of them
#: per cycle (up to 4 with 4 lanes), so 8 (16) must be in progress, and all must fit in registers.
CHAINS = 12 if FLOAT32_LANES > 4 else 16


@intrinsic
def multiply_add(typingctx, numbers, rounds, x, y):
    """Compute ``v <- v*x + y`` `rounds` times for CHAINS vectors of the array `numbers`.

    Each round depends on the one before, and IEEE rounding forbids combining them, so LLVM cannot
    leave anything out.  The chains are independent, so the processor overlaps them.
    """
    signature = types.void(numbers, types.int64, x, y)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        data = e.data(sig.args[0], args[0])
        places = [e.at(data, I64(k * e.lanes)) for k in range(CHAINS)]
        X, Y = e.broadcast(args[2]), e.broadcast(args[3])
        chains = e.accumulators(CHAINS)
        for place, chain in zip(places, chains, strict=True):
            builder.store(e.load_vector(place), chain)
        with e.loop(args[1]):
            for chain in chains:
                builder.store(e.fma(builder.load(chain), X, Y), chain)
        for place, chain in zip(places, chains, strict=True):
            e.store_vector(builder.load(chain), place)
        return context.get_dummy_value()

    return signature, codegen


@compiled(parallel=True)
def multiply_add_everywhere(numbers, rounds, x, y):
    """Keep one thread per row of `numbers` busy, with ``2*CHAINS*lanes*rounds`` operations each."""
    for thread in prange(numbers.shape[0]):
        multiply_add(numbers[thread], rounds, x, y)


@compiled()
def _triad(a, b, c, x):
    for k in range(a.size):
        a[k] = b[k] + x * c[k]


@compiled(parallel=True)
def triad_everywhere(a, b, c, x):
    """Compute ``a <- b + x*c``, one row per thread: two operations for three numbers moved."""
    for thread in prange(a.shape[0]):
        _triad(a[thread], b[thread], c[thread], x)


def peak(dtype: DTypeLike, threads: int) -> float:
    """Measure the peak rate of multiply-adds on registers.

    Parameters
    ----------
    dtype : {float32, float64}
    threads : int
        Number of threads, one per core.

    Returns
    -------
    float
        Operations per second.
    """
    dtype = np.dtype(dtype)
    numbers, rounds = np.ones((threads, CHAINS * lanes_of(dtype.itemsize)), dtype), 1_000_000
    x, y = np.array([0.5, 1.0], dtype)  # v stays between 1 and 2
    best = seconds(lambda: multiply_add_everywhere(numbers, rounds, x, y), 10)
    return 2 * numbers.size * rounds / best
