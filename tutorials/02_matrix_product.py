r"""
The matrix product: from three loops to a register tile
=======================================================

A network spends nearly all its time in matrix products. Three nested loops compute one. Are they
efficient, and what do optimised libraries do instead? Here we compute the same product by six
methods, each with one new idea, and measure the rate of each method in GFLOP/s (billions of
floating-point operations per second).
"""

# %%
# Three loops
# -----------
# The product of an :math:`m \times k` matrix :math:`A` and a :math:`k \times n` matrix :math:`B`,
#
# .. math:: C_{ij} = \sum_{p=1}^{k} A_{ip} B_{pj}
#
# takes :math:`mnk` multiplications and as many additions, :math:`2mnk` operations in all. The
# entries below are small whole numbers, so all sums are exact in float32. All methods must
# therefore give bit-identical results, whatever the order of their additions.
from functools import partial
from itertools import pairwise

import matplotlib.pyplot as plt
import numba
import numpy as np

from simplenn_py.linalg import STEPS, measure_ladder, partitioned, peak, plot_ladder
from simplenn_py.plots import show
from simplenn_py.runtime import busy, reduced, seconds


def three_loops(A, B):
    m, k = A.shape
    n = B.shape[1]
    C = np.zeros((m, n), A.dtype)
    for i in range(m):
        for j in range(n):
            total = A.dtype.type(0)
            for p in range(k):
                total += A[i, p] * B[p, j]
            C[i, j] = total
    return C


rng = np.random.default_rng(0)
n = 64
A, B = rng.integers(-5, 6, (2, n, n)).astype(np.float32)
exact = A @ B
assert np.array_equal(three_loops(A, B), exact)


def rate(call, m, n, k, repeat=5):
    """Return the operations per second, in GFLOP/s."""
    return 2 * m * n * k / seconds(call, repeat) / 1e9


print(busy() or "The machine is otherwise idle, so the times below are reliable.")
interpreted = rate(lambda: three_loops(A, B), n, n, n, repeat=1)
print(f"three loops in Python, n = {n}: {interpreted:.4f} GFLOP/s")

# %%
# Compiled
# --------
# Python decides again at every step what ``*`` and ``[i, p]`` mean. Numba decides once, and
# compiles the same source to machine code.
compiled_loops = numba.njit(three_loops)
assert np.array_equal(compiled_loops(A, B), exact)
compiled = rate(lambda: compiled_loops(A, B), n, n, n)
print(f"the same, compiled: {compiled:.2f} GFLOP/s, {compiled / interpreted:.0f} times the rate")
assert compiled > 5 * interpreted

# %%
# The order of the loops
# ----------------------
# The arrays are in C order: neighbours in a row are neighbours in memory. The innermost loop above
# walks down a column of :math:`B`, so it touches a different cache line for every number. With
# :math:`j` innermost, each row of the product is a sum of rows of :math:`B`,
#
# .. math:: C_{i,:} = \sum_p A_{ip} B_{p,:}
#
# and everything is read in the order in which it is stored. A compiler can also turn this loop into
# SIMD instructions, which do the same operation on several neighbours at once. (It must not do so
# with the dot product above, because that would change the order of the additions, and so the
# rounding.)


@numba.njit
def reordered(A, B):
    m, k = A.shape
    n = B.shape[1]
    C = np.zeros((m, n), A.dtype)
    for i in range(m):
        for p in range(k):
            alpha = A[i, p]
            for j in range(n):
                C[i, j] += alpha * B[p, j]
    return C


n = 128 if reduced() else 512
A, B = rng.integers(-5, 6, (2, n, n)).astype(np.float32)
exact = A @ B
assert np.array_equal(reordered(A, B), exact)
down = rate(lambda: compiled_loops(A, B), n, n, n, repeat=2)
along = rate(lambda: reordered(A, B), n, n, n, repeat=2)
print(f"n = {n}: p innermost {down:.2f}, j innermost {along:.2f} GFLOP/s")

# %%
# Partitioned matrices
# --------------------
# The loops read the whole of :math:`B` for each row of :math:`C`. If :math:`B` does not fit into a
# cache, it is read from the next slower level each time, and in the worst case from memory. The
# remedy is an identity: if we cut the matrices into submatrices, the formula of the product stays
# the same, with submatrices as its entries,
#
# .. math:: C_{IJ} = \sum_P A_{IP} B_{PJ}.
#
# Any cuts work, even uneven ones. So we may choose blocks that fit into the cache, and use a block
# of :math:`B` for many rows of :math:`A` while it is in the cache.
cut_m, cut_k, cut_n = [10, 50], [33], [1, 64, 100]


def blockwise(A, B):
    """Compute the sum block by block."""
    C = np.zeros((A.shape[0], B.shape[1]), A.dtype)
    for i, i_end in pairwise([0, *cut_m, A.shape[0]]):
        for j, j_end in pairwise([0, *cut_n, B.shape[1]]):
            for p, p_end in pairwise([0, *cut_k, A.shape[1]]):
                C[i:i_end, j:j_end] += A[i:i_end, p:p_end] @ B[p:p_end, j:j_end]
    return C


assert np.array_equal(blockwise(A, B), exact)
assert np.array_equal(partitioned(A, B, cut_m, cut_k, cut_n), exact)
print("partitioned: every entry equal")

# %%
# A count shows why blocks help. Blocks of :math:`t \times t` numbers need :math:`2t^2` numbers from
# memory for :math:`2t^3` operations, which is :math:`t` operations per number. The row-by-row loops
# do only about two operations per number.
#
# The register tile
# -----------------
# The same argument holds between the first-level cache and the registers. A dot product loads two
# numbers for each multiply-add. Instead, keep a block of :math:`m_r \times n_r` entries of
# :math:`C` in registers, the few numbers that a core holds for its arithmetic. This block is called
# the register tile. Each step adds one outer product to it,
#
# .. math:: C_{tile} \leftarrow C_{tile} + A_{:,p} B_{p,:}.
#
# Each step loads only :math:`m_r + n_r` numbers for :math:`m_r n_r` multiply-adds.
m_r, n_r = 6, 16
tile = np.zeros((m_r, n_r), A.dtype)
for p in range(n):
    tile += np.outer(A[:m_r, p], B[p, :n_r])
assert np.array_equal(tile, exact[:m_r, :n_r])

for rows, columns in ((1, 1), (1, 16), (6, 16), (14, 32)):
    loads = (rows + columns) / (rows * columns)
    print(f"tile {rows:2d} x {columns:2d}: {loads:.3f} numbers loaded per multiply-add")

# %%
# Goto and van de Geijn ("Anatomy of high-performance matrix multiplication", 2008) combine these
# ideas. A panel of :math:`B` that fits into the last-level cache is copied into the order in which
# it will be read. A block of :math:`A` that fits into the second-level cache is copied in the same
# way. The tile then moves over both copies. The copies cost :math:`O(n^2)`, and the product costs
# :math:`O(n^3)`. The package's ``packed_tile`` does this, with the same tile that its convolutions
# use. It adds three lessons from practice:
#
# * A copy saves time only if it is read often. An operand that is read only a few times is not
#   copied.
# * The memory for the copies is kept for the next product, because new memory costs as much as
#   copying.
# * The rows are divided equally among the cores. If there are few rows, the columns are divided
#   instead.
#
# The whole ladder
# ----------------
# The six methods are the steps of a ladder. They are in ``simplenn_py.linalg.products``. All give
# bit-identical results here.
for name, step in STEPS.items():
    assert np.array_equal(step(A, B), exact), name
print("bit-identical results from", ", ".join(STEPS))

# %%
# Now we measure every step at several sizes :math:`m = n = k`. The dashed grey line is the peak:
# the rate of multiply-adds on registers, on all cores, without access to memory. A step that would
# take longer than two seconds is left out. Other work on the machine can disturb the time of a
# short product, especially if its threads wait for each other. So short products are repeated for
# some tenths of a second, and the best time is used. The step ``blas`` is NumPy's own product. It
# calls a BLAS, a library of fast routines for vectors and matrices, which chooses its routines for
# the processor on which it runs. If NumPy was built with OpenBLAS, a star may show the rate of the
# OpenBLAS routines for an older processor. If a curve lies above the peak, the machine was busy
# with other work while the peak was measured.
sizes = [32, 64, 128, 256] if reduced() else [64, 128, 256, 512, 1024, 2048]
ladder = measure_ladder(sizes, "float32", repeat=2 if reduced() else 5)
for place, n in enumerate(sizes):
    A, B = rng.random((2, n, n), dtype=np.float32)
    for name, rates in ladder.rates.items():
        if rates[place] and 2 * n**3 / rates[place] < 0.2:  # seconds
            again = 1e9 * rate(partial(STEPS[name], A, B), n, n, n)
            rates[place] = max(rates[place], again)
    ladder.peak = max(ladder.peak, peak("float32", numba.get_num_threads()))
print("GFLOP/s, n = " + "  ".join(f"{n:7d}" for n in sizes))
for name, rates in ladder.rates.items():
    shown = "  ".join("      -" if r is None else f"{r / 1e9:7.2f}" for r in rates)
    print(f"{name:12s} {shown}")
print(f"peak         {ladder.peak / 1e9:7.2f} GFLOP/s")
axes = plot_ladder(ladder, axes=plt.subplots(figsize=(8, 4.6))[1])
axes.set_title("C = A B in float32: six methods, one new idea each")
looks = {"blocked": ("-", 10, "none"), "parallel": (":", 5, None)}  # one may lie on the other
for line in axes.lines:
    if line.get_label() in looks:
        style, size, face = looks[line.get_label()]
        line.set(linestyle=style, markersize=size, markerfacecolor=face or line.get_color())
axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
show()

# %%
# Not every step saves time on its own. Blocks help only if :math:`B` does not fit into the cache.
# With a last-level cache of many megabytes, ``blocked`` may be no faster than ``reordered`` at any
# of these sizes, or even slower, because it has more loops. The idea is still useful, because the
# register tile applies it one level closer to the arithmetic. Threads help only if there are free
# cores for them, and not at all if the product is finished before they have started.
at = {n: {name: rates[i] for name, rates in ladder.rates.items()} for i, n in enumerate(sizes)}
for n in sizes[-2:]:
    for slower, faster in pairwise(STEPS):
        if at[n][slower] and at[n][faster]:
            ratio = at[n][faster] / at[n][slower]
            print(f"n = {n}: {faster} runs at {ratio:.2f} times the rate of {slower}")

# %%
# The rate that a method can reach depends on its number of operations per byte of memory traffic.
# (Tutorial 9 draws this limit, the roofline.) A product moves at least :math:`3 n^2` numbers for
# :math:`2 n^3` operations. In float32 that is :math:`n/6` operations per byte, so a large product
# can be limited by arithmetic instead of memory. The product of a matrix and a vector cannot.
largest = {name: r for name, r in at[sizes[-1]].items() if r is not None}
best = max(largest, key=largest.get)
print(f"best at n = {sizes[-1]}: {best}, {100 * largest[best] / ladder.peak:.0f} % of the peak")
assert max(largest.values()) > 10e9 * interpreted

# %%
# What to take away
# -----------------
# All methods do the same :math:`2mnk` operations. They differ in how often they fetch a number. The
# identity of partitioned matrices lets us choose, at each level from memory to registers, blocks
# that are used many times before they are replaced. That is what a BLAS library does, and why the
# lecture writes a whole layer as one call to it.
#
# Try it yourself
# ---------------
# 1. There are six orders of the three loops. Compile and time the other four. Which two are the
#    slowest, and in which order do they access the memory of :math:`A`, :math:`B` and :math:`C`?
# 2. Run the ladder with ``"float64"``. By what factor does the peak change, and why?
# 3. In a first layer with 3 x 3 filters and one channel, :math:`k = h h d = 9`. Compute the
#    operations per byte of its product.
