r"""
phi and P_phi: which pixel lands where
======================================

Each column of the matrix :math:`\phi(\mathrm{pad}(Z))` is one patch of the padded images. This
turns a convolution into a single matrix product. This tutorial shows which pixel goes to which
entry and writes the map as a 0/1 matrix :math:`P_\phi`. It then forms :math:`\phi(\mathrm{pad}(Z))`
by four methods: an index gather (copying the entries that a list of indices names), a sparse
product, our own compiled loop, and the package's loop.
"""

# %%
# A small image with numbered entries
# -----------------------------------
# Take one image of 3 x 4 pixels and two channels, a 2 x 2 filter, stride 1 and no padding. The
# value of each entry of :math:`\mathrm{vec}(Z)` is its own index, so :math:`\phi(Z)` shows where
# its entries come from. In the storage order of equation (1), the channel index varies fastest, so
# the entries of pixel :math:`(i, j)` are :math:`2(i + 3j)` and :math:`2(i + 3j) + 1`.
from functools import partial

import matplotlib.pyplot as plt
import numba
import numpy as np
from scipy import sparse

import simplenn_py as nn
from simplenn_py.layout import pixels, vec
from simplenn_py.plots import show
from simplenn_py.runtime import busy, reduced, seconds

g = nn.ConvGeometry(a=3, b=4, d=2, p=0, h=2, s=1, d_next=1, h_pool=1)
Z = np.arange(g.d * g.a * g.b, dtype=np.float64).reshape((g.d, g.a * g.b), order="F")
print("channel 0 of the image:")
print(Z[0].reshape((g.a, g.b), order="F").astype(int))
phiZ = nn.padding_and_phiZ(Z, g)
print(f"phi(Z), {g.hhd} x {g.a_conv * g.b_conv}:")
print(phiZ.astype(int))

# %%
# Column 0 is the patch in the upper left corner. Its rows are ordered as :math:`u + hw + hhc`: the
# row offset :math:`u` of the filter varies fastest, then the column offset :math:`w`, then the
# channel :math:`c`. So the first four rows are channel 0 and the last four are channel 1. Column 1
# is the patch one pixel further down, because the output pixels are also stored column by column.
assert phiZ[:, 0].tolist() == [0, 2, 6, 8, 1, 3, 7, 9]
assert phiZ[:, 1].tolist() == [2, 4, 8, 10, 3, 5, 9, 11]

# %%
# The rule
# --------
# In the column for output pixel :math:`(i, j)`, row :math:`(u, w, c)` holds the entry
#
# .. math:: c + d \left( (is + u) + a_{pad} (js + w) \right)
#
# of :math:`\mathrm{vec}(\mathrm{pad}(Z))`. The function below lists these indices in the order of
# :math:`\mathrm{vec}(\phi(\mathrm{pad}(Z)))`.


def index_phi(g):
    index = []
    for j in range(g.b_conv):
        for i in range(g.a_conv):
            for c in range(g.d):
                for w in range(g.h):
                    for u in range(g.h):
                        index.append(c + g.d * ((i * g.s + u) + g.a_pad * (j * g.s + w)))
    return np.array(index)


assert np.array_equal(index_phi(g), nn.find_index_phiZ(g))
assert np.array_equal(index_phi(g), vec(phiZ))  # here the value of each entry is its index

# %%
# P_phi
# -----
# A gather is linear: :math:`\mathrm{vec}(\phi(\mathrm{pad}(Z))) = P_\phi \,
# \mathrm{vec}(\mathrm{pad}(Z))`. Row :math:`r` of :math:`P_\phi` has a single 1, in column
# ``index[r]``. In the compressed sparse row format, the column indices of the ones are exactly the
# index vector.


def P_phi(g, dtype=np.float64):
    index = nn.find_index_phiZ(g)
    starts = np.arange(index.size + 1)  # one entry per row
    shape = (index.size, g.d * g.a_pad * g.b_pad)
    return sparse.csr_array((np.ones(index.size, dtype), index, starts), shape=shape)


P = P_phi(g)
assert np.array_equal(P @ vec(Z), vec(phiZ))
assert (P.sum(axis=1) == 1).all()
print(f"P_phi is {P.shape[0]} x {P.shape[1]} with {P.nnz} ones")

# %%
# The column sums :math:`1' P_\phi` say how many patches contain each pixel. With stride 1, a pixel
# in the middle is copied up to :math:`h^2` times, a corner pixel once. In a large image nearly all
# pixels are copied :math:`h^2` times, so :math:`\phi(\mathrm{pad}(Z))` is almost :math:`h^2` times
# as large as the padded image. In the backward pass, equation (5), a pixel receives one
# contribution for each of its copies.
by_channel = nn.vTP_phi(np.ones((g.hhd, g.a_conv * g.b_conv)), g)
coverage = by_channel[0].reshape((g.a, g.b), order="F")
assert np.array_equal(P.T @ np.ones(P.shape[0]), vec(by_channel))
assert coverage.max() == g.h**2
assert coverage[0, 0] == 1

fig, axes = plt.subplots(1, 2, figsize=(8, 6), width_ratios=[1, 1.1])
axes[0].spy(P, markersize=4, color="#0072B2")
for patch in range(1, g.a_conv * g.b_conv):
    axes[0].axhline(patch * g.hhd - 0.5, color="#999999", linewidth=0.8)
axes[0].xaxis.tick_bottom()  # spy puts the numbers on top
axes[0].set(title="P_phi (lines separate the patches)", xlabel="entry of vec(Z)")
axes[0].set(ylabel="entry of vec(phi(Z))")
axes[1].imshow(coverage, cmap="Blues", vmin=0, vmax=6)
for (i, j), count in np.ndenumerate(coverage):
    axes[1].text(j, i, f"{count:.0f}", ha="center", va="center")
axes[1].set(title="Number of patches per pixel", xlabel="column j", ylabel="row i")
axes[1].set(xticks=range(g.b), yticks=range(g.a))
fig.tight_layout()
show()

# %%
# Four methods at a realistic size
# --------------------------------
# Now a batch in float32 with padding 1 and a 3 x 3 filter. Some of the methods need the padded
# images. These are computed once and not timed.
l = 8 if reduced() else 64
g = nn.ConvGeometry(a=28, b=28, d=32, p=1, h=3, s=1, d_next=32, h_pool=1)
rng = np.random.default_rng(0)
Z = np.asfortranarray(rng.standard_normal((g.d, g.a * g.b * l), dtype=np.float32))
padded = nn.padding(Z, g)
X = vec(padded).reshape(l, -1)  # one row per instance; a view
index = nn.find_index_phiZ(g)
P = P_phi(g, np.float32)
times_Z = index.size / (g.d * g.a * g.b)
print(f"phi(pad(Z)) has {l * index.size:,} numbers, {times_Z:.1f} times as many as Z")
stored = P.data.nbytes + P.indices.nbytes + P.indptr.nbytes
print(f"for one instance: index {index.nbytes / 1e6:.1f} MB, P_phi {stored / 1e6:.1f} MB")

# %%
# **Index gather.** The indices are the same for every instance, and NumPy does the work.
gathered = np.empty((l, index.size), np.float32)


def gather():
    return np.take(X, index, axis=1, out=gathered, mode="clip")


# %%
# **Sparse product.** SciPy multiplies :math:`P_\phi` by a matrix with one column per instance. In
# memory, the instance index of the result varies fastest, so the result must be transposed to
# give :math:`\phi(\mathrm{pad}(Z))` in our order.
def product():
    return np.ascontiguousarray((P @ X.T).T)


# %%
# **Our own loop**, compiled. It needs no index vector, because the loops contain the formula. Here
# ``Z`` is viewed as ``[n, j, i, c]`` and the result as ``[n, j, i, c, w, u]``, with the last index
# fastest.
@numba.njit
def phi_loop(Z, s, phiZ):
    l, b_conv, a_conv, d, h = phiZ.shape[:5]
    for n in range(l):
        for j in range(b_conv):
            for i in range(a_conv):
                for c in range(d):
                    for w in range(h):
                        for u in range(h):
                            phiZ[n, j, i, c, w, u] = Z[n, j * s + w, i * s + u, c]


looped = np.empty((l, g.b_conv, g.a_conv, g.d, g.h, g.h), np.float32)
loop = partial(phi_loop, pixels(padded, g.a_pad, g.b_pad), g.s, looped)

# %%
# **The package's loop**, ``padding_and_phiZ``. It does not form pad(Z). It runs on all cores, and
# each core writes its own columns. The channel loop is the innermost one.
phiZ = np.empty((g.hhd, g.a_conv * g.b_conv * l), np.float32, order="F")
package = partial(nn.padding_and_phiZ, Z, g, out=phiZ)

# %%
# All four give bit-identical results, because they only copy numbers.
package()
loop()
assert np.array_equal(gather().ravel(), vec(phiZ))
assert np.array_equal(product().ravel(), vec(phiZ))
assert np.array_equal(looped.ravel(), vec(phiZ))

ways = {"index gather": gather, "sparse P_phi": product, "our loop": loop, "package": package}
print(busy() or "The machine is otherwise idle, so the times below are reliable.")
times = {name: seconds(way) for name, way in ways.items()}
for name, time in times.items():
    print(f"{name:13s} {1e3 * time:7.2f} ms, {phiZ.nbytes / time / 1e9:5.1f} GB/s written")
fastest, slowest = min(times, key=times.get), max(times, key=times.get)
print(f"fastest here: {fastest}")
print(f"{slowest} takes {times[slowest] / times[fastest]:.1f} times as long")

# %%
# Now we time the product for which we need :math:`\phi(\mathrm{pad}(Z))`. NumPy computes it with
# BLAS, a library of fast routines for vectors and matrices. In its innermost step, BLAS keeps a
# small block of the result in the processor's registers. This block is called a register tile
# (tutorial 2).
W = rng.standard_normal((g.d_next, g.hhd), dtype=np.float32)
times["W phi (BLAS)"] = seconds(lambda: phiZ.T @ W.T)
operations = 2 * W.size * phiZ.shape[1]
print(f"W phi: {1e3 * times['W phi (BLAS)']:.2f} ms for {operations / 1e9:.2f} billion operations")

fig, ax = plt.subplots(figsize=(7, 2.8))
colours = ["#E69F00", "#999999", "#56B4E9", "#0072B2", "#D55E00"]
bars = ax.barh(list(times), [1e3 * t for t in times.values()], color=colours)
ax.bar_label(bars, fmt="%.2f", padding=3)
ax.invert_yaxis()
ax.margins(x=0.12)
ax.set(xlabel="ms", title=f"phi(pad(Z)) and the product: {l} images, 28 x 28 x 32, filter 3 x 3")
ax.spines[["top", "right"]].set_visible(False)
fig.tight_layout()
show()

# %%
# Forming :math:`\phi` needs no arithmetic at all. The only cost is reading the image and writing
# :math:`h^2` times as many numbers. The first two methods also read an index for every number. You
# might expect the loops to be faster, since they need no index. They are not always faster: all
# instances share one index vector, and the gather writes from front to back. The channel varies
# fastest in an image but slowest in a column of :math:`\phi`, so each loop must either read or
# write with a stride. Our loop reads every :math:`d`-th number of the image. The package's loop
# writes every :math:`h^2`-th number of :math:`\phi`. Both move one number at a time.
#
# Compare the time that the package's loop takes with that of the product:
forming, multiplying = times["package"], times["W phi (BLAS)"]
print(f"time of the package's loop relative to the product: {forming / multiplying:.2f}")

# %%
# The time spent forming :math:`\phi` is pure overhead: the price paid before BLAS is even called.
# The package's direct engine avoids it: its register tile reads pad(Z) itself.
#
# What to take away
# -----------------
# :math:`\phi` copies numbers by a fixed rule. :math:`P_\phi` writes that rule as a matrix with a
# single 1 per row. It is useful for deriving formulas, but never has to be formed. Two lines of
# NumPy form :math:`\phi` quickly from an index vector. A compiled loop can do without the index and
# the padded copy, and can use all cores. Which method is fastest depends on the machine, so
# measure it.
#
# Try it yourself
# ---------------
# 1. Move the channel loop of ``phi_loop`` inside the two offset loops. Then the reads are
#    contiguous, but the writes are not. Which matters more on your machine?
# 2. Draw the number of patches per pixel for a 9 x 9 image, a 3 x 3 filter and stride 2. If the
#    image is 10 x 10, is any pixel in no patch?
# 3. What does :math:`P_\phi' P_\phi` look like? (No computation is needed.)
