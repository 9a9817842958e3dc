"""Exercise: v' P_pool, the backward pass through max pooling."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from ...layout import Array
from ..exercise import Adjoint, Args, Case, Exercise, Mistake, Points
from ..sizes import counting, geometry, normal, pixel


def _reference(V: Array, idx_pool: Array, g: SimpleNamespace) -> Array:
    from ...cnn.operators.pooling import vTP_pool

    return vTP_pool(V, idx_pool, g)  # type: ignore[arg-type]


def _pooled(S: Array, g: SimpleNamespace) -> Array:
    """Return idx_pool, shape (d_next*a_next*b_next, l), of S, shape (d_next, a_conv*b_conv*l)."""
    from ...cnn.operators.pooling import maxpooling

    return maxpooling(S, g)[1]  # type: ignore[arg-type]


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    for label, g, l in (
        ("one window", geometry(2, 2, h_pool=2), 1),
        ("four windows", geometry(4, 4, h_pool=2), 1),
        ("not square", geometry(6, 4, h_pool=2), 1),
        ("one row dropped", geometry(5, 4, h_pool=2), 1),
        ("two channels", geometry(4, 2, d_next=2, h_pool=2), 1),
        ("two instances", geometry(4, 2, h_pool=2), 2),
    ):
        S = np.asfortranarray(rng.permutation(g.d_next * g.a_conv * g.b_conv * l), float)
        idx_pool = _pooled(S.reshape((g.d_next, -1), order="F"), g)
        V = counting(g.d_next, g.a_next * g.b_next * l)
        yield Case(label, {"V": V, "idx_pool": idx_pool, "g": g}, small=True)
    for label, g, l in (
        ("no pooling", geometry(3, 4, d_next=2, h_pool=1), 2),
        ("windows of 3, two rows dropped", geometry(8, 6, d_next=2, h_pool=3), 2),
        ("columns dropped", geometry(4, 7, d_next=3, h_pool=2), 3),
        ("one window per image", geometry(5, 5, d_next=4, h_pool=4), 3),
    ):
        yield Case(label, _random(rng, g, l))
    for _ in range(5):
        size = int(rng.integers(1, 5))
        a, b = (int(x) for x in rng.integers(size, size + 7, 2))
        d, l = (int(x) for x in rng.integers(1, 5, 2))
        yield Case(f"random: h_pool={size}", _random(rng, geometry(a, b, d_next=d, h_pool=size), l))


def _random(rng: np.random.Generator, g: SimpleNamespace, l: int) -> Args:
    S = np.maximum(normal(rng, g.d_next, g.a_conv * g.b_conv * l), 0.0)
    V = normal(rng, g.d_next, g.a_next * g.b_next * l)
    return {"V": V, "idx_pool": _pooled(S, g), "g": g}


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    g = args["g"]
    return f"channel {index[0]}, {pixel(g.a_conv, g.b_conv, index[1])} of S"


def _sides(args: Args, got: Any, rng: np.random.Generator) -> tuple[float, float]:
    from ...cnn.operators.pooling import P_pool

    s = normal(rng, *got.shape)
    return float(np.vdot(got, s)), float(np.vdot(args["V"], P_pool(s, args["idx_pool"], args["g"])))


EXERCISE = Exercise(
    name="vTP_pool",
    title="v' P_pool: from the pooled images to the selected pixels, equation (3)",
    functions=("vTP_pool",),
    returns=("vTP",),
    allows=("numpy", "math", "itertools"),
    points=Points(small=2, awkward=4),
    hints=(
        "Think of one instance first. maxpooling copied entry idx_pool[k, n] of vec(S) to entry k "
        "of vec(Z). Which entries of vec(S) can change Z, and which cannot?",
        "Start with zeros of the size of S, not of Z, and put each entry of vec(V) at its index in "
        "idx_pool. vec means order='F'. The indices of instance n are d_next*a_conv*b_conv*n "
        "larger.",
        "size = d_next*a_conv*b_conv; index = idx_pool + size*np.arange(l); dS = np.zeros(size*l); "
        "dS[index.reshape(-1, order='F')] = V.reshape(-1, order='F'); then reshape to (d_next, -1) "
        "with order='F'.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "spread over the window",
            "Only the pixel that was the maximum receives the value; the other pixels of the "
            "window do not influence Z and get 0.",
            (
                (
                    '    return dS.reshape((g.d_next, -1), order="F")',
                    "    size = g.h_pool\n"
                    "    windows = V.T.reshape(l, g.b_next, g.a_next, g.d_next)\n"
                    "    spread = np.zeros((l, g.b_conv, g.a_conv, g.d_next), V.dtype)\n"
                    "    rows, columns = size * g.a_next, size * g.b_next\n"
                    "    spread[:, :columns, :rows] = windows.repeat(size, 1).repeat(size, 2)\n"
                    "    return spread.reshape(-1, g.d_next).T",
                ),
            ),
        ),
        Mistake(
            "size of the pooled images",
            "v' P_pool has the size of S: a_conv*b_conv pixels per instance, not a_next*b_next.",
            (("g.a_conv * g.b_conv", "g.a_next * g.b_next"),),
        ),
        Mistake(
            "counted from 1",
            "idx_pool counts from 0 as Python does, not from 1 as in MATLAB: do not subtract 1.",
            (("idx_pool + size", "idx_pool - 1 + size"),),
        ),
        Mistake(
            "windows row by row",
            "In the index k = c + d_next*(i + a_next*j) of vec(V), the row i of the window runs "
            "faster than its column j.",
            (
                (
                    'V.reshape(-1, order="F")',
                    "V.T.reshape(l, g.b_next, g.a_next, -1).transpose(0, 2, 1, 3).reshape(-1)",
                ),
            ),
        ),
        Mistake(
            "dropped rows forgotten",
            "Rows and columns outside the complete windows are still part of S and get 0: S has "
            "a_conv rows of pixels, not a_next*h_pool.",
            (
                (
                    "g.a_conv * g.b_conv",
                    "g.a_next * g.h_pool * g.b_next * g.h_pool",
                ),
            ),
        ),
        Mistake(
            "index used as a pixel",
            "idx_pool has indices in vec(S), c + d_next*pixel, which include the channel: they are "
            "not columns of S.",
            (
                (
                    '    return dS.reshape((g.d_next, -1), order="F")',
                    "    pixels = g.a_conv * g.b_conv\n"
                    "    dS = np.zeros((g.d_next, pixels * l), V.dtype)\n"
                    "    n_next = g.a_next * g.b_next\n"
                    "    for k in range(V.shape[1]):\n"
                    "        for c in range(g.d_next):\n"
                    "            n, rest = divmod(k, n_next)\n"
                    "            place = idx_pool[c + g.d_next * rest, n]\n"
                    "            dS[c, place + pixels * n] = V[c, k]\n"
                    "    return dS",
                ),
            ),
        ),
        Mistake(
            "V read row by row",
            "vec stacks columns: use V.reshape(-1, order='F'), which has the order of idx_pool. "
            "V.ravel() and V.flatten() of NumPy go row by row.",
            (('= V.reshape(-1, order="F")', "= V.reshape(-1)"),),
        ),
        Mistake(
            "result reshaped row by row",
            "The indices refer to vec(S), which stacks columns: reshape the result with order='F'.",
            (('.reshape((g.d_next, -1), order="F")', ".reshape((g.d_next, -1))"),),
        ),
        Mistake(
            "all instances written to the first",
            "Each column of idx_pool counts within its own instance: in the batch, the indices of "
            "instance n are d_next*a_conv*b_conv*n larger.",
            (("+ size * np.arange(l)", "+ 0 * np.arange(l)"),),
        ),
        Mistake(
            "idx_pool read row by row",
            "Each column of idx_pool belongs to one instance: vec stacks the columns, "
            "idx_pool.reshape(-1, order='F').",
            (('index.reshape(-1, order="F")', "index.reshape(-1)"),),
        ),
        Mistake(
            "instance runs fastest",
            "In column i + a_conv*j + a_conv*b_conv*n of the result the instance n runs slowest: "
            "the images are side by side.",
            (
                (
                    '    return dS.reshape((g.d_next, -1), order="F")',
                    "    images = dS.reshape(l, -1, g.d_next).transpose(1, 0, 2)\n"
                    "    return images.reshape(-1, g.d_next).T",
                ),
            ),
        ),
        Mistake(
            "only the first instance, the others 0",
            "idx_pool has one column per instance: use all of them.",
            (("    return dS", "    dS[size:] = 0\n    return dS"),),
        ),
        Mistake(
            "only the first instance",
            "idx_pool has one column per instance: use all of them. The result has "
            "a_conv*b_conv*l columns.",
            (("    return dS.", "    return dS[:size]."),),
        ),
    ),
    adjoint=Adjoint("<v' P_pool, s> = <v, P_pool s>", _sides),
)
