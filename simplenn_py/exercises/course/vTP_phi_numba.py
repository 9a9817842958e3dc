"""Exercise: v' P_phi compiled by Numba, with points for speed."""

from __future__ import annotations

import numpy as np

from ..exercise import Case, Exercise, Mistake, Points, Speed
from ..sizes import geometry
from .vTP_phi_cases import (
    ADD_UP,
    ADJOINT,
    BORDER,
    CHANNEL,
    COLUMN_B,
    COLUMN_CONV,
    FIRST,
    IMAGE,
    INSTANCE,
    INSTANCES_OF_V,
    INSTANCES_OF_Z,
    MIRROR,
    ORDER,
    OUTPUT,
    STRIDE,
    cases,
    reference,
    where,
)


def _case(rng: np.random.Generator) -> Case:
    g, l = geometry(16, 16, d=32, p=2, h=5), 16
    V = rng.standard_normal((l * g.a_conv * g.b_conv, g.hhd), np.float32).T
    return Case("16 images of 16 x 16 x 32, 5 x 5 filter, float32", {"V": V, "g": g})


def _pixels_of_a_column(step: str) -> tuple[tuple[str, str], ...]:
    """Return the edits after which the next column of pad(Z) is `step` pixels further on."""
    return (
        (
            "out[n, j * s + w, i * s + u, c]",
            f"out[n * n_pad + i * s + u + {step} * (j * s + w), c]",
        ),
        ("    for n in range(l)", "    n_pad = len(out) // l\n    for n in range(l)"),
        ("scatter(V, s, out)", "scatter(V, s, b_pad, out)"),
        ("scatter(patches, g.s, out)", "scatter(patches, g.s, g.b_pad, out)"),
        ("(len(patches), g.b_pad, g.a_pad, g.d)", "(len(patches) * g.b_pad * g.a_pad, g.d)"),
    )


EXERCISE = Exercise(
    name="vTP_phi_numba",
    title="v' P_phi compiled by Numba, with points for speed",
    functions=("vTP_phi",),
    returns=("vTP",),
    allows=("numpy", "numba", "math"),
    points=Points(small=2, awkward=4, speed=6),
    hints=(
        "Think about which steps must be inside the compiled function: reshaping costs no time, "
        "the loops do. The transpose of V, which is in Fortran order, is an array [instance, j, i, "
        "c, w, u] in C order, which Numba indexes fastest.",
        "patches = V.T.reshape(-1, b_conv, a_conv, d, h, h) and out = zeros of shape (l, b_pad, "
        "a_pad, d). The kernel has six loops in the order of these indices, u innermost, and one "
        "line inside. For threads, use prange for the instances: each of them writes its own part "
        "of out.",
        "@njit def scatter(V, s, out): for n, j, i, c, w, u: out[n, j*s + w, i*s + u, c] += V[n, "
        "j, i, c, w, u]. vTP_phi calls it and returns out.reshape(-1, d).T.",
    ),
    reference=reference,
    cases=cases,
    where=where,
    mistakes=(
        Mistake("= instead of +=", ADD_UP, (("c] += V", "c] = V"),)),
        Mistake("index order swapped", ORDER, (("V[n, j, i, c, w, u]", "V[n, j, i, c, u, w]"),)),
        Mistake(
            "output pixels row by row",
            OUTPUT,
            (
                ("reshape(-1, g.b_conv, g.a_conv,", "reshape(-1, g.a_conv, g.b_conv,"),
                ("l, b_conv, a_conv, d", "l, a_conv, b_conv, d"),
                ("V[n, j, i, c", "V[n, i, j, c"),
            ),
        ),
        Mistake("stride forgotten", STRIDE, (("j * s + w", "j + w"), ("i * s + u", "i + u"))),
        Mistake(
            "border dropped",
            BORDER,
            (
                (
                    "    return out",
                    "    out = out[:, g.p : g.p + g.b, g.p : g.p + g.a]\n    return out",
                ),
            ),
        ),
        Mistake(
            "channel runs fastest",
            CHANNEL,
            (
                ("g.d, g.h, g.h)", "g.h, g.h, g.d)"),
                ("d, h, _ = V.shape", "h, _, d = V.shape"),
                ("V[n, j, i, c, w, u]", "V[n, j, i, w, u, c]"),
            ),
        ),
        Mistake(
            "mirrored patch",
            MIRROR,
            (("V[n, j, i, c, w, u]", "V[n, j, i, c, h - 1 - w, h - 1 - u]"),),
        ),
        Mistake(
            "image stored row by row",
            IMAGE,
            (
                ("g.b_pad, g.a_pad, g.d)", "g.a_pad, g.b_pad, g.d)"),
                ("out[n, j * s + w, i * s + u, c]", "out[n, i * s + u, j * s + w, c]"),
            ),
        ),
        Mistake("b_pad for a_pad", COLUMN_B, _pixels_of_a_column("b_pad")),
        Mistake("a_conv for a_pad", COLUMN_CONV, _pixels_of_a_column("a_conv")),
        Mistake(
            "instance runs fastest in V",
            INSTANCES_OF_V,
            (
                (
                    "reshape(-1, g.b_conv, g.a_conv, g.d, g.h, g.h)",
                    "reshape(g.b_conv, g.a_conv, -1, g.d, g.h, g.h).transpose(2, 0, 1, 3, 4, 5)",
                ),
            ),
        ),
        Mistake(
            "instance runs fastest",
            INSTANCES_OF_Z,
            (("    return out", "    out = out.transpose(1, 2, 0, 3)\n    return out"),),
        ),
        Mistake("all instances added to the first", INSTANCE, (("out[n, j", "out[0, j"),)),
        Mistake(
            "only the first instance, the others 0", FIRST, (("n in range(l)", "n in range(1)"),)
        ),
        Mistake("only the first instance", FIRST, (("return out.", "return out[:1]."),)),
    ),
    adjoint=ADJOINT,
    speed=Speed(case=_case, kernel=reference, full=4.0, half=15.0),
)
