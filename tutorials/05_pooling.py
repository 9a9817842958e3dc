r"""
Pooling and P_pool
==================

Max pooling keeps the largest entry of every window. Which entry is the largest depends on the data.
Once it is known, pooling is a selection, described by a matrix :math:`P_{\mathrm{pool}}` with a
single 1 in each row. This tutorial pools by hand, writes the selection as indices and as a sparse
matrix, uses its transpose in the backward pass as equation (3) does, and examines ties and
incomplete windows.
"""

# %%
# By hand
# -------
# We take one channel of 5 x 4 pixels and windows of 2 x 2 pixels. The last row lies in no complete
# window and is dropped: :math:`a^{m+1} = \lfloor a_{conv} / h_{pool} \rfloor = 2`.
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from scipy import sparse

import simplenn_py as nn
from simplenn_py.layout import from_nhwc, pixels, to_nhwc, vec
from simplenn_py.plots import show
from simplenn_py.runtime import reduced, seconds

image = np.array(
    [
        [1.0, 3.0, 0.0, 5.0],
        [3.0, 2.0, 5.0, 4.0],
        [0.0, 0.0, 7.0, 1.0],
        [0.0, 0.0, 2.0, 6.0],
        [9.0, 9.0, 9.0, 9.0],
    ]
)
g = nn.ConvGeometry(a=5, b=4, d=1, p=0, h=1, s=1, d_next=1, h_pool=2)
S = from_nhwc(image[None])
Z_next, idx_pool = nn.maxpooling(S, g)
print(to_nhwc(Z_next, g.a_next, g.b_next)[0, :, :, 0])
print("idx_pool:", idx_pool[:, 0])
assert (g.a_next, g.b_next) == (2, 2)
assert Z_next.max() == 7  # the 9s of the incomplete windows are gone

# %%
# For each entry of :math:`\mathrm{vec}(Z^{m+1})`, ``idx_pool`` holds the index of the entry of
# :math:`\mathrm{vec}(S)` that it is copied from. Entry 0 is a tie: its window has a 3 at (0, 1) and
# at (1, 0). A window is scanned in the order :math:`u + h_{pool} w`, down the columns, and the
# first of several equal entries is kept. Here this is (1, 0), with index 1. PyTorch scans along the
# rows and would take (0, 1). Entries 1 and 2 are ties too: the window of entry 1 is all zeros, so
# its first pixel is kept, and the window of entry 2 has two 5s.
assert idx_pool[:, 0].tolist() == [1, 2, 11, 12]


def pool(S, g):
    """Max pooling in plain loops: return values and indices, one instance after another."""
    images = pixels(S, g.a_conv, g.b_conv)  # [n, column, row, channel]
    Z, idx_pool = [], []
    for n in range(images.shape[0]):
        for j in range(g.b_next):
            for i in range(g.a_next):
                for c in range(g.d_next):
                    best, where = -np.inf, -1
                    for w in range(g.h_pool):
                        for u in range(g.h_pool):
                            row, column = i * g.h_pool + u, j * g.h_pool + w
                            if images[n, column, row, c] > best:  # not >=: keep the first
                                best = images[n, column, row, c]
                                where = c + g.d_next * (row + g.a_conv * column)
                    Z.append(best)
                    idx_pool.append(where)
    return (
        np.reshape(Z, (g.d_next, -1), order="F"),
        np.reshape(idx_pool, (-1, images.shape[0]), order="F"),
    )


by_hand = pool(S, g)
assert np.array_equal(by_hand[0], Z_next)
assert np.array_equal(by_hand[1], idx_pool)

# %%
# On real images
# --------------
# We apply a convolution with four random filters and the ReLU to handwritten digits. :math:`S` has
# 7 x 7 pixels, so the last row and the last column are dropped.
data = nn.load_dataset("digits").train
l = 20 if reduced() else 200
g = nn.ConvGeometry(a=data.a, b=data.b, d=1, p=0, h=2, s=1, d_next=4, h_pool=2)
Z = np.asfortranarray(data.Z[:, : data.a * data.b * l] / 16.0)
rng = np.random.default_rng(0)
W = rng.standard_normal((g.d_next, g.hhd))
S = nn.relu((nn.padding_and_phiZ(Z, g).T @ W.T).T)
Z_next, idx_pool = nn.maxpooling(S, g)
by_hand = pool(S, g)
assert np.array_equal(by_hand[0], Z_next)
assert np.array_equal(by_hand[1], idx_pool)
print(f"S {S.shape} -> Z {Z_next.shape}; idx_pool {idx_pool.shape}, one column per instance")

# %%
# P_pool
# ------
# For one instance, :math:`\mathrm{vec}(Z^{m+1}) = P_{\mathrm{pool}} \, \mathrm{vec}(\sigma(S))`.
# Each row has a single 1, in the column that ``idx_pool`` gives. Each column has at most one,
# because windows do not overlap. Unlike :math:`P_\phi`, this matrix differs from instance to
# instance.


def P_pool(idx, g):
    starts = np.arange(idx.size + 1)
    shape = (idx.size, g.d_next * g.a_conv * g.b_conv)
    return sparse.csr_array((np.ones(idx.size), idx, starts), shape=shape)


n = 0
P = P_pool(idx_pool[:, n], g)
one = slice(n * g.a_conv * g.b_conv, (n + 1) * g.a_conv * g.b_conv)
one_next = slice(n * g.a_next * g.b_next, (n + 1) * g.a_next * g.b_next)
assert np.array_equal(P @ vec(S[:, one]), vec(Z_next[:, one_next]))
assert P.sum(axis=0).max() == 1
assert np.array_equal((P @ P.T).toarray(), np.eye(idx_pool.shape[0]))

# %%
# The figure shows one channel of the first image with the largest entry of each window (the winner)
# marked, and :math:`P_{\mathrm{pool}}` for all four channels. Crosses mark the pixels that belong
# to no complete window.
channel = 1
grid = to_nhwc(S, g.a_conv, g.b_conv)[n, :, :, channel]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), width_ratios=[1, 1.9])
axes[0].imshow(grid, cmap="Greys")
for i in range(g.a_next):
    for j in range(g.b_next):
        corner = (j * 2 - 0.5, i * 2 - 0.5)
        axes[0].add_patch(Rectangle(corner, 2, 2, fill=False, edgecolor="#0072B2", linewidth=1.5))
winners = idx_pool[idx_pool[:, n] % g.d_next == channel, n] // g.d_next
axes[0].plot(winners // g.a_conv, winners % g.a_conv, "o", color="#D55E00", label="winner")
rows, columns = np.indices(grid.shape)
dropped = (rows >= 2 * g.a_next) | (columns >= 2 * g.b_next)
axes[0].plot(columns[dropped], rows[dropped], "x", color="#009E73", label="dropped")
axes[0].set(title="sigma(S), one channel", xlabel="column j", ylabel="row i")
axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False)
axes[1].spy(P, markersize=3, color="#0072B2", aspect="auto")
axes[1].set(title="P_pool of this image", xlabel="entry of vec(S)", ylabel="entry of vec(Z)")
axes[1].xaxis.set_ticks_position("bottom")
fig.tight_layout()
show()

# %%
# The backward pass
# -----------------
# Equation (3) needs :math:`v' P_{\mathrm{pool}}`. It writes each number of :math:`v` to the entry
# that pooling selected, and zeros elsewhere. No two numbers go to the same entry, so this is an
# assignment, not a sum. (``nn.P_pool`` applies the stored selection to any matrix of the same shape
# as :math:`S`, not only to the one that was pooled.)
V = np.asfortranarray(rng.standard_normal(Z_next.shape))
back = nn.vTP_pool(V, idx_pool, g)

assigned = np.zeros((l, g.d_next * g.a_conv * g.b_conv))
np.put_along_axis(assigned, idx_pool.T, vec(V).reshape(l, -1), axis=1)
assert np.array_equal(assigned.ravel(), vec(back))

for n in range(l):
    v = vec(V).reshape(l, -1)[n]
    assert np.array_equal(v @ P_pool(idx_pool[:, n], g), vec(back).reshape(l, -1)[n])

left, right = np.vdot(V, nn.P_pool(S, idx_pool, g)), np.vdot(back, S)
print(f"<v, P_pool s> = {left:.12f}, <P_pool' v, s> = {right:.12f}")
assert abs(left - right) < 1e-10 * max(1, abs(left))

# %%
# Ties, and why most are harmless
# -------------------------------
# If the largest entry of a window is not unique, the maximum has no derivative, and a package must
# choose an entry. After a ReLU, ties are frequent, because whole windows are zero. But (3) first
# multiplies by the indicator :math:`I[Z^{m+1}]`, which is 0 for such a window. So the window adds
# nothing to the gradient, whichever entry was chosen.
images = to_nhwc(S, g.a_conv, g.b_conv)[:, : 2 * g.a_next, : 2 * g.b_next]
windows = images.reshape(l, g.a_next, 2, g.b_next, 2, g.d_next)
largest = windows.max(axis=(2, 4), keepdims=True)
tied = (windows == largest).sum(axis=(2, 4)) > 1
zero = largest[:, :, 0, :, 0] == 0
print(f"windows with a tie: {100 * tied.mean():.1f} %")
print(f"windows with a tie above 0: {100 * (tied & ~zero).mean():.1f} %")
assert tied.mean() > (tied & ~zero).mean()

masked = nn.vTP_pool(np.asfortranarray(V * nn.indicator(Z_next)), idx_pool, g)
assert np.array_equal(masked, back * nn.indicator(S))

# %%
# So (3) may mask with :math:`Z^{m+1}` before it applies :math:`P_{\mathrm{pool}}`. The last
# assertion above checks that masking afterwards with :math:`S`, which has more entries, gives the
# same result. In the forward pass, the ReLU and the maximum may also be exchanged, because the ReLU
# is a nondecreasing function.
raw = (nn.padding_and_phiZ(Z, g).T @ W.T).T
assert np.array_equal(nn.relu(nn.maxpooling(raw, g)[0]), Z_next)
print("pool(relu(S)) = relu(pool(S)): every entry equal")

# %%
# Ties above zero remain where an image is flat, as in the bright strokes of the digits, because
# equal patches give equal sums.
#
# NumPy or our own loop?
# ----------------------
# NumPy can pool with a reshape, a copy and ``argmax``. The two indices of a window come last, with
# :math:`w` before :math:`u`, so ``argmax`` finds the same first maximum as the lecture.


def numpy_pool(S):
    images = pixels(S, g.a_conv, g.b_conv)[:, : 2 * g.b_next, : 2 * g.a_next]
    windows = images.reshape(-1, g.b_next, 2, g.a_next, 2, g.d_next)  # [n, j, w, i, u, c]
    flat = windows.transpose(0, 1, 3, 5, 2, 4).reshape(-1, g.b_next, g.a_next, g.d_next, 4)
    which = flat.argmax(axis=-1)
    return np.take_along_axis(flat, which[..., None], axis=-1)[..., 0], which


assert np.array_equal(numpy_pool(S)[0].ravel(), vec(Z_next))
l = 32 if reduced() else 256
g = nn.ConvGeometry(a=28, b=28, d=32, p=0, h=1, s=1, d_next=32, h_pool=2)
S = nn.relu(np.asfortranarray(rng.standard_normal((g.d_next, 28 * 28 * l), dtype=np.float32)))
assert np.array_equal(numpy_pool(S)[0].ravel(), vec(nn.maxpooling(S, g)[0]))
in_numpy, compiled = seconds(lambda: numpy_pool(S), 3), seconds(lambda: nn.maxpooling(S, g), 3)
print(f"{l} images 28 x 28 x 32: NumPy {1e3 * in_numpy:.1f} ms, compiled {1e3 * compiled:.1f} ms")

# %%
# What to take away
# -----------------
# Pooling is a selection. It is stored as one index per window and channel in the forward pass, and
# used in the backward pass. As a matrix it is :math:`P_{\mathrm{pool}}`, which we never need to
# form. The order of scanning decides ties, so two packages may differ at a tie although both are
# correct.
#
# Try it yourself
# ---------------
# 1. Replace ``>`` by ``>=`` in ``pool``. Which of the assertions fails first, and on which window?
# 2. Write average pooling as a matrix. Does its backward pass need anything from the forward pass?
# 3. Let windows overlap (stride 1, width 2). Why is ``put_along_axis`` then wrong, and what
#    replaces it?
