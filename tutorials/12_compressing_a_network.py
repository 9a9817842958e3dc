r"""
Compressing a network
=====================

If a layer's matrix W is replaced by the product U V of two thin matrices, the layer becomes two
layers with fewer parameters and fewer operations. How thin can the factors be? This tutorial trains
a small network on the digits, examines the singular values of its layers, and finds that a good
approximation of W and a good classifier are not the same thing. It then measures the error in the
layer's outputs instead of its weights, and recovers most of the lost accuracy by training the
factors for a few more epochs.
"""

# %%
# A trained network
# -----------------
# The network has two convolutional and two fully connected layers, in double precision. The
# tutorial trains many small networks for a short time each, so it uses the lecture engine, which
# takes less time to compile.

import matplotlib.pyplot as plt
import numpy as np

import simplenn_py as nn
from simplenn_py.plots import BLUE, GREY, VERMILLION, show
from simplenn_py.runtime import reduced, seconds
from simplenn_py.tools import (
    factor_layers,
    plot_ranks,
    ranks_by_energy,
    ranks_by_size,
    ranks_given,
    roots,
)

data = nn.load_dataset("digits")
config = nn.NetConfig.build(
    (8, 8, 1), [nn.Conv(32, 3, pad=1, pool=2), nn.Conv(64, 3, pad=1, pool=2)], [128, 10]
)
how = {"engine": "lecture", "dtype": "float64"}
options = nn.default_options("digits", epochs=3 if reduced() else 12, **how)
model, _ = nn.train(data, config, options, progress=False)


def accuracy(model: nn.Model) -> float:
    """Return the percentage of the test images that are classified correctly."""
    return 100 * model.score(data.test.Z, data.test.y, "lecture")


print("W of the layers:", ", ".join(f"{W.shape[0]} x {W.shape[1]}" for W in model.W))
print(f"{config.n_parameters:,} parameters, test accuracy {accuracy(model):.1f} %")
assert accuracy(model) > 90

# %%
# Two thin layers
# ---------------
# The best approximation of rank r keeps the r largest singular values: :math:`W \approx U V`. Here
# U and V share the singular values evenly, :math:`U = U_r \Sigma_r^{1/2}` and
# :math:`V = \Sigma_r^{1/2} V_r'`. In layer 2, W is a 64 x 288 matrix. The product of an m x k
# matrix W and a matrix with n columns takes :math:`2 m k n` operations. With the factors it takes
# :math:`2 r (m + k) n`, if U V is never formed. Both numbers are equal at the rank
# :math:`mk/(m + k)`.

rank = 16
W, g = model.W[1], config.conv_layers[1]
phiZ = nn.padding_and_phiZ(model.layer_inputs(data.train.Z[:, : 64 * 500])[1], g)
left, sigma, right = np.linalg.svd(W, full_matrices=False)
U, V = left[:, :rank] * np.sqrt(sigma[:rank]), np.sqrt(sigma[:rank])[:, None] * right[:rank]

(m, k), n = W.shape, phiZ.shape[1]
before, after = 2 * m * k * n, 2 * rank * (m + k) * n
times = seconds(lambda: W @ phiZ), seconds(lambda: U @ (V @ phiZ))
print(f"rank {rank}: {before / after:.2f} times fewer operations and parameters than with W")
print(f"measured: {1e3 * times[0]:.2f} ms with W, {1e3 * times[1]:.2f} ms with U and V")
print(f"above rank {m * k / (m + k):.1f} the factors save nothing")
assert np.allclose(U @ (V @ phiZ), (U @ V) @ phiZ, atol=1e-10)

# %%
# A product with a thin matrix does fewer operations per byte that it moves (tutorial 9), so the
# gain in time may be smaller than the gain in operations.
#
# In a network the two factors become two stages: V is a convolution with r filters as wide as
# before, and U is a convolution with 1 x 1 filters. There is no ReLU between them.
# ``NetConfig.rank`` holds one rank r per layer, or 0 if the layer keeps W. ``stage_names`` and
# ``weight_shapes`` list the resulting stages.

small = factor_layers(model, ranks_given(model, (0, rank, 0, 0)))
for name, shape in zip(small.config.stage_names, small.config.weight_shapes, strict=True):
    print(f"stage {name:3s} {shape[0]:3d} x {shape[1]}")
assert small.config.rank == (0, rank, 0, 0)
assert np.allclose(small.W[2] @ small.W[1], U @ V, atol=1e-10)
apart = small.decision_values(data.test.Z, "lecture")
apart -= small.multiplied_out().decision_values(data.test.Z, "lecture")
print("largest difference between two stages and one layer with W = U V:",
      f"{np.abs(apart).max():.1e}")  # fmt: skip
assert np.abs(apart).max() < 1e-10

# %%
# The error of W
# --------------
# By the theorem of Eckart and Young, U V is the matrix of rank r that is nearest to W, and
# :math:`\|W - UV\|_F^2 = \sum_{j > r} \sigma_j^2`. The fraction of :math:`\sum_j \sigma_j^2` that a
# rank keeps is called its energy. Does a small rank keep most of the energy of a trained layer? For
# comparison, we also examine the random W before training, drawn from the same seed.

assert abs(np.linalg.norm(W - U @ V) - np.linalg.norm(sigma[rank:])) < 1e-10
initial = nn.Model.initialise(config, np.arange(10), np.random.default_rng(0), np.float64)
by_energy = {
    "random W": ranks_by_energy(initial, 0.9),
    "trained W": ranks_by_energy(model, 0.9),
}
for name, layers in by_energy.items():
    print(f"{name}: 90 % of the energy needs rank", [x.rank or "all" for x in layers])

# %%
# ("all" means that the factors would be no smaller than W.) Training has hardly changed these
# ranks: the spectrum is still nearly that of a random matrix. So a low-rank approximation of W is a
# poor one. How does that affect the network? From here to the next figure we factor only layer 2.

ranks = [1, 2, 4, 8, 16, 32, 48]
one_layer = []
print("rank  relative error of W  accuracy")
for r in ranks:
    layers = ranks_given(model, (0, r, 0, 0))
    error = np.sqrt(1 - layers[1].energy)
    one_layer.append((100 * error, accuracy(factor_layers(model, layers))))
    print(f"{r:4d} {one_layer[-1][0]:18.1f} % {one_layer[-1][1]:9.1f} %")

random_sigma = np.linalg.svd(initial.W[1], compute_uv=False)
figure, (axes, other) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
axes.plot(np.arange(1, 65), sigma, color=BLUE, label="trained")
axes.plot(np.arange(1, 65), random_sigma, "--", color=GREY, label="random, before training")
axes.set(xlabel="index j", ylabel="singular value", title="Singular values of W, layer 2")
axes.set_ylim(bottom=0)
other.plot(ranks, [e for e, _ in one_layer], "s--", color=VERMILLION, label="relative error of W")
other.plot(ranks, [a for _, a in one_layer], "o-", color=BLUE, label="test accuracy")
other.set(xlabel="rank of layer 2", ylabel="%", title="A poor W, a good network", ylim=(0, 105))
for panel in (axes, other):
    panel.grid(color="0.9")
    panel.legend(frameon=False)
show()
assert one_layer[5][0] > 40
assert one_layer[5][1] > accuracy(model) - 4

# %%
# At rank 32 the relative error of W is about one half in the Frobenius norm, yet the accuracy has
# hardly changed. The norm weighs all directions equally, but the network does not.
#
# The error of the outputs
# ------------------------
# The output of a layer is computed from the product :math:`W \phi(\mathrm{pad}(Z))`. If the patches
# lie mostly in a few directions of their space, W has to be accurate only in these directions. With
# :math:`R R' = \phi\phi'/n` over n patches,
#
# .. math:: \tfrac{1}{n} \|(W - UV)\, \phi\|_F^2 = \|(W - UV) R\|_F^2,
#
# so the best U V for the outputs comes from the SVD of :math:`W R`: multiply its second factor by
# :math:`R^{-1}` from the right. R is a square root of the matrix of second moments, computed from
# its eigenvalues and eigenvectors.

moments, Q = np.linalg.eigh(phiZ @ phiZ.T / n)
scale = np.sqrt(np.maximum(moments, 1e-6 * moments[-1]))  # no division by zero
R, R_inverse = Q * scale, (Q / scale).T
few = np.searchsorted(np.cumsum(moments[::-1]), 0.9 * moments.sum()) + 1
print(f"{few} of {k} directions hold 90 % of the patches' second moments")
left, tau, right = np.linalg.svd(W @ R, full_matrices=False)
U_out, V_out = left[:, :rank], (tau[:rank, None] * right[:rank]) @ R_inverse

errors = {}
for name, UV in (("weights", U @ V), ("outputs", U_out @ V_out)):
    missing = W - UV
    errors[name] = (
        np.linalg.norm(missing) / np.linalg.norm(W),
        np.linalg.norm(missing @ phiZ) / np.linalg.norm(W @ phiZ),
    )
    print(f"rank {rank}, best for the {name}: relative error {100 * errors[name][0]:.0f} % in W, "
          f"{100 * errors[name][1]:.0f} % in the outputs")  # fmt: skip
assert errors["weights"][0] < errors["outputs"][0]
assert errors["outputs"][1] < errors["weights"][1]

# %%
# Each product U V is the best in its own measure, and a small rank approximates the outputs much
# better than it approximates W. Any images of the same kind can be used to compute R. Here we take
# the first 500 training images. The package's ``roots`` computes R for every layer. All routines
# that choose ranks or factors take the result as their last argument.

measure = roots(model, data.train.Z[:, : 64 * 500])
assert np.allclose(np.abs(measure[1].R.T @ W.T), np.abs(R.T @ W.T), atol=1e-6)
whole = factor_layers(model, ranks_given(model, (0, rank, 0, 0), measure), measure)
assert np.allclose(whole.W[2] @ whole.W[1], U_out @ V_out, atol=1e-6)
needed = [x.rank or "all" for x in ranks_by_energy(model, 0.9, measure)]
print("outputs: 90 % of the energy needs rank", needed)

# %%
# A rank for each layer
# ---------------------
# ``ranks_by_energy`` keeps the same fraction of the energy in every layer. ``ranks_by_size`` takes
# the factor by which the network should shrink, and weighs the energy that each layer loses against
# the parameters that it saves. A layer keeps its W if the factors would save too few parameters.

layers = ranks_by_size(model, 4, measure)
figure, panels = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
plot_ranks(layers, name="the digits network, 4 times smaller", of="outputs", axes=panels)
show()
small = factor_layers(model, layers, measure)
ratio = config.n_parameters / small.config.n_parameters
print(f"ranks {small.config.rank}: {ratio:.1f} times fewer parameters, "
      f"accuracy {accuracy(model):.1f} -> {accuracy(small):.1f} %")  # fmt: skip
assert ratio >= 4

# %%
# Fine-tuning
# -----------
# The factors are layers like any others, and (3)-(5) give their gradients. ``nn.train`` with
# ``start`` continues from them, here for three epochs at half the learning rate. We do this for
# several sizes. The ranks and factors are chosen once by the error in the weights and once by the
# error in the outputs.

sizes = (3, 8) if reduced() else (2, 3, 4, 6, 8, 10)
further = nn.default_options("digits", epochs=3, lr=options.lr / 2, **how)
results = {}
for name, roots_or_none in (("weights", None), ("outputs", measure)):
    rows = []
    for times_smaller in sizes:
        layers = ranks_by_size(model, times_smaller, roots_or_none)
        small = factor_layers(model, layers, roots_or_none)
        tuned, _ = nn.train(data, options=further, start=small, progress=False)
        ratio = config.n_parameters / small.config.n_parameters
        rows.append((ratio, accuracy(small), accuracy(tuned)))
        print(f"by the {name}, {ratio:4.1f} times smaller: ranks {small.config.rank}, "
              f"accuracy {rows[-1][1]:.1f} %, fine-tuned {rows[-1][2]:.1f} %")  # fmt: skip
    results[name] = np.array(rows)

figure, axes = plt.subplots(figsize=(8, 4.4), layout="constrained")
axes.axhline(accuracy(model), color=GREY, linewidth=1, label="before compression")
for (name, rows), colour, mark in zip(results.items(), (VERMILLION, BLUE), "so", strict=True):
    axes.plot(rows[:, 0], rows[:, 1], mark + "--", color=colour, markerfacecolor="white",
              label=f"by the {name}")  # fmt: skip
    axes.plot(rows[:, 0], rows[:, 2], mark + "-", color=colour, label=f"by the {name}, fine-tuned")
axes.set_xscale("log")
axes.set_xticks(sizes, sizes)
axes.minorticks_off()
axes.set(
    xlabel="factor by which the number of parameters shrinks",
    ylabel="test accuracy, %",
    title="Smaller networks for the digits",
)
axes.grid(color="0.9")
axes.legend(frameon=False)
show()

# %%
# Without fine-tuning, the factors chosen by the outputs are better on average, especially in the
# smallest networks. Fine-tuning recovers most of the lost accuracy and leaves little difference
# between the two choices. (One test image is 0.28 %, so small differences mean nothing.)

mean = {name: rows[:, 1:].mean(axis=0) for name, rows in results.items()}
for name, (factored, tuned) in mean.items():
    print(f"by the {name}, mean over the sizes: accuracy {factored:.1f} %, "
          f"fine-tuned {tuned:.1f} %")  # fmt: skip
assert mean["outputs"][0] > mean["weights"][0]
assert all(tuned > factored for factored, tuned in mean.values())
assert abs(np.subtract(*mean.values())[1]) < mean["outputs"][0] - mean["weights"][0]
assert data.test.l == 355

# %%
# What to take away
# -----------------
# Two thin layers have :math:`r(m + k)` weights instead of :math:`mk`, and the number of operations
# shrinks in the same proportion. The SVD of W gives the factors with the smallest error in W. But
# what matters is the error in what the network computes, and factors chosen by the layer's outputs
# make that error smaller. Fine-tuning the factors for a few epochs recovers most of the lost
# accuracy.
#
# Try it yourself
# ---------------
# 1. Train a network with ``rank`` in its NetConfig from the start, with random factors, for the
#    same total number of epochs as here. Does it reach the accuracy of the compressed network?
# 2. Compute R from 20 images instead of 500. Below which number of images does the accuracy suffer?
# 3. Factor W by ``randomized_svd`` (tutorial 11). Is that worthwhile for a 64 x 288 matrix?
