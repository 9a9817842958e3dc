"""Exercise: the indices of P_phi."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np

from ...layout import Array
from ..exercise import Args, Case, Exercise, Mistake, Points
from ..sizes import awkward, geometry, offset, random_sizes


def _reference(g: SimpleNamespace) -> Array:
    from ...cnn.operators.phi import find_index_phiZ

    return find_index_phiZ(g)  # type: ignore[arg-type]


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    for label, g in (
        ("one channel, stride 1", geometry(3, 3, h=2)),
        ("not square", geometry(4, 3, h=2)),
        ("two channels", geometry(3, 3, d=2, h=2)),
        ("stride 2", geometry(5, 4, h=2, s=2)),
        ("padding", geometry(2, 2, p=1, h=2)),
    ):
        yield Case(label, {"g": g}, small=True)
    for label, g, _ in (*awkward(), *random_sizes(rng, 5)):
        yield Case(label, {"g": g})


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    g = args["g"]
    column, row = divmod(index[0], g.hhd)
    i, j = column % g.a_conv, column // g.a_conv
    return f"{offset(g.h, row)}, output pixel (i={i}, j={j})"


EXERCISE = Exercise(
    name="find_index_phiZ",
    title="the entry of vec(pad(Z)) that each entry of vec(phi(pad(Z))) is a copy of",
    functions=("find_index_phiZ",),
    returns=("index",),
    allows=("numpy", "math", "itertools"),
    points=Points(small=2, awkward=4),
    hints=(
        "Think of the position in vec(phi(pad(Z))) as a number with the five digits u, w, c, i, j, "
        "where u changes fastest. In which order must five nested loops count through these "
        "numbers?",
        "The loop that changes fastest is the innermost one: j is the outermost, then i, c, w, "
        "and u is the innermost. Images are stored column by column, so the next column is a_pad "
        "pixels further on, and a pixel has d entries.",
        "k = 0; for j in range(g.b_conv): for i in range(g.a_conv): for c in range(g.d): for w in "
        "range(g.h): for u in range(g.h): index[k] = (the formula of the statement); k += 1. "
        "Allocate index with dtype=np.int64.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "index order swapped",
            "In row u + h*w of a patch the row offset u runs fastest, then w. Your code lets w run "
            "fastest.",
            (
                (
                    "(i * g.s + u) + g.a_pad * (j * g.s + w)",
                    "(i * g.s + w) + g.a_pad * (j * g.s + u)",
                ),
            ),
        ),
        Mistake(
            "output pixels row by row",
            "In column i + a_conv*j of phi(pad(Z)) the output row i runs fastest, so the loop over "
            "i is inside the loop over j.",
            (
                (
                    "for j in range(g.b_conv):\n        for i in range(g.a_conv):",
                    "for i in range(g.a_conv):\n        for j in range(g.b_conv):",
                ),
            ),
        ),
        Mistake(
            "image read row by row",
            "Pixel (row, column) of an image has the index row + a_pad*column: images are stored "
            "column by column as in MATLAB, not row by row as NumPy does by default.",
            (
                (
                    "(i * g.s + u) + g.a_pad * (j * g.s + w)",
                    "(i * g.s + u) * g.b_pad + (j * g.s + w)",
                ),
            ),
        ),
        Mistake(
            "channel runs fastest",
            "In row u + h*w + h*h*c of phi(pad(Z)) the channel c runs slowest, although it runs "
            "fastest in vec(pad(Z)).",
            (
                (
                    "for c in range(g.d):\n                for w in range(g.h):\n"
                    "                    for u in range(g.h):",
                    "for w in range(g.h):\n                for u in range(g.h):\n"
                    "                    for c in range(g.d):",
                ),
            ),
        ),
        Mistake(
            "stride forgotten",
            "Neighbouring patches are s pixels apart: the patch of output pixel (i, j) begins at "
            "pixel (i*s, j*s).",
            (("i * g.s", "i"), ("j * g.s", "j")),
        ),
        Mistake(
            "padding missing",
            "The indices refer to vec(pad(Z)): a column of pad(Z) has a_pad = a + 2p pixels, not "
            "a.",
            (("g.a_pad", "g.a"),),
        ),
        Mistake(
            "b_pad for a_pad",
            "The next column of an image is a_pad pixels further on, the number of pixels in a "
            "column, not b_pad.",
            (("g.a_pad", "g.b_pad"),),
        ),
        Mistake(
            "a_conv for a_pad",
            "The indices refer to vec(pad(Z)), whose columns have a_pad pixels; the columns of the "
            "output have a_conv pixels.",
            (("g.a_pad", "g.a_conv"),),
        ),
        Mistake(
            "mirrored patch",
            "Offset (u, w) is pixel (i*s + u, j*s + w): phi does not mirror the patch, as a "
            "convolution in signal processing does.",
            (("i * g.s + u", "i * g.s + g.h - 1 - u"), ("j * g.s + w", "j * g.s + g.h - 1 - w")),
        ),
        Mistake(
            "channel runs slowest in vec(pad(Z))",
            "In vec(pad(Z)) the channel runs fastest: entry c + d*pixel, not pixel + "
            "a_pad*b_pad*c.",
            (
                (
                    "c + g.d * ((i * g.s + u) + g.a_pad * (j * g.s + w))",
                    "(i * g.s + u) + g.a_pad * (j * g.s + w) + g.a_pad * g.b_pad * c",
                ),
            ),
        ),
        Mistake(
            "counted from 1",
            "MATLAB counts from 1, Python from 0: the first entry of vec(pad(Z)) has index 0.",
            (("index[k] = c", "index[k] = 1 + c"),),
        ),
    ),
)
