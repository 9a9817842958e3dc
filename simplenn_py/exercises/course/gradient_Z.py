"""Exercise: the derivative with respect to the input of a layer."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...layout import Array
from ..exercise import Adjoint, Args, Case, Exercise, Mistake, Points
from ..sizes import awkward, counting, geometry, normal, pixel, random_sizes


def _reference(W: Array, dS: Array, g: SimpleNamespace) -> Array:
    from ...cnn.operators.padding import unpad
    from ...cnn.operators.phi import vTP_phi

    return unpad(vTP_phi(W.T @ dS, g), g)  # type: ignore[arg-type]


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    small: tuple[tuple[str, SimpleNamespace, ArrayLike], ...] = (
        ("no overlap, no padding", geometry(2, 4, h=2, s=2), [[1, 2, 3, 4]]),
        ("overlapping patches", geometry(3, 2, h=2), [[1, 2, 3, 4]]),
        ("two filters", geometry(3, 2, h=2, d_next=2), [[1, 2, 3, 4], [5, 0, 1, 2]]),
        ("padding", geometry(2, 2, p=1, h=2), [[1, 2, 3, 4]]),
        ("not square, padding", geometry(3, 1, p=1, h=2), [[1, 2, 3, 4]]),
        ("two channels", geometry(3, 2, d=2, h=2), [[1, 2, 3, 4, 5, 6, 7, 8]]),
        ("two instances", geometry(2, 1, p=1, h=2), [[1, 2, 3, 4]]),
    )
    for label, g, numbers in small:
        l = 2 if label == "two instances" else 1
        W = np.array(numbers, float, order="F")
        dS = counting(g.d_next, g.a_conv * g.b_conv * l)
        yield Case(label, {"W": W, "dS": dS, "g": g}, small=True)
    square = geometry(4, 5, d=2, p=1, h=2, d_next=8)
    layers = (("as many filters as rows of phi(pad(Z))", square, 2), *awkward())
    for label, g, l in (*layers, *random_sizes(rng, 5)):
        if g is not square:
            g.d_next = int(rng.integers(1, 5))
        W = normal(rng, g.d_next, g.hhd)
        dS = normal(rng, g.d_next, g.a_conv * g.b_conv * l)
        yield Case(f"{label}, {l} instances", {"W": W, "dS": dS, "g": g})


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    g = args["g"]
    return f"channel {index[0]}, {pixel(g.a, g.b, index[1])} of Z"


def _sides(args: Args, got: Any, rng: np.random.Generator) -> tuple[float, float]:
    from ...cnn.operators.phi import padding_and_phiZ

    z = normal(rng, *got.shape)
    S = args["W"] @ padding_and_phiZ(z, args["g"])
    return float(np.vdot(got, z)), float(np.vdot(args["dS"], S))


EXERCISE = Exercise(
    name="gradient_Z",
    title="dxi/dZ, equation (5): W' dxi/dS, v' P_phi, and P_pad",
    functions=("gradient_Z",),
    returns=("dZ",),
    allows=("numpy", "math", "itertools"),
    points=Points(small=2, awkward=4),
    hints=(
        "Think of (5) from the inside out, as three steps: a product, vTP_phi, and dropping the "
        "border. Which shape does each step give?",
        "W' dxi/dS has the shape of phi(pad(Z)), so you can pass it to vTP_phi. To drop the "
        "border, reshape the result to images: for an array in Fortran order, padded.T.reshape(l, "
        "b_pad, a_pad, d) has the indices [instance, column, row, channel].",
        "padded = vTP_phi(W.T @ dS, g); images = padded.T.reshape(-1, b_pad, a_pad, d); inside = "
        "images[:, p : p + b, p : p + a]; return inside.reshape(-1, d).T.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "W not transposed",
            "phi(pad(Z)) has h*h*d rows, and so has its derivative W' dxi/dS: W is transposed in "
            "the backward pass.",
            (("W.T @ dS", "W @ dS"),),
        ),
        Mistake(
            "border kept",
            "v' P_phi has the size of pad(Z); the factor P_pad drops p rows and columns on every "
            "side.",
            (("    # [instance", "    return padded\n    # [instance"),),
        ),
        Mistake(
            "p:-p with p = 0",
            "images[:, p:-p, p:-p] is empty for p = 0, since -0 is 0: end the slices at p + b and "
            "p + a.",
            (
                (
                    "[:, g.p : g.p + g.b, g.p : g.p + g.a]",
                    "[:, g.p : -g.p, g.p : -g.p]",
                ),
            ),
        ),
        Mistake(
            "border dropped on one side only",
            "Z is in the middle of pad(Z): its rows are p:p + a and its columns are p:p + b, not "
            "the first ones.",
            (("images[:, g.p : g.p + g.b, g.p : g.p + g.a]", "images[:, : g.b, : g.a]"),),
        ),
        Mistake(
            "border added to the edge",
            "A padded zero is not an entry of Z: drop the values that v' P_phi adds there, and do "
            "not add them to the pixel at the edge.",
            (
                (
                    "    inside = images[:, g.p : g.p + g.b, g.p : g.p + g.a]",
                    "    rows = np.clip(np.arange(g.a_pad) - g.p, 0, g.a - 1)\n"
                    "    columns = np.clip(np.arange(g.b_pad) - g.p, 0, g.b - 1)\n"
                    "    inside = np.zeros((len(images), g.b, g.a, g.d), images.dtype)\n"
                    "    for j in range(g.b_pad):\n"
                    "        for i in range(g.a_pad):\n"
                    "            inside[:, columns[j], rows[i]] += images[:, j, i]",
                ),
            ),
        ),
        Mistake(
            "image read row by row",
            "Pixel (i, j) of pad(Z) is column i + a_pad*j: reshape to (l, b_pad, a_pad, d), with "
            "the column before the row.",
            (
                (
                    "padded.T.reshape(-1, g.b_pad, g.a_pad, g.d)",
                    "padded.T.reshape(-1, g.a_pad, g.b_pad, g.d).transpose(0, 2, 1, 3)",
                ),
            ),
        ),
        Mistake(
            "channels mixed up",
            "The result has shape (d, a*b*l), and the channel runs fastest in memory: reshape to "
            "(-1, d) and transpose. .reshape(d, -1) would mix pixels and channels.",
            (("inside.reshape(-1, g.d).T", "inside.reshape(g.d, -1)"),),
        ),
        Mistake(
            "first instance only",
            "The batch has l images side by side: drop the border of all of them. The result has "
            "a*b*l columns.",
            (("inside.reshape", "inside[:1].reshape"),),
        ),
        Mistake(
            "first instance only, the others 0",
            "The batch has l images side by side: drop the border of all of them.",
            (("    return inside", "    inside[1:] = 0\n    return inside"),),
        ),
        Mistake(
            "b_pad for a_pad",
            "Pixel (i, j) of pad(Z) is column i + a_pad*j: reshape to (l, b_pad, a_pad, d). The "
            "next column of an image is a_pad pixels further on, not b_pad.",
            (("g.b_pad, g.a_pad", "g.a_pad, g.b_pad"),),
        ),
        Mistake(
            "instance runs fastest",
            "In column i + a*j + a*b*n of dxi/dZ the instance n runs slowest: the images are side "
            "by side.",
            (("inside.reshape", "inside.transpose(1, 2, 0, 3).reshape"),),
        ),
    ),
    adjoint=Adjoint("<dZ, z> = <dS, W phi(pad(z))>", _sides),
    uses=("vTP_phi",),
)
