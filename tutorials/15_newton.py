r"""
Newton's method
===============

SGD uses the slope. Newton's method also uses the curvature, through the Gauss-Newton matrix
:math:`G = I/C + \frac{1}{|S|} \sum_{i \in S} J_i' B_i J_i`. Here S is a subsample of the images,
:math:`J_i` the Jacobian of the network's outputs for image i, and :math:`B_i` the Hessian of the
loss. The method never forms G, only products of G with vectors. This tutorial builds such a
product, checks it, solves a linear system with it by conjugate gradients, adds damping and a line
search, runs the method on the digits, and compares it with SGD in plots against iterations and
against time.
"""

# %%
# We use a small network and a few digits, in double precision. G has as many rows as the network
# has parameters. Here it is still small enough to form and inspect.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import simplenn_py as nn
from simplenn_py.cnn import FullObjective
from simplenn_py.network import Normalisation
from simplenn_py.opt import Hook, NewtonState
from simplenn_py.plots import BLUE, GREEN, VERMILLION, plot_comparison, plot_newton, show
from simplenn_py.runtime import reduced
from simplenn_py.training import read_run

rng = np.random.default_rng(0)
l = 60
config = nn.NetConfig.build(
    (8, 8, 1), [nn.Conv(4, 3, pad=1, pool=2), nn.Conv(6, 3, pad=1, pool=2)], [10]
)
data = nn.load_dataset("digits")
normalisation = Normalisation.of(data.train.Z, np.arange(data.train.l), 64)
problem = nn.Problem(
    images=data.train.Z[:, : 64 * l],
    y=data.train.y[:l],
    loss=nn.CrossEntropy(),
    C=100.0,
    scale=normalisation.scale,
    offset=normalisation.offset,
)
model = nn.Model.initialise(config, np.arange(10), rng, np.float64)
theta = model.theta
engine = nn.make_engine("lecture", config, l, np.float64)
everything = np.arange(l)
n = theta.size
print(f"{n} parameters, {l} images")

# %%
# Forward and backward
# --------------------
# :math:`J_i = \partial z^{L+1,i} / \partial\theta'` has one row per output. A forward pass computes
# :math:`J_i v` by :math:`R\{S\} = W\phi(\mathrm{pad}(R\{Z\})) + V\phi(\mathrm{pad}(Z)) + v_b`, and
# a backward pass computes :math:`J_i' u_i` by (3)-(5). Here :math:`R\{X\}` is the derivative of X
# in the direction v, and V and :math:`v_b` are the parts of v that belong to W and to the bias. (In
# this formula, S is the output of the convolution, not the subsample.) Neither pass forms J. We
# check Jv against a finite difference, and J'u against Jv: :math:`\langle u, Jv \rangle = \langle
# J'u, v \rangle`.


def forward() -> np.ndarray:
    engine.load(problem.images, everything, problem.scale, problem.offset)
    return nn.feedforward(engine, model).copy(order="F")


v = rng.standard_normal(n)
U = np.asfortranarray(rng.standard_normal((config.nL, l)))
start, step = theta.copy(), 1e-6
theta[:] = start + step * v
ahead = forward()
theta[:] = start - step * v
difference = (ahead - forward()) / (2 * step)
theta[:] = start
z = forward()
Jv = nn.Jv(engine, model, v)
JTu = nn.JTv(engine, model, U)
error = np.linalg.norm(Jv - difference) / np.linalg.norm(Jv)
print(f"Jv against a finite difference: relative error {error:.1e}")
print(f"<u, Jv> = {np.vdot(U, Jv):.10f}, <J'u, v> = {JTu @ v:.10f}")
assert np.linalg.norm(Jv - difference) < 1e-5 * np.linalg.norm(Jv)
assert abs(np.vdot(U, Jv) - JTu @ v) < 1e-10 * np.linalg.norm(U) * np.linalg.norm(Jv)

# %%
# The product Gv
# --------------
# Read :math:`J_i' B_i J_i v` from right to left. A forward pass computes :math:`J_i v`. This vector
# is multiplied by :math:`B_i`, the Hessian of the loss (:math:`\mathrm{diag}(p) - pp'` for the
# cross-entropy). A backward pass multiplies the result by :math:`J_i'`. Then v/C is added. The cost
# is one forward and one backward pass, as for a gradient.


def Gv(v: np.ndarray, z: np.ndarray) -> np.ndarray:
    BJv = problem.loss.hessian_product(z, nn.Jv(engine, model, v))
    return v / problem.C + nn.JTv(engine, model, BJv) / l


theirs = nn.Gv(engine, model, problem, everything, v)
apart = np.linalg.norm(Gv(v, z) - theirs) / np.linalg.norm(theirs)
print(f"ours against nn.Gv: relative difference {apart:.1e}")
assert apart < 1e-10

# %%
# Now we form G itself, column by column. It is symmetric. Because no :math:`B_i` has a
# negative eigenvalue, no eigenvalue of G is below 1/C. The Hessian of f need not have that
# property. This is why G takes its place: every step computed with G goes downhill.

G = np.array([Gv(e, z) for e in np.eye(n)])
eigenvalues = np.linalg.eigvalsh(G)
print(f"asymmetry {np.abs(G - G.T).max() / np.abs(G).max():.1e}")
print(f"eigenvalues from {eigenvalues[0]:.4f} (1/C = {1 / problem.C}) to {eigenvalues[-1]:.2f}")
near = np.count_nonzero(eigenvalues < 2 / problem.C)
print(f"{near} of {n} are below 2/C")
assert near > n / 2
assert np.abs(G - G.T).max() < 1e-10 * np.abs(G).max()
assert eigenvalues[0] > 1 / problem.C - 1e-10

# %%
# Conjugate gradients
# -------------------
# The conjugate gradient method solves :math:`(G + \lambda I) s = -\nabla f` using only
# matrix-vector products. Each step minimises the quadratic :math:`\nabla f' s + \frac{1}{2} s' (G +
# \lambda I) s` along a direction that is conjugate to all previous ones. The loop stops when the
# residual is small, :math:`\|r\| \le \xi \|\nabla f\|` with :math:`\xi = 0.1`. That is far from an
# exact solution, but close enough for a good direction. (The code calls the tolerance ``cg_tol``,
# because ``xi`` also stands for the loss.)


def conjugate_gradients(product, gradient, cg_tol=0.1, CGmax=250):
    s, r = np.zeros_like(gradient), -gradient
    d, residuals = r.copy(), [1.0]
    while residuals[-1] > cg_tol and len(residuals) <= CGmax:
        Ad = product(d)
        alpha = r @ r / (d @ Ad)
        s += alpha * d
        r_next = r - alpha * Ad
        d = r_next + (r_next @ r_next) / (r @ r) * d
        r = r_next
        residuals.append(float(np.linalg.norm(r) / np.linalg.norm(gradient)))
    return s, residuals


gradient = np.empty(n)
objective = FullObjective(engine, model, problem, everything)
f, _ = objective.fungrad(gradient)
s, residuals = conjugate_gradients(lambda x: Gv(x, z) + x, gradient)
theirs = nn.CG(lambda x: Gv(x, z) + x, gradient)
print(f"our CG: {len(residuals) - 1} steps, nn.CG: {theirs.steps} steps")
assert np.linalg.norm(s - theirs.step) < 1e-10 * np.linalg.norm(s)
assert gradient @ s < 0  # downhill

# %%
# The number of steps depends on the eigenvalues. A few eigenvalues of G are large, and most lie
# near 1/C. The larger :math:`\lambda`, the smaller the ratio of the largest to the smallest
# eigenvalue of :math:`G + \lambda I`, and the fewer steps are needed. With a large :math:`\lambda`,
# s is short and has nearly the direction of the negative gradient.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.semilogy(np.arange(1, n + 1), eigenvalues[::-1], color=BLUE)
left.axhline(1 / problem.C, color=VERMILLION, linestyle="--", label="1/C")
left.set(xlabel="index", ylabel="eigenvalue", title="Eigenvalues of G")
left.legend(frameon=False)
styles = ((0.0, BLUE, "-o"), (1.0, VERMILLION, "--s"), (100.0, GREEN, ":^"))
steps = []
for lambda_, colour, style in styles:
    _, shown = conjugate_gradients(
        lambda x, m=lambda_: Gv(x, z) + m * x, gradient, cg_tol=1e-4, CGmax=60
    )
    right.semilogy(shown, style, color=colour, markersize=4, label=f"lambda = {lambda_:g}")
    steps.append(len(shown))
right.axhline(0.1, color="0.4", linewidth=1, label="xi = 0.1")
right.set(xlabel="CG step", ylabel="||r|| / ||grad f||", title="Conjugate gradients")
right.legend(frameon=False)
for panel in (left, right):
    panel.grid(alpha=0.3)
show()
assert steps[0] > steps[1] > steps[2]

# %%
# Damping and the line search
# ---------------------------
# The quadratic model is accurate only near :math:`\theta`. The damping :math:`\lambda` of
# Levenberg-Marquardt keeps the steps short when the model is poor. Let :math:`\rho` be the decrease
# of f divided by the decrease that the model predicts. Then :math:`\lambda` is multiplied by 3/2 if
# :math:`\rho < 1/4` and by 2/3 if :math:`\rho \ge 3/4`. The line search halves the step until f has
# decreased by at least a small fraction of what the slope predicts. That is the whole method.


def line_search(f, gs, s):
    start, alpha = theta.copy(), 1.0
    while alpha > 1e-9:
        theta[:] = start + alpha * s
        f_new = objective.fun()
        if f_new - f <= 1e-4 * alpha * gs:
            return f_new, alpha
        alpha /= 2
    raise RuntimeError("no step along this direction lowers f")


def iteration(lambda_: float) -> tuple[float, float]:
    """Move theta by one step; return f there and the next lambda."""
    f, _ = objective.fungrad(gradient)
    z = forward()
    s, _ = conjugate_gradients(lambda x: Gv(x, z) + lambda_ * x, gradient)
    gs, sGs = gradient @ s, s @ Gv(s, z)
    f_new, alpha = line_search(f, gs, s)
    rho = (f_new - f) / (alpha * gs + alpha**2 / 2 * sGs)
    print(f"f {f:.4f} -> {f_new:.4f}, alpha {alpha:g}, rho {rho:.2f}, lambda {lambda_:.3f}")
    return f_new, lambda_ * (3 / 2 if rho < 1 / 4 else 2 / 3 if rho >= 3 / 4 else 1.0)


start, lambda_, by_hand = theta.copy(), 1.0, []
for _ in range(6):
    f, lambda_ = iteration(lambda_)
    by_hand.append(f)
assert np.all(np.diff(by_hand) < 0)

# %%
# ``nn.newton`` does the same. It also has stopping rules and keeps a record of each iteration. It
# also calls a hook after each CG step and each iteration. A hook is an object of your own whose
# methods can, for instance, print or save the state. The hook here, ``Hook()``, does nothing. Here
# the subsample S holds all images. By default, training draws a new S of 5 % of the images in each
# iteration, but computes f and its gradient on all images.

theta[:] = start
state = NewtonState(lambda_=1.0, seed=0)
nn.newton(objective, state, Hook(), GNsize=l, iter_max=6)
package = [record["f"] for record in state.history]
print(f"f after 6 iterations: by hand {by_hand[-1]:.10f}, package {package[-1]:.10f}")
assert np.abs(np.array(by_hand) - package).max() < 1e-8

# %%
# On the digits
# -------------
# Now ``nn.train`` runs the method with ``solver="newton"``, on all training images and with the
# preset ``digits`` network. (At its reduced size, ``SIMPLENN_SMALL=1``, this tutorial uses the
# small network from above and the lecture engine, so that nothing more has to be compiled.) The
# four panels show (1) f and its gradient, (2) the CG residuals, one line per iteration, (3)
# :math:`\lambda` and (4) :math:`\rho`.

iterations, epochs = (8, 4) if reduced() else (30, 30)
network = config if reduced() else "digits"
how = {"engine": "lecture", "dtype": "float64"} if reduced() else {"engine": "direct"}
newton_options = nn.default_options("digits", solver="newton", iter_max=iterations, **how)
sgd_options = nn.default_options("digits", epochs=epochs, **how)
with tempfile.TemporaryDirectory() as folder:
    runs = Path(folder)
    _, newton = nn.train(data, network, newton_options, out=runs / "newton", progress=False)
    _, sgd = nn.train(data, network, sgd_options, out=runs / "sgd", progress=False)
    both = [read_run(runs / "newton"), read_run(runs / "sgd")]

figure, panels = plt.subplots(2, 2, figsize=(11, 7.6), layout="constrained")
plot_newton(newton.records, xi=newton_options.xi, axes=panels.ravel())
show()
values = [record["f"] for record in newton.records]
assert np.all(np.diff(values) <= 0)

# %%
# Against SGD
# -----------
# The figure plots both solvers against epochs or iterations, and against time. One iteration of
# Newton's method is not one epoch. It evaluates f and its gradient on all images at least once, and
# each of its CG steps requires a product with G on the subsample. SGD's loss is the mean over the
# batches of an epoch, each evaluated before its update. Which solver is ahead at a given time
# depends on the machine, the network and the options. Two facts always hold: Newton's f never
# rises, and Newton's method needs no learning rate.

figure, panels = plt.subplots(2, 2, figsize=(11, 7.6), layout="constrained")
plot_comparison(both, names=["Newton", "SGD"], axes=panels.ravel())
panels[0, 0].get_legend().remove()
lines = panels[0, 0].get_lines()
figure.legend(lines, ["Newton", "SGD"], loc="outside lower center", ncols=2, frameon=False)
show()
for name, history in (("Newton", newton), ("SGD", sgd)):
    report = history.report
    print(f"{name}: {report['timings']['train_seconds']:.2f} s, loss {report['train_loss']:.4f}, "
          f"test accuracy {100 * report['test_accuracy']:.2f} %")  # fmt: skip
    assert report["test_accuracy"] > (0.6 if reduced() else 0.95)
cg = newton.report["cg_steps"]
print(f"Newton: {cg} CG steps in {len(newton.records)} iterations")

# %%
# What to take away
# -----------------
# A product with the Gauss-Newton matrix takes one forward and one backward pass. So conjugate
# gradients can use the curvature even if the matrix would never fit into memory. G is symmetric and
# positive definite, so every step goes downhill. Damping and the line search make the method safe
# far from a minimum.
#
# Try it yourself
# ---------------
# 1. Start with ``lambda_=0`` and with ``lambda_=1000``. How do the step lengths and rho change?
# 2. Set ``xi=0.01``. How many more CG steps does it take, and how many iterations does it save?
# 3. Make the subsample ten times as large (``GNsize``). Is the time well spent?
