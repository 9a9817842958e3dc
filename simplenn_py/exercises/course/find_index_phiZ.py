"""Exercise: the indices of P_phi."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np

from ...layout import Array
from ..form import Args, Case, Exercise, Points, Wrong
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
    title="the entry of vec(pad(Z)) behind every entry of vec(phi(pad(Z)))",
    functions=("find_index_phiZ",),
    returns=("index",),
    allows=("numpy", "math", "itertools"),
    points=Points(small=2, awkward=4),
    hints=(
        "Think of vec(phi(pad(Z))) as a number written with five digits u, w, c, i, j, of which u "
        "changes fastest. In what order must five nested loops stand to count it up?",
        "The loop that changes fastest is the innermost one: j outside, then i, c, w, and u "
        "innermost. The image is read column by column, so a step of one column is a_pad pixels, "
        "and a pixel is d entries.",
        "k = 0; for j in range(g.b_conv): for i in range(g.a_conv): for c in range(g.d): for w in "
        "range(g.h): for u in range(g.h): index[k] = (the formula of the statement); k += 1. "
        "Allocate index with dtype=np.int64.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    wrong=(
        Wrong(
            "index order swapped",
            "Within a patch the row offset u runs fastest, then w: row u + h*w. Here w runs "
            "fastest.",
            (
                (
                    "(i * g.s + u) + g.a_pad * (j * g.s + w)",
                    "(i * g.s + w) + g.a_pad * (j * g.s + u)",
                ),
            ),
        ),
        Wrong(
            "output pixels row by row",
            "Column i + a_conv*j of phi(pad(Z)): the row i of the output runs fastest, so its loop "
            "is inside that of j.",
            (
                (
                    "for j in range(g.b_conv):\n        for i in range(g.a_conv):",
                    "for i in range(g.a_conv):\n        for j in range(g.b_conv):",
                ),
            ),
        ),
        Wrong(
            "image read row by row",
            "Pixel (row, column) of an image is number row + a_pad*column: images lie column by "
            "column, as in MATLAB, not row by row as NumPy's default is.",
            (
                (
                    "(i * g.s + u) + g.a_pad * (j * g.s + w)",
                    "(i * g.s + u) * g.b_pad + (j * g.s + w)",
                ),
            ),
        ),
        Wrong(
            "channel fastest",
            "The channel is the slowest index of a row, u + h*w + h*h*c, although it is the "
            "fastest of vec(pad(Z)).",
            (
                (
                    "for c in range(g.d):\n                for w in range(g.h):\n"
                    "                    for u in range(g.h):",
                    "for w in range(g.h):\n                for u in range(g.h):\n"
                    "                    for c in range(g.d):",
                ),
            ),
        ),
        Wrong(
            "stride forgotten",
            "Neighbouring patches are s pixels apart: the patch of output (i, j) begins at "
            "(i*s, j*s).",
            (("i * g.s", "i"), ("j * g.s", "j")),
        ),
        Wrong(
            "padding missing",
            "The indices are of vec(pad(Z)), whose columns are a_pad = a + 2p high, not a.",
            (("g.a_pad", "g.a"),),
        ),
        Wrong(
            "counted from 1",
            "MATLAB counts from 1, Python from 0: the first entry of vec(pad(Z)) is number 0.",
            (("index[k] = c", "index[k] = 1 + c"),),
        ),
    ),
)
