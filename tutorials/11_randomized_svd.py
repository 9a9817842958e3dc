r"""
The SVD and the randomized SVD
==============================

The best low-rank approximation of a matrix comes from its singular value decomposition (section D
of the lecture), which costs far more than a matrix product. This tutorial writes the randomized
SVD in a few lines, shows what oversampling and power iterations do for matrices with known
singular values, tests the two error bounds, and ends with low-rank approximations of a photograph.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from scipy.sparse.linalg import svds

from simplenn_py.linalg import (
    bound_frobenius,
    bound_spectral,
    error_estimate,
    frobenius_error,
    randomized_svd,
)
from simplenn_py.plots import show
from simplenn_py.runtime import reduced, seconds

SMALL = reduced()
rng = np.random.default_rng(0)

# %%
# Matrices with known singular values
# -----------------------------------
# From two random factors with orthonormal columns and singular values of our choice, we build a
# matrix whose SVD we know: :math:`A = U\,\mathrm{diag}(\sigma)\,V'`. The singular values of our
# first matrix fall fast: each is 0.8 times the previous one. Those of the second fall slowly, like
# :math:`1/\sqrt{j}`.


def matrix(sigma, m):
    """Return a random m x n matrix with the n singular values `sigma`."""
    U, _ = np.linalg.qr(rng.standard_normal((m, sigma.size)))
    V, _ = np.linalg.qr(rng.standard_normal((sigma.size, sigma.size)))
    return (U * sigma) @ V.T


m, n, k = 200, 120, 10
j = np.arange(1, n + 1)
spectra = {"0.8^(j-1)": 0.8 ** (j - 1.0), "1/sqrt(j)": 1 / np.sqrt(j)}
matrices = {name: matrix(sigma, m) for name, sigma in spectra.items()}

# %%
# The best approximation of rank k
# --------------------------------
# If we keep the k largest singular values and their vectors, no matrix of rank k is closer to A.
# The error is :math:`\sigma_{k+1}` in the spectral norm and :math:`(\sum_{j>k} \sigma_j^2)^{1/2}`
# in the Frobenius norm.
for name, A in matrices.items():
    sigma = spectra[name]
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    A_k = (U[:, :k] * s[:k]) @ Vt[:k]
    spectral, frobenius = np.linalg.norm(A - A_k, 2), np.linalg.norm(A - A_k)
    print(f"{name:9s} spectral {spectral:.6f} = sigma_11, Frobenius {frobenius:.6f}")
    assert abs(spectral - sigma[k]) < 1e-10
    assert abs(frobenius - np.linalg.norm(sigma[k:])) < 1e-10

# %%
# The range finder
# ----------------
# Stage 1: multiply A by a few random vectors. Every product lies in the range of A, and the
# directions with large singular values are stretched most. We compute ``k + p`` products, the
# sample. The number p of extra products is called the oversampling. The span of the sample then
# nearly contains the first k left singular vectors. Five lines compute an orthonormal basis Q of
# this span.


def range_finder(A, columns, q, rng):
    """Return orthonormal columns that span the range of (A A')^q A Omega."""
    Q, _ = np.linalg.qr(A @ rng.standard_normal((A.shape[1], columns)))
    for _ in range(q):
        Z, _ = np.linalg.qr(A.T @ Q)
        Q, _ = np.linalg.qr(A @ Z)
    return Q


# %%
# Stage 2 needs only the SVD of a small matrix: ``B = Q'A`` has ``k + p`` rows.


def by_hand(A, k, p, q, rng):
    """Approximate the k leading singular triplets of A from k + p samples."""
    Q = range_finder(A, k + p, q, rng)
    U, s, Vt = np.linalg.svd(Q.T @ A, full_matrices=False)
    return (Q @ U)[:, :k], s[:k], Vt[:k]


A, sigma = matrices["0.8^(j-1)"], spectra["0.8^(j-1)"]
U, s, Vt = by_hand(A, k, p=10, q=1, rng=rng)
ours = randomized_svd(A, k, oversampling=10, power_iterations=1)
print(f"largest relative error of sigma_1 to sigma_{k}:",
      f"by hand {np.max(abs(s / sigma[:k] - 1)):.1e},",
      f"package {np.max(abs(ours.s / sigma[:k] - 1)):.1e}")  # fmt: skip
assert np.allclose(s, sigma[:k], rtol=1e-3)
assert np.allclose(ours.s, sigma[:k], rtol=1e-3)

# %%
# The package's routine does the same with a cheaper orthonormalisation (Cholesky instead of
# Householder). It chooses the oversampling itself if none is given.
#
# Oversampling and power iterations
# ---------------------------------
# A power iteration multiplies the sample by :math:`AA'`. After q of them we have sampled
# :math:`(AA')^q A`, a matrix with the singular vectors of A but the singular values
# :math:`\sigma^{2q+1}`, so a slow decay becomes a faster one. Each power iteration costs two more
# products with A. Oversampling by p costs p more columns. The figure shows the mean error at rank k
# over a few seeds, divided by the smallest possible error.
ps = [0, 2, 5, 10, 20, 40]
seeds = range(3 if SMALL else 10)


def mean_ratio(A, best, p, q):
    """Return the mean of ||A - U S V'|| / sigma_{k+1} over the seeds."""
    errors = []
    for seed in seeds:
        U, s, Vt = randomized_svd(A, k, oversampling=p, power_iterations=q, rng=seed)
        errors.append(np.linalg.norm(A - (U * s) @ Vt, 2) / best)
    return np.mean(errors)


ratios = {
    name: [[mean_ratio(A, spectra[name][k], p, q) for p in ps] for q in range(3)]
    for name, A in matrices.items()
}
figure, panels = plt.subplots(1, 2, figsize=(9.6, 4), sharey=True, layout="constrained")
for axes, (name, rows) in zip(panels, ratios.items(), strict=True):
    styles = zip(rows, ("#D55E00", "#0072B2", "#009E73"), "os^", strict=True)
    for q, (row, colour, marker) in enumerate(styles):
        axes.plot(ps, row, color=colour, marker=marker, label=f"q = {q}")
    axes.axhline(1, color="#555555", linestyle="--", linewidth=1)
    axes.set(xlabel="oversampling p (columns)", title=f"singular values {name}")
    axes.grid(color="0.9")
panels[0].set_ylabel("spectral error / best error")
panels[1].legend(frameon=False, title="power iterations")
show()

# %%
# With fast decay a few extra columns are enough. With slow decay they help little, because the
# singular values left out are nearly as large as those kept. Power iterations separate the two.
fast, slow = ratios.values()
for name, rows in ratios.items():
    for q, row in enumerate(rows):
        print(f"{name:9s} q = {q}:", " ".join(f"{x:6.3f}" for x in row))
assert fast[0][-1] < fast[0][0]
assert fast[0][-1] < slow[0][-1]
assert slow[2][3] < slow[0][3]

# %%
# Why the sample is orthonormalised in between
# --------------------------------------------
# In exact arithmetic we could form :math:`(AA')^q A\,\Omega` directly. In floating-point arithmetic
# the large singular values, raised to the power :math:`2q+1`, swamp the small ones: all directions
# with singular values below :math:`\varepsilon^{1/(2q+1)}` times the largest are lost.
steep = 10.0 ** -np.arange(24.0)
A = matrix(steep, 60)
raw = A @ rng.standard_normal((24, 12))
for _ in range(2):
    raw = A @ (A.T @ raw)
Q, _ = np.linalg.qr(raw)
lost = np.linalg.norm(A - Q @ (Q.T @ A), 2)
Q = range_finder(A, 12, 2, rng)
kept = np.linalg.norm(A - Q @ (Q.T @ A), 2)
print(f"12 columns, smallest possible error {steep[12]:.0e}:",
      f"{lost:.0e} formed directly, {kept:.0e} orthonormalised in between")  # fmt: skip
assert lost > 1e3 * kept

# %%
# The two bounds
# --------------
# With 2k columns and q power iterations, the expected error at rank 2k is bounded by
#
# .. math:: E\,\|A - USV'\| \le
#           \Bigl(1 + 4\sqrt{2\min(m,n)/(k-1)}\Bigr)^{1/(2q+1)} \sigma_{k+1},
#
# and with ``k + p`` columns and no power iterations, the expected error of the range is bounded by
#
# .. math:: E\,\|A - QQ'A\|_F \le
#           \sqrt{1 + k/(p-1)}\;\Bigl(\sum_{j>k}\sigma_j^2\Bigr)^{1/2}.
#
# Both bounds depend only on the size and the singular values of the matrix. We compare both with
# the mean error of a few runs.
A, sigma = matrices["1/sqrt(j)"], spectra["1/sqrt(j)"]
qs = [0, 1, 2, 3]
measured, promised = [], []
for q in qs:
    errors = []
    for seed in seeds:
        U, s, Vt = randomized_svd(A, 2 * k, oversampling=0, power_iterations=q, rng=seed)
        errors.append(np.linalg.norm(A - (U * s) @ Vt, 2))
    measured.append(np.mean(errors))
    promised.append(bound_spectral(sigma, k, q, A.shape))
print("rank 2k  measured", np.round(measured, 3), "bound", np.round(promised, 3))
assert np.all(np.array(measured) <= promised)

found, limit = [], []
for p in ps[1:]:
    errors = []
    for _ in seeds:
        Q = range_finder(A, k + p, 0, rng)
        errors.append(np.linalg.norm(A - Q @ (Q.T @ A)))
    found.append(np.mean(errors))
    limit.append(bound_frobenius(sigma, k, p))
print("k + p    measured", np.round(found, 3), "bound", np.round(limit, 3))
assert np.all(np.array(found) <= limit)

figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4), layout="constrained")
left.plot(qs, promised, "s--", color="#D55E00", label="bound")
left.plot(qs, measured, "o-", color="#0072B2", label="measured, mean")
left.axhline(sigma[k], color="#555555", linewidth=1, label=r"$\sigma_{k+1}$")
left.set(xlabel="power iterations q", ylabel="spectral error", xticks=qs)
left.set_title(f"Rank 2k, k = {k}")
right.plot(ps[1:], limit, "s--", color="#D55E00", label="bound")
right.plot(ps[1:], found, "o-", color="#0072B2", label="measured, mean")
tail = np.linalg.norm(sigma[k:])
assert found[-1] < tail
right.axhline(tail, color="#555555", linewidth=1, label="best matrix of rank k")
right.set(xlabel="oversampling p (columns)", ylabel="Frobenius error")
right.set_title(f"Range of k + p columns, k = {k}")
for axes in (left, right):
    axes.set_ylim(bottom=0)
    axes.grid(color="0.9")
    axes.legend(frameon=False)
show()

# %%
# With p extra columns, the error of the range can even be smaller than that of the best matrix of
# rank k, because the range has more than k dimensions. If the singular values are not known, ten
# random products give an upper bound on the error of given factors. This bound holds with
# probability :math:`1 - 10^{-10}`.
factors = randomized_svd(A, 2 * k)
true = np.linalg.norm(A - (factors.U * factors.s) @ factors.Vt, 2)
print(f"spectral error {true:.3f}, upper bound {error_estimate(A, *factors, rng=1):.3f}")
assert error_estimate(A, *factors, rng=1) >= true

# %%
# Three methods for 15 singular triplets
# --------------------------------------
# The talk compares three libraries at rank 15. We compare three methods that need nothing beyond
# NumPy, SciPy and the package: all singular triplets by LAPACK, 15 of them by a Krylov method
# (ARPACK), and the randomized SVD. The last column is the Frobenius error divided by the smallest
# possible one.
m, n, k = (300, 200, 15) if SMALL else (1000, 800, 15)
sigma = 1.0 / np.arange(1, n + 1)
A = matrix(sigma, m)


def lapack():
    """Compute all singular triplets and return the first k."""
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return U[:, :k], s[:k], Vt[:k]


routes = {
    "np.linalg.svd": lapack,
    "scipy svds": lambda: svds(A, k, v0=np.ones(min(m, n))),
    "randomized_svd": lambda: randomized_svd(A, k),
}
print(f"rank {k} of a {m} x {n} matrix")
for name, route in routes.items():
    excess = frobenius_error(A, *route()) / np.linalg.norm(sigma[k:])
    print(f"{name:15s} {1e3 * seconds(route, 2):8.1f} ms   error / best error {excess:.4f}")
    assert excess < 1.02

# %%
# A photograph at low rank
# ------------------------
# A grey image is a matrix too. Its rank-k approximation stores :math:`k(m + n + 1)` numbers instead
# of :math:`mn`, and the number of operations for a product with a vector shrinks in the same
# proportion. (The photograph shows Grace Hopper and comes with Matplotlib.)
with get_sample_data("grace_hopper.jpg") as file:
    picture = plt.imread(file, format="jpg").mean(axis=2) / 255
m, n = picture.shape
figure, panels = plt.subplots(1, 4, figsize=(10, 3.4), layout="constrained")
panels[0].imshow(picture, cmap="gray", vmin=0, vmax=1)
panels[0].set_title(f"{m} x {n}\n{m * n:,} numbers", fontsize=10)
relative = []
for axes, k in zip(panels[1:], (5, 20, 60), strict=True):
    U, s, Vt = randomized_svd(picture, k)
    relative.append(frobenius_error(picture, U, s, Vt) / np.linalg.norm(picture))
    axes.imshow((U * s) @ Vt, cmap="gray", vmin=0, vmax=1)
    numbers = k * (m + n + 1)
    axes.set_title(f"rank {k}\n{numbers:,} numbers, error {100 * relative[-1]:.1f} %", fontsize=10)
for axes in panels:
    axes.set_axis_off()
show()
assert relative[0] > relative[1] > relative[2]
assert relative[2] < 0.12

# %%
# What to take away
# -----------------
# A random sample of slightly more than k columns finds the k leading singular directions at the
# cost of a few products with thin matrices. If the singular values fall fast, oversampling is
# enough. If they fall slowly, each power iteration brings the error closer to the smallest possible
# one. The bounds hold but are pessimistic.
#
# Try it yourself
# ---------------
# 1. Let all singular values be 1. What is the smallest possible error at rank k, and what error
#    does the randomized SVD reach?
# 2. Draw :math:`\Omega` with entries +1 and -1 instead of Gaussian ones. Does it matter?
# 3. Replace the photograph by the 64 x 1797 matrix of the bundled digits. At which rank is the
#    error 10 %?
