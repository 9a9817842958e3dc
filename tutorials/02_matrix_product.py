r"""
The matrix product: from three loops to a register tile
=======================================================

Nearly all the time of a network goes into matrix products. We all know that three loops compute
one. Are they efficient, and what do the experts' libraries do instead? Here the same product is
computed in six ways, each with one new idea, and every way is measured in GFLOP/s.
"""

# %%
# Three loops
# -----------
# For :math:`A` of :math:`m \times k` and :math:`B` of :math:`k \times n` numbers,
#
# .. math:: C_{ij} = \sum_{p=1}^{k} A_{ip} B_{pj}
#
# takes :math:`mnk` multiplications and as many additions, :math:`2mnk` operations. The entries
# below are small whole numbers: all sums are exact in float32, so that every way must give
# the same bits, in whatever order it adds.
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
    """Operations a second, in GFLOP/s."""
    return 2 * m * n * k / seconds(call, repeat) / 1e9


print(busy() or "The cores have little else to do: the times below are what they can be.")
interpreted = rate(lambda: three_loops(A, B), n, n, n, repeat=1)
print(f"three loops in Python, n = {n}: {interpreted:.4f} GFLOP/s")

# %%
# Compiled
# --------
# Python decides anew at every step what ``*`` and ``[i, p]`` mean. Numba decides once, and makes
# machine code of the same text.
compiled_loops = numba.njit(three_loops)
assert np.array_equal(compiled_loops(A, B), exact)
compiled = rate(lambda: compiled_loops(A, B), n, n, n)
print(f"the same, compiled: {compiled:.2f} GFLOP/s, {compiled / interpreted:.0f} times as fast")
assert compiled > 5 * interpreted

# %%
# The order of the loops
# ----------------------
# The arrays are in C order: neighbours in a row are neighbours in memory. The innermost loop above
# walks down a column of :math:`B`, so that it touches another cache line for every single number.
# With :math:`j` innermost, the product is a sum of rows,
#
# .. math:: C_{i,:} = \sum_p A_{ip} B_{p,:}
#
# and everything is read as it lies. It is also what a compiler can turn into SIMD instructions,
# which do the same to several neighbours at once. (It must not do so with the dot product: that
# would add in another order, and round differently.)


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
# For each row of :math:`C` the whole of :math:`B` is read. When it is larger than a cache it comes
# from the next slower level each time, at last from memory. The remedy is an identity: cut the
# matrices into submatrices, and the formula of the product stays what it was, with submatrices as
# its entries,
#
# .. math:: C_{IJ} = \sum_P A_{IP} B_{PJ}.
#
# Any cuts will do, even uneven ones. So we may choose blocks that fit the cache, and use a block
# of :math:`B` for many rows of :math:`A` while it is there.
cut_m, cut_k, cut_n = [10, 50], [33], [1, 64, 100]


def blockwise(A, B):
    """Write the sum out, block by block."""
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
# Why blocks help is a count. Blocks of :math:`t \times t` numbers need :math:`2t^2` numbers from
# memory for :math:`2t^3` operations: :math:`t` operations a number. Row by row it is about two.
#
# The register tile
# -----------------
# The same argument holds once more, between the first-level cache and the registers. A dot product
# loads two numbers for each multiply-add. A tile of :math:`m_r \times n_r` entries of :math:`C`
# that stays in registers grows by an outer product a step,
#
# .. math:: C_{tile} \leftarrow C_{tile} + A_{:,p} B_{p,:}
#
# and loads only :math:`m_r + n_r` numbers for :math:`m_r n_r` multiply-adds.
m_r, n_r = 6, 16
tile = np.zeros((m_r, n_r), A.dtype)
for p in range(n):
    tile += np.outer(A[:m_r, p], B[p, :n_r])
assert np.array_equal(tile, exact[:m_r, :n_r])

for rows, columns in ((1, 1), (1, 16), (6, 16), (14, 32)):
    loads = (rows + columns) / (rows * columns)
    print(f"tile {rows:2d} x {columns:2d}: {loads:.3f} numbers loaded for each multiply-add")

# %%
# Goto and van de Geijn ("Anatomy of high-performance matrix multiplication", 2008) put the pieces
# together. A panel of :math:`B` is copied into the order in which it will be read, small enough
# for the last-level cache; a block of :math:`A` likewise, for the second level; and the tile
# runs over both. The copies cost :math:`O(n^2)`, the product :math:`O(n^3)`. The package's
# ``packed_tile`` does this, with the same tile that its convolutions use. It adds what practice
# teaches: a copy pays only if it is read often, so an operand that is read a few times is read
# as it lies; the room for copies is kept for the next product, because new memory costs as much as
# copying; and each core gets an equal share of the rows (of the columns, where rows are few).
#
# The whole ladder
# ----------------
# ``simplenn_py.linalg.products`` has the steps; all give the same bits here.
for name, step in STEPS.items():
    assert np.array_equal(step(A, B), exact), name
print("all the same:", ", ".join(STEPS))

# %%
# Now every step at several sizes. The dashed grey line is the peak: multiply-adds on registers on
# all cores, no memory touched. A step that would take longer than two seconds is left out. A short
# product is spoilt by one disturbance, most of all where threads wait for each other; so the short
# ones are repeated for some tenths of a second, and the best time counts. If NumPy was built with
# OpenBLAS, a star may show it with the kernels of an older processor: libraries choose by the
# machine that they find. A curve above the peak means that the machine was busy while the peak was
# measured.
sizes = [32, 64, 128, 256] if reduced() else [64, 128, 256, 512, 1024, 2048]
ladder = measure_ladder(sizes, "float32", repeat=2 if reduced() else 5)
for place, n in enumerate(sizes):
    A, B = rng.random((2, n, n), dtype=np.float32)
    for name, rates in ladder.rates.items():
        if rates[place] and 2 * n**3 / rates[place] < 0.2:  # seconds
            again = 1e9 * rate(partial(STEPS[name], A, B), n, n, n)
            rates[place] = max(rates[place], again)
    ladder.peak = max(ladder.peak, peak("float32", numba.get_num_threads()))
for name, rates in ladder.rates.items():
    shown = "  ".join("      -" if r is None else f"{r / 1e9:7.2f}" for r in rates)
    print(f"{name:12s} {shown}")
print(f"peak         {ladder.peak / 1e9:7.2f} GFLOP/s")
axes = plot_ladder(ladder, axes=plt.subplots(figsize=(8, 4.6))[1])
axes.set_title("C = A B in float32: six ways, each with one new idea")
looks = {"blocked": ("-", 10, "none"), "parallel": (":", 5, None)}  # one may lie on the other
for line in axes.lines:
    if line.get_label() in looks:
        style, size, face = looks[line.get_label()]
        line.set(linestyle=style, markersize=size, markerfacecolor=face or line.get_color())
axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
show()

# %%
# Not every step pays by itself. Blocks gain only where :math:`B` does not fit into the cache: with
# a last-level cache of many megabytes ``blocked`` may do no better than ``reordered`` at any of
# these sizes, or worse, for it has more loops. It is worth having all the same: the register tile
# is the same idea, one level nearer to the arithmetic. Threads gain only where there are free cores
# for them, and nothing where the product is over before they have started.
at = {n: {name: rates[i] for name, rates in ladder.rates.items()} for i, n in enumerate(sizes)}
for n in sizes[-2:]:
    for slower, faster in pairwise(STEPS):
        if at[n][slower] and at[n][faster]:
            print(f"n = {n}: {faster} runs at {at[n][faster] / at[n][slower]:.2f} x {slower}")

# %%
# How high a curve can rise at all is told by its operations a byte of memory traffic (the
# roofline): :math:`3 n^2` numbers at the least are moved for :math:`2 n^3` operations, :math:`n/6`
# a byte in float32, so that a large product can be bound by arithmetic; a matrix times a vector
# cannot.
largest = {name: r for name, r in at[sizes[-1]].items() if r is not None}
best = max(largest, key=largest.get)
print(f"best at n = {sizes[-1]}: {best}, {100 * largest[best] / ladder.peak:.0f} % of the peak")
assert max(largest.values()) > 10e9 * interpreted

# %%
# What to take away
# -----------------
# All the ways do the same :math:`2mnk` operations; they differ in how often a number is fetched.
# The identity of partitioned matrices lets us choose, at each level from memory to
# registers, blocks that are used many times before they are left. That is what a BLAS library
# does, and why the lecture writes a whole layer as one call to it.
#
# Try it yourself
# ---------------
# 1. There are six orders of the three loops. Compile and time the other four. Which two are the
#    slowest, and what do they do to the memory of :math:`A`, :math:`B` and :math:`C`?
# 2. Run the ladder with ``"float64"``. By which factor does the peak change, and why?
# 3. The product of a first layer has :math:`k = h h d = 9`. Compute its operations a byte.
