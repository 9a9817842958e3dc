r"""
Tensors in memory: why d x abl
==============================

A batch of images has four indices: instance, row, column and channel. Memory has only one, the
address. The lecture stores a batch as a single matrix with :math:`d` rows and :math:`abl` columns,
equation (1), in Fortran order. This tutorial compares that choice with two others. We count the
cache lines that a patch touches, measure how long it takes to gather all patches (to copy their
entries into one array), and see which copies a network then needs.
"""

# %%
# Three storage orders
# --------------------
# We compare three orders in which the numbers of a batch can be stored:
#
# * ``d x abl`` (the lecture's): each row is a channel, each column a pixel of one instance. Fortran
#   order stores one column after another, so the channel index varies fastest, then the row
#   :math:`i`, then the column :math:`j`, then the instance.
# * ``NCHW``: the instance index varies slowest, then channel, row, column. One channel of one image
#   is contiguous.
# * ``l x abd``: one row per instance, as in a table of data. In Fortran order, which MATLAB uses,
#   the instance index varies fastest.
#
# (``l x abd`` in C order would be NCHW with :math:`i` and :math:`j` exchanged. We do not count it
# separately.)
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

import simplenn_py as nn
from simplenn_py.layout import from_rows, pixels, to_nchw, to_nhwc, vec
from simplenn_py.plots import show
from simplenn_py.runtime import busy, reduced, seconds

LAYOUTS = ("d x abl", "NCHW", "l x abd")


def place(layout, n, c, i, j, l, d, a, b):
    """Offset in memory of pixel (i, j), channel c, instance n; all indices count from 0."""
    if layout == "d x abl":
        return c + d * (i + a * (j + b * n))
    if layout == "NCHW":
        return j + b * (i + a * (c + d * n))
    return n + l * (i + a * (j + b * c))


# %%
# The factors in these formulas are the strides of the arrays. (NumPy's ``strides`` gives them in
# bytes.) We check the formulas on arrays in which no two entries are equal.
l, d, a, b = 4, 4, 4, 4
Z = np.arange(d * a * b * l, dtype=np.float32).reshape((d, a * b * l), order="F")
nchw = np.ascontiguousarray(to_nchw(Z, a, b))
rows = np.asfortranarray(to_nchw(Z, a, b).transpose(0, 1, 3, 2).reshape(l, -1))  # [n, c, j, i]
memory = {"d x abl": vec(Z), "NCHW": nchw.ravel(), "l x abd": vec(rows)}

n, c, i, j = np.indices((l, d, a, b))
for layout in LAYOUTS:
    assert np.array_equal(memory[layout][place(layout, n, c, i, j, l, d, a, b)], nchw)
steps = {}
for layout in LAYOUTS:
    steps[layout] = [place(layout, *unit, l, d, a, b) for unit in np.eye(4, dtype=int).tolist()]
    print(f"{layout}: strides of n, c, i, j are {steps[layout]} numbers")
assert steps["d x abl"] == [64, 1, 4, 16]

# %%
# Where one patch lies
# --------------------
# A convolution needs patches: the :math:`h \times h` pixels under a filter, in all channels. A
# processor fetches memory in cache lines. On most processors a line is 64 bytes long, which is 16
# numbers in float32. In the figure, each row is one cache line. The patch at pixel (1, 1) of the
# first image is dark, and the rest of that image is light.
h = 2
fig, axes = plt.subplots(1, 3, figsize=(9, 3.6), sharey=True)
touched = {}
for ax, layout in zip(axes, LAYOUTS, strict=True):
    where = place(layout, n, c, i, j, l, d, a, b)
    shade = np.zeros(l * d * a * b)
    shade[where[0]] = 1
    shade[where[0, :, 1 : 1 + h, 1 : 1 + h]] = 2
    lines = shade.reshape(-1, 16)
    touched[layout] = int((lines == 2).any(axis=1).sum())
    ax.imshow(lines, cmap=ListedColormap(["white", "#BFDCEE", "#0072B2"]), vmin=0, vmax=2)
    ax.set_xticks(np.arange(-0.5, 16), [], minor=True)
    ax.set_yticks(np.arange(-0.5, 16), [], minor=True)
    ax.grid(which="minor", color="#CCCCCC", linewidth=0.5)
    ax.tick_params(which="minor", length=0)
    ax.set(title=f"{layout}: {touched[layout]} lines", xlabel="number within the line")
axes[0].set_ylabel("cache line")
fig.suptitle("A 2 x 2 patch of 4 channels, in a batch of 4 images of 4 x 4 pixels")
fig.tight_layout()
assert touched == {"d x abl": 2, "NCHW": 4, "l x abd": 8}
show()

# %%
# A layer of realistic size
# -------------------------
# Now a layer with 32 channels and a 3 x 3 filter. For every patch of an image, we count the
# contiguous runs of memory and the cache lines, assuming that the array starts at the beginning of
# a line. The printed values are means over the patches.
l, d, a, b, h = (16 if reduced() else 64), 32, 28, 28, 3
g = nn.ConvGeometry(a=a, b=b, d=d, p=0, h=h, s=1, d_next=32, h_pool=1)
entry = nn.find_index_phiZ(g).reshape(-1, g.hhd)  # of vec(Z), one row per patch: c + d*(i + a*j)
c, i, j = entry % d, entry // d % a, entry // (d * a)

counts = {}
for layout in LAYOUTS:
    offsets = np.sort(place(layout, 0, c, i, j, l, d, a, b), axis=1)
    runs = 1 + (np.diff(offsets, axis=1) > 1).sum(axis=1)
    lines = 1 + (np.diff(offsets // 16, axis=1) > 0).sum(axis=1)
    counts[layout] = lines.mean()
    print(f"{layout}: {runs.mean():5.1f} runs per patch, {lines.mean():5.1f} cache lines per patch")
assert counts["d x abl"] < counts["NCHW"] / 4 < counts["l x abd"] / 4

# %%
# The minimum is :math:`h h d \cdot 4 / 64 = 18` lines. ``d x abl`` reaches it here, because a
# column of the filter covers :math:`h d` neighbouring numbers. In NCHW a run has only :math:`h`
# numbers, and in ``l x abd`` only one.
#
# How much time do the additional cache lines cost? The counts alone do not say, because a line that
# was fetched for one patch is often still in the cache for the next. So we measure. ``np.take``
# gathers all patches of the batch into the same :math:`\phi(Z)` from each storage order. Only the
# positions from which it reads differ.
rng = np.random.default_rng(0)
Z = np.asfortranarray(rng.standard_normal((d, a * b * l), dtype=np.float32))
phiZ = nn.padding_and_phiZ(Z, g)
images = to_nchw(Z, a, b)
memory = {
    "d x abl": vec(Z),
    "NCHW": np.ascontiguousarray(images).ravel(),
    "l x abd": vec(np.asfortranarray(images.transpose(0, 1, 3, 2).reshape(l, -1))),
}
instance = np.arange(l)[:, None, None]
out = np.empty((l, *entry.shape), np.float32)
times = {}
print(busy() or "The machine is otherwise idle, so the times below are reliable.")
for layout in LAYOUTS:
    where = place(layout, instance, c, i, j, l, d, a, b)
    times[layout] = seconds(partial(np.take, memory[layout], where, out=out, mode="clip"))
    assert np.array_equal(vec(phiZ), out.ravel())
    print(f"{layout}: {1e3 * times[layout]:6.2f} ms for {out.size:,} numbers")

# %%
# The numbers of cache lines are the same on every machine with lines of 64 bytes. The times depend
# on the machine.
fig, axes = plt.subplots(1, 2, figsize=(8, 2.6), sharey=True)
colours = ["#0072B2", "#E69F00", "#999999"]
for ax, values, label in (
    (axes[0], counts, "cache lines per patch"),
    (axes[1], {k: 1e3 * t for k, t in times.items()}, "ms to gather all patches"),
):
    bars = ax.barh(LAYOUTS, [values[k] for k in LAYOUTS], color=colours)
    ax.bar_label(bars, fmt="%.1f", padding=3)
    ax.set(xlabel=label)
    ax.margins(x=0.18)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].invert_yaxis()
fig.suptitle(f"{l} images of {a} x {b} pixels, {d} channels, filter {h} x {h}, float32")
fig.tight_layout()
show()

# %%
# No copy after the product
# -------------------------
# There is a stronger reason for ``d x abl``. The result :math:`S = W \phi(Z)` has :math:`d^{m+1}`
# rows and :math:`a_{conv} b_{conv} l` columns, which is exactly the storage order (1) of the next
# layer's input. One product handles the whole batch, and nothing has to be moved.
#
# One detail is specific to NumPy: ``W @ phiZ`` returns its result in C order. The transposed
# product :math:`S' = \phi(Z)' W'` in C order has the same bytes as :math:`S` in Fortran order, so
# we compute :math:`S'`.
W = rng.standard_normal((g.d_next, g.hhd), dtype=np.float32)
S = (phiZ.T @ W.T).T
assert S.flags.f_contiguous
assert S.shape == (g.d_next, g.a_conv * g.b_conv * l)
assert np.shares_memory(S, pixels(S, g.a_conv, g.b_conv))  # the next layer can read it

# %%
# In NCHW the channel index varies faster than the instance index. One product for the whole batch
# gives the two indices in the opposite order, so a transposing copy must follow. The alternative is
# :math:`l` small products, one per instance. (``l x abd`` needs a copy in every layer.)
grid = g.a_conv * g.b_conv
P = np.ascontiguousarray(phiZ.reshape((g.hhd, grid, l), order="F").transpose(2, 0, 1))
one = seconds(lambda: phiZ.T @ W.T)
copy = seconds(lambda: np.ascontiguousarray(S.reshape((-1, grid, l), order="F").transpose(2, 0, 1)))
many = seconds(lambda: np.matmul(W, P))
wanted = np.ascontiguousarray(S.reshape((-1, grid, l), order="F").transpose(2, 0, 1))
assert np.allclose(np.matmul(W, P), wanted, atol=1e-3)
print(f"one product {1e3 * one:.2f} ms, its copy to NCHW {1e3 * copy:.2f} ms")
print(f"{l} products, one per instance: {1e3 * many:.2f} ms")

# %%
# When a batch must be reshaped, and when that is free
# ----------------------------------------------------
# The first fully connected layer needs one column per instance, :math:`z = \mathrm{vec}(Z^{i})`. In
# ``d x abl`` an instance is contiguous, so this is the same memory with another shape: a view.
z = S.reshape((-1, l), order="F")
assert np.shares_memory(z, S)
assert np.array_equal(z[:, 1], vec(S[:, grid : 2 * grid]))  # column 1 is instance 1

# %%
# Beware of NumPy's default. Without ``order="F"``, ``reshape`` reads the array in C order. The
# result has the same shape but other numbers, and no error is raised.
wrong = S.reshape(-1, l)
print(f"same shape: {wrong.shape == z.shape}; same numbers: {np.array_equal(wrong, z)}")
assert wrong.shape == z.shape
assert not np.array_equal(wrong, z)

# %%
# Three more changes of the storage order, and the cost of each:
#
# * From ``d x abl`` to NHWC images, to show them: this is a view with other strides.
# * From data that arrive as ``l x abd``: this needs one copy before training.
# * ``vec`` of a C-order array: NumPy must copy it, because ``vec`` reads in Fortran order.
table = rng.standard_normal((l, a * b * d), dtype=np.float32)
Z = from_rows(table, a, b, d)
print(f"d x abl to NHWC is a view:        {np.shares_memory(to_nhwc(Z, a, b), Z)}")
print(f"l x abd to d x abl is a view:     {np.shares_memory(Z, table)}")
in_c_order = np.ascontiguousarray(Z)
print(f"vec of a C-order Z is a view:     {np.shares_memory(vec(in_c_order), in_c_order)}")
assert np.shares_memory(to_nhwc(Z, a, b), Z)
assert not np.shares_memory(Z, table)
assert not np.shares_memory(vec(in_c_order), in_c_order)

# %%
# What to take away
# -----------------
# In ``d x abl`` with Fortran order, a patch consists of :math:`h` runs of :math:`h d` numbers. The
# result of the product is already the next layer's input, and the fully connected layer reads the
# same memory as a view. The data are copied once, when they arrive. Memory order is not an
# implementation detail, because it determines how many products, copies and cache lines a layer
# needs.
#
# Try it yourself
# ---------------
# 1. The first layer of a network for grey images has :math:`d = 1`. Count the lines again. Which
#    two storage orders now agree, and why?
# 2. With stride 2, how many runs does a patch have in each storage order?
# 3. A mini-batch takes 128 of 60,000 instances at random. How many contiguous runs of memory is
#    that in ``d x abl``, and how many in ``l x abd`` in Fortran order?
