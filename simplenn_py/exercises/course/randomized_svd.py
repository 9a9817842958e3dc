"""Exercise: the randomized SVD."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...layout import Array
from ..exercise import Args, Case, Exercise, Mistake, Points
from ..sizes import normal

Factors = tuple[Array, Array, Array]


def _reference(A: Array, k: int, Omega: Array, q: int) -> Factors:
    """Compute the formulas of the statement; the package's own routine draws Omega itself."""
    Q = np.linalg.qr(A @ Omega)[0]
    for _ in range(q):
        Q = np.linalg.qr(A @ np.linalg.qr(A.T @ Q)[0])[0]
    U, s, Vt = np.linalg.svd(Q.T @ A, full_matrices=False)
    return (Q @ U)[:, :k], s[:k], Vt[:k]


def _matrix(rng: np.random.Generator, m: int, n: int, sigma: Array) -> Array:
    """Return a random m x n matrix with these singular values."""
    U, V = (np.linalg.qr(rng.standard_normal((rows, sigma.size)))[0] for rows in (m, n))
    return np.asfortranarray((U * sigma) @ V.T)


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(label: str, A: Array, k: int, p: int, q: int, small: bool = False) -> Case:
        args = {"A": A, "k": k, "Omega": normal(rng, A.shape[1], k + p), "q": q}
        return Case(label, args, small=small)

    fast, slow = 2.0 ** -np.arange(6), 1 / np.arange(1.0, 7.0)
    for label, (m, n), sigma, k, p, q in (
        ("rank 1", (4, 3), fast[:1], 1, 0, 0),
        ("no oversampling", (6, 6), fast, 2, 0, 0),
        ("oversampling", (6, 6), fast, 2, 2, 0),
        ("one power iteration", (6, 6), slow, 2, 1, 1),
        ("two power iterations", (6, 6), slow, 2, 1, 2),
    ):
        yield case(label, _matrix(rng, m, n, sigma), k, p, q, small=True)
    yield case("tall", _matrix(rng, 40, 12, 1 / np.arange(1.0, 13.0)), 4, 3, 1)
    yield case("wide", np.asfortranarray(_matrix(rng, 40, 12, 0.7 ** np.arange(12)).T), 4, 3, 2)
    steep = 10.0 ** -np.arange(0.0, 10.0)
    yield case("singular values 1, 0.1, ... 1e-9", _matrix(rng, 30, 20, steep), 5, 3, 3)
    for k in (2, 5, 8):
        m, n = (int(x) for x in rng.integers(20, 50, 2))
        p, q = int(rng.integers(2, 8)), int(rng.integers(0, 4))
        sigma = 1 / np.arange(1.0, 1 + min(m, n)) ** rng.uniform(0.5, 2)
        yield case(f"random: {m} x {n}, k={k} p={p} q={q}", _matrix(rng, m, n, sigma), k, p, q)


def _judge(args: Args, expected: Factors, got: Factors) -> str:
    """Describe why the result is not an SVD of this sample; return "" if it is one."""
    A, k = args["A"], args["k"]
    U, s, Vt = (np.asarray(x, float) for x in got)
    for name, gram in (("U'U", U.T @ U), ("Vt Vt'", Vt @ Vt.T)):
        off = float(np.abs(gram - np.eye(k)).max())
        if not off <= 1e-8:
            return (
                f"{name} is not the identity; the largest error is {off:.2g}. Is U computed from "
                "an orthonormal Q?"
            )
    if np.any(s < 0) or np.any(np.diff(s) > 0):
        return f"s must be in decreasing order and not negative; it is {_list(s)}"
    error, theirs = (float(np.linalg.norm(A - (u * x) @ v)) for u, x, v in ((U, s, Vt), expected))
    best = float(np.linalg.norm(np.linalg.svd(A, compute_uv=False)[k:]))
    size = float(np.linalg.norm(A))
    if not error <= theirs * (1 + 1e-6) + 1e-10 * size:
        return (
            f"||A - U S Vt||_F is {error:.6g}; with this Omega and q it must be {theirs:.6g}, and "
            f"the smallest possible error for rank {k} is {best:.6g}"
        )
    wanted = expected[1]
    bad = np.abs(s - wanted) > 1e-6 * wanted + 1e-12 * wanted[0]
    if bad.any():
        j = int(np.argmax(bad))
        return (
            f"s[{j}] is {s[j]:.10g}; the singular value of B = Q'A is {wanted[j]:.10g}. Is Q "
            f"computed from this Omega with {args['q']} power iterations, and is the SVD that of B?"
        )
    return ""


def _list(s: Array) -> str:
    return ", ".join(f"{x:.4g}" for x in s)


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    return f"singular triplet {index[0] if name == 'Vt' else index[-1]}"


EXERCISE = Exercise(
    name="randomized_svd",
    title="the randomized SVD with oversampling and stable power iterations",
    functions=("randomized_svd",),
    returns=("U", "s", "Vt"),
    allows=("numpy", "math"),
    points=Points(small=3, awkward=5),
    hints=(
        "Think of the shapes: A Omega and Q are m x (k+p), and B = Q'A is (k+p) x n. Which factor "
        "of the SVD of B has only k+p rows, and which product gives it m rows?",
        "np.linalg.qr(Y) returns Q and R; only Q is needed. A power iteration has two products, "
        "A'Q and then A times the result, with a qr after each. np.linalg.svd returns Vt, which is "
        "already transposed; full_matrices=False keeps the factors thin.",
        "Q = qr(A @ Omega)[0]; q times: Q = qr(A.T @ Q)[0]; Q = qr(A @ Q)[0]. Then U, s, Vt = "
        "svd(Q.T @ A, full_matrices=False), U = Q @ U, and return the first k of each: U[:, :k], "
        "s[:k], Vt[:k].",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    judge=_judge,
    mistakes=(
        Mistake(
            "rank k + p",
            "The sample has k + p columns, so the SVD of B has k + p singular values: return only "
            "the first k.",
            (("return U[:, :k], s[:k], Vt[:k]", "return U, s, Vt"),),
        ),
        Mistake(
            "oversampling left out",
            "The sample uses all k + p columns of Omega; keep the first k at the end.",
            (("A @ Omega", "A @ Omega[:, :k]"),),
        ),
        Mistake(
            "V not transposed",
            "np.linalg.svd returns Vt, whose rows are the right singular vectors: do not transpose "
            "it, and keep its first k ROWS.",
            (("s[:k], Vt[:k]", "s[:k], Vt[:k].T"),),
        ),
        Mistake(
            "U~ returned",
            "U~ of the SVD has the coordinates in the basis Q and only k + p rows; U = Q U~ has m "
            "rows.",
            (("    U = Q @ U\n", ""),),
        ),
        Mistake(
            "power iterations left out",
            "Q is a basis of the range of (A A')^q A Omega: multiply q times by A' and then by A.",
            (("for _ in range(q)", "for _ in range(0)"),),
        ),
        Mistake(
            "one power iteration too many",
            "q is the number of products with A A' after the first product A Omega.",
            (("range(q)", "range(q + 1)"),),
        ),
        Mistake(
            "powers of A instead of A A'",
            "A power iteration multiplies by A' and then by A: (A A')^q has the same singular "
            "vectors as A, A^q does not.",
            (("        Q, _ = np.linalg.qr(A.T @ Q)\n", ""),),
        ),
        Mistake(
            "A' A in the wrong order",
            "Q is in the range of A and has m rows: multiply by A' first, then by A.",
            (
                (
                    "        Q, _ = np.linalg.qr(A.T @ Q)\n        Q, _ = np.linalg.qr(A @ Q)",
                    "        Q, _ = np.linalg.qr(A @ Q)\n        Q, _ = np.linalg.qr(A.T @ Q)",
                ),
            ),
        ),
        Mistake(
            "not orthonormalised between products",
            "Without a qr before every product, all columns approach the first singular vector, "
            "and the small singular values are lost by rounding.",
            (
                ("Q, _ = np.linalg.qr(A @ Omega)", "Q = A @ Omega"),
                ("Q, _ = np.linalg.qr(A.T @ Q)", "Q = A.T @ Q"),
                ("        Q, _ = np.linalg.qr(A @ Q)", "        Q = A @ Q"),
                ("    B = Q.T @ A", "    Q, _ = np.linalg.qr(Q)\n    B = Q.T @ A"),
            ),
        ),
        Mistake(
            "Q not orthonormal",
            "Stage 2 needs Q'Q = I: orthonormalise after the last product A Q as well.",
            (
                ("Q, _ = np.linalg.qr(A @ Omega)", "Q = A @ Omega"),
                ("        Q, _ = np.linalg.qr(A @ Q)", "        Q = A @ Q"),
            ),
        ),
        Mistake(
            "eigenvalues of B B'",
            "The singular values are the square roots of the eigenvalues of B B'.",
            (("s[:k], Vt[:k]", "s[:k] ** 2, Vt[:k]"),),
        ),
        Mistake(
            "SVD of A itself",
            "Compute the SVD of the small B = Q'A: the method is fast because it does not need the "
            "SVD of A.",
            (
                (
                    "U, s, Vt = np.linalg.svd(B, full_matrices=False)\n    U = Q @ U",
                    "U, s, Vt = np.linalg.svd(A, full_matrices=False)",
                ),
            ),
        ),
    ),
)
