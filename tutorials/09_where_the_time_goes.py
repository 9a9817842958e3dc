r"""
Where the time goes
===================

Nearly all the time of a training step is spent in the convolutional and the fully connected
layers, says the lecture. This tutorial measures it with the lecture's engine: a stopwatch around
every layer and every pass, then around every operator. The roofline then tells what the machine
could do at best, whether arithmetic or memory is the bound, and how near the forward passes of
both engines come to it.
"""

# %%
# Every number below is of the machine that runs this, and of this run. Single precision; the
# network is simpleNN's demo network, three convolutional layers and a fully connected one.

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
# Before anything runs, the operations are known: :math:`2mnk` of each product. A training step
# multiplies three times in each layer: forward :math:`W \phi(\mathrm{pad}(Z))`, for (4)
# :math:`\partial\xi/\partial S \; \phi(\mathrm{pad}(Z))'`, and for (5)
# :math:`W' \partial\xi/\partial S`. Layer 1 needs no (5): nobody asks for the derivative by the
# images.

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
# ``layer_times.measure`` runs each layer on random images, forward, for (4) and for (5), and keeps
# the shortest of several times: what else a computer does can only make it slower. Either pass
# back begins with (3), and is counted with it. It is what ``simplenn profile`` calls.

print(busy() or "The cores have little else to do: the times below are what they can be.")
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
      f"{100 * back / everything:.0f} % on the way back")  # fmt: skip

figure, axes = plt.subplots(figsize=(9, 3.4), layout="constrained")
plot_layer_times(times, name=f"layer4, {side}x{side}x1 images", axes=axes)
show()

# %%
# Operations alone do not tell the time: the products of one network run at different rates.

most = max(costs.layers, key=lambda layer: layer.step_operations)
longest = max(times.layers, key=lambda layer: layer.total)
rates = [layer.rate(which) / 1e9 for layer in times.layers for which in layer.seconds]
print(f"layer {longest.m} takes most time, layer {most.m} has most operations; rates go "
      f"from {min(rates):.1f} to {max(rates):.1f} GFLOP/s")  # fmt: skip

# %%
# Operator by operator
# --------------------
# A layer of this engine is one product and a handful of operators: phi, ReLU, pooling on the way
# forward, their adjoints on the way back. They come in a table, so that each can be put into a
# stopwatch. What is left of a step, when all are subtracted, is the products and what surrounds
# them.

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
# Some steps with this table, on random images; the shortest of them counts.

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
print(f"phi and its adjoint, which do not multiply: {100 * moving / total:.0f} % of the step")
assert all(t > 0 for t in parts.values())

# %%
# What each operator takes of that step, in ms and as a share:

figure, panel = plt.subplots(figsize=(8, 3.6), layout="constrained")
names = sorted(parts, key=lambda name: parts[name])
colours = [BLUE if "products" in n else VERMILLION if "phi" in n or n == "unpad" else GREEN
           for n in names]  # fmt: skip
panel.barh(names, [1e3 * parts[name] for name in names], color=colours)
for place, name in enumerate(names):
    share = f" {100 * parts[name] / total:.0f} %"
    panel.text(1e3 * parts[name], place, share, va="center", fontsize=9, color=GREY)
panel.set(xlabel=f"ms a batch of {batch_size} images")
panel.set_title("A step of the lecture engine; orange: phi and its adjoint")
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
# :math:`h h d\,a_{conv} b_{conv} l` numbers more. The direct engine, the package's default, does
# not form it (tutorial 10).

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
    print(f"layer {w.layer}, {w.way:6s} {w.intensity:5.1f} operations a byte: {bound}, "
          f"{limit:.0f} GFLOP/s at most")  # fmt: skip
for layer in range(1, config.LC + 1):
    lost = 1 - ways[layer, "phi"].intensity / ways[layer, "direct"].intensity
    print(f"forming phi costs layer {layer} {100 * lost:.0f} % of its arithmetic intensity")
    assert lost > 0

# %%
# What do the engines reach? A pass forward runs the layers one after the other; each is timed.

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
# Drawn, with crosses for what the direct engine reached. A cross may stand above the roof:
# operations are counted as the lecture has them, and a layer that runs by Winograd's tiles
# multiplies less often; and what is still in a cache did not come from memory. Or the machine was
# busy with something else while its peak was measured: then the roof is too low.

figure, panel = plt.subplots(figsize=(8.6, 5), layout="constrained")
plot_roofline(machine, work, reached, name=f"layer4, batches of {batch_size}", axes=panel)
show()

# %%
# What to take away
# -----------------
# Count before you measure, and measure before you optimise: operations tell what must be done,
# a stopwatch where the time is, and the roofline how much could be gained there. Forming phi takes
# no arithmetic at all, only memory traffic, and that takes time as well.
#
# Try it yourself
# ---------------
# 1. Let ``measure`` time the direct engine. Which share of its time is on the way back?
# 2. Make the batch 8 instead of 128. Which layer loses most of its rate?
# 3. Put a ``vTP_phi`` of your own, in NumPy, into the table. What share of the step is it then?
