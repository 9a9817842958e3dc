r"""
Where the time goes
===================

The lecture says that a training step spends nearly all its time in the convolutional and the fully
connected layers. This tutorial measures it with the lecture engine. We time every layer in every
pass, then every operator. The roofline then shows how fast the machine could run each layer at
best, whether arithmetic or memory is the limit, and how close the forward passes of both engines
come to that limit.
"""

# %%
# Every time below was measured in this run, on the machine that runs this script. We use single
# precision and simpleNN's demo network, which has three convolutional layers and one fully
# connected layer.

import time
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

import simplenn_py as nn
from simplenn_py.engines import LectureEngine, Operators
from simplenn_py.linalg import layer_work, measure_machine, plot_roofline
from simplenn_py.plots import BLUE, GREEN, GREY, VERMILLION, show
from simplenn_py.runtime import busy, limit_threads, reduced, seconds
from simplenn_py.tools import PASSES, plot_layer_times, summarise, time_layers

side, batch_size, repeat = (14, 32, 10) if reduced() else (28, 128, 15)
config = nn.NetConfig.preset("layer4", side, side, 1)

# %%
# Counting first
# --------------
# We know the number of operations before anything runs: the product of an :math:`m \times k` and a
# :math:`k \times n` matrix takes :math:`2mnk` operations. A training step has three products per
# layer: :math:`W \phi(\mathrm{pad}(Z))` in the forward pass, :math:`\partial\xi/\partial S \;
# \phi(\mathrm{pad}(Z))'` for (4), and :math:`W' \partial\xi/\partial S` for (5). Layer 1 does not
# need (5), because training does not use the derivative with respect to the images.

costs = summarise(config, batch_size)
for layer in costs.layers:
    m, k, n = layer.product
    share = layer.step_operations / costs.step_operations
    print(f"layer {layer.m}: {m} x {k} times {k} x {n}, {100 * share:.1f} % of the operations")
assert all(layer.operations == 2 * np.prod(layer.product) for layer in costs.layers)
convolutional = sum(layer.step_operations for layer in costs.layers if layer.is_convolutional)
assert convolutional > 0.9 * costs.step_operations

# %%
# Layer by layer
# --------------
# ``time_layers`` runs the forward pass, (4) and (5) of each layer on random images. It measures
# several times and keeps the shortest time, because other work on the computer can only make a run
# slower. The times of (4) and of (5), called dW and dZ below, both include (3). The command
# ``simplenn profile`` uses the same function.

print(busy() or "The machine is otherwise idle, so the times below are reliable.")
times = time_layers(config, batch_size, "float32", "lecture", repeat)
print(f"a step takes {1e3 * times.step:.2f} ms with {times.threads} threads")
for layer in times.layers:
    cells = [f"{which} {1e3 * t:.2f} ms at {layer.rate(which) / 1e9:.0f} GFLOP/s"
             for which, t in layer.seconds.items()]  # fmt: skip
    print(f"{layer.m} {layer.kind} {layer.sizes:11s} {', '.join(cells)}")
everything = sum(map(times.total, PASSES))
back = times.total("dW") + times.total("dZ")
conv = sum(layer.total for layer in times.layers if layer.kind == "conv")
print(f"{100 * conv / everything:.0f} % of the time in convolutional layers, "
      f"{100 * back / everything:.0f} % in the backward pass")  # fmt: skip

figure, axes = plt.subplots(figsize=(9, 3.4), layout="constrained")
plot_layer_times(times, name=f"layer4, {side}x{side}x1 images", axes=axes)
show()

# %%
# The number of operations alone does not determine the time, because the layers run at different
# rates.

most = max(costs.layers, key=lambda layer: layer.step_operations)
longest = max(times.layers, key=lambda layer: layer.total)
rates = [layer.rate(which) / 1e9 for layer in times.layers for which in layer.seconds]
print(f"layer {longest.m} takes the most time, layer {most.m} has the most operations; "
      f"rates range from {min(rates):.1f} to {max(rates):.1f} GFLOP/s")  # fmt: skip

# %%
# Operator by operator
# --------------------
# In the lecture engine, a layer is a product and a few operators: phi, ReLU and pooling in the
# forward pass, and their adjoints in the backward pass. The engine takes the operators from a
# table, so we can replace each of them by a timed one. The rest of the step is the time of the
# products and of the code around them.

spent: dict[str, float] = {}


def timed(name, routine):
    def stopwatch(*args, **more):
        began = time.perf_counter()
        result = routine(*args, **more)
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - began
        return result

    return stopwatch


ours = Operators()
table = Operators(
    padding_and_phiZ=timed("phi", ours.padding_and_phiZ),
    vTP_phi=timed("v'P_phi", ours.vTP_phi),
    unpad=timed("unpad", ours.unpad),
    maxpooling=timed("maxpooling", ours.maxpooling),
    vTP_pool=timed("v'P_pool", ours.vTP_pool),
    bias_relu=timed("bias, ReLU", ours.bias_relu),
    mask=timed("mask", ours.mask),
)

# %%
# We run several steps with this table on random images, and keep the shortest step.

rng = np.random.default_rng(0)
engine = LectureEngine(config, batch_size, np.float32, operators=table)
model = nn.Model.initialise(config, np.arange(10), rng)
problem = nn.Problem(
    images=np.asfortranarray(rng.standard_normal((1, side**2 * batch_size), dtype=np.float32)),
    y=rng.integers(0, 10, batch_size),
    loss=nn.SquaredLoss(),
    C=np.inf,
    scale=1.0,
    offset=np.zeros(side**2),
)
gradient, batch = np.empty_like(model.theta), np.arange(batch_size)
steps = []
with limit_threads(0):
    for _ in range(repeat):
        spent.clear()
        began = time.perf_counter()
        nn.lossgrad_subset(engine, model, problem, batch, gradient)
        steps.append((time.perf_counter() - began, dict(spent)))
total, parts = min(steps, key=lambda one: one[0])
parts["products, rest"] = total - sum(parts.values())
moving = sum(parts[name] for name in ("phi", "v'P_phi", "unpad"))
print(f"phi and its adjoint (no multiplications): {100 * moving / total:.0f} % of the step")
assert all(t > 0 for t in parts.values())

# %%
# The figure shows the time of each operator in the shortest step, in ms and as a percentage of the
# step:

figure, panel = plt.subplots(figsize=(8, 3.6), layout="constrained")
names = sorted(parts, key=lambda name: parts[name])
colours = [BLUE if "products" in n else VERMILLION if "phi" in n or n == "unpad" else GREEN
           for n in names]  # fmt: skip
panel.barh(names, [1e3 * parts[name] for name in names], color=colours)
for place, name in enumerate(names):
    share = f" {100 * parts[name] / total:.0f} %"
    panel.text(1e3 * parts[name], place, share, va="center", fontsize=9, color=GREY)
panel.set(xlabel=f"ms per batch of {batch_size} images")
panel.set_title("A step of the lecture engine (orange: phi and its adjoint)")
panel.margins(x=0.1)
panel.spines[["top", "right"]].set_visible(False)
show()

# %%
# The roofline
# ------------
# A machine has a peak: the operations per second on numbers that are already in registers. It also
# has a bandwidth: the bytes per second that it moves from memory. The arithmetic intensity
# :math:`I` of a product is the number of its operations divided by the minimum number of bytes that
# it must move. The product can run at no more than
#
# .. math::  \min(\text{peak}, \; I \cdot \text{bandwidth})
#
# operations per second. The balance of the machine is peak / bandwidth. If :math:`I` is below the
# balance, memory limits the rate. Otherwise, arithmetic does.

with limit_threads(0):
    machine = measure_machine("float32")
print(f"peak {machine.peak / 1e9:.0f} GFLOP/s, memory {machine.bandwidth / 1e9:.1f} GB/s")
print(f"balance: {machine.balance:.1f} operations per byte")
assert abs(machine.attainable(machine.balance / 2) / machine.peak - 0.5) < 1e-10

# %%
# We count the numbers of layer 1 by hand: Z has :math:`d\,a\,b\,l` numbers, W has :math:`d_{next} h
# h d` and S has :math:`d_{next} a_{conv} b_{conv} l`, each of 4 bytes. An engine that forms phi
# also writes and then reads :math:`h h d\,a_{conv} b_{conv} l` numbers. The direct engine, which is
# the package's default, does not form phi (tutorial 10).

g = config.conv_layers[0]
phi_entries = g.hhd * g.a_conv * g.b_conv * batch_size
S_entries = g.d_next * g.a_conv * g.b_conv * batch_size
entries = g.d * g.a * g.b * batch_size + g.d_next * g.hhd + S_entries
operations = 2 * g.d_next * phi_entries
work = [w for w in layer_work(config, batch_size, 4) if w.way in ("direct", "phi")]
ways = {(w.layer, w.way): w for w in work}
assert abs(ways[1, "direct"].intensity - operations / (4 * entries)) < 1e-10
assert abs(ways[1, "phi"].intensity - operations / (4 * (entries + 2 * phi_entries))) < 1e-10
for w in work:
    bound = "arithmetic" if w.intensity >= machine.balance else "memory"
    limit = machine.attainable(w.intensity) / 1e9
    print(f"layer {w.layer}, {w.way:6s} {w.intensity:5.1f} operations per byte: bound by {bound}, "
          f"at most {limit:.0f} GFLOP/s")  # fmt: skip
for layer in range(1, config.LC + 1):
    lost = 1 - ways[layer, "phi"].intensity / ways[layer, "direct"].intensity
    print(f"forming phi costs layer {layer} {100 * lost:.0f} % of its arithmetic intensity")
    assert lost > 0

# %%
# How close do the engines come to these limits? We run the layers of the direct engine's forward
# pass one after another, and time each. We already have the times of the lecture engine.

direct = nn.make_engine("direct", config, batch_size, np.float32)
direct.load(problem.images, batch, problem.scale, problem.offset)
reached = {}
with limit_threads(0):
    for m, (W, bias) in enumerate(zip(model.W, model.bias, strict=True)):
        run = partial(direct.forward, m, W, bias, activate=m < config.L - 1)
        reached[m + 1] = costs.layers[m].operations / seconds(run, repeat)
for layer in times.layers:
    print(f"layer {layer.m}, forward: lecture {layer.rate('forward') / 1e9:.1f}, "
          f"direct {reached[layer.m] / 1e9:.1f} GFLOP/s")  # fmt: skip

# %%
# The figure shows the roofline. The crosses are the measured rates of the direct engine. A cross
# may lie above the roof, for three reasons. First, we count the operations of the lecture's
# product, but a layer that uses Winograd's algorithm needs fewer multiplications. Second, numbers
# that are still in a cache do not come from memory. Third, if the machine was busy with other work
# while its peak was measured, the roof is too low.

figure, panel = plt.subplots(figsize=(8.6, 5), layout="constrained")
plot_roofline(machine, work, reached, name=f"layer4, batches of {batch_size}", axes=panel)
show()

# %%
# What to take away
# -----------------
# Count before you measure, and measure before you optimise. The operations show how much work must
# be done, the measured times show where the time goes, and the roofline shows how much you could
# gain there. Forming phi needs no arithmetic at all, only memory traffic, and that takes time as
# well.
#
# Try it yourself
# ---------------
# 1. Use ``time_layers`` to time the direct engine. What fraction of its time is in the backward
#    pass?
# 2. Use a batch of 8 images instead of 128. Which layer loses most of its rate?
# 3. Put your own ``vTP_phi``, written in NumPy, into the table. What fraction of the step does it
#    take?
