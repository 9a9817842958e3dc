"""Exercise: two checks of derivatives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..exercise import Args, Case, Exercise, Mistake, Points
from ..sizes import normal


def _reference(*args: Any) -> np.float64:
    """Return the exact error, which is known from the construction of the driver's functions."""
    from ..drivers.gradient_check import ADJOINTS, FUNCTIONS, GRADIENTS, RIGHT

    if args[1] == RIGHT:
        return np.float64(0.0)
    if isinstance(args[0], str):
        name, which, theta = args
        right = FUNCTIONS[name][1](theta)
        g = GRADIENTS[which](right)
        size = np.max(np.abs([right, g]))
        return np.float64(np.max(np.abs(right - g)) / size)
    J, which, n, m = args
    rng = np.random.default_rng(0)
    v, u = rng.standard_normal(n), rng.standard_normal(m)
    size = np.linalg.norm(u) * np.linalg.norm(J @ v)
    return np.float64(abs(u @ J @ v - (ADJOINTS[which](J) @ u) @ v) / size)


def _gradient(label: str, fun: str, grad: str, theta: ArrayLike, small: bool = False) -> Case:
    args = {"fun": fun, "grad": grad, "theta": np.array(theta, float)}
    return Case(label, args, small=small, function="gradient_check")


def _adjoint(label: str, J: ArrayLike, JTv: str, small: bool = False) -> Case:
    matrix = np.array(J, float, order="F")
    args = {"Jv": matrix, "JTv": JTv, "n": matrix.shape[1], "m": matrix.shape[0]}
    return Case(
        f"{label}: Jv(v) is this matrix times v", args, small=small, function="adjoint_check"
    )


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    linear, three = "c'theta, c = 1, 2 ...", [0.3, -0.7, 0.9]
    gradients: tuple[tuple[str, str, str, ArrayLike], ...] = (
        ("one entry, wrong", linear, "wrong: half of it", three[:1]),
        ("one entry, right", linear, "right", three[:1]),
        ("three entries, right", linear, "right", three),
        ("wrong in the last entry", linear, "wrong: its last entry is 0", three),
        ("wrong in the sign", linear, "wrong: its sign", three),
        ("small values", "1e-8 c'theta, c = 1, 2 ...", "wrong: half of it", three),
        ("a large third derivative", "sum of sin(10 theta_k)", "right", [0, 0, 0]),
        ("a large second derivative", "sum of exp(50 theta_k)", "right", [0.01, 0.02]),
        ("all variables in one term", "(sum of theta_k)^2", "right", three),
    )
    for label, fun, grad, theta in gradients:
        yield _gradient(label, fun, grad, theta, small=True)
    square = [[1, 2, 0], [0, 1, 3], [1, 0, 1]]
    for label, J, JTv in (
        ("right", square, "right"),
        ("not square", square[:2], "right"),
        ("wrong", square, "wrong: one row is 0"),
        ("rows in another order", square, "wrong: its rows in another order"),
        ("J instead of J'", square, "wrong: J instead of J'"),
        ("sign", square, "wrong: its sign"),
    ):
        yield _adjoint(label, J, JTv, small=True)
    constant = "7, whatever theta is"
    yield _gradient("a constant", constant, "right", [1, 2])
    yield _gradient("large parameters", "theta'theta / 2", "right", [123456789.3, -3e7])
    yield _gradient("a little wrong", "theta'theta / 2", "wrong: 0.1 % too large", [1, 2])
    yield _adjoint("small values", 1e-12 * np.array(square), "wrong: twice as large")
    yield _adjoint("nothing but 0", np.zeros((2, 3)), "right")
    for fun in (linear, "sum of sin(10 theta_k)", "theta'theta / 2", "(sum of theta_k)^2"):
        at = rng.uniform(0.2, 1.0, int(rng.integers(2, 8)))
        yield _gradient("random", fun, "right", at)
        yield _gradient("random", fun, "wrong: twice as large", at)
    for m, n in ((7, 3), (4, 9)):
        matrix = normal(rng, m, n)
        yield _adjoint("random", matrix, "right")
        yield _adjoint("random", matrix, "wrong: one row is 0")
    yield _gradient("NaN", linear, "wrong: the first entry is NaN", three)


def _judge(args: Args, expected: Any, got: Any) -> str:
    """Describe why the returned error is not correct; return "" if it is correct."""
    error, wanted = float(got), float(expected)
    adjoint = "JTv" in args
    which = args["JTv"] if adjoint else args["grad"]
    if which == "right":
        if error == 0.0:
            return ""
        if adjoint:
            return f"error is {error:.3g}, but this J' is correct: it must be a rounding error only"
        return (
            f"error is {error:.3g}, but this gradient is correct: with central differences and an "
            "h that is neither too large nor too small, the error is below 1e-6"
        )
    if math.isnan(wanted):
        return "" if math.isnan(error) else f"error is {error:.3g}; it must be NaN"
    if error == 0.0:
        name = "this J'" if adjoint else "this gradient"
        return f"error is 0, but {name} is {which}"
    if not adjoint and abs(error - wanted) > 1e-3 * wanted:
        return f"error is {error:.6g}; it must be {wanted:.6g}, since this gradient is {which}"
    if adjoint and not error > 1e-6:
        return f"error is {error:.3g}, which is too small: this J' is {which}"
    return ""


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    return "relative error, shown as 0 if it is only rounding"


EXERCISE = Exercise(
    name="gradient_check",
    title="central differences and the adjoint identity",
    functions=("gradient_check", "adjoint_check"),
    returns=("error",),
    allows=("numpy", "math", "collections", "typing"),
    points=Points(small=3, awkward=5),
    hints=(
        "Each check must find an error in a single entry, a wrong sign, and an error in a gradient "
        "whose entries are all tiny. It must not report an error for a function with a large "
        "curvature or with large values.",
        "For each k make a vector step of zeros with h as entry k, and call fun twice, at theta + "
        "step and theta - step. Divide the largest |D_k - g_k| by the largest absolute entry of D "
        "and g. For the adjoint identity draw u and v one after the other from one generator.",
        "D[k] = (fun(theta + step) - fun(theta - step)) / (2*h); difference = np.max(np.abs(D - "
        "g)); size = the largest of np.max(np.abs(D)) and np.max(np.abs(g)); return difference / "
        "size if difference != 0 else 0.0. Adjoint: abs(u @ Jv(v) - JTv(u) @ v) over norm(u) * "
        "norm(Jv(v)).",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    judge=_judge,
    mistakes=(
        Mistake(
            "one-sided difference",
            "(f(theta + h) - f(theta)) / h has the error h/2 times the second derivative; the "
            "central difference has h^2/6 times the third derivative.",
            (("fun(theta - step)) / (2 * h)", "fun(theta)) / h"),),
        ),
        Mistake(
            "step too large",
            "The error of the central difference grows with h^2: with h = 1e-2, small mistakes are "
            "not found, and correct gradients seem to be wrong.",
            (("h = 1e-5 *", "h = 1e-2 *"),),
        ),
        Mistake(
            "step too small",
            "f is rounded to 16 digits, and the difference is divided by h: with h = 1e-12 only "
            "four correct digits remain.",
            (("h = 1e-5 *", "h = 1e-12 *"),),
        ),
        Mistake(
            "divided by h",
            "The distance from theta - h to theta + h is 2h.",
            (("/ (2 * h)", "/ h"),),
        ),
        Mistake(
            "step not in proportion to theta",
            "If theta is large, the rounding error of f is large, too, and h must be larger: h = "
            "1e-5 * max(1, |theta_k|).",
            (("1e-5 * max(1.0, abs(theta[k]))", "1e-5"),),
        ),
        Mistake(
            "earlier components still changed",
            "Only component k may change in D_k: start each k with a step of zeros.",
            (
                ("        step = np.zeros(theta.size)\n", ""),
                (
                    "    D = np.zeros(theta.size)\n",
                    "    D = np.zeros(theta.size)\n    step = 0 * D\n",
                ),
            ),
        ),
        Mistake(
            "absolute error",
            "The error is relative: if the gradient is about 1e-8, an absolute error of 1e-8 is "
            "100 %.",
            (("return difference / size if difference != 0 else 0.0", "return difference"),),
        ),
        Mistake(
            "error relative to 1",
            "If you divide by max(1, ...), the error of a small gradient is absolute again; divide "
            "only by the size of D and g.",
            (
                (
                    "    size = np.max(np.abs(np.concatenate([D, g])))",
                    "    size = max(1.0, np.max(np.abs(np.concatenate([D, g]))))",
                ),
            ),
        ),
        Mistake(
            "norms compared",
            "Two vectors with the same norm can have different directions: compare them entry by "
            "entry and take the largest difference.",
            (
                (
                    "np.max(np.abs(D - g))",
                    "abs(np.max(np.abs(D)) - np.max(np.abs(g)))",
                ),
            ),
        ),
        Mistake(
            "only the first component compared",
            "A mistake can be in any entry of the gradient: compare all of them.",
            (("np.max(np.abs(D - g))", "abs(D[0] - g[0])"),),
        ),
        Mistake(
            "NaN lost",
            "Comparisons with NaN are false: max() and np.nanmax ignore NaN, np.max does not.",
            (
                ("np.max(np.abs(D - g))", "np.nanmax(np.abs(D - g))"),
                ("    size = np.max", "    size = np.nanmax"),
            ),
        ),
        Mistake(
            "u and v of ones",
            "Vectors of ones test only the sum of all entries of J; random vectors test every "
            "entry.",
            (("rng.standard_normal(n)", "np.ones(n)"), ("rng.standard_normal(m)", "np.ones(m)")),
        ),
        Mistake(
            "u equal to v",
            "For u = v the identity also holds with J instead of J': draw u and v independently.",
            (("u = rng.standard_normal(m)", "u = np.resize(v, m)"),),
        ),
        Mistake(
            "absolute values compared",
            "The signs of the two products matter: use |<u, J v> - <J'u, v>|, not the difference "
            "of the absolute values.",
            (("abs(u @ tangent - JTv(u) @ v)", "abs(abs(u @ tangent) - abs(JTv(u) @ v))"),),
        ),
        Mistake(
            "n and m swapped",
            "J maps a vector of n numbers to one of m numbers: v has n entries, and u has m.",
            (
                ("rng.standard_normal(n)", "rng.standard_normal(m) "),
                ("rng.standard_normal(m)\n    t", "rng.standard_normal(n)\n    t"),
            ),
        ),
    ),
)
