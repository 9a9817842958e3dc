"""Exercise: conjugate gradients for the Newton direction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...layout import Array
from ..exercise import Args, Case, Exercise, Mistake, Points


def _reference(G: Array, g: Array, cg_tol: float, CGmax: int) -> tuple[Array, np.int64]:
    from ...opt.cg import CG

    found = CG(lambda v: G @ v, g, cg_tol=cg_tol, CGmax=CGmax)
    return found.step, np.int64(found.steps)


def _case(label: str, G: Array, g: Array, cg_tol: float, CGmax: int, small: bool = False) -> Case:
    return Case(label, {"G": G, "g": g, "cg_tol": cg_tol, "CGmax": CGmax}, small=small)


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    two = np.array([[4.0, 1.0], [1.0, 3.0]], order="F")
    g = np.array([-1.0, -2.0])
    three = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]], order="F")
    yield _case("one step", two, g, 0.01, 1, small=True)
    yield _case("two steps", two, g, 0.01, 2, small=True)
    yield _case("done before CGmax", two, g, 0.01, 5, small=True)
    yield _case("three unknowns, CGmax 3", three, np.array([1.0, 2.0, 3.0]), 1e-6, 3, small=True)
    yield _case("cg_tol reached in one step", np.diag([1.0, 1.2]).T, g, 0.2, 9, small=True)
    yield _case("a large gradient", three, np.array([1e6, 2e6, 3e6]), 0.1, 20, small=True)
    yield _case("a small gradient", three, np.array([1e-6, 2e-6, 3e-6]), 0.1, 20, small=True)
    yield _case("the gradient is 0", two, np.zeros(2), 0.1, 5)
    yield _case("all eigenvalues equal", 3.0 * np.eye(6).T, rng.standard_normal(6), 0.01, 9)
    for k in range(6):
        n = 4 + 3 * k
        X = rng.standard_normal((2 * n, n))
        G = np.asfortranarray(np.eye(n) + X.T @ X / n)
        cg_tol = float(10.0 ** -rng.integers(1, 5))
        size = float(10.0 ** rng.integers(-3, 4))
        yield _case(
            f"random: n={n}, cg_tol={cg_tol:g}", G, size * rng.standard_normal(n), cg_tol, 250
        )


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    if name == "calls":
        return "number of calls of G: one per step, until the stopping rule holds or CGmax steps"
    return f"component {index[0]} of the direction"


_ALIAS = (
    "q = r only gives the same array a second name, so r -= ... changes q as well: start with "
    "q = r.copy()."
)

EXERCISE = Exercise(
    name="cg",
    title="conjugate gradients for G d = -g, with G as a function",
    functions=("cg",),
    returns=("d", "calls"),
    allows=("numpy", "math", "collections", "typing"),
    points=Points(small=3, awkward=5),
    hints=(
        "From one step to the next, keep d, r, q and the number r'r. The residual needs no "
        "additional product, since r changes by -alpha G q if d changes by alpha q.",
        "Keep Gq = G(q) in a variable, since it is needed twice. Compute r'r once per step, and "
        "keep the value before it for beta. Compare its square root with cg_tol*||g||, where ||g|| "
        "is the norm of the gradient and is computed once.",
        "while steps < CGmax and sqrt(rr) > cg_tol*norm(g): Gq = G(q); alpha = rr/(q @ Gq); d = d "
        "+ alpha*q; r = r - alpha*Gq; before, rr = rr, r @ r; q = r + (rr/before)*q. If g is 0, "
        "the loop ends at once.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "sign of g",
            "The system is G d = -g: for d = 0 the residual is r = -g.",
            (("r = -g", "r = g.copy()"),),
        ),
        Mistake(
            "steepest descent",
            "The new direction is q = r + beta q: without the term beta q, a step undoes part of "
            "the steps before it, and two unknowns need more than two steps.",
            (("q = r + beta * q", "q = r"),),
        ),
        Mistake(
            "beta inverted",
            "beta is the new r'r divided by the old one, so it is small if the residual decreases "
            "fast.",
            (("beta = rr / before", "beta = before / rr if rr else 0.0"),),
        ),
        Mistake(
            "alpha with q'q",
            "alpha = r'r / (q'G q): without G in the denominator the step has the wrong length.",
            (("alpha = rr / (q @ Gq)", "alpha = rr / (q @ q)"),),
        ),
        Mistake(
            "squares in the stopping rule",
            "The stopping rule compares norms, sqrt(r'r) with cg_tol ||g||. For their squares the "
            "factor is cg_tol^2, not cg_tol.",
            (("np.sqrt(rr) > limit", "rr > cg_tol * (g @ g)"),),
        ),
        Mistake(
            "absolute stopping rule",
            "The stopping rule is relative, ||r|| <= cg_tol ||g||: with cg_tol alone, a large "
            "gradient takes more steps than necessary, and a small one takes none.",
            (("limit = cg_tol * np.linalg.norm(g)", "limit = cg_tol"),),
        ),
        Mistake(
            "absolute stopping rule, tested after a step",
            "The stopping rule is relative, ||r|| <= cg_tol ||g||: with cg_tol alone, a large "
            "gradient takes more steps than necessary, and a small one stops after the first step.",
            (
                ("limit = cg_tol * np.linalg.norm(g)", "limit = cg_tol"),
                ("np.sqrt(rr) > limit", "(not steps or np.sqrt(rr) > limit)"),
            ),
            (
                (
                    ("limit = cg_tol * np.linalg.norm(g)", "limit = cg_tol"),
                    ("np.sqrt(rr) > limit", "(not steps and rr or np.sqrt(rr) > limit)"),
                ),
            ),
        ),
        Mistake(
            "q is r itself",
            _ALIAS,
            (("q = r.copy()", "q = r"), ("r = r - alpha * Gq", "r -= alpha * Gq")),
        ),
        Mistake(
            "q is r itself, in every step",
            _ALIAS,
            (
                ("q = r.copy()", "q = r"),
                ("r = r - alpha * Gq", "r -= alpha * Gq"),
                ("q = r + beta * q", "q *= beta\n        q += r"),
            ),
            (  # the loop ends, or does not end, if the residual is NaN
                (
                    ("q = r.copy()", "q = r"),
                    ("r = r - alpha * Gq", "r -= alpha * Gq"),
                    ("q = r + beta * q", "q *= beta\n        q += r"),
                    ("np.sqrt(rr) > limit", "not np.sqrt(rr) <= limit"),
                ),
            ),
        ),
        Mistake(
            "stopping rule missing",
            "CG stops as soon as ||r|| <= cg_tol ||g||, even before CGmax steps: every further "
            "product costs as much as a forward and a backward pass.",
            (
                (
                    "while steps < CGmax and np.sqrt(rr) > limit",
                    "while steps < CGmax and np.sqrt(rr) > 1e-13 * np.linalg.norm(g)",
                ),
            ),
        ),
        Mistake(
            "one step too many",
            "CG takes at most CGmax steps, including the first one.",
            (("while steps < CGmax and", "while steps <= CGmax and"),),
        ),
        Mistake(
            "residual computed from d",
            "G d needs one more product per step: r - alpha G q is the same vector, and G q is "
            "already known.",
            (("r = r - alpha * Gq", "r = -g - G(d)"),),
        ),
    ),
    tolerance=1e-7,
)
