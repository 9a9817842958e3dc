"""What the exercises on v' P_phi share: reference, cases and names of entries."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from ...layout import Array
from ..form import Adjoint, Args, Case
from ..sizes import awkward, counting, geometry, normal, pixel, random_sizes


def reference(V: Array, g: SimpleNamespace) -> Array:
    """Call the package's vTP_phi."""
    from ...cnn.operators.phi import vTP_phi

    return vTP_phi(V, g)  # type: ignore[arg-type]


def cases(rng: np.random.Generator) -> Iterator[Case]:
    """Yield small and awkward layers."""
    for label, g, l in (
        ("no overlap: stride 2, filter 2", geometry(4, 4, h=2, s=2), 1),
        ("overlapping patches", geometry(3, 2, h=2), 1),
        ("overlaps both ways", geometry(4, 3, h=2), 1),
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
    # phi of an image that is padded already: the layer's sizes with a = a_pad and p = 0.
    layer = ConvGeometry(g.a_pad, g.b_pad, g.d, 0, g.h, g.s, g.d_next, g.h_pool)
    z = normal(rng, *got.shape)
    return float(np.vdot(got, z)), float(np.vdot(args["V"], padding_and_phiZ(z, layer)))


ADJOINT = Adjoint("<v' P_phi, z> = <v, P_phi z>", _sides)

ADD_UP = (
    "Patches overlap: every value is added to what is there, out[...] += value, not put over it."
)
ORDER = "Row u + h*w + h*h*c of V: the row offset u runs fastest, then w. Here they are swapped."
OUTPUT = "Column i + a_conv*j of V: the row i of the output runs fastest, then the column j."
STRIDE = "The patch of output (i, j) begins at pixel (i*s, j*s) of pad(Z), not at (i, j)."
BORDER = "v' P_phi is as large as pad(Z): the border goes later, with P_pad."
INSTANCE = "Each instance has its own d*a_pad*b_pad entries: shift the indices by them, times n."
