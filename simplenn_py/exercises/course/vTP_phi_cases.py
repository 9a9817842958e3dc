"""Reference, cases and names of entries for all exercises on v' P_phi."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from ...layout import Array
from ..exercise import Adjoint, Args, Case
from ..sizes import awkward, counting, geometry, normal, pixel, random_sizes


def reference(V: Array, g: SimpleNamespace) -> Array:
    """Return v' P_phi, shape (d, a_pad*b_pad*l), from V, shape (h*h*d, a_conv*b_conv*l)."""
    from ...cnn.operators.phi import vTP_phi

    return vTP_phi(V, g)  # type: ignore[arg-type]


def cases(rng: np.random.Generator) -> Iterator[Case]:
    """Yield small and awkward layers."""
    for label, g, l in (
        ("no overlap: stride 2, filter 2", geometry(4, 4, h=2, s=2), 1),
        ("overlapping patches", geometry(3, 2, h=2), 1),
        ("overlaps in both directions", geometry(4, 3, h=2), 1),
        ("two channels", geometry(3, 2, d=2, h=2), 1),
        ("stride 2", geometry(5, 4, h=3, s=2), 1),
        ("padding", geometry(2, 1, p=1, h=2), 1),
        ("two instances", geometry(3, 2, h=2), 2),
    ):
        V = counting(g.hhd, g.a_conv * g.b_conv * l)
        yield Case(label, {"V": V, "g": g}, small=True)
    for label, g, l in (*awkward(), *random_sizes(rng, 5)):
        V = normal(rng, g.hhd, g.a_conv * g.b_conv * l)
        yield Case(f"{label}, {l} instances", {"V": V, "g": g})


def where(args: Args, name: str, index: tuple[int, ...]) -> str:
    """Name an entry of pad(Z)."""
    g = args["g"]
    return f"channel {index[0]}, {pixel(g.a_pad, g.b_pad, index[1])} of pad(Z)"


def _sides(args: Args, got: Any, rng: np.random.Generator) -> tuple[float, float]:
    from ...cnn.operators.phi import padding_and_phiZ
    from ...layout import ConvGeometry

    g = args["g"]
    # phi of an image that is already padded: the sizes of the layer with a = a_pad and p = 0.
    layer = ConvGeometry(g.a_pad, g.b_pad, g.d, 0, g.h, g.s, g.d_next, g.h_pool)
    z = normal(rng, *got.shape)
    return float(np.vdot(got, z)), float(np.vdot(args["V"], padding_and_phiZ(z, layer)))


ADJOINT = Adjoint("<v' P_phi, z> = <v, P_phi z>", _sides)

ADD_UP = (
    "Patches overlap: add every value to the sum of the earlier ones, out[...] += value; do not "
    "overwrite it."
)
ORDER = "In row u + h*w + h*h*c of V the row offset u runs fastest, then w. Your code swaps them."
OUTPUT = "In column i + a_conv*j of V the output row i runs fastest, then the output column j."
STRIDE = "The patch of output pixel (i, j) begins at pixel (i*s, j*s) of pad(Z), not at (i, j)."
BORDER = "v' P_phi has the size of pad(Z): the border is dropped later, by P_pad."
MIRROR = (
    "Row u + h*w + h*h*c of V belongs to pixel (i*s + u, j*s + w): phi does not mirror the "
    "patch, as a convolution in signal processing does."
)
CHANNEL = "In row u + h*w + h*h*c of V the channel c runs slowest."
IMAGE = (
    "Images are stored column by column: pixel (i, j) of pad(Z) is column i + a_pad*j of the "
    "result, not b_pad*i + j."
)
COLUMN_B = (
    "Pixel (i, j) of pad(Z) is column i + a_pad*j: the next column of an image is a_pad pixels "
    "further on, the number of pixels in a column, not b_pad."
)
COLUMN_CONV = (
    "Pixel (i, j) of pad(Z) is column i + a_pad*j; a_conv is the number of pixels in a column of "
    "the output."
)
INSTANCES_OF_V = (
    "In column i + a_conv*j + a_conv*b_conv*n of V the instance n runs slowest: all patches of one "
    "instance are side by side."
)
INSTANCES_OF_Z = (
    "In the columns of v' P_phi the instance n runs slowest: the padded images are side by side, "
    "pixel i + a_pad*j + a_pad*b_pad*n."
)
FIRST = (
    "V has the patches of l instances side by side, l = V.shape[1] / (a_conv*b_conv): add up the "
    "patches of all of them."
)
INSTANCE = (
    "Each instance has its own d*a_pad*b_pad entries: for instance n, shift the indices by "
    "d*a_pad*b_pad*n."
)
