r"""
Convolution as one product, in three layouts
============================================

A convolution can be computed by seven nested loops, or by one product with the matrix of patches.
There are three usual layouts of that matrix: simpleNN's :math:`\phi`, the NHWC layout with one row
per patch, and the NCHW layout with one matrix per instance. They hold the same numbers in different
orders. Here we form all three, convert each of them exactly into the others, and compare and time
their products.
"""

# %%
# Seven loops
# -----------
# For output channel :math:`k` and output pixel :math:`(i, j)` of instance :math:`n`,
#
# .. math:: S_{n,k,i,j} = \sum_{c,w,u} W_{k,(u,w,c)} \; \mathrm{pad}(Z)_{n,c,\, is+u,\, js+w}.
#
# Networks call this a convolution. In mathematics it is a correlation, because the filter is not
# mirrored. Python runs loops slowly, so the batch is small. The four outer loops are written out,
# and the three inner ones are a sum.
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import correlate

import simplenn_py as nn
from simplenn_py.layout import from_nhwc, storage, to_nhwc
from simplenn_py.linalg import convert, im2col_nchw, im2col_nhwc, im2col_phi, permutation
from simplenn_py.plots import show
from simplenn_py.runtime import busy, reduced, seconds

l, d, a, b, h, s, p, d_next = 2, 3, 7, 6, 3, 1, 1, 4
g = nn.ConvGeometry(a=a, b=b, d=d, p=p, h=h, s=s, d_next=d_next, h_pool=1)
rng = np.random.default_rng(0)
nhwc = rng.standard_normal((l, a, b, d))
nchw = np.ascontiguousarray(nhwc.transpose(0, 3, 1, 2))
filters = rng.standard_normal((d_next, d, h, h))  # [k, c, u, w]


def convolve(nchw, filters, g):
    l = nchw.shape[0]
    padded = np.pad(nchw, [(0, 0), (0, 0), (g.p, g.p), (g.p, g.p)])
    S = np.empty((l, g.d_next, g.a_conv, g.b_conv))
    for n in range(l):
        for k in range(g.d_next):
            for i in range(g.a_conv):
                for j in range(g.b_conv):
                    top, left = i * g.s, j * g.s
                    patch = padded[n, :, top : top + g.h, left : left + g.h]
                    S[n, k, i, j] = (patch * filters[k]).sum()
    return S


naive = convolve(nchw, filters, g)  # NCHW: [n, k, i, j]

# %%
# As an independent check, SciPy correlates one image with one filter.
padded = np.pad(nchw[1], [(0, 0), (p, p), (p, p)])
witness = correlate(padded, filters[2], mode="valid")[0]
assert np.allclose(witness, naive[1, 2], atol=1e-10)
print(f"loops against SciPy: {np.abs(witness - naive[1, 2]).max():.1e}")

# %%
# simpleNN: one column per patch
# ------------------------------
# Rows of :math:`\phi(\mathrm{pad}(Z))` are ordered as :math:`u + hw + hhc`. The columns of
# :math:`W` must have the same order, so its axes are :math:`[k, c, w, u]`. The result has the
# storage order (1), ready for the next layer.
Z = from_nhwc(nhwc)
phiZ = im2col_phi(nhwc, h, s, p)
assert np.array_equal(phiZ, nn.padding_and_phiZ(Z, g))
W = filters.transpose(0, 1, 3, 2).reshape(d_next, -1)
S = (phiZ.T @ W.T).T  # W phi(pad(Z)), in Fortran order
assert S.shape == (d_next, g.a_conv * g.b_conv * l)
error = np.abs(to_nhwc(S, g.a_conv, g.b_conv) - naive.transpose(0, 2, 3, 1)).max()
print(f"phi:  {phiZ.shape}, error {error:.1e}")
assert error < 1e-10

# %%
# NHWC: one row per patch
# -----------------------
# TensorFlow's buffer holds one patch per row. The channel index varies fastest, then the column of
# the filter, then its row. The filters are the columns of the right-hand factor. The patches are
# ordered by instance, then row, then column, so the result is an NHWC batch again.
rows = im2col_nhwc(nhwc, h, s, p)
W_right = filters.transpose(2, 3, 1, 0).reshape(-1, d_next)  # [u, w, c, k]
product = (rows @ W_right).reshape(l, g.a_conv, g.b_conv, d_next)
error = np.abs(product - naive.transpose(0, 2, 3, 1)).max()
print(f"nhwc: {rows.shape}, error {error:.1e}")
assert error < 1e-10

# %%
# In memory these two matrices are nearly the same. A Fortran-order matrix with one column per patch
# has the same memory as a C-order matrix with one row per patch. There are two differences.
# simpleNN counts the output pixels down the columns, and within a patch its channel index varies
# slowest instead of fastest.
#
# NCHW: one matrix per instance
# -----------------------------
# Here the index of the output pixel varies fastest, and the instance index slowest. One product per
# instance gives the result in NCHW order.
matrices = im2col_nchw(nchw, h, s, p)
W_left = filters.reshape(d_next, -1)  # [k, c, u, w], as it is stored
product = (W_left @ matrices).reshape(l, d_next, g.a_conv, g.b_conv)
error = np.abs(product - naive).max()
print(f"nchw: {matrices.shape}, error {error:.1e}")
assert error < 1e-10

# %%
# Converting is a permutation
# ---------------------------
# The three matrices hold the same numbers, so a conversion is exact: the entries are bit-for-bit
# identical.
made = {"phi": phiZ, "nhwc": rows, "nchw": matrices}
sizes = {"h": h, "d": d, "a_conv": g.a_conv, "b_conv": g.b_conv}
for source in made:
    for target in made:
        assert np.array_equal(convert(made[source], source, target, **sizes), made[target])
print("nine conversions: every entry equal")

# %%
# The filters must be permuted too, once and by the same rule, because a filter has the layout of a
# patch.
h2, d2 = 2, 2
order = permutation("phi", "nhwc", h=h2, d=d2, a_conv=1, b_conv=1, l=1)
names = np.array([f"{'xy'[c]}{u}{w}" for c in range(d2) for w in range(h2) for u in range(h2)])
print("a patch in phi: ", *names)
print("a patch in nhwc:", *names[order])
assert sorted(order) == list(range(h2 * h2 * d2))
one_patch = permutation("phi", "nhwc", h=h, d=d, a_conv=1, b_conv=1, l=1)
assert np.array_equal(W[:, one_patch].T, W_right)

# %%
# The figure shows where one patch lies in memory, for a batch of 2 images of 3 x 4 pixels with 2
# channels, and a 2 x 2 filter. Addresses increase from left to right and then down, with 24 numbers
# per row.
small = nn.ConvGeometry(a=3, b=4, d=2, p=0, h=2, s=1, d_next=1, h_pool=1)
six = {"h": 2, "d": 2, "a_conv": small.a_conv, "b_conv": small.b_conv, "l": 2}
marked = np.zeros(small.hhd * small.a_conv * small.b_conv * 2)
marked[: marked.size // 2] = 1  # the first instance: the first half in all three
marked[2 * small.hhd : 3 * small.hhd] = 2  # in phi a patch is a column: one run
fig, axes = plt.subplots(3, 1, figsize=(7, 3.8), sharex=True)
for ax, layout in zip(axes, made, strict=True):
    cells = marked[permutation("phi", layout, **six)]
    ax.imshow(cells.reshape(-1, 24), cmap="Blues", vmin=0, vmax=2.4, aspect="equal")
    ax.set_xticks(np.arange(-0.5, 24), [], minor=True)
    ax.set_yticks(np.arange(-0.5, 4), [], minor=True)
    ax.grid(which="minor", color="white", linewidth=1)
    ax.tick_params(which="both", length=0, labelleft=False, labelbottom=False)
    ax.set_ylabel(layout, rotation=0, ha="right", va="center")
fig.suptitle("Memory of the patch matrix: one patch (dark), the rest of its image (light)")
fig.tight_layout()
show()

# %%
# The cost of each layout
# -----------------------
# Now we take a layer of realistic size in float32. To be fair, we form all three matrices with the
# same NumPy function, each from images in its own order, and multiply them with the same BLAS, the
# library of fast matrix routines that NumPy calls.
l = 8 if reduced() else 64
a, b, d, d_next = 28, 28, 32, 64
nhwc = rng.standard_normal((l, a, b, d), dtype=np.float32)
nchw = np.ascontiguousarray(nhwc.transpose(0, 3, 1, 2))
by_columns = storage(np.ascontiguousarray(nhwc.transpose(0, 2, 1, 3)))  # d x abl
own = to_nhwc(by_columns, a, b)  # an NHWC view of simpleNN's storage
filters = rng.standard_normal((d_next, d, h, h), dtype=np.float32)
W = filters.transpose(0, 1, 3, 2).reshape(d_next, -1)
W_right = filters.transpose(2, 3, 1, 0).reshape(-1, d_next)
W_left = filters.reshape(d_next, -1)

forms = {
    "phi": partial(im2col_phi, own, h, 1, 1),
    "nhwc": partial(im2col_nhwc, nhwc, h, 1, 1),
    "nchw": partial(im2col_nchw, nchw, h, 1, 1),
}
made = {layout: form() for layout, form in forms.items()}
products = {
    "phi": lambda: made["phi"].T @ W.T,
    "nhwc": lambda: made["nhwc"] @ W_right,
    "nchw": lambda: W_left @ made["nchw"],
}
print(busy() or "The machine is otherwise idle, so the times below are reliable.")
form_ms = {layout: 1e3 * seconds(form, 5) for layout, form in forms.items()}
product_ms = {layout: 1e3 * seconds(call, 10) for layout, call in products.items()}
for layout in made:
    print(f"{layout:4s}: form {form_ms[layout]:6.1f} ms, multiply {product_ms[layout]:6.1f} ms")
convert_ms = 1e3 * seconds(
    lambda: convert(made["nchw"], "nchw", "phi", h=h, d=d, a_conv=a, b_conv=b), 3
)
print(f"convert nchw to phi: {convert_ms:.1f} ms")
layer = nn.ConvGeometry(a=a, b=b, d=d, p=1, h=h, s=1, d_next=d_next, h_pool=1)
compiled_ms = 1e3 * seconds(partial(nn.padding_and_phiZ, by_columns, layer), 3)
print(f"form phi by the package's compiled loop: {compiled_ms:.1f} ms")

# %%
# A layer needs both steps, so the figure adds their times. (The product of ``nchw`` consists of
# :math:`l` small products. Other work on the machine affects small products most, so this time may
# vary a lot between runs.)
fig, ax = plt.subplots(figsize=(6.5, 2.4))
ax.barh(list(made), form_ms.values(), color="#56B4E9", label="form the patches")
bars = ax.barh(
    list(made), product_ms.values(), left=list(form_ms.values()), color="#D55E00", label="multiply"
)
ax.bar_label(bars, [f"{form_ms[k] + product_ms[k]:.1f}" for k in made], padding=3)
ax.invert_yaxis()
ax.margins(x=0.1)
ax.set(xlabel="ms", title=f"{l} images of 28 x 28 x 32, {d_next} filters 3 x 3")
ax.legend(frameon=False, bbox_to_anchor=(1, 0.5), loc="center left")
ax.spines[["top", "right"]].set_visible(False)
fig.tight_layout()
show()

# %%
# A copy is fast if it moves long runs that are contiguous in both the source and the result. With
# stride 1 such a run has :math:`d` numbers or more for ``nhwc``, :math:`b_{conv}` for ``nchw``, and
# only one for ``phi``, because there the channel index varies fastest in the image and slowest in
# the patch. This is the price of storing filters in MATLAB's order.
#
# The figure does not show another difference. In the gradient (4), :math:`\partial\xi/\partial W =
# \partial\xi/\partial S \, \phi(\mathrm{pad}(Z))'`, the product itself sums over the instances for
# ``phi`` and ``nhwc``. For ``nchw`` we must add :math:`l` products, each of the size of :math:`W`.
dS = rng.standard_normal((l, d_next, a * b), dtype=np.float32)  # NCHW
summed = sum(dS[n] @ made["nchw"][n].T for n in range(l))  # columns [c, u, w]
dS_rows = np.ascontiguousarray(dS.transpose(0, 2, 1)).reshape(-1, d_next)
at_once = made["nhwc"].T @ dS_rows  # rows [u, w, c]
expected = at_once.reshape(h, h, d, d_next).transpose(3, 2, 0, 1).reshape(d_next, -1)
difference = np.abs(summed - expected).max() / np.abs(expected).max()
print(f"(4) as one product or as {l}: relative difference {difference:.1e} in float32")
assert difference < 1e-3

# %%
# What to take away
# -----------------
# A convolution is a matrix product in every layout. The layouts differ by a permutation of the
# patches and the same permutation of the filters, so the results agree up to rounding. If the
# images, patches, filters and results use the same layout, nothing has to be reordered between
# layers. With ``phi`` and ``nhwc`` the whole batch is also a single product.
#
# Try it yourself
# ---------------
# 1. Are the results of ``nhwc`` and ``phi`` bit-for-bit identical? Why might they differ, although
#    each sum has the same terms?
# 2. Take a 1 x 1 filter with stride 1 and no padding. What is :math:`\phi(Z)`? Which layouts need
#    no copy at all?
# 3. You want to run a model here that was trained with NCHW. Write down the permutation of the
#    columns of its first fully connected layer.
