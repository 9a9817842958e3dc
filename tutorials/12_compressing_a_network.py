r"""
Compressing a network
=====================

Replace a layer's matrix W by the product U V of two thin ones: the layer becomes two, with fewer
parameters and fewer operations. How thin may they be? This tutorial trains a small network on the
digits, looks at the singular values of its layers, and finds that a good approximation of W and a
good classifier are not the same thing. It then measures on the layer's outputs instead of on its
weights, and lets a few epochs of further training repair what the factors have lost.
"""

# %%
# A trained network
# -----------------
# Two convolutional and two fully connected layers, in double precision. The tutorial trains many
# small networks for a short time each, so it uses the lecture engine, which has less to compile.

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
    """Percentage of the test images that get their right label."""
    return 100 * model.score(data.test.Z, data.test.y, "lecture")


print("W of the layers:", ", ".join(f"{W.shape[0]} x {W.shape[1]}" for W in model.W))
print(f"{config.n_parameters:,} parameters, test accuracy {accuracy(model):.1f} %")
assert accuracy(model) > 90

# %%
# Two thin layers
# ---------------
# The best approximation of rank r keeps the r largest singular values: :math:`W \approx U V`, where
# U and V here share the singular values evenly, :math:`U = U_r \Sigma_r^{1/2}` and
# :math:`V = \Sigma_r^{1/2} V_r'`. Layer 2 has W of 64 x 288. A product with n columns takes
# :math:`2 m k n` operations with the m x k matrix W, and :math:`2 r (m + k) n` with the factors, if
# U V is never formed. The rank at which both are equal is :math:`mk/(m + k)`.

rank = 16
W, g = model.W[1], config.conv_layers[1]
phiZ = nn.padding_and_phiZ(model.layer_inputs(data.train.Z[:, : 64 * 500])[1], g)
left, sigma, right = np.linalg.svd(W, full_matrices=False)
U, V = left[:, :rank] * np.sqrt(sigma[:rank]), np.sqrt(sigma[:rank])[:, None] * right[:rank]

(m, k), n = W.shape, phiZ.shape[1]
before, after = 2 * m * k * n, 2 * rank * (m + k) * n
times = seconds(lambda: W @ phiZ), seconds(lambda: U @ (V @ phiZ))
print(f"rank {rank}: {before / after:.2f} times fewer operations, and parameters of W")
print(f"measured: {1e3 * times[0]:.2f} ms with W, {1e3 * times[1]:.2f} ms with U and V")
print(f"from rank {m * k / (m + k):.1f} on nothing is saved")
assert np.allclose(U @ (V @ phiZ), (U @ V) @ phiZ, atol=1e-10)

# %%
# A thin product has fewer operations for each byte that it moves (tutorial 9), so the gain in time
# may be smaller than the gain in operations.
#
# In a network the pair is two layers: V is a convolution with r filters as wide as before, U one
# with filters of 1 x 1, and between them is no ReLU. ``NetConfig.rank`` holds an r for each layer,
# or 0 where W stays; ``stage_names`` and ``weight_shapes`` tell what is then run.

small = factor_layers(model, ranks_given(model, (0, rank, 0, 0)))
for name, shape in zip(small.config.stage_names, small.config.weight_shapes, strict=True):
    print(f"stage {name:3s} {shape[0]:3d} x {shape[1]}")
assert small.config.rank == (0, rank, 0, 0)
assert np.allclose(small.W[2] @ small.W[1], U @ V, atol=1e-10)
apart = small.decision_values(data.test.Z, "lecture")
apart -= small.multiplied_out().decision_values(data.test.Z, "lecture")
print(f"two stages against one layer with W = U V: apart by {np.abs(apart).max():.1e}")
assert np.abs(apart).max() < 1e-10

# %%
# The error of W
# --------------
# Eckart and Young: among all matrices of rank r, U V is the nearest to W, and
# :math:`\|W - UV\|_F^2 = \sum_{j > r} \sigma_j^2`. The share of :math:`\sum_j \sigma_j^2` that is
# kept is called the energy. Are the singular values of a trained layer such that a small rank
# holds most of it? For comparison, those of the random W before training, drawn from the same seed.

assert abs(np.linalg.norm(W - U @ V) - np.linalg.norm(sigma[rank:])) < 1e-10
initial = nn.Model.initialise(config, np.arange(10), np.random.default_rng(0), np.float64)
by_energy = {
    "random W": ranks_by_energy(initial, 0.9),
    "trained W": ranks_by_energy(model, 0.9),
}
for name, layers in by_energy.items():
    print(f"{name}: 90 % of the energy needs rank", [x.rank or "all" for x in layers])

# %%
# Training has hardly changed this: the spectrum is still nearly that of a random matrix. ("all":
# the factors would be no smaller than W.) An approximation of low rank is a poor one here. What
# does that do to the network? Only layer 2 is factored in the following.

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
axes.set(xlabel="number j", ylabel="singular value", title="Singular values of W, layer 2")
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
# At rank 32 about half of W is missing in the Frobenius norm, and the accuracy has hardly changed.
# The norm counts all directions alike; the network does not.
#
# The error of the outputs
# ------------------------
# What a layer passes on is :math:`W \phi(\mathrm{pad}(Z))`. Where patches fill only few directions
# of their space, W need only be right there. With :math:`R R' = \phi\phi'/n` over n patches,
#
# .. math:: \tfrac{1}{n} \|(W - UV)\, \phi\|_F^2 = \|(W - UV) R\|_F^2,
#
# so the best U V for the outputs comes from the SVD of :math:`W R`, whose second factor is
# multiplied by :math:`R^{-1}`. R is a square root of the second moments, from their eigenvalues.

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
    print(f"rank {rank}, best for the {name}: {100 * errors[name][0]:.0f} % of W is missing, "
          f"{100 * errors[name][1]:.0f} % of the outputs")  # fmt: skip
assert errors["weights"][0] < errors["outputs"][0]
assert errors["outputs"][1] < errors["weights"][1]

# %%
# Each is the best in its own measure, and for the outputs a small rank goes much further. Any
# images of the kind will do to measure on; the first 500 for training are taken here. The
# package's ``roots`` finds R for every layer, and all its routines take it as a last argument.

measure = roots(model, data.train.Z[:, : 64 * 500])
assert np.allclose(np.abs(measure[1].R.T @ W.T), np.abs(R.T @ W.T), atol=1e-6)
whole = factor_layers(model, ranks_given(model, (0, rank, 0, 0), measure), measure)
assert np.allclose(whole.W[2] @ whole.W[1], U_out @ V_out, atol=1e-6)
needed = [x.rank or "all" for x in ranks_by_energy(model, 0.9, measure)]
print("outputs: 90 % of the energy needs rank", needed)

# %%
# A rank for each layer
# ---------------------
# ``ranks_by_energy`` keeps the same share in every layer. ``ranks_by_size`` is told how many times
# smaller the network shall be, and weighs the energy that each layer loses against the parameters
# that it saves: small layers are left alone.

layers = ranks_by_size(model, 4, measure)
figure, panels = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
plot_ranks(layers, name="the digits' network, 4 times smaller", of="outputs", axes=panels)
show()
small = factor_layers(model, layers, measure)
ratio = config.n_parameters / small.config.n_parameters
print(f"ranks {small.config.rank}: {ratio:.1f} times fewer parameters, "
      f"accuracy {accuracy(model):.1f} -> {accuracy(small):.1f} %")  # fmt: skip
assert ratio >= 4

# %%
# Fine-tuning
# -----------
# The factors are layers like any other, with gradients by (3)-(5). ``nn.train`` with ``start``
# goes on from them: three epochs, at half the learning rate. Now for several sizes, with
# the ranks and factors chosen by either measure.

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
        print(f"{name}, {ratio:4.1f} times smaller: ranks {small.config.rank}, "
              f"{rows[-1][1]:.1f} %, fine-tuned {rows[-1][2]:.1f} %")  # fmt: skip
    results[name] = np.array(rows)

figure, axes = plt.subplots(figsize=(8, 4.4), layout="constrained")
axes.axhline(accuracy(model), color=GREY, linewidth=1, label="before")
for (name, rows), colour, mark in zip(results.items(), (VERMILLION, BLUE), "so", strict=True):
    axes.plot(rows[:, 0], rows[:, 1], mark + "--", color=colour, markerfacecolor="white",
              label=f"by the {name}")  # fmt: skip
    axes.plot(rows[:, 0], rows[:, 2], mark + "-", color=colour, label=f"by the {name}, fine-tuned")
axes.set_xscale("log")
axes.set_xticks(sizes, sizes)
axes.minorticks_off()
axes.set(
    xlabel="times fewer parameters",
    ylabel="test accuracy, %",
    title="Smaller networks for the digits",
)
axes.grid(color="0.9")
axes.legend(frameon=False)
show()

# %%
# Without fine-tuning the outputs are on the whole the better guide, above all where little is left.
# Fine-tuning repairs most of the loss, and of the difference between the two it leaves little. (One
# test image is 0.28 %: small differences say nothing.)

mean = {name: rows[:, 1:].mean(axis=0) for name, rows in results.items()}
for name, (factored, tuned) in mean.items():
    print(f"by the {name}: {factored:.1f} % in the mean over the sizes, fine-tuned {tuned:.1f} %")
assert mean["outputs"][0] > mean["weights"][0]
assert all(tuned > factored for factored, tuned in mean.values())
assert abs(np.subtract(*mean.values())[1]) < mean["outputs"][0] - mean["weights"][0]
assert data.test.l == 355

# %%
# What to take away
# -----------------
# Two thin layers take :math:`r(m + k)` in place of :math:`mk` parameters, and operations in the
# same proportion. The SVD gives the factors with the least error in W; what matters is
# the error in what the network computes, and that is smaller if it is measured on the layer's
# outputs. Fine-tuning the factors for a few epochs repairs most of what is lost.
#
# Try it yourself
# ---------------
# 1. Train a network with ``rank`` in its NetConfig from the start, with random factors, for as many
#    epochs as here in all. Does it reach the accuracy of the compressed one?
# 2. Measure R on 20 images instead of 500. At which number of images does the accuracy suffer?
# 3. Factor W by ``randomized_svd`` (tutorial 11). Does that pay for a matrix of 64 x 288?
