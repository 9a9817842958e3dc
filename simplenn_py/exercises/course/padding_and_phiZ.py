"""Exercise: phi(pad(Z)), one column per patch."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from ...layout import Array
from ..exercise import Adjoint, Args, Case, Exercise, Mistake, Points
from ..sizes import awkward, counting, geometry, normal, offset, pixel, random_sizes


def _reference(Z: Array, g: SimpleNamespace) -> Array:
    from ...cnn.operators.phi import padding_and_phiZ

    return padding_and_phiZ(Z, g)  # type: ignore[arg-type]


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    for label, g, l in (
        ("no padding, stride 1", geometry(3, 3, h=2), 1),
        ("not square", geometry(4, 3, h=2), 1),
        ("padding", geometry(2, 2, p=1, h=2, s=2), 1),
        ("stride 2", geometry(5, 4, h=2, s=2), 1),
        ("two channels", geometry(3, 2, d=2, h=2), 1),
        ("two instances", geometry(3, 2, h=2), 2),
    ):
        yield Case(label, {"Z": counting(g.d, g.a * g.b * l), "g": g}, small=True)
    for label, g, l in (*awkward(), *random_sizes(rng, 5)):
        yield Case(f"{label}, {l} instances", {"Z": normal(rng, g.d, g.a * g.b * l), "g": g})
    g = geometry(4, 3, d=2, p=1, h=2)
    yield Case("float32", {"Z": counting(g.d, g.a * g.b).astype(np.float32), "g": g})


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    g = args["g"]
    row, column = index
    return f"{offset(g.h, row)}; output: {pixel(g.a_conv, g.b_conv, column)}"


def _sides(args: Args, got: Any, rng: np.random.Generator) -> tuple[float, float]:
    from ...cnn.operators.padding import unpad
    from ...cnn.operators.phi import vTP_phi

    g, v = args["g"], normal(rng, *got.shape)
    return float(np.vdot(v, got)), float(np.vdot(unpad(vTP_phi(v, g), g), args["Z"]))


def _pixels_of_a_column(step: str) -> tuple[tuple[str, str], ...]:
    """Return edits after which the next column of pad(Z) is `step` pixels further on."""
    return (
        (
            "padded[:, columns, rows]",
            f"flat[of_n + np.r_[rows] + {step} * np.r_[columns][:, np.newaxis]]",
        ),
        (
            "    for w in range(g.h):",
            "    flat = padded.reshape(-1, g.d)\n"
            "    of_n = g.b_pad * g.a_pad * np.arange(l)[:, np.newaxis, np.newaxis]\n"
            "    for w in range(g.h):",
        ),
        ("w + g.s * g.b_conv", "w + g.s * (g.b_conv - 1) + 1"),
        ("u + g.s * g.a_conv", "u + g.s * (g.a_conv - 1) + 1"),
    )


EXERCISE = Exercise(
    name="padding_and_phiZ",
    title="phi(pad(Z)): one column per patch",
    functions=("padding_and_phiZ",),
    returns=("phiZ",),
    allows=("numpy", "math", "itertools"),
    points=Points(small=3, awkward=5),
    hints=(
        "Think of the two factors one after the other: first make an array of zeros with the "
        "images in its middle, then take its patches. In Fortran order the channel runs fastest: "
        "Z.T.reshape(l, b, a, d) is the same memory with the indices [instance, column, row, "
        "channel].",
        "For a fixed offset (u, w) the entries of all patches are one strided slice of the padded "
        "images: rows u, u + s, u + 2s ..., columns w, w + s ... . So two short loops over u and w "
        "fill an array with the indices [instance, j, i, c, w, u].",
        "padded[:, p:p+b, p:p+a] = Z.T.reshape(l, b, a, d); then for w and u: phiZ[:, :, :, :, w, "
        "u] = padded[:, w : w + s*b_conv : s, u : u + s*a_conv : s]; return phiZ.reshape(-1, "
        "h*h*d).T, which is in Fortran order.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "index order swapped",
            "In row u + h*w + h*h*c the row offset u runs fastest, then the column offset w. Your "
            "code swaps them.",
            (("phiZ[:, :, :, :, w, u]", "phiZ[:, :, :, :, u, w]"),),
        ),
        Mistake(
            "channel runs fastest",
            "In row u + h*w + h*h*c the channel c runs slowest, although it runs fastest in "
            "vec(Z).",
            (
                (
                    "phiZ.reshape(-1, g.hhd)",
                    "phiZ.transpose(0, 1, 2, 4, 5, 3).reshape(-1, g.hhd)",
                ),
            ),
        ),
        Mistake(
            "output pixels row by row",
            "In column i + a_conv*j + a_conv*b_conv*n the output row i runs fastest, then j, then "
            "the instance n.",
            (
                (
                    "phiZ.reshape(-1, g.hhd)",
                    "phiZ.transpose(0, 2, 1, 3, 4, 5).reshape(-1, g.hhd)",
                ),
            ),
        ),
        Mistake(
            "image read row by row",
            "Pixel (i, j) of Z is column i + a*j: reshape to (l, b, a, d), with the column before "
            "the row, not to (l, a, b, d).",
            (
                (
                    "Z.T.reshape(l, g.b, g.a, g.d)",
                    "Z.T.reshape(l, g.a, g.b, g.d).transpose(0, 2, 1, 3)",
                ),
            ),
        ),
        Mistake(
            "stride forgotten",
            "Neighbouring patches are s pixels apart: the patch of output pixel (i, j) begins at "
            "pixel (i*s, j*s).",
            (
                ("slice(w, w + g.s * g.b_conv, g.s)", "slice(w, w + g.b_conv)"),
                ("slice(u, u + g.s * g.a_conv, g.s)", "slice(u, u + g.a_conv)"),
            ),
        ),
        Mistake(
            "padding missing",
            "The patches are taken from pad(Z), which has p more rows and columns on every side: "
            "a_pad = a + 2p, and a_conv follows from a_pad.",
            (
                ("padded[:, g.p : g.p + g.b, g.p : g.p + g.a]", "padded[:]"),
                ("g.b_pad", "g.b"),
                ("g.a_pad", "g.a"),
                ("g.b_conv", "((g.b - g.h) // g.s + 1)"),
                ("g.a_conv", "((g.a - g.h) // g.s + 1)"),
            ),
        ),
        Mistake(
            "zeros on one side only",
            "The image is in the middle of pad(Z) and begins at row p and column p, not in the "
            "corner.",
            (("padded[:, g.p : g.p + g.b, g.p : g.p + g.a]", "padded[:, : g.b, : g.a]"),),
        ),
        Mistake(
            "b_pad for a_pad",
            "Pixel (i, j) of pad(Z) is column i + a_pad*j: the next column of an image is a_pad "
            "pixels further on, the number of pixels in a column, not b_pad.",
            _pixels_of_a_column("g.b_pad"),
        ),
        Mistake(
            "a_conv for a_pad",
            "Pixel (i, j) of pad(Z) is column i + a_pad*j; a_conv is the number of pixels in a "
            "column of the output.",
            _pixels_of_a_column("g.a_conv"),
        ),
        Mistake(
            "mirrored patch",
            "Row u + h*w + h*h*c has pixel (i*s + u, j*s + w): phi does not mirror the patch, as a "
            "convolution in signal processing does.",
            (("phiZ[:, :, :, :, w, u]", "phiZ[:, :, :, :, g.h - 1 - w, g.h - 1 - u]"),),
        ),
        Mistake(
            "instance runs fastest",
            "In column i + a_conv*j + a_conv*b_conv*n of phi(pad(Z)) the instance n runs slowest: "
            "all patches of one instance are side by side.",
            (
                (
                    "phiZ.reshape(-1, g.hhd)",
                    "phiZ.transpose(1, 2, 0, 3, 4, 5).reshape(-1, g.hhd)",
                ),
            ),
        ),
        Mistake(
            "instance runs fastest in Z",
            "In column i + a*j + a*b*n of Z the instance n runs slowest: the images are side by "
            "side.",
            (
                (
                    "Z.T.reshape(l, g.b, g.a, g.d)",
                    "Z.T.reshape(g.b, g.a, l, g.d).transpose(2, 0, 1, 3)",
                ),
            ),
        ),
        Mistake(
            "only the first instance, the others 0",
            "Z has the images of l instances side by side, l = Z.shape[1] / (a*b): take the "
            "patches of all of them.",
            (("    return phiZ", "    phiZ[1:] = 0\n    return phiZ"),),
        ),
        Mistake(
            "only the first instance",
            "Z has the images of l instances side by side, l = Z.shape[1] / (a*b): take the "
            "patches of all of them. The result has a_conv*b_conv*l columns.",
            (("phiZ.reshape(", "phiZ[:1].reshape("),),
        ),
        Mistake(
            "first image for all instances",
            "Take the patches of the image of each instance: pixel (i, j) of instance n is column "
            "i + a*j + a*b*n of Z.",
            (("Z.T.reshape(l, g.b, g.a, g.d)", "Z.T.reshape(l, g.b, g.a, g.d)[:1]"),),
        ),
        Mistake(
            "b for a",
            "Pixel (i, j) of Z is column i + a*j: the next column of an image is a pixels further "
            "on, the number of pixels in a column, not b.",
            (
                (
                    "Z.T.reshape(l, g.b, g.a, g.d)",
                    "Z.T[\n"
                    "        np.arange(g.a) + g.b * np.arange(g.b)[:, np.newaxis]\n"
                    "        + g.a * g.b * np.arange(l)[:, np.newaxis, np.newaxis]\n"
                    "    ]",
                ),
            ),
        ),
        Mistake(
            "Z reshaped without its transpose",
            "NumPy reshapes in C order, the last index fastest. Z is in Fortran order, so reshape "
            "its transpose: Z.T.reshape(l, b, a, d).",
            (("Z.T.reshape(", "Z.reshape("),),
        ),
    ),
    adjoint=Adjoint("<v, P_phi P_pad z> = <v' P_phi P_pad, z>", _sides),
    fortran=True,
    same_dtype=True,
)
