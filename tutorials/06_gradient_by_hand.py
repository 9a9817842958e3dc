r"""
The gradient by hand
====================

Equations (3), (4) and (5) completely describe back-propagation through a convolutional layer. Here
we carry them out line by line for a network of one convolutional and one fully connected layer. We
compute the product :math:`v' P_\phi` of (5) by four methods. We then compare the gradient with that
of the package and with finite differences.
"""

# %%
# The network and its data
# ------------------------
# The images are digits of 8 x 8 pixels. The convolutional layer has six 3 x 3 filters, padding 1,
# ReLU and 2 x 2 pooling. A fully connected layer with one output for each of the ten classes
# follows. The loss is the squared loss :math:`\xi = \|z^{L+1} - y\|^2` with :math:`y` one-hot.
# Everything is in float64.
#
# The ReLU has a kink at 0, and pooling has a kink wherever a window has a tie. Both are frequent in
# the flat areas of the digits. At a kink a finite difference would prove nothing, so we add a
# little noise to the images and to the parameters.
import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse

import simplenn_py as nn
from simplenn_py.layout import to_nhwc, vec
from simplenn_py.plots import show
from simplenn_py.runtime import busy, reduced, seconds

data = nn.load_dataset("digits").train
l = 20 if reduced() else 100
config = nn.NetConfig.build((data.a, data.b, 1), [nn.Conv(6, 3, pad=1, pool=2)], [10])
g = config.conv_layers[0]
rng = np.random.default_rng(0)
model = nn.Model.initialise(config, np.arange(10), rng, dtype=np.float64)
model.theta += 0.01 * rng.standard_normal(model.theta.size)
W1, W2 = model.W
bias1, bias2 = model.bias
Z1 = np.asfortranarray(data.Z[:, : data.a * data.b * l] / 16.0)
Z1 += 0.01 * rng.standard_normal(Z1.shape)
labels = data.y[:l]
y = np.zeros((10, l))
y[labels, np.arange(l)] = 1
print(f"{config.n_parameters} parameters, {l} images")

# %%
# The forward pass
# ----------------
# We keep everything that the backward pass needs: :math:`\phi(\mathrm{pad}(Z))`, the pooled output
# and its indices. The fully connected layer reads :math:`\mathrm{vec}(Z^{2,i})`, which is a view of
# the same memory.


def forward(Z1, W1, bias1, W2, bias2):
    phiZ = nn.padding_and_phiZ(Z1, g)
    S = (phiZ.T @ W1.T + bias1).T  # W phi(pad(Z)) + b 1', in Fortran order
    Z2, idx_pool = nn.maxpooling(nn.relu(S), g)
    z2 = Z2.reshape((-1, l), order="F")
    z3 = W2 @ z2 + bias2[:, None]
    return phiZ, Z2, idx_pool, z2, z3


phiZ, Z2, idx_pool, z2, z3 = forward(Z1, W1, bias1, W2, bias2)
loss = ((z3 - y) ** 2).sum()
print(f"summed loss {loss:.6f}")
assert np.shares_memory(z2, Z2)

# %%
# The backward pass: the loss and the fully connected layer
# ---------------------------------------------------------
# The derivative of the loss is :math:`\partial\xi/\partial z^{L+1} = 2(z^{L+1} - y)`. The last
# layer is linear, so this is its :math:`\partial\xi/\partial s`, and :math:`\partial\xi/\partial W
# = \partial\xi/\partial s\, z'`. Each instance is one column, so the product also sums over the
# instances.
ds = 2 * (z3 - y)
dW2 = ds @ z2.T
dbias2 = ds.sum(axis=1)
dZ2 = (W2.T @ ds).reshape(Z2.shape, order="F")

# %%
# Equation (3): through pooling and ReLU
# --------------------------------------
# .. math::
#    \frac{\partial\xi}{\partial\mathrm{vec}(S)'} =
#    \left( \frac{\partial\xi}{\partial\mathrm{vec}(Z^{m+1})'} \odot
#    \mathrm{vec}(I[Z^{m+1}])' \right) P_{\mathrm{pool}}
dS = nn.vTP_pool(np.asfortranarray(dZ2 * nn.indicator(Z2)), idx_pool, g)

# %%
# Equation (4): the filters
# -------------------------
# .. math::
#    \frac{\partial\xi}{\partial W} =
#    \frac{\partial\xi}{\partial S} \, \phi(\mathrm{pad}(Z))', \qquad
#    \frac{\partial\xi}{\partial b} = \frac{\partial\xi}{\partial S} \, 1
dW1 = dS @ phiZ.T
dbias1 = dS.sum(axis=1)

# %%
# Equation (5): the input
# -----------------------
# .. math::
#    \frac{\partial\xi}{\partial\mathrm{vec}(Z)'} =
#    \mathrm{vec}\left( W' \frac{\partial\xi}{\partial S} \right)' P_\phi P_{\mathrm{pad}}
#
# Training does not need (5) in the first layer, but it does in every later one. The matrix :math:`V
# = W' \partial\xi/\partial S` has the shape of :math:`\phi(\mathrm{pad}(Z))`: one number for every
# copy of a pixel. :math:`v' P_\phi` sums over the copies of each pixel.
#
# **In plain loops:**
V = np.asfortranarray(W1.T @ dS)


def vTP_phi(V, g):
    dpad = np.zeros((V.shape[1] // (g.a_conv * g.b_conv), g.b_pad, g.a_pad, g.d))
    for column in range(V.shape[1]):
        n, pixel = divmod(column, g.a_conv * g.b_conv)
        j, i = divmod(pixel, g.a_conv)
        for row in range(V.shape[0]):
            c, offset = divmod(row, g.h * g.h)
            w, u = divmod(offset, g.h)
            dpad[n, j * g.s + w, i * g.s + u, c] += V[row, column]
    return dpad.ravel()  # vec(dpad), in storage (1)


looped = vTP_phi(V, g)

# %%
# **By accumulation.** MATLAB's ``accumarray`` is NumPy's ``bincount`` with weights: it adds each
# number to the bin of its index. One call handles all instances if each has its own bins.


def places(g, l):
    """Return the position in vec(pad(Z)) of each entry of vec(phi(pad(Z))), for l instances."""
    return (nn.find_index_phiZ(g) + g.d * g.a_pad * g.b_pad * np.arange(l)[:, None]).ravel()


def accumulated(V, where):
    return np.bincount(where, weights=vec(V))


where = places(g, l)
assert np.allclose(accumulated(V, where), looped, atol=1e-10)

# %%
# Plain indexing would be wrong: for a repeated index, ``dpad[where] += v`` keeps only one of the
# additions.
wrong = np.zeros(looped.size)
wrong[where] += vec(V)
print(f"dpad[where] += v is off by up to {np.abs(wrong - looped).max():.3f}")
assert not np.allclose(wrong, looped)

# %%
# **By a sparse product** with the matrix itself: :math:`P_\phi' v` for every instance.


def sparse_P_phi(g, dtype=np.float64):
    index = nn.find_index_phiZ(g)
    ones, starts = np.ones(index.size, dtype), np.arange(index.size + 1)
    return sparse.csr_array((ones, index, starts), shape=(index.size, g.d * g.a_pad * g.b_pad))


def multiplied(V, PT):
    v = vec(V).reshape(-1, PT.shape[1])  # one row per instance
    return np.concatenate([PT @ row for row in v])


assert np.allclose(multiplied(V, sparse_P_phi(g).T), looped, atol=1e-10)

# %%
# **Compiled:** in the package's loop each core owns some columns of the image, and adds up the
# contributions to their pixels. Two cores never add to the same pixel.
dpad = nn.vTP_phi(V, g)
assert np.allclose(vec(dpad), looped, atol=1e-10)
dZ1 = nn.unpad(dpad, g)  # and v' P_pad: drop the border
print("v'P_phi: the four methods agree to 1e-10")

# %%
# The comparison
# --------------
# The package orders the gradient layer by layer: ``vec(W)``, then the bias. We run its backward
# pass with the lecture engine. The result must be the same.
gradient = np.concatenate([vec(np.asfortranarray(dW1)), dbias1, dW2.ravel("F"), dbias2])
mean = np.zeros(data.a * data.b)  # no mean image is subtracted
problem = nn.Problem(Z1, labels, nn.SquaredLoss(), C=np.inf, scale=1.0, offset=mean)
engine = nn.make_engine("lecture", config, l, np.float64)
packages = np.empty(config.n_parameters)
packages_loss = nn.lossgrad_subset(engine, model, problem, np.arange(l), packages)
error = np.abs(gradient - packages).max() / np.abs(packages).max()
print(f"the package's loss {packages_loss:.6f}; relative difference of the gradients {error:.1e}")
assert abs(packages_loss - loss) < 1e-10 * loss
assert error < 1e-10

# %%
# The package could contain the same mistakes as our code, but finite differences could not. Along a
# random direction :math:`v`, the central difference must agree with :math:`g'v`, where :math:`g` is
# the gradient.
v = rng.standard_normal(model.theta.size)
v /= np.linalg.norm(v)
t = 1e-6


def loss_at(theta, Z=Z1):
    W, bias = model.split(theta)
    return ((forward(Z, W[0], bias[0], W[1], bias[1])[-1] - y) ** 2).sum()


difference = (loss_at(model.theta + t * v) - loss_at(model.theta - t * v)) / (2 * t)
print(f"g'v = {gradient @ v:.8f}, by differences {difference:.8f}")
assert abs(gradient @ v - difference) < 1e-5 * np.linalg.norm(gradient)

# %%
# To check (5), we change the images instead of the parameters.
v = rng.standard_normal(Z1.shape) / np.sqrt(Z1.size)
difference = (loss_at(model.theta, Z1 + t * v) - loss_at(model.theta, Z1 - t * v)) / (2 * t)
print(f"(5): g'v = {np.vdot(dZ1, v):.8f}, by differences {difference:.8f}")
assert abs(np.vdot(dZ1, v) - difference) < 1e-5 * np.linalg.norm(dZ1)

# %%
# The result of (5) shows how each pixel affects the loss of its image. More ink in a red pixel
# raises the loss, and more ink in a blue pixel lowers it.
fig, axes = plt.subplots(2, 5, figsize=(8, 3.2), layout="constrained")
limit = np.abs(dZ1[:, : data.a * data.b * 5]).max()
for n in range(5):
    axes[0, n].imshow(to_nhwc(Z1, data.a, data.b)[n, :, :, 0], cmap="Greys")
    axes[0, n].set_title(f"digit {labels[n]}")
    shown = to_nhwc(dZ1, data.a, data.b)[n, :, :, 0]
    drawn = axes[1, n].imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit)
for ax in axes.flat:
    ax.set_xticks([])
    ax.set_yticks([])
axes[0, 0].set_ylabel("image")
axes[1, 0].set_ylabel("dxi/dZ")
fig.colorbar(drawn, ax=axes, shrink=0.8, label="change of loss\nper unit of ink")
show()

# %%
# How long each method takes
# --------------------------
# Now we take a layer of realistic size. The loops in Python would take too long here. We do not
# time the preparation of the indices for ``bincount`` and of the matrix for the sparse product. The
# compiled loop needs neither.
l = 8 if reduced() else 64
g = nn.ConvGeometry(a=28, b=28, d=32, p=1, h=3, s=1, d_next=32, h_pool=1)
V = np.asfortranarray(rng.standard_normal((g.hhd, g.a_conv * g.b_conv * l)))
where, PT, out = places(g, l), sparse_P_phi(g).T.tocsr(), nn.vTP_phi(V, g)
assert np.allclose(accumulated(V, where), vec(out), atol=1e-10)
assert np.allclose(multiplied(V, PT), vec(out), atol=1e-10)
print(busy() or "The machine is otherwise idle, so the times below are reliable.")
times = {
    "bincount": seconds(lambda: accumulated(V, where), 3),
    "sparse P_phi": seconds(lambda: multiplied(V, PT), 3),
    "compiled": seconds(lambda: nn.vTP_phi(V, g, out=out), 3),
}
for name, time in times.items():
    additions = V.size / time / 1e6
    print(f"{name:13s} {1e3 * time:7.1f} ms, {additions:6.0f} million additions per second")
fastest = min(times, key=times.get)
print(f"fastest here: {fastest}; bincount takes {times['bincount'] / times['compiled']:.2f} times "
      f"the time of the compiled loop")  # fmt: skip
print(f"bincount reads {where.nbytes / 1e6:.0f} MB of indices and {V.nbytes / 1e6:.0f} MB of V")

fig, ax = plt.subplots(figsize=(6.5, 2.2))
colours = ["#E69F00", "#999999", "#0072B2"]
bars = ax.barh(list(times), [1e3 * t for t in times.values()], color=colours)
ax.bar_label(bars, fmt="%.1f", padding=3)
ax.invert_yaxis()
ax.margins(x=0.12)
ax.set(xlabel="ms", title=f"v' P_phi: {l} images, 28 x 28 x 32, filter 3 x 3, float64")
ax.spines[["top", "right"]].set_visible(False)
fig.tight_layout()
show()

# %%
# What to take away
# -----------------
# The backward pass mirrors the forward pass. It applies the transpose of each step in reverse
# order, and uses :math:`\phi(\mathrm{pad}(Z))`, :math:`Z^{m+1}` and ``idx_pool`` from the forward
# pass. Two products and two index operations give the gradient of a layer. A gradient written by
# hand is not finished until a finite difference along a random direction has confirmed it.
#
# Try it yourself
# ---------------
# 1. Leave out the indicator in (3). How far off is :math:`g'v`?
# 2. Replace the squared loss by softmax cross-entropy. Which single line of the backward pass
#    changes?
# 3. Insert a second convolutional layer between the convolutional and the fully connected layer.
#    Now the gradient needs (5).
