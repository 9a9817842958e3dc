r"""
Never forming phi
=================

:math:`\phi(\mathrm{pad}(Z))` repeats each pixel up to :math:`h^2` times. The package's direct
engine never forms it, but convolves :math:`\mathrm{pad}(Z)` itself. This tutorial counts the memory
that this saves, writes such a convolution in NumPy and as compiled loops, and explains the three
ideas that make it fast: keep a tile of sums in registers, skip the zeros that max pooling leaves in
the gradient, and use Winograd's algorithm, which needs fewer multiplications. At the end, we check
that both engines agree up to rounding.
"""

# %%
# We work in double precision, so that the results of different methods can be compared closely.

from functools import partial

import matplotlib.pyplot as plt
import numba
import numpy as np

import simplenn_py as nn
from simplenn_py.layout import pixels, storage
from simplenn_py.network import Normalisation
from simplenn_py.plots import show
from simplenn_py.runtime import busy, human_bytes, limit_threads, reduced, seconds
from simplenn_py.tools import summarise

side, l = (14, 8) if reduced() else (28, 64)
config = nn.NetConfig.preset("layer4", side, side, 1)  # simpleNN's demo network
rng = np.random.default_rng(0)

# %%
# How large phi is
# ----------------
# With stride 1 and padding that keeps the size, phi holds :math:`h^2` numbers for each number in Z.
# ``summarise`` computes all sizes, and the size of every buffer that an engine will need, before
# anything is allocated. Here are the sizes for 128 images of 28x28 pixels.

demo = nn.NetConfig.preset("layer4", 28, 28, 1)
costs = {name: summarise(demo, 128, "float64", name) for name in ("lecture", "direct")}
for layer, g in zip(costs["lecture"].layers, demo.conv_layers, strict=False):
    pad_bytes = 8 * g.d * g.a_pad * g.b_pad * 128
    ratio = layer.phi_bytes / pad_bytes
    sizes = f"phi {human_bytes(layer.phi_bytes)}, pad(Z) {human_bytes(pad_bytes)}"
    print(f"layer {layer.m}: {sizes}, ratio {ratio:.1f}")
    assert layer.phi_bytes == 8 * g.hhd * g.a_conv * g.b_conv * 128
    assert 1 < ratio < g.h**2
total = {name: sum(cost.buffers.values()) for name, cost in costs.items()}
print(f"all buffers of a training step: lecture {human_bytes(total['lecture'])}, "
      f"direct {human_bytes(total['direct'])}")  # fmt: skip
assert total["direct"] < total["lecture"]

# %%
# A sum over filter offsets
# -------------------------
# A column of phi is a patch. Its product with W is a sum over the filter's offsets :math:`(u, w)`
# and the channels c:
#
# .. math::
#    S_{k, (i, j)} = \sum_{u, w, c} W_{k, (u, w, c)} \; \mathrm{pad}(Z)_{c, (is + u, js + w)}.
#
# For one offset, the pixels that the patches read are a shifted view of :math:`\mathrm{pad}(Z)`. So
# S is a sum of :math:`h^2` small matrix products, and phi is not needed. In the code, ``pixels``
# views a matrix in the storage order (1) as [instance, column, row, channel], and ``storage`` is
# the inverse of ``pixels``. W is viewed as [k, c, w, u].

g = config.conv_layers[1]  # 3x3, 32 -> 64
Z = np.asfortranarray(rng.standard_normal((g.d, g.a * g.b * l)))
W = np.asfortranarray(rng.standard_normal((g.d_next, g.hhd)))
S = W @ nn.padding_and_phiZ(Z, g)  # the lecture's method, our reference


def convolve(W: np.ndarray, Z: np.ndarray, g: nn.ConvGeometry) -> np.ndarray:
    images = pixels(nn.padding(Z, g), g.a_pad, g.b_pad)
    filters = W.reshape(g.d_next, g.d, g.h, g.h)  # [k, c, w, u]
    out = np.zeros((images.shape[0], g.b_conv, g.a_conv, g.d_next))
    for w in range(g.h):
        for u in range(g.h):
            columns = slice(w, w + g.s * g.b_conv, g.s)
            rows = slice(u, u + g.s * g.a_conv, g.s)
            out += images[:, columns, rows] @ filters[:, :, w, u].T
    return storage(out)


error = np.abs(convolve(W, Z, g) - S).max() / np.abs(S).max()
print(f"offset by offset: relative error {error:.1e} against W phi")
assert error < 1e-10

# %%
# Now the same sum as compiled loops. The order of the loops matters. The innermost loop runs over
# the output channels k, which lie side by side in S and, once W is transposed, in W. So the
# compiler can process several channels at once. The value z of the pixel is the same for all of
# them. (These loops run on one core. The instances could be divided among several cores.)


@numba.njit
def convolve_loops(images, filters, s, out):  # filters: [w, u, c, k]
    for n in range(out.shape[0]):
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                out[n, j, i, :] = 0
                for w in range(filters.shape[0]):
                    for u in range(filters.shape[1]):
                        for c in range(filters.shape[2]):
                            z = images[n, j * s + w, i * s + u, c]
                            for k in range(filters.shape[3]):
                                out[n, j, i, k] += z * filters[w, u, c, k]


images = pixels(nn.padding(Z, g), g.a_pad, g.b_pad)
filters = np.ascontiguousarray(W.reshape(g.d_next, g.d, g.h, g.h).transpose(2, 3, 1, 0))
out = np.empty((l, g.b_conv, g.a_conv, g.d_next))
convolve_loops(images, filters, g.s, out)
error = np.abs(storage(out) - S).max() / np.abs(S).max()
print(f"compiled loops: relative error {error:.1e} against W phi")
assert error < 1e-10

# %%
# A tile in registers
# -------------------
# The innermost line reads one entry of ``out`` and one of ``filters``, and writes the sum back:
# three memory accesses for one multiply-add. The remedy is the same as in tutorial 2. The sums for
# P pixels and V vectors of output channels stay in registers. (A vector holds as many channels as
# one instruction processes at once.) This block of sums is called a register tile. Each step
# multiplies a column of P numbers by a row of V vectors and adds the product, a matrix of rank 1,
# to the sums. S is written once, at the end.
#
# The registers must hold the sums, the V loaded vectors, and one vector for the value of the pixel.
# There is room for 14 pixels and 2 vectors in 32 registers (AVX-512, NEON), and for 6 pixels and 2
# vectors in 16 registers (AVX2). ``kernels/tile.py`` shows a drawing of the tile. Here is its
# arithmetic, for P pixels in one column of the image.

P = 6
acc = np.zeros((P, g.d_next))
n, j, i = 0, 1, 0
for w in range(g.h):
    for u in range(g.h):
        for c in range(g.d):
            z = images[n, j * g.s + w, i + u : i + u + P, c]  # stride 1
            acc += np.outer(z, filters[w, u, c])
assert np.abs(acc - out[n, j, i : i + P]).max() < 1e-10 * np.abs(S).max()
assert 14 * 2 + 2 + 1 <= 32
assert 6 * 2 + 2 + 1 <= 16

# %%
# Now we time four methods for this layer: the lecture's method (phi, then one product), the two
# methods above, and the direct engine, whose kernel also adds the bias and applies ReLU and
# pooling. The operations per second are computed from the operations of :math:`W \phi` in all four
# cases, even if the direct engine needs fewer.

model = nn.Model.initialise(config, np.arange(10), rng, np.float64)
direct = nn.make_engine("direct", config, l, np.float64)
first = np.asfortranarray(rng.standard_normal((1, side**2 * l)))
direct.load(first, np.arange(l), 1.0, np.zeros(side**2))
nn.feedforward(direct, model)
print(busy() or "The machine is otherwise idle, so the times below are reliable.")
repeat = 3 if reduced() else 5
with limit_threads(0):
    ways = {
        "phi, then one product": seconds(lambda: W @ nn.padding_and_phiZ(Z, g), repeat),
        "offset by offset, NumPy": seconds(lambda: convolve(W, Z, g), repeat),
        "compiled loops": seconds(lambda: convolve_loops(images, filters, g.s, out), repeat),
        "direct engine, with ReLU and pool": seconds(
            lambda: direct.forward(1, model.W[1], model.bias[1]), repeat
        ),
    }
operations = 2 * g.d_next * g.hhd * g.a_conv * g.b_conv * l
for name, t in ways.items():
    print(f"{name:34s} {1e3 * t:8.2f} ms  {operations / t / 1e9:6.1f} GFLOP/s")

# %%
# The zeros that max pooling leaves
# ---------------------------------
# Equation (3) puts each entry of :math:`\partial\xi/\partial Z^{m+1}` at the position of its
# window's maximum, and zeros everywhere else. With 2x2 windows at most one entry in four of
# :math:`\partial\xi/\partial S` is nonzero, and the ReLU's mask leaves even fewer. Equations (4)
# and (5) need only the nonzero entries. We count them for real digits, in a network that has been
# trained by 20 steps of gradient descent.

data = nn.load_dataset("digits").train
normalisation = Normalisation.of(data.Z, np.arange(data.l), 64)
digits = nn.NetConfig.preset("digits", 8, 8, 1)
first_64 = data.Z[:, : 64 * 64].astype(np.float64)
problem = nn.Problem(
    first_64, data.y[:64], nn.CrossEntropy(), np.inf, normalisation.scale, normalisation.offset
)
small = nn.Model.initialise(digits, np.arange(10), rng, np.float64)
lecture_engine = nn.make_engine("lecture", digits, 64, np.float64)
gradient, batch = np.empty_like(small.theta), np.arange(64)
for _ in range(20):
    nn.lossgrad_subset(lecture_engine, small, problem, batch, gradient)
    small.theta -= 0.1 / batch.size * gradient

nn.lossgrad_subset(lecture_engine, small, problem, batch)
lecture_engine.set_gradient(problem.loss.gradient(lecture_engine.Z(3), problem.y))
dS: dict[int, np.ndarray] = {}
for m in (2, 1, 0):
    dS[m] = lecture_engine.gradient_S(m).copy()
    lecture_engine.backward(m, small.W[m])
for m in (0, 1):
    share = np.count_nonzero(dS[m]) / dS[m].size
    print(f"layer {m + 1}: {100 * share:.1f} % of the entries of dxi/dS are nonzero")
    assert 0 < share <= 0.25

# %%
# The figure shows four channels of one image. The lines are the borders of the pooling windows.

figure, panels = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
maps = pixels(dS[0], 8, 8)  # [instance, column, row, channel]
busiest = np.argsort([-np.count_nonzero(maps[0, ..., k]) for k in range(maps.shape[3])])[:4]
for panel, k in zip(panels, busiest, strict=True):
    panel.set_facecolor("0.85")  # shows through where an entry is zero
    one = maps[0, ..., k].T
    most = np.abs(one).max()
    panel.imshow(np.where(one == 0, np.nan, one), cmap="RdBu", vmin=-most, vmax=most)
    for border in range(1, 4):
        panel.axhline(2 * border - 0.5, color="0.5", linewidth=0.8)
        panel.axvline(2 * border - 0.5, color="0.5", linewidth=0.8)
    panel.set(xticks=[], yticks=[], title=f"channel {k}: {np.count_nonzero(one)} of 64")
figure.suptitle("dxi/dS of layer 1, one image: at most one nonzero entry per window (grey: zero)")
show()

# %%
# Winograd in one dimension
# -------------------------
# Winograd's algorithm F(2, 3) computes two outputs of a filter g with three entries from four
# pixels d. The direct sums take six multiplications. Winograd's formula :math:`A'[(Gg) \circ
# (B'd)]`, with the matrices below and the entrywise product :math:`\circ`, gives both outputs with
# four. The pixels are transformed only by additions and subtractions. The transform of the filter
# also includes halving, but it is computed only once for all pixels.

B_T = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], float)
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
A_T = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], float)

f3, d4 = rng.standard_normal(3), rng.standard_normal(4)
directly = np.array([f3 @ d4[0:3], f3 @ d4[1:4]])
winograd = A_T @ ((G @ f3) * (B_T @ d4))
print(f"directly {directly}, Winograd {winograd}")
assert np.abs(directly - winograd).max() < 1e-10

# %%
# In two dimensions the transforms act on rows and columns. A 2x2 tile of S comes from a 4x4 piece
# of :math:`\mathrm{pad}(Z)` with 16 multiplications per channel instead of 36. If the direct engine
# uses Winograd's algorithm, it computes 4x4 tiles, F(4x4, 3x3), with 36 multiplications instead of
# 144. At each position of the transformed tile, the products are summed over the channels. For all
# tiles and all filters together this is again a matrix product, and the register tile computes it.

f33, d44 = rng.standard_normal((3, 3)), rng.standard_normal((4, 4))
directly = np.array([[np.sum(f33 * d44[i : i + 3, j : j + 3]) for j in range(2)] for i in range(2)])
winograd = A_T @ ((G @ f33 @ G.T) * (B_T @ d44 @ B_T.T)) @ A_T.T
error = np.abs(directly - winograd).max()
print(f"largest difference {error:.1e}, with 16 multiplications instead of {4 * 9}")
assert np.abs(directly - winograd).max() < 1e-10

# %%
# Both engines
# ------------
# Skipping, reordering and transforming must not change the result. The outputs :math:`z^{L+1}` of
# both engines agree up to rounding, and so do the gradients. The direct engine's backward pass
# takes longest to compile. So at its reduced size, ``SIMPLENN_SMALL=1``, this tutorial compares
# only the outputs and times only the forward pass. At full size, it also compares the gradients and
# times a whole training step.

loss = {"lecture": nn.lossgrad_subset(lecture_engine, small, problem, batch, gradient)}
z = lecture_engine.Z(digits.L).copy()
direct_engine = nn.make_engine("direct", digits, 64, np.float64)
theirs = None if reduced() else np.empty_like(gradient)
loss["direct"] = nn.lossgrad_subset(direct_engine, small, problem, batch, theirs)
apart = {"outputs": np.abs(direct_engine.Z(digits.L) - z).max() / np.abs(z).max()}
if theirs is not None:
    apart["gradients"] = np.linalg.norm(theirs - gradient) / np.linalg.norm(gradient)
for what, error in apart.items():
    print(f"{what} of both engines: relative difference {error:.1e}")
    assert error < 1e-10
assert abs(loss["direct"] / loss["lecture"] - 1) < 1e-10

large = nn.Problem(first, rng.integers(0, 10, l), nn.SquaredLoss(), np.inf, 1.0, np.zeros(side**2))
g_theta = None if reduced() else np.empty_like(model.theta)
engines = {"lecture": nn.make_engine("lecture", config, l, np.float64), "direct": direct}
with limit_threads(0):
    times = {
        name: seconds(partial(nn.lossgrad_subset, e, model, large, np.arange(l), g_theta), repeat)
        for name, e in engines.items()
    }
what = "forward pass" if reduced() else "training step"
for name, t in times.items():
    print(f"{name} engine, {l} images of {side}x{side}x1: {1e3 * t:.1f} ms per {what}")
ratio = times["lecture"] / times["direct"]
print(f"the lecture engine takes {ratio:.1f} times as long as the direct engine")

# %%
# What to take away
# -----------------
# A convolution is a sum over filter offsets. Forming phi is one method of computing this sum, at
# the cost of memory and memory traffic. The sums belong in registers. The products with the zeros
# that max pooling leaves, and the multiplications that Winograd's algorithm saves, need not be
# computed at all. The result is the same up to rounding.
#
# Try it yourself
# ---------------
# 1. Exchange the loops over c and k in ``convolve_loops``. How much slower is the function then?
# 2. How large is phi of a 1x1 convolution, and what is gained or lost by forming it?
# 3. What fraction of dxi/dS can be nonzero with 3x3 pooling, and without pooling?
