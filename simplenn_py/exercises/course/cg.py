"""Exercise: conjugate gradients for the Newton direction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...layout import Array
from ..form import Args, Case, Exercise, Points, Wrong


def _reference(G: Array, g: Array, xi: float, CGmax: int) -> tuple[Array, np.int64]:
    from ...opt.cg import CG

    found = CG(lambda v: G @ v, g, cg_tol=xi, CGmax=CGmax)
    return found.step, np.int64(found.steps)


def _case(label: str, G: Array, g: Array, xi: float, CGmax: int, small: bool = False) -> Case:
    return Case(label, {"G": G, "g": g, "xi": xi, "CGmax": CGmax}, small=small)


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    two = np.array([[4.0, 1.0], [1.0, 3.0]], order="F")
    g = np.array([-1.0, -2.0])
    three = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]], order="F")
    yield _case("one step", two, g, 0.01, 1, small=True)
    yield _case("two steps", two, g, 0.01, 2, small=True)
    yield _case("done before CGmax", two, g, 0.01, 5, small=True)
    yield _case("three unknowns, CGmax 3", three, np.array([1.0, 2.0, 3.0]), 1e-6, 3, small=True)
    yield _case("xi reached in one step", np.diag([1.0, 1.2]).T, g, 0.2, 9, small=True)
    yield _case("a large gradient", three, np.array([1e6, 2e6, 3e6]), 0.1, 20, small=True)
    yield _case("a small gradient", three, np.array([1e-6, 2e-6, 3e-6]), 0.1, 20, small=True)
    yield _case("the gradient is 0", two, np.zeros(2), 0.1, 5)
    yield _case("all eigenvalues equal", 3.0 * np.eye(6).T, rng.standard_normal(6), 0.01, 9)
    for k in range(6):
        n = 4 + 3 * k
        X = rng.standard_normal((2 * n, n))
        G = np.asfortranarray(np.eye(n) + X.T @ X / n)
        xi = float(10.0 ** -rng.integers(1, 5))
        size = float(10.0 ** rng.integers(-3, 4))
        yield _case(f"random: n={n}, xi={xi:g}", G, size * rng.standard_normal(n), xi, 250)


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    if name == "calls":
        return "how often G was called; one call a step, and steps until the rule holds or CGmax"
    return f"component {index[0]} of the direction"


_ALIAS = (
    "q = r gives the same array a second name, so that r -= ... changes q as well: begin with "
    "q = r.copy()."
)

EXERCISE = Exercise(
    name="cg",
    title="conjugate gradients for G d = -g, where G is a function",
    functions=("cg",),
    returns=("d", "calls"),
    allows=("numpy", "math", "collections", "typing"),
    points=Points(small=3, awkward=5),
    hints=(
        "Think of what must be kept from one step to the next: d, r, q and the number r'r. The "
        "residual needs no product of its own, since r changes by -alpha G q when d changes by "
        "alpha q.",
        "Keep Gq = G(q) in a variable: it is needed twice. Compute r'r once a step, keep the one "
        "before it for beta, and compare its square root with xi*||g||, where ||g|| is that of "
        "the gradient, computed once.",
        "while steps < CGmax and sqrt(rr) > xi*norm(g): Gq = G(q); alpha = rr/(q @ Gq); d = d + "
        "alpha*q; r = r - alpha*Gq; before, rr = rr, r @ r; q = r + (rr/before)*q. A g of 0 never "
        "enters the loop.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    wrong=(
        Wrong(
            "sign of g lost",
            "The system is G d = -g: with d = 0 the residual is r = -g.",
            (("r = -g", "r = g.copy()"),),
        ),
        Wrong(
            "steepest descent",
            "The new direction is r + beta q: without beta q the steps undo one another, and two "
            "unknowns take more than two steps.",
            (("q = r + beta * q", "q = r"),),
        ),
        Wrong(
            "beta upside down",
            "beta is the new r'r over the old one, so that it is small where the residual falls "
            "fast.",
            (("beta = rr / before", "beta = before / rr if rr else 0.0"),),
        ),
        Wrong(
            "alpha with q'q",
            "alpha = r'r / (q'G q): the denominator needs G q, or the step has the wrong length.",
            (("alpha = rr / (q @ Gq)", "alpha = rr / (q @ q)"),),
        ),
        Wrong(
            "rule on the squares",
            "The rule compares norms: sqrt(r'r) with xi ||g||. Between squares the factor is xi^2, "
            "not xi.",
            (("np.sqrt(rr) > limit", "rr > xi * (g @ g)"),),
        ),
        Wrong(
            "rule absolute",
            "The rule is relative, ||r|| <= xi ||g||: with xi alone a large gradient takes more "
            "steps than it needs, and a small one none.",
            (("limit = xi * np.linalg.norm(g)", "limit = xi"),),
        ),
        Wrong(
            "rule absolute, asked after a step",
            "The rule is relative, ||r|| <= xi ||g||: with xi alone a large gradient takes more "
            "steps than it needs, and a small one stops after the first.",
            (
                ("limit = xi * np.linalg.norm(g)", "limit = xi"),
                ("np.sqrt(rr) > limit", "(not steps or np.sqrt(rr) > limit)"),
            ),
        ),
        Wrong(
            "q is r itself",
            _ALIAS,
            (("q = r.copy()", "q = r"), ("r = r - alpha * Gq", "r -= alpha * Gq")),
        ),
        Wrong(
            "q is r itself, in every step",
            _ALIAS,
            (
                ("q = r.copy()", "q = r"),
                ("r = r - alpha * Gq", "r -= alpha * Gq"),
                ("q = r + beta * q", "q *= beta\n        q += r"),
            ),
        ),
        Wrong(
            "rule not asked",
            "CG stops as soon as ||r|| <= xi ||g||, which is before CGmax: every further product "
            "costs as much as a pass through the network.",
            (
                (
                    "while steps < CGmax and np.sqrt(rr) > limit",
                    "while steps < CGmax and np.sqrt(rr) > 1e-13 * np.linalg.norm(g)",
                ),
            ),
        ),
        Wrong(
            "one step too many",
            "At most CGmax steps: the first one counts.",
            (("while steps < CGmax and", "while steps <= CGmax and"),),
        ),
        Wrong(
            "residual computed anew",
            "G d costs a product more each step: r - alpha G q is the same, and G q is there.",
            (("r = r - alpha * Gq", "r = -g - G(d)"),),
        ),
    ),
    tolerance=1e-7,
)
