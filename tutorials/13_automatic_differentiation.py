r"""
Automatic differentiation: four methods compared
================================================

A derivative can be computed by hand, by finite differences, symbolically, and automatically
(section E of the lecture). We differentiate one function by all four methods, write both modes of
automatic differentiation in a few lines each, count what they cost, and end by training a network
whose activation function nobody has differentiated by hand.
"""

import math

import matplotlib.pyplot as plt
import numpy as np

import simplenn_py as nn
from simplenn_py import autodiff as ad
from simplenn_py.plots import show
from simplenn_py.runtime import reduced, seconds

try:
    import sympy
except ImportError:
    sympy = None

SMALL = reduced()
rng = np.random.default_rng(0)

# %%
# By hand
# -------
# The talk's example is :math:`f(x, y) = \log x + xy - \sin y` at (2, 5). Pencil and paper give
# :math:`\partial f/\partial x = 1/x + y` and :math:`\partial f/\partial y = x - \cos y`.


def f(x, y):
    return np.log(x) + x * y - np.sin(y)


by_hand = (1 / 2 + 5, 2 - math.cos(5))
print("by hand     ", by_hand)
assert by_hand[0] == 5.5

# %%
# By symbols
# ----------
# A computer algebra system applies the rules of calculus to an expression. We use SymPy, which is
# an optional package. If it is not installed, this cell says so and is skipped.
if sympy is None:
    print("SymPy is not installed: this cell is skipped (pip install sympy)")
else:
    x, y = sympy.symbols("x y")
    expression = sympy.log(x) + x * y - sympy.sin(y)
    df_dx = sympy.diff(expression, x)
    print("by symbols  ", df_dx, "=", df_dx.subs({x: 2, y: 5}))
    assert float(df_dx.subs({x: 2, y: 5})) == 5.5

# %%
# Here the result is exact and readable. Now nest an expression: :math:`l_1 = x` and :math:`l_{d+1}
# = 4\,l_d\,(1 - l_d)`. A program computes it with three operations per level. But a formula must
# repeat :math:`l_d` wherever it is used, and its derivative repeats even more. This is called
# expression swell. Automatic differentiation avoids this swell, because it records operations on
# numbers instead. The record is called a tape and is explained below. The table shows how the tape
# and the formula grow with the depth.


def nested(x, depth):
    for _ in range(depth - 1):
        x = 4 * x * (1 - x)
    return x


depths = range(1, 6 if SMALL else 8)
recorded, swell = [], []
for depth in depths:
    with ad.GradientTape() as tape:
        nested(tape.watch(0.3), depth)
    recorded.append(len(tape.records))
    if sympy is not None:
        swell.append(sympy.count_ops(sympy.diff(nested(sympy.Symbol("x"), depth))))
print("depth                    ", *(f"{depth:6d}" for depth in depths))
print("records on the tape      ", *(f"{count:6d}" for count in recorded))
if swell:
    print("operations of the formula", *(f"{count:6d}" for count in swell))
assert recorded == [1 + 3 * (depth - 1) for depth in depths]
assert sympy is None or swell[-1] > 2 * swell[-2]

# %%
# By differences
# --------------
# The quotient :math:`(f(x + t) - f(x - t))/(2t)` needs no rules of calculus. If t is large, the
# curvature of f makes the quotient inaccurate. If t is small, :math:`f(x + t)` and
# :math:`f(x - t)` share their leading digits, which cancel. At best about ten digits are correct
# (tutorial 7 plots the error against t). And a function of n inputs has to be computed 2n times.
for t in (1e-1, 1e-5, 1e-12):
    quotient = (f(2 + t, 5) - f(2 - t, 5)) / (2 * t)
    print(f"by differences {quotient:.12f} with t = {t:.0e}, off by {abs(quotient - 5.5):.0e}")
estimate = ad.finite_difference(lambda x: f(x, 5.0), 2.0)
print(f"the package's  {estimate:.12f}, off by {abs(estimate - 5.5):.0e}")
assert abs(estimate - 5.5) < 1e-7

# %%
# Forward mode
# ------------
# A dual number carries a value and its derivative, and every operation works on both. The rules
# that this example needs take a dozen lines.


class Dual:
    def __init__(self, value, dot=0.0):
        self.value, self.dot = value, dot

    def __add__(self, other):
        return Dual(self.value + other.value, self.dot + other.dot)

    def __sub__(self, other):
        return Dual(self.value - other.value, self.dot - other.dot)

    def __mul__(self, other):
        return Dual(self.value * other.value, self.dot * other.value + self.value * other.dot)

    def log(self):  # np.log and np.sin of an object call its method of the same name
        return Dual(math.log(self.value), self.dot / self.value)

    def sin(self):
        return Dual(math.sin(self.value), self.dot * math.cos(self.value))


print("dual numbers  ", f(Dual(2.0, 1.0), Dual(5.0, 0.0)).dot)
print("the package's ", ad.derivative(lambda x: f(x, 5.0), 2.0))
_, both = ad.jvp(f, (2.0, 5.0), (1.0, 1.0))  # along (1, 1): df/dx + df/dy
assert f(Dual(2.0, 1.0), Dual(5.0, 0.0)).dot == 5.5
assert abs(ad.derivative(lambda x: f(x, 5.0), 2.0) - 5.5) < 1e-12
assert abs(both - sum(by_hand)) < 1e-12

# %%
# Reverse mode
# ------------
# Reverse mode first records the operations on a tape. Each record holds its result and, for each of
# its inputs, the position on the tape and the local derivative. Then the tape is read backwards, by
# the chain rule: each record multiplies the derivative of f with respect to its result by the local
# derivatives, and adds the products to the derivatives of f with respect to its inputs. Here is the
# whole of reverse mode for the example:
x0, y0 = 2.0, 5.0
records = [  # result, [(position of an input, local derivative), ...]
    (x0, []),
    (y0, []),
    (math.log(x0), [(0, 1 / x0)]),
    (x0 * y0, [(0, y0), (1, x0)]),
    (math.log(x0) + x0 * y0, [(2, 1.0), (3, 1.0)]),
    (math.sin(y0), [(1, math.cos(y0))]),
    (math.log(x0) + x0 * y0 - math.sin(y0), [(4, 1.0), (5, -1.0)]),
]
adjoint = [0.0] * 6 + [1.0]  # df/df = 1
for place in range(6, -1, -1):
    for parent, local in records[place][1]:
        adjoint[parent] += adjoint[place] * local
print("tape by hand  ", adjoint[:2])
assert adjoint[:2] == [5.5, by_hand[1]]

# %%
# The package's tape writes the records itself, while f runs.
with ad.GradientTape(persistent=True) as tape:
    x, y = tape.watch(2.0, 5.0)
    z = f(x, y)
dx, dy = tape.gradient(z, [x, y])
print("the package's ", float(dx), float(dy))
assert abs(dx - 5.5) < 1e-12
assert abs(dy - by_hand[1]) < 1e-12

# %%
# The records form the computational graph. Here it is drawn from the tape, with an arrow from every
# input to the operation that uses it. ``graph_svg`` draws graphs of any size: write the text that
# it returns to an ``.svg`` file.
places = {0: (0, 1), 1: (0, 0), 2: (1, 1.5), 3: (1, 0.75), 4: (2, 1.2), 5: (2, 0), 6: (3, 0.75)}
titles = {0: "x", 1: "y"}
figure, axes = plt.subplots(figsize=(6.6, 3.6), layout="constrained")
for index, record in enumerate(tape.records):
    for parent in record.parents:
        axes.annotate("", places[index], places[parent],
                      arrowprops={"arrowstyle": "->", "shrinkA": 24, "shrinkB": 24})  # fmt: skip
    text = f"{titles.get(index) or record.rule.name}\n{float(record.result):.4g}"
    box = {"boxstyle": "round", "fc": "#dbeafe" if index in titles else "white"}
    axes.text(*places[index], text, ha="center", va="center", fontsize=9, bbox=box)
axes.set(xlim=(-0.4, 3.5), ylim=(-0.4, 1.9), title="Seven records: the graph of f at (2, 5)")
axes.set_axis_off()
show()
assert len(tape.records) == 7
assert ad.graph_svg(z, {"x": x, "y": y}).startswith("<svg")

# %%
# One output, many inputs
# -----------------------
# A loss has one value and millions of parameters. How often must the function run to give all n
# derivatives? Forward mode gives the derivative along one direction per run. Reverse mode gives the
# derivatives with respect to all inputs at once. We count the runs and measure the time.
calls = 0


def loss(theta):
    global calls
    calls += 1
    return np.sum(np.log1p(theta * theta)) + np.sum(theta[1:] * np.sin(theta[:-1]))


sizes = (4, 16, 64) if SMALL else (4, 16, 64, 256)
ways = {
    "differences": lambda theta: ad.finite_difference(loss, theta),
    "forward": ad.jacobian(loss, mode="forward"),
    "reverse": ad.gradient(loss),
}
times = {name: [] for name in ways}
for n in sizes:
    theta = rng.standard_normal(n)
    runs, found = {}, {}
    for name, way in ways.items():
        calls = 0
        found[name] = way(theta)
        runs[name] = calls
        times[name].append(seconds(lambda way=way, theta=theta: way(theta), 3))
    print(f"n = {n:3d}: runs of the function", runs)
    assert runs == {"differences": 2 * n, "forward": n, "reverse": 1}
    assert np.allclose(found["forward"], found["reverse"], rtol=0, atol=1e-10)
    assert np.allclose(found["differences"], found["reverse"], rtol=0, atol=1e-6)

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
styles = zip(times.items(), ("#D55E00", "#009E73", "#0072B2"), "s^o", strict=True)
for (name, values), colour, marker in styles:
    axes.loglog(sizes, 1e3 * np.array(values), color=colour, marker=marker, label=name)
axes.set_xticks(sizes, [str(n) for n in sizes])
axes.minorticks_off()
axes.set(xlabel="inputs n", ylabel="time of the gradient (ms)", title="One output, n inputs")
axes.grid(color="0.9")
axes.legend(frameon=False)
show()

# %%
# Differences run the plain function, without the Python bookkeeping of the other two. That is why
# they look cheap for such short vectors. If a function has many outputs and one input, the opposite
# holds: use forward mode.
#
# Second derivatives
# ------------------
# The two modes can be combined. The gradient is a function like any other, and its derivative along
# v is the product Hv of the Hessian with v. It costs as much as a few gradients, and H is never
# formed. The conjugate gradients of section B also need only products of a matrix with a vector.
theta, v = rng.standard_normal((2, 30))
products = {
    "forward over reverse": ad.hvp(loss)(theta, v),
    "reverse over reverse": ad.gradient(lambda x: np.sum(ad.gradient(loss)(x) * v))(theta),
    "explicit Hessian": ad.hessian(loss)(theta) @ v,
}
for name, Hv in products.items():
    print(f"{name:22s} |Hv| = {np.linalg.norm(Hv):.10f}")
    assert np.allclose(Hv, products["explicit Hessian"], rtol=0, atol=1e-10)
assert np.allclose(ad.finite_difference(ad.gradient(loss), theta, v), Hv, rtol=0, atol=1e-6)

# %%
# Your own activation function
# ----------------------------
# Mish, :math:`s \tanh(\log(1 + e^s))`, is a smooth relative of the ReLU. It takes one line of
# NumPy, the cross-entropy takes two, and a network of two fully connected layers, with one image
# per column, takes one more. Nothing else is needed to train the network: the tape differentiates
# whatever the program computed.


def mish(s):
    return s * np.tanh(np.log1p(np.exp(s)))


def cross_entropy(z, y):  # the mean over the columns of z; y is one-hot
    z = z - np.max(z, axis=0)
    return np.mean(np.log(np.sum(np.exp(z), axis=0)) - np.sum(z * y, axis=0))


def network(Z, W1, bias1, W2, bias2):
    return W2 @ mish(W1 @ Z + bias1) + bias2


def objective(*parameters):
    return cross_entropy(network(Z, *parameters), Y)


data = nn.load_dataset("digits")
Z, Z_test = (part.Z.reshape(64, -1, order="F") / 16.0 for part in (data.train, data.test))
Y = np.equal.outer(np.arange(10), data.train.y).astype(float)
parameters = [0.2 * rng.standard_normal((32, 64)), np.zeros((32, 1)),
              0.2 * rng.standard_normal((10, 32)), np.zeros((10, 1))]  # fmt: skip
step = ad.value_and_gradient(objective, argnum=(0, 1, 2, 3))
losses = []
for _ in range(60 if SMALL else 300):
    value, gradients = step(*parameters)
    parameters = [theta - 0.5 * g for theta, g in zip(parameters, gradients, strict=True)]
    losses.append(value)
accuracy = np.mean(network(Z_test, *parameters).argmax(axis=0) == data.test.y)
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, test accuracy {100 * accuracy:.1f} %")
assert accuracy > 0.85

s = np.linspace(-6, 4, 201)
slope = ad.gradient(lambda s: np.sum(mish(s)))(s)  # one backward pass gives all slopes
figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6), layout="constrained")
left.plot(s, mish(s), color="#0072B2", label="mish")
left.plot(s, slope, color="#D55E00", linestyle="--", label="its derivative, by the tape")
left.set(xlabel="s", title="An activation and its derivative")
left.legend(frameon=False)
right.plot(losses, color="#0072B2")
right.set(xlabel="gradient step", ylabel="mean cross-entropy", title="Digits, full gradient")
right.set_ylim(bottom=0)
for axes in (left, right):
    axes.grid(color="0.9")
show()
assert np.allclose(slope, [ad.finite_difference(mish, t) for t in s], rtol=0, atol=1e-8)

# %%
# What to take away
# -----------------
# Automatic differentiation applies the chain rule to numbers. It is as exact as symbolic
# differentiation, up to rounding, and as general as differences. Forward mode costs one run per
# direction. Reverse mode costs one run and one backward pass for the derivatives of a scalar with
# respect to all inputs. Back-propagation is reverse mode. Combined, the two modes give products
# with the Hessian.
#
# Try it yourself
# ---------------
# 1. Which mode would you use for the Jacobian of a function of 3 inputs and 1000 outputs? Time
#    both with ``jacobian``.
# 2. Replace mish by :math:`|s|`. Which derivative at 0 does the tape give, and which do differences
#    give?
# 3. Reverse mode keeps every intermediate result. How much memory is that for the network above?
