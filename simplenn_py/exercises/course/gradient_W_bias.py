"""Exercise: the gradient of a layer's weights and bias."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...layout import Array
from ..exercise import Adjoint, Args, Case, Exercise, Mistake, Points
from ..sizes import counting, normal


def _reference(dS: Array, phiZ: Array) -> tuple[Array, Array]:
    # The lecture engine writes (4) into its own buffers, with these two products.
    return dS @ phiZ.T, dS @ np.ones(dS.shape[1])


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    small: tuple[tuple[str, ArrayLike, int], ...] = (
        ("two columns", [[1, 0], [2, 5]], 3),
        ("three columns", [[1, 2, 0], [0, 1, 3]], 4),
        ("phi(pad(Z)) is square", [[1, 0, 2, 0], [0, 3, 0, 1]], 4),
        ("one column", [[2], [3]], 3),
        ("one filter, two instances of four patches", [[1, 0, 2, 0, 0, 3, 0, 1]], 4),
    )
    for label, numbers, hhd in small:
        dS = np.array(numbers, float, order="F")
        yield Case(label, {"dS": dS, "phiZ": counting(hhd, dS.shape[1])}, small=True)
    for label, d_next, hhd, n in (
        ("many patches", 4, 9, 200),
        ("a fully connected layer", 10, 32, 5),
        ("as many filters as entries of a patch", 8, 8, 30),
        ("all sizes the same", 6, 6, 6),
        ("one filter, one entry", 1, 1, 12),
    ):
        yield Case(label, {"dS": normal(rng, d_next, n), "phiZ": normal(rng, hhd, n)})
    for _ in range(4):
        d_next, hhd, n = (int(x) for x in rng.integers(1, 40, 3))
        args = {"dS": normal(rng, d_next, n), "phiZ": normal(rng, hhd, n)}
        yield Case(f"random: {d_next} filters, {n} columns", args)


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    return f"filter {index[0]}" + (f", entry {index[1]} of a patch" if name == "dW" else "")


def _sides(args: Args, got: Any, rng: np.random.Generator) -> tuple[float, float]:
    dS, phiZ = args["dS"], args["phiZ"]
    dW, dbias = got
    V, v = normal(rng, *dW.shape), rng.standard_normal(dbias.shape)
    change = V @ phiZ + v[:, np.newaxis]
    return float(np.vdot(dS, change)), float(np.vdot(dW, V) + np.vdot(dbias, v))


EXERCISE = Exercise(
    name="gradient_W_bias",
    title="dxi/dW and dxi/dbias, equation (4)",
    functions=("gradient_W_bias",),
    returns=("dW", "dbias"),
    allows=("numpy", "math", "itertools"),
    points=Points(small=2, awkward=3),
    hints=(
        "Think of the shapes: dS has d_next rows, phiZ has h*h*d rows, and both have one column "
        "per patch of the batch. dW must be d_next x h*h*d. Over which index is the sum?",
        "A matrix product sums over the columns of its left factor and the rows of its right "
        "factor, so one of the two must be transposed. The bias of filter f is added to every "
        "entry of row f of S.",
        "dW = dS @ phiZ.T; dbias = dS.sum(axis=1), which is dS times a column of ones.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "product transposed",
            "dW has the shape of W, one row per filter: dxi/dS phi(pad(Z))', not phi(pad(Z)) "
            "(dxi/dS)'.",
            (("dS @ phiZ.T", "phiZ @ dS.T"),),
        ),
        Mistake(
            "phi(pad(Z)) not transposed",
            "dxi/dS phi(pad(Z))' sums over the columns of both factors, so the right one is "
            "transposed.",
            (("dS @ phiZ.T", "dS @ phiZ"),),
        ),
        Mistake(
            "not summed over the batch",
            "Every column gives a d_next x h*h*d matrix, and their sum is ONE gradient; the matrix "
            "product computes the sum without storing these matrices.",
            (
                ("dS @ phiZ.T", "np.einsum('ik,jk->kij', dS, phiZ)"),
                ("dS.sum(axis=1)", "dS.T"),
            ),
        ),
        Mistake(
            "bias not summed",
            "dxi/dbias = dxi/dS 1 has one entry per filter: the bias is added to every column of "
            "S, so the derivatives of all columns add up.",
            (("dS.sum(axis=1)", "dS"),),
        ),
        Mistake(
            "summed over the filters",
            "dbias has one entry per filter: sum along the rows of dS, over the patches (axis=1), "
            "not over the filters.",
            (("dS.sum(axis=1)", "dS.sum(axis=0)"),),
        ),
        Mistake(
            "last column only",
            "All columns of the batch add up: in a loop, start with zeros and use dW += ..., not "
            "dW = ... .",
            (
                (
                    "    dW = dS @ phiZ.T\n    dbias = dS.sum(axis=1)",
                    "    for k in range(dS.shape[1]):\n"
                    "        dW, dbias = np.outer(dS[:, k], phiZ[:, k]), dS[:, k]",
                ),
            ),
        ),
        Mistake(
            "divided by the number of columns",
            "xi is the sum over the batch, so do not take a mean here. The factor 1/l of the "
            "objective comes later, and l is the number of instances, not of patches.",
            (
                ("dS @ phiZ.T", "dS @ phiZ.T / dS.shape[1]"),
                ("dS.sum(axis=1)", "dS.mean(axis=1)"),
            ),
        ),
        Mistake(
            "mean for the bias",
            "dxi/dbias has the sum of each row of dS, dS.sum(axis=1), not its mean.",
            (("dS.sum(axis=1)", "dS.mean(axis=1)"),),
        ),
    ),
    adjoint=Adjoint("<dS, V phi(pad(Z)) + v 1'> = <dW, V> + <dbias, v>", _sides),
)
