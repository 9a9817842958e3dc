r"""
Back-propagation on tensors, without a Jacobian
===============================================

The derivative of a layer's output with respect to its weights is a tensor with four indices. For a
layer of realistic size, this tensor takes terabytes. Back-propagation never forms it, but
differentiates one scalar instead, a projection of the output (section E of the lecture). This
tutorial shows that the gradient stays the same, how much memory and time the projection saves, and
that the lecture's equations (4) and (5) are such derivatives.
"""

import tracemalloc

import matplotlib.pyplot as plt
import numpy as np

import simplenn_py as nn
from simplenn_py.autodiff import conv, gradient, jacobian, jacobian_memory, projection_gradient
from simplenn_py.layout import vec
from simplenn_py.plots import show
from simplenn_py.runtime import reduced, seconds

SMALL = reduced()
rng = np.random.default_rng(0)

# %%
# How large is a Jacobian?
# ------------------------
# Section E of the lecture considers the last linear layer of a network, :math:`S = X W'`, with a
# batch of N = 100, m = 4096 inputs and K = 1000 classes. S has NK entries, W has Km, and each entry
# of S has a derivative with respect to each entry of W.

N, m, K = 100, 4096, 1000
gradient_entries, jacobian_entries = K * m, (N * K) * (K * m)
print(f"dL/dW {gradient_entries:,} numbers, {4 * gradient_entries / 1e6:.1f} MB in float32")
print(f"dS/dW {jacobian_entries:,} numbers, {4 * jacobian_entries / 1e12:.2f} TB in float32")
print("counted by the package:", jacobian_memory((N, K), (K, m)))
memory = jacobian_memory((N, K), (K, m))
assert memory.gradient_entries == gradient_entries == 4_096_000
assert memory.jacobian_entries == jacobian_entries == 409_600_000_000

# %%
# Convolutional layers are no better, because their S is large. Here are the layers of the
# ``layer4`` network on MNIST, for a batch of 128.

for number, g in enumerate(nn.NetConfig.preset("layer4").conv_layers, start=1):
    S_shape = (g.d_next, g.a_conv * g.b_conv * 128)
    print(f"layer {number}:", jacobian_memory(S_shape, (g.d_next, g.hhd)))

# %%
# A Jacobian small enough to inspect
# ----------------------------------
# With N = 3, m = 4 and K = 2 we can form the Jacobian. Since
# :math:`S_{nk} = \sum_j X_{nj} W_{kj}`,
#
# .. math:: \frac{\partial S_{nk}}{\partial W_{k'j}} = X_{nj} \ \text{ if } k = k',
#           \text{ else } 0.
#
# The tape finds the same numbers, with one backward pass for each entry of S.

N, m, K = 3, 4, 2
X, W = rng.standard_normal((N, m)), rng.standard_normal((K, m))


def explicit(X, K):
    """Form dS/dW of S = X W', shape (N, K, K, m)."""
    return np.einsum("nj,kq->nkqj", X, np.eye(K))


J = explicit(X, K)
by_tape = jacobian(lambda W: X @ W.T)(W)
zeros = np.mean(by_tape == 0)
print("dS/dW has shape", by_tape.shape, f"and {100 * zeros:.0f} % of its entries are zero")
assert np.allclose(J, by_tape, rtol=0, atol=1e-10)
assert zeros == 1 - 1 / K

# %%
# Only one of every K entries is nonzero, and the nonzero entries repeat X for every class. Nobody
# needs these numbers themselves. The chain rule multiplies them by
# :math:`\delta = \partial L / \partial S` and adds the products:
#
# .. math:: \frac{\partial L}{\partial W_{kj}}
#           = \sum_{n,k'} \delta_{nk'} \frac{\partial S_{nk'}}{\partial W_{kj}}
#           = \sum_n \delta_{nk} X_{nj} = (\delta' X)_{kj}.
#
# The projection
# --------------
# Now hold :math:`\delta` fixed, as an array of constants, and differentiate the scalar
#
# .. math:: s_P(W) = \langle S(W), \delta \rangle = \sum_{n,k} \delta_{nk} S_{nk}(W).
#
# Its gradient with respect to W is the same sum. It has the shape of W, and the tensor with four
# indices never appears.

delta = rng.standard_normal((N, K))
contracted = np.einsum("nk,nkqj->qj", delta, J)
by_hand = delta.T @ X
s_P = gradient(lambda W: np.sum((X @ W.T) * delta))(W)
dX, dW = projection_gradient(lambda X, W: X @ W.T, delta, X, W)
largest = max(np.abs(other - by_hand).max() for other in (contracted, s_P, dW))
print(f"largest difference between the four methods: {largest:.1e}")
for other in (contracted, s_P, dW):
    assert np.allclose(other, by_hand, rtol=0, atol=1e-10)
assert np.allclose(dX, delta @ W, rtol=0, atol=1e-10)

# %%
# ``projection_gradient`` gives the gradients with respect to all arguments. The gradient with
# respect to X is :math:`\delta W`, which is the :math:`\delta` of the previous layer. So a chain of
# layers needs nothing more. Here L is the squared loss of a network with two layers. Each layer
# receives its :math:`\delta` and computes that of the previous layer. The result equals the
# gradient of the whole network.

W1, W2 = rng.standard_normal((5, m)), rng.standard_normal((K, 5))
target = rng.standard_normal((N, K))


def hidden(X, W1):
    """Return the output of the first layer, with tanh."""
    return np.tanh(X @ W1.T)


def whole(W1, W2):
    """Return the loss of the whole network."""
    return np.sum((hidden(X, W1) @ W2.T - target) ** 2)


H = hidden(X, W1)
delta_2 = 2 * (H @ W2.T - target)  # dL/dS of the last layer
delta_1, dW2 = projection_gradient(lambda H, W2: H @ W2.T, delta_2, H, W2)
_, dW1 = projection_gradient(hidden, delta_1, X, W1)
at_once = gradient(whole, argnum=(0, 1))(W1, W2)
assert np.allclose(dW1, at_once[0], rtol=0, atol=1e-10)
assert np.allclose(dW2, at_once[1], rtol=0, atol=1e-10)
largest = np.abs(dW1 - at_once[0]).max()
print(f"layer by layer against the whole network: largest difference {largest:.1e}")

# %%
# The convolutional layer
# -----------------------
# :math:`S = W\,\phi(\mathrm{pad}(Z)) + b\,1^T` is linear in each of its arguments, and its two
# vector-Jacobian products are (4) and (5). For a tiny layer we form the explicit Jacobians and
# multiply them by :math:`\delta`. Then we compare the products with the lecture's routines, which
# form nothing larger than :math:`\phi`.

g = nn.ConvGeometry(a=4, b=3, d=2, p=1, h=3, s=1, d_next=3, h_pool=1)
Z = np.asfortranarray(rng.standard_normal((g.d, g.a * g.b * 2)))  # two images
W, bias = rng.standard_normal((g.d_next, g.hhd)), rng.standard_normal(g.d_next)
S = conv(Z, W, bias, g)
delta = np.asfortranarray(rng.standard_normal(S.shape))

dS_dW = jacobian(lambda W: conv(Z, W, bias, g))(W)
dS_dZ = jacobian(lambda Z: conv(Z, W, bias, g))(Z)
phiZ = nn.padding_and_phiZ(Z, g)
dW = delta @ phiZ.T  # (4)
dZ = nn.unpad(nn.vTP_phi(np.asfortranarray(W.T @ delta), g), g)  # (5)
print("shapes: Jacobians", dS_dW.shape, dS_dZ.shape, "products", dW.shape, dZ.shape)
assert np.allclose(np.tensordot(delta, dS_dW, 2), dW, rtol=0, atol=1e-10)
assert np.allclose(np.tensordot(delta, dS_dZ, 2), dZ, rtol=0, atol=1e-10)
for ours, theirs in zip(
    projection_gradient(lambda Z, W: conv(Z, W, bias, g), delta, Z, W), (dZ, dW), strict=True
):
    assert np.allclose(ours, theirs, rtol=0, atol=1e-10)

# %%
# Flattened by ``vec``, in Fortran order, the second tensor becomes the matrix
# :math:`\partial\,\mathrm{vec}(S) / \partial\,\mathrm{vec}(Z)'`. Multiplied from the left by
# :math:`\mathrm{vec}(\delta)'`, it gives (5). Most entries of the matrix are zero, because each
# pixel is in only a few patches.

matrix = dS_dZ.reshape(S.size, Z.size, order="F")
print(f"the matrix has shape {matrix.shape} and {100 * np.mean(matrix == 0):.0f} % zeros")
assert np.allclose(vec(delta) @ matrix, vec(dZ), rtol=0, atol=1e-10)

# %%
# What it costs
# -------------
# Now we take sizes at which the Jacobian still fits into memory: the layer :math:`S = XW'` with
# N = 20, K = 30 and a growing number m of inputs. We measure the time and the peak memory that
# NumPy allocates.


def peak(call):
    """Return the peak memory that `call` allocates, in bytes."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


N, K = 20, 30
sizes = [16, 64, 256] if SMALL else [16, 64, 256, 1024, 4096]
measured = {"Jacobian": [], "projection": []}
for m in sizes:
    X, W = rng.standard_normal((N, m)), rng.standard_normal((K, m))
    delta = rng.standard_normal((N, K))
    routes = {
        "Jacobian": lambda X=X, delta=delta: np.tensordot(delta, explicit(X, K), 2),
        "projection": lambda X=X, W=W, delta=delta: projection_gradient(
            lambda W: X @ W.T, delta, W
        )[0],
    }
    assert np.allclose(routes["Jacobian"](), routes["projection"](), rtol=0, atol=1e-10)
    for name, route in routes.items():
        measured[name].append((seconds(route, 3), peak(route)))
    forecast = jacobian_memory((N, K), (K, m), np.float64)
    (slow, large), (fast, lean) = (measured[name][-1] for name in routes)
    print(f"m = {m:4d}: Jacobian {1e3 * slow:8.2f} ms {large / 1e6:8.2f} MB",
          f"(the array itself {forecast.jacobian_bytes / 1e6:.2f} MB),",
          f"projection {1e3 * fast:6.2f} ms {lean / 1e6:6.2f} MB")  # fmt: skip
    assert large >= forecast.jacobian_bytes
    assert m < 64 or lean < large / 20

figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4), layout="constrained")
styles = zip(measured.items(), ("#D55E00", "#0072B2"), "so", strict=True)
for (name, values), colour, marker in styles:
    times, peaks = np.array(values).T
    style = {"color": colour, "marker": marker, "label": name}
    left.loglog(sizes, 1e3 * times, **style)
    right.loglog(sizes, peaks / 1e6, **style)
right.loglog(4096, memory.jacobian_bytes / 1e6, "s", color="#D55E00", mfc="white")
right.annotate("section E's layer: 1.6 TB", (4096, memory.jacobian_bytes / 1e6),
               xytext=(-12, 0), textcoords="offset points", ha="right", va="center")  # fmt: skip
right.loglog(4096, memory.gradient_bytes / 1e6, "o", color="#0072B2", mfc="white")
right.annotate("its gradient: 16 MB", (4096, memory.gradient_bytes / 1e6),
               xytext=(-12, 0), textcoords="offset points", ha="right", va="center")  # fmt: skip
left.set(xlabel="inputs m", ylabel="time (ms)", title=f"dL/dW, N = {N}, K = {K}")
right.set(xlabel="inputs m", ylabel="peak memory (MB)", title="Memory")
right.set_ylim(top=1e7)
for axes in (left, right):
    axes.set_xticks(sizes, [str(m) for m in sizes])
    axes.minorticks_off()
    axes.grid(color="0.9")
left.legend(frameon=False)
show()

# %%
# The Jacobian is NK times as large as the gradient, whatever m is: 600 times here, 100,000 times in
# section E's layer.
#
# What to take away
# -----------------
# A layer only has to answer one question: given :math:`\delta = \partial L / \partial S`, what is
# the gradient of :math:`\langle S, \delta\rangle` with respect to its weights and its inputs? The
# answer has the shapes of the weights and the inputs. For a linear layer it is :math:`\delta' X`
# and :math:`\delta W`. For a convolutional layer it is (4) and (5).
#
# Try it yourself
# ---------------
# 1. Which layer of ``vgg11`` has the largest Jacobian for a batch of 32? Use ``jacobian_memory``.
# 2. Max pooling is :math:`\mathrm{vec}(Z) = P_{\mathrm{pool}} \, \mathrm{vec}(S)`. Which gradient
#    does its projection give, and which of the lecture's routines computes it?
# 3. Let :math:`\delta` depend on W, as it does in a real loss, and differentiate
#    :math:`\langle S(W), \delta(W)\rangle`. Why is the result not the gradient of the loss?
