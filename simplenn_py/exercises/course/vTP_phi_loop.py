"""Exercise: v' P_phi by its definition."""

from __future__ import annotations

from ..exercise import Exercise, Mistake, Points
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

EXERCISE = Exercise(
    name="vTP_phi_loop",
    title="v' P_phi in plain loops",
    functions=("vTP_phi",),
    returns=("vTP",),
    allows=("numpy", "math", "itertools"),
    points=Points(small=3, awkward=5),
    hints=(
        "Think of the reverse of phi: phi copies a pixel once for each patch that contains it. "
        "What must happen at a pixel that receives one value from each of these patches?",
        "Start with zeros of shape (d, a_pad*b_pad*l). Loop over every entry of V, that is, over "
        "n, j, i, c, w, u. Compute the pixel that the entry belongs to, and add the entry there.",
        "pixel = (i*s + u) + a_pad*(j*s + w); out[c, pixel + a_pad*b_pad*n] += V[u + h*w + h*h*c, "
        "i + a_conv*j + a_conv*b_conv*n].",
    ),
    reference=reference,
    cases=cases,
    where=where,
    mistakes=(
        Mistake("= instead of +=", ADD_UP, (("] += patch", "] = patch"),)),
        Mistake(
            "index order swapped",
            ORDER,
            (("patch[u + g.h * w + ", "patch[w + g.h * u + "),),
        ),
        Mistake(
            "channel runs fastest",
            CHANNEL,
            (("patch[u + g.h * w + g.h * g.h * c]", "patch[c + g.d * (u + g.h * w)]"),),
        ),
        Mistake(
            "output pixels row by row",
            OUTPUT,
            (("i + g.a_conv * j + n_conv", "j + g.b_conv * i + n_conv"),),
        ),
        Mistake("stride forgotten", STRIDE, (("i * g.s + u", "i + u"), ("j * g.s + w", "j + w"))),
        Mistake(
            "border dropped",
            BORDER,
            (
                (
                    "    return out",
                    "    images = out.T.reshape(l, g.b_pad, g.a_pad, g.d)\n"
                    "    inside = images[:, g.p : g.p + g.b, g.p : g.p + g.a]\n"
                    "    return inside.reshape(-1, g.d).T",
                ),
            ),
        ),
        Mistake("all instances added to the first", INSTANCE, (("pixel + n_pad * n", "pixel"),)),
        Mistake(
            "image stored row by row",
            IMAGE,
            (
                (
                    "(i * g.s + u) + g.a_pad * (j * g.s + w)",
                    "g.b_pad * (i * g.s + u) + j * g.s + w",
                ),
            ),
        ),
        Mistake("b_pad for a_pad", COLUMN_B, (("+ g.a_pad * (j", "+ g.b_pad * (j"),)),
        Mistake("a_conv for a_pad", COLUMN_CONV, (("+ g.a_pad * (j", "+ g.a_conv * (j"),)),
        Mistake(
            "mirrored patch",
            MIRROR,
            (("patch[u + g.h * w + ", "patch[g.h - 1 - u + g.h * (g.h - 1 - w) + "),),
        ),
        Mistake(
            "instance runs fastest in V",
            INSTANCES_OF_V,
            (("i + g.a_conv * j + n_conv * n", "n + l * (i + g.a_conv * j)"),),
        ),
        Mistake("instance runs fastest", INSTANCES_OF_Z, (("pixel + n_pad * n", "n + l * pixel"),)),
        Mistake(
            "only the first instance, the others 0", FIRST, (("n in range(l)", "n in range(1)"),)
        ),
        Mistake(
            "only the first instance",
            FIRST,
            (("V.shape[1] // n_conv", "1"),),
        ),
    ),
    adjoint=ADJOINT,
)
