r"""
Where the time goes
===================

Nearly all the time of a training step is spent in the convolutional and the fully connected
layers, says the lecture. This tutorial measures it: a stopwatch around every layer and every pass,
with both engines, then around every operator of the lecture's engine, and at last the roofline,
which tells what the machine could do at best and whether arithmetic or memory is the bound.
"""

# %%
# Every number below is of the machine that runs this, and of this run. Single precision; the
# network is simpleNN's demo network, three convolutional layers and a fully connected one.

import time

import matplotlib.pyplot as plt
import numpy as np

import simplenn_py as nn
from simplenn_py.cnn import padding, phi, pooling, relu
from simplenn_py.engines.lecture import LectureEngine
from simplenn_py.engines.operators import Operators
from simplenn_py.layer_times import PASSES, measure
from simplenn_py.linalg.plots import plot_roofline
from simplenn_py.linalg.roofline import layer_work, measure_machine
from simplenn_py.plots import BLUE, GREEN, GREY, VERMILLION, plot_layer_times
from simplenn_py.summary import summarise
from simplenn_py.teaching import reduced, show
from simplenn_py.threads import limit_threads

side, batch_size, repeat = (14, 32, 5) if reduced() else (28, 128, 15)
config = nn.NetConfig.preset("layer4", side, side, 1)

# %%
# Counting first
# --------------
# Before anything runs, the operations are known: :math:`2mnk` of each product. A training step
# multiplies three times in each layer: forward :math:`W \phi(\mathrm{pad}(Z))`, for (4)
# :math:`\partial\xi/\partial S \; \phi(\mathrm{pad}(Z))'`, and for (5)
# :math:`W' \partial\xi/\partial S`. Layer 1 needs no (5): nobody asks for the derivative by the
# images.

costs = summarise(config, batch_size)
for layer in costs.layers:
    m, k, n = layer.product
    share = layer.step_operations / costs.step_operations
    print(f"layer {layer.m}: {m} x {k} times {k} x {n}, {100 * share:.0f} % of the operations")
assert all(layer.operations == 2 * np.prod(layer.product) for layer in costs.layers)
convolutional = sum(layer.step_operations for layer in costs.layers if layer.is_convolutional)
assert convolutional > 0.9 * costs.step_operations

# %%
# Layer by layer
# --------------
# ``layer_times.measure`` runs each layer on random images, forward, for (4) and for (5), and keeps
# the shortest of several times: what else a computer does can only make it slower. Either pass
# back begins with (3), and is counted with it. It is what ``simplenn profile`` calls.

times = {engine: measure(config, batch_size, "float32", engine, repeat)
         for engine in ("lecture", "direct")}  # fmt: skip
for engine, measured in times.items():
    print(f"{engine} engine: a step takes {1e3 * measured.step:.2f} ms, {measured.threads} threads")
    for layer in measured.layers:
        cells = [f"{which} {1e3 * t:.2f} ms" for which, t in layer.seconds.items()]
        rates = [f"{layer.rate(which) / 1e9:.0f}" for which in layer.seconds]
        print(f"  {layer.m} {layer.kind} {layer.sizes:12s} {', '.join(cells)}")
        print(f"    GFLOP/s: {', '.join(rates)}, the machine's peak {measured.peak / 1e9:.0f}")
ratio = times["lecture"].step / times["direct"].step
print(f"the lecture engine takes {ratio:.1f} times as long as the direct engine")

figure, axes = plt.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
for panel, measured in zip(axes, times.values(), strict=True):
    plot_layer_times(measured, name=f"layer4, {side}x{side}x1 images", axes=panel)
axes[0].set(xlabel="")
slowest = max(layer.total for measured in times.values() for layer in measured.layers)
axes[1].set_xlim(0, 1.1e3 * slowest)  # one scale for both
show()

# %%
# Operations alone do not tell the time. Here is, of each engine, the layer that takes most time,
# and that with most operations; and how the rates of one network's products differ.

most = max(costs.layers, key=lambda layer: layer.step_operations)
for engine, measured in times.items():
    longest = max(measured.layers, key=lambda layer: layer.total)
    rates = [layer.rate(which) / 1e9 for layer in measured.layers for which in layer.seconds]
    print(
        f"{engine}: layer {longest.m} takes most time, layer {most.m} has most operations; "
        f"from {min(rates):.0f} to {max(rates):.0f} GFLOP/s"
    )

# %%
# Inside the lecture engine
# -------------------------
# Its layer is one product and a handful of operators: phi, ReLU, pooling on the way forward, their
# adjoints on the way back. They come in a table, so that each can be put into a stopwatch. What is
# left of a step, when all are subtracted, is the products and what surrounds them.

spent: dict[str, float] = {}


def timed(name, routine):
    def stopwatch(*args, **more):
        began = time.perf_counter()
        result = routine(*args, **more)
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - began
        return result

    return stopwatch


table = Operators(
    padding_and_phiZ=timed("phi", phi.padding_and_phiZ),
    vTP_phi=timed("v'P_phi", phi.vTP_phi),
    unpad=timed("unpad", padding.unpad),
    maxpooling=timed("maxpooling", pooling.maxpooling),
    vTP_pool=timed("v'P_pool", pooling.vTP_pool),
    bias_relu=timed("bias, ReLU", relu.bias_relu),
    mask=timed("mask", relu.mask),
)
rng = np.random.default_rng(0)
engine = LectureEngine(config, batch_size, np.float32, operators=table)
model = nn.Model.initialise(config, np.arange(10), rng)
problem = nn.Problem(
    images=np.asfortranarray(rng.standard_normal((1, side**2 * batch_size))),
    y=rng.integers(0, 10, batch_size),
    loss=nn.SquaredLoss(),
    C=np.inf,
    scale=1.0,
    offset=np.zeros(side**2),
)
gradient, batch = np.empty_like(model.theta), np.arange(batch_size)
steps = []


def step() -> None:
    spent.clear()
    began = time.perf_counter()
    nn.lossgrad_subset(engine, model, problem, batch, gradient)
    steps.append((time.perf_counter() - began, dict(spent)))


with limit_threads(0):
    for _ in range(repeat):
        step()
total, parts = min(steps, key=lambda one: one[0])
parts["products, rest"] = total - sum(parts.values())
for name, t in sorted(parts.items(), key=lambda part: -part[1]):
    print(f"{name:15s} {1e3 * t:7.2f} ms  {100 * t / total:3.0f} %")
moving = sum(parts.get(name, 0.0) for name in ("phi", "v'P_phi", "unpad"))
print(f"phi and its adjoint, which do not multiply: {100 * moving / total:.0f} % of the step")
assert all(t > 0 for t in parts.values())

figure, panel = plt.subplots(figsize=(8, 3.6), layout="constrained")
names = sorted(parts, key=lambda name: parts[name])
colours = [BLUE if "products" in n else VERMILLION if "phi" in n or n == "unpad" else GREEN
           for n in names]  # fmt: skip
panel.barh(names, [1e3 * parts[name] for name in names], color=colours)
for place, name in enumerate(names):
    share = f" {100 * parts[name] / total:.0f} %"
    panel.text(1e3 * parts[name], place, share, va="center", fontsize=9, color=GREY)
panel.set(xlabel=f"ms a batch of {batch_size} images")
panel.set_title("A step of the lecture engine, operator by operator")
panel.margins(x=0.1)
panel.spines[["top", "right"]].set_visible(False)
show()

# %%
# The roofline
# ------------
# A machine has a peak, operations a second on numbers that are already in registers, and a
# bandwidth, bytes a second from memory. A product that does I operations for each byte that it
# must move at least, its arithmetic intensity, can run at no more than
#
# .. math::  \min(\text{peak}, \; I \cdot \text{bandwidth}).
#
# Left of the balance, peak / bandwidth, memory is the bound, right of it arithmetic.

with limit_threads(0):
    machine = measure_machine("float32")
print(f"peak {machine.peak / 1e9:.0f} GFLOP/s, memory {machine.bandwidth / 1e9:.1f} GB/s")
print(f"balance: {machine.balance:.1f} operations a byte")
assert abs(machine.attainable(machine.balance / 2) / machine.peak - 0.5) < 1e-10

# %%
# Take layer 1 by hand: Z has :math:`d\,a\,b\,l` numbers, W :math:`d_{next} h h d`, S
# :math:`d_{next} a_{conv} b_{conv} l`, of 4 bytes each. Who forms phi writes and reads
# :math:`h h d\,a_{conv} b_{conv} l` numbers more.

g = config.conv_layers[0]
phi_entries = g.hhd * g.a_conv * g.b_conv * batch_size
S_entries = g.d_next * g.a_conv * g.b_conv * batch_size
entries = g.d * g.a * g.b * batch_size + g.d_next * g.hhd + S_entries
operations = 2 * g.d_next * phi_entries
work = layer_work(config, batch_size, 4)
ways = {(w.layer, w.way): w for w in work}
assert abs(ways[1, "direct"].intensity - operations / (4 * entries)) < 1e-10
assert abs(ways[1, "phi"].intensity - operations / (4 * (entries + 2 * phi_entries))) < 1e-10
for w in work:
    if w.way in ("direct", "phi"):
        bound = "arithmetic" if w.intensity >= machine.balance else "memory"
        limit = machine.attainable(w.intensity) / 1e9
        print(f"layer {w.layer}, {w.way:6s} {w.intensity:6.1f} operations a byte: {bound}, "
              f"{limit:.0f} GFLOP/s at most")  # fmt: skip
for layer in range(1, config.LC + 1):
    assert ways[layer, "phi"].intensity < ways[layer, "direct"].intensity

# %%
# Drawn, with crosses for what the direct engine reached in the forward pass. A cross may stand
# above the roof: operations are counted as the lecture has them, and a layer that runs by
# Winograd's tiles multiplies less often; and what is still in a cache did not come from memory. Or
# the machine was busy with something else while its peak was measured: then the roof is too low.

rates = {layer.m: layer.rate("forward") for layer in times["direct"].layers}
figure, panel = plt.subplots(figsize=(8.6, 5), layout="constrained")
plot_roofline(machine, work, rates, name=f"layer4, batches of {batch_size}", axes=panel)
show()

# %%
# The conclusion, in the numbers of this run:

backward = times["direct"].total("dW") + times["direct"].total("dZ")
everything = sum(map(times["direct"].total, PASSES))
conv = sum(layer.total for layer in times["direct"].layers if layer.kind == "conv") / everything
print(f"direct engine: {100 * conv:.0f} % of the time in convolutional layers")
print(f"direct engine: {100 * backward / everything:.0f} % of the time on the way back")
for layer in range(1, config.LC + 1):
    lost = 1 - ways[layer, "phi"].intensity / ways[layer, "direct"].intensity
    print(f"forming phi costs layer {layer} {100 * lost:.0f} % of its arithmetic intensity")

# %%
# What to take away
# -----------------
# Count before you measure, and measure before you optimise: operations tell what must be done,
# a stopwatch where the time is, and the roofline how much could be gained there. Forming phi takes
# no arithmetic at all, only memory traffic, and that takes time as well.
#
# Try it yourself
# ---------------
# 1. Double precision: which of peak, bandwidth and balance change, and by how much?
# 2. Make the batch 8 instead of 128. Which layer loses most of its rate?
# 3. Put a ``vTP_phi`` of your own, in NumPy, into the table. What share of the step is it then?
