r"""
Trusting a gradient
===================

A gradient that is wrong by a factor, or in one layer only, can still lower the loss for a while. So
the fact that a network trains does not prove that its gradient is right. This tutorial compares a
gradient with difference quotients, which need only the function itself. It finds the step at which
they are most accurate, and shows what the kinks of ReLU and pooling do to them. Then it puts three
faults into a gradient on purpose, and lets the check find each of them.
"""

# %%
# A difference quotient subtracts numbers that are nearly equal, so everything here is in double
# precision. The network is small: three layers, one of them with stride 2. (To observe an engine,
# and to break it, we import two internal parts of the package: the lecture engine and its table of
# operators.)
import matplotlib.pyplot as plt
import numpy as np

import simplenn_py as nn
from simplenn_py.engines import LectureEngine, Operators
from simplenn_py.layout import patches, storage
from simplenn_py.plots import BLUE, GREEN, GREY, VERMILLION, show
from simplenn_py.runtime import reduced
from simplenn_py.tools import check_derivatives

rng = np.random.default_rng(0)
l = 5 if reduced() else 20  # images
config = nn.NetConfig.build(
    (8, 8, 1), [nn.Conv(4, 3, pad=1), nn.Conv(6, 3, pad=1, stride=2, pool=2)], [10]
)

# %%
# Two difference quotients
# ------------------------
# With a direction :math:`v` and a step :math:`\epsilon`,
#
# .. math::
#    \frac{f(\theta + \epsilon v) - f(\theta)}{\epsilon} = \nabla f' v + O(\epsilon), \qquad
#    \frac{f(\theta + \epsilon v) - f(\theta - \epsilon v)}{2\epsilon}
#    = \nabla f' v + O(\epsilon^2).
#
# The first quotient is the one-sided difference, the second the central difference. The
# :math:`O(\cdot)` terms are truncation errors: they come from truncating the Taylor series. In the
# central difference the terms with :math:`\epsilon^2` cancel before the division. There is also a
# rounding error. Each value of :math:`f` is rounded by about :math:`10^{-16} |f|`, and the division
# by :math:`\epsilon` magnifies this error. As the step gets smaller, the truncation error falls and
# the rounding error rises. On logarithmic scales their sum looks like a V, with the best step at
# its bottom.
#
# First we take a smooth function of two numbers whose derivative is known,
# :math:`f(x, y) = \log x + xy - \sin y` with :math:`\partial f / \partial x = 1/x + y = 5.5` at
# (2, 5).


def example(x):
    return np.log(x) + 5 * x - np.sin(5)


steps = 10.0 ** np.arange(-1, -12.5, -0.5)
one_sided = [abs((example(2 + e) - example(2)) / e / 5.5 - 1) for e in steps]
central = [abs((example(2 + e) - example(2 - e)) / (2 * e) / 5.5 - 1) for e in steps]
for name, errors in (("one-sided", one_sided), ("central", central)):
    k = int(np.argmin(errors))
    print(f"{name:9s} difference: error {errors[k]:.1e} at the best step, {steps[k]:.0e}")
assert min(central) < min(one_sided) < 1e-6
assert central[2] < 1e-2 * one_sided[2]  # at step 0.01 the truncation error dominates

# %%
# The network's objective
# -----------------------
# Now we take the objective :math:`f(\theta)` of a few digits, as the package computes it.
# ``fungrad_minibatch`` returns :math:`f`. If it is given an array for the gradient, it also writes
# the gradient there. We draw random biases. With zero biases, the ReLU would be exactly at its kink
# for every patch that is all zeros.
data = nn.load_dataset("digits").train
mean = data.Z.reshape((64, -1), order="F").mean(axis=1) / 16  # pixel values range from 0 to 16
problem = nn.Problem(
    data.Z[:, : 64 * l], data.y[:l], nn.SquaredLoss(), C=100.0, scale=1 / 16, offset=mean
)
model = nn.Model.initialise(config, np.arange(10), rng, np.float64)
for bias in model.bias:
    bias[:] = 0.1 * rng.standard_normal(bias.size)
theta = model.theta.copy()


def f(engine, at, gradient=None):
    model.theta[:] = at
    return nn.fungrad_minibatch(engine, model, problem, gradient)


engine = LectureEngine(config, l, np.float64)
gradient = np.empty_like(theta)
print(f"f = {f(engine, theta, gradient):.4f}, {theta.size} parameters")

# %%
# One random direction
# --------------------
# With :math:`n` parameters, central differences along every axis would take :math:`2n` evaluations
# of :math:`f`. One random direction takes only two evaluations and still detects every error: if
# the gradient is wrong by a vector :math:`e \ne 0`, the check sees :math:`e'v`, which is nonzero
# with probability one.


def difference(v, step):
    return (f(engine, theta + step * v) - f(engine, theta - step * v)) / (2 * step)


def relative(x, y):
    return abs(x - y) / max(abs(x), abs(y))


v = rng.standard_normal(theta.size)
v /= np.linalg.norm(v)
slope = difference(v, 1e-6)
print(f"gradient'v {gradient @ v:+.12f}, difference {slope:+.12f}")
print(f"relative difference of the two: {relative(gradient @ v, slope):.1e}")
assert relative(gradient @ v, slope) < 1e-6
assert relative(1.001 * gradient @ v, slope) > 5e-4  # an error of one thousandth is visible

# %%
# ReLU and pooling have kinks, where no derivative exists. Between the two ends of a difference, a
# unit may change its sign, or the maximum of a pooling window may move to a different entry. Then
# the two values of :math:`f` belong to two different smooth pieces. We record the steps for which
# that happens.
winners = {}


def recorded(S, g):
    Z, winners["layer 2"] = nn.maxpooling(S, g)
    return Z, winners["layer 2"]


recorder = LectureEngine(config, l, np.float64, operators=Operators().replace(maxpooling=recorded))


def pattern(at):
    """Return which units are positive and which entries the pooling of layer 2 takes."""
    f(recorder, at)
    parts = [recorder.Z(1) > 0, recorder.Z(2) > 0, winners["layer 2"]]
    return np.concatenate([part.ravel(order="F") for part in parts])


kinked = np.array([np.any(pattern(theta + e * v) != pattern(theta - e * v)) for e in steps])
network_central = np.array([relative(gradient @ v, difference(v, e)) for e in steps])
start = f(engine, theta)
network_one_sided = [relative(gradient @ v, (f(engine, theta + e * v) - start) / e) for e in steps]

# %%
# The figure shows the errors of both quotients: on the left for the example, on the right for the
# network. A hollow marker means that the central difference at this step crosses a kink.
figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for panel, *both in ((axes[0], one_sided, central), (axes[1], network_one_sided, network_central)):
    styles = ((VERMILLION, "s-", "one-sided"), (BLUE, "o-", "central"))
    for errors, (colour, style, label) in zip(both, styles, strict=True):
        panel.loglog(steps, np.maximum(errors, 1e-16), style, color=colour, label=label)
        if panel is axes[1]:
            panel.loglog(steps[kinked], np.array(errors)[kinked], style[0], color=colour,
                         markerfacecolor="white")  # fmt: skip
    panel.set(xlabel="step")
    panel.grid(alpha=0.3)
axes[1].loglog([], [], "o", color=GREY, markerfacecolor="white", label="crosses a kink")
axes[0].set(title="log(x) + x y - sin(y) at (2, 5)", ylabel="relative error")
axes[1].set(title="f of the network, along a random direction")
axes[1].legend(frameon=False)
show()

best = steps[int(np.argmin(network_central))]
print(f"for the network the central difference is most accurate at step {best:.0e}")
assert network_central.min() < 1e-7
assert not kinked[-1]

# %%
# Identities that need no step
# ----------------------------
# The identity :math:`\langle u, Jv \rangle = \langle J'u, v \rangle` holds for every linear map. We
# compute both sides. They differ only by rounding errors, so ten digits or more agree. This is the
# sharpest check of a backward pass against the forward pass. It also holds for each operator alone:
# ``vTP_phi`` followed by ``unpad`` is the adjoint of ``padding_and_phiZ``, and ``vTP_pool`` is the
# adjoint of :math:`P_{\mathrm{pool}}`. For the whole network, ``JTv`` is the adjoint of ``Jv``.
g = config.conv_layers[1]
Z = np.asfortranarray(rng.standard_normal((g.d, g.a * g.b * l)))
phiZ = nn.padding_and_phiZ(Z, g)
U = np.asfortranarray(rng.standard_normal(phiZ.shape))
pairs = {"phi": (np.vdot(U, phiZ), np.vdot(nn.unpad(nn.vTP_phi(U, g), g), Z))}

f(engine, theta)
U = np.asfortranarray(rng.standard_normal((config.nL, l)))
pairs["network"] = (np.vdot(U, nn.Jv(engine, model, v)), nn.JTv(engine, model, U) @ v)
for name, (left, right) in pairs.items():
    print(f"{name:8s} <u, Jv> = {left:+.12f}   <J'u, v> = {right:+.12f}")
    assert relative(left, right) < 1e-10

# %%
# The identity does not show whether J is the right map. A filter that is transposed in both passes
# satisfies it. So we also compare Jv itself with differences of :math:`z^{L+1}`.


def outputs(at):
    f(engine, at)
    return engine.Z(config.L).copy()


quotient = (outputs(theta + 1e-6 * v) - outputs(theta - 1e-6 * v)) / 2e-6
f(engine, theta)
Jv = nn.Jv(engine, model, v)
error = np.linalg.norm(Jv - quotient) / np.linalg.norm(Jv)
print(f"Jv against differences: {error:.1e}")
assert error < 1e-6

# %%
# At a kink
# ---------
# :math:`\sigma(s) = \max(0, s)` has no derivative at 0. The lecture's strict indicator I[.] is 0
# there. A central difference across the kink gives a value between 0 and 1, depending on how far
# :math:`s` is from the kink. At the kink itself it gives 0.5, however small the step is. A tie in a
# pooling window is the same kind of kink, as a function of the difference of the two entries.
# Equation (3) gives the whole derivative to the first of the two entries, whereas a central
# difference gives half of it to each.
distances, step = np.array([0.0, 1e-4, 1e-2]), 1e-3
quotients = (nn.relu(distances + step) - nn.relu(distances - step)) / (2 * step)
for s, indicated, quotient in zip(distances, nn.indicator(distances), quotients, strict=True):
    print(f"s = {s:g}: I[s] = {indicated:g}, central difference with step {step:g}: {quotient:.2f}")
assert nn.indicator(distances).tolist() == [0, 1, 1]
assert np.allclose(quotients, [0.5, 0.55, 1.0], atol=1e-10)

# %%
# Three faults
# ------------
# The first fault is a missing factor 1/l: the gradient is the sum over the batch instead of the
# mean. We write our own engine, which multiplies its derivatives by :math:`l`.


class WithoutMean(LectureEngine):
    def backward(self, m, W, dW=None, dbias=None, **more):
        super().backward(m, W, dW, dbias, **more)
        for written in (dW, dbias):
            if written is not None:
                written *= self.l  # f divides by l, which this undoes


# %%
# The other two are in :math:`v'P_\phi` of (5). For each channel and each filter offset :math:`(u,
# w)`, this operator adds one row of :math:`V` to the pixels that the offset reads. One fault is to
# exchange the offsets, and the other is to write ``=`` instead of ``+=``. We put our routine into
# the table of operators in place of the package's.


def vTP_phi(V, g, fault=""):
    V = patches(V, g)  # [instance, j, i, channel, w, u]
    out = np.zeros((V.shape[0], g.b_pad, g.a_pad, g.d))
    for w in range(g.h):
        for u in range(g.h):
            rows = slice(u, u + g.s * g.a_conv, g.s)
            columns = slice(w, w + g.s * g.b_conv, g.s)
            piece = V[..., u, w] if fault == "transposed" else V[..., w, u]
            if fault == "overwrites":
                out[:, columns, rows] = piece
            else:
                out[:, columns, rows] += piece
    return storage(out)


def with_vTP(fault):
    table = Operators().replace(vTP_phi=lambda V, g: vTP_phi(V, g, fault))
    return LectureEngine(config, l, np.float64, operators=table)


U = np.asfortranarray(rng.standard_normal(phiZ.shape))
assert np.abs(vTP_phi(U, g) - nn.vTP_phi(U, g)).max() < 1e-10  # right without a fault

engines = {
    "right": with_vTP(""),
    "1/l missing": WithoutMean(config, l, np.float64),
    "offsets transposed": with_vTP("transposed"),
    "+= lost": with_vTP("overwrites"),
}

# %%
# The package's checker
# ---------------------
# ``check_derivatives`` makes the checks that we made by hand. It checks one layer after another,
# with directions that change only that layer. If a sign or a pooling index differs between the two
# ends of a difference, it draws another direction. It reports a verdict for each layer, the worst
# entry of each wrong layer and, if it knows the pattern, the likely cause. On the command line it
# is ``simplenn gradcheck NETWORK``. Here we run it on the right engine and on the three wrong ones.
expected = {"right": ["ok"] * 3, "1/l missing": ["wrong"] * 3}
for name, broken in engines.items():
    report = check_derivatives(config, engine=broken)
    verdicts = [layer.verdict for layer in report.layers]
    print(f"{name}: layers {', '.join(verdicts)}")
    for worst in (layer.worst for layer in report.layers if layer.worst):
        print(
            f"    worst: {worst.place}, {worst.computed / worst.expected:.3g} times the right value"
        )
    for hint in report.hints:
        print(f"    hint: {hint.text}")
    assert verdicts == expected.get(name, ["wrong", "ok", "ok"])
    assert report.ok == (name == "right")

# %%
# A fault in (5) of layer 2 appears in layer 1, because (5) carries the derivative to layer 1. Layer
# 2 and the layers after it are right. So look for the fault between the last wrong layer and the
# first correct one. Each fault can also be seen in the difference quotients: instead of a V there
# is a plateau, whose height is the error of the gradient.
figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
styles = (("o-", BLUE), ("s--", VERMILLION), ("^-.", GREEN), ("v:", GREY))
for (name, broken), (style, colour) in zip(engines.items(), styles, strict=True):
    f(broken, theta, gradient)
    errors = [relative(gradient @ v, difference(v, e)) for e in steps]
    panel.loglog(steps, errors, style, color=colour, label=name)
    assert (min(errors) < 1e-6) == (name == "right")
panel.set(xlabel="step", ylabel="relative error of gradient'v", title="A V, and three plateaus")
panel.grid(alpha=0.3)
panel.legend(frameon=False)
show()

# %%
# What to take away
# -----------------
# Compare the gradient with a central difference along a random direction, in double precision and
# for several steps. A V means that the gradient is right, and a plateau means that it is wrong.
# Identities such as :math:`\langle u, Jv \rangle = \langle J'u, v \rangle` are sharper, but do not
# show that J is the right map. A kink disturbs a difference only if the step reaches the kink. In
# that case, draw another direction.
#
# Try it yourself
# ---------------
# 1. Change (4) so that it omits the last pixel of every image. Which layers does the check report
#    as wrong?
# 2. Compute the differences in single precision. Where is the bottom of the V, and how deep is it?
# 3. Transpose the offsets in ``padding_and_phiZ`` as well. Which check still fails, and why?
