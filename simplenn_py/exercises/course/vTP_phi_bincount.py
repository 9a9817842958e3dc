"""Exercise: v' P_phi by calling a scatter-add of NumPy."""

from __future__ import annotations

import ast

from ..exercise import Exercise, Mistake, Points, calls
from .vTP_phi_cases import (
    ADJOINT,
    BORDER,
    CHANNEL,
    FIRST,
    INSTANCE,
    INSTANCES_OF_V,
    INSTANCES_OF_Z,
    MIRROR,
    ORDER,
    OUTPUT,
    cases,
    reference,
    where,
)


def _source_check(tree: ast.Module) -> str:
    if calls(tree, "bincount"):
        return ""
    return "the file does not call np.bincount; write vTP_phi with np.bincount, without loops"


def _indices(change: str) -> tuple[tuple[str, str], ...]:
    """Return the edit that changes the indices, an array [j, i, c, w, u], before vec."""
    shape = "g.b_conv, g.a_conv, g.d, g.h, g.h"
    return (("(g)[:, np", f"(g).reshape({shape}){change}.reshape(-1)[:, np"),)


EXERCISE = Exercise(
    name="vTP_phi_bincount",
    title="v' P_phi by np.bincount (accumarray in MATLAB)",
    functions=("vTP_phi",),
    returns=("vTP",),
    allows=("numpy", "math", "itertools"),
    points=Points(small=3, awkward=5),
    hints=(
        "Think of one instance first: for each entry of vec(V), find_index_phiZ(g) has the index "
        "of the entry that it is added to. np.bincount adds up weights by such indices. What are "
        "the weights?",
        "Instance n has the same indices plus d*a_pad*b_pad*n. Put the indices of all instances "
        "side by side, one column per instance, and take vec of them (order='F'). The result of "
        "bincount ends at the largest index that occurs: set minlength.",
        "size = d*a_pad*b_pad; index = find_index_phiZ(g)[:, None] + size*np.arange(l); "
        "np.bincount(index.reshape(-1, order='F'), V.reshape(-1, order='F'), minlength=size*l), "
        "then reshape to (d, -1) with order='F'.",
    ),
    reference=reference,
    cases=cases,
    where=where,
    mistakes=(
        Mistake(
            "one value per index",
            "If an index occurs several times, out[index] = values and also out[index] += values "
            "keep only one of its values; np.bincount adds all of them.",
            (
                (
                    "    sums = np.bincount(",
                    "    sums = np.zeros(size * l)\n"
                    "    sums[index.reshape(-1, order='F')] += V.reshape(-1, order='F')\n"
                    "    np.bincount(",
                ),
            ),
        ),
        Mistake(
            "all instances added to the first",
            INSTANCE,
            (("+ size * np.arange(l)", "+ 0 * np.arange(l)"),),
        ),
        Mistake(
            "V read row by row",
            "vec stacks columns: use V.reshape(-1, order='F'), which has the order of the indices. "
            "V.ravel() and V.flatten() of NumPy go row by row.",
            (('V.reshape(-1, order="F")', "V.reshape(-1)"),),
        ),
        Mistake(
            "result reshaped row by row",
            "bincount returns vec of the result, which stacks columns: reshape it with order='F'.",
            (('.reshape((g.d, -1), order="F")', ".reshape((g.d, -1))"),),
        ),
        Mistake(
            "indices counted from 1",
            "accumarray counts from 1, bincount from 0: the first entry has index 0.",
            (("size * np.arange(l)", "1 + size * np.arange(l)"),),
        ),
        Mistake(
            "border dropped",
            BORDER,
            (
                (
                    '    return sums.astype(V.dtype).reshape((g.d, -1), order="F")',
                    "    images = sums.reshape(l, g.b_pad, g.a_pad, g.d)\n"
                    "    inside = images[:, g.p : g.p + g.b, g.p : g.p + g.a]\n"
                    "    return inside.reshape(-1, g.d).T",
                ),
            ),
        ),
        Mistake("index order swapped", ORDER, _indices(".swapaxes(3, 4)")),
        Mistake("channel runs fastest", CHANNEL, _indices(".transpose(0, 1, 3, 4, 2)")),
        Mistake("mirrored patch", MIRROR, _indices("[..., ::-1, ::-1]")),
        Mistake("output pixels row by row", OUTPUT, _indices(".swapaxes(0, 1)")),
        Mistake(
            "instance runs fastest in V",
            INSTANCES_OF_V,
            (
                (
                    'V.reshape(-1, order="F")',
                    "V.T.reshape(-1, l, g.hhd).transpose(1, 0, 2).reshape(-1)",
                ),
            ),
        ),
        Mistake(
            "instance runs fastest",
            INSTANCES_OF_Z,
            (
                (
                    '    return sums.astype(V.dtype).reshape((g.d, -1), order="F")',
                    "    images = sums.reshape(l, -1, g.d).transpose(1, 0, 2)\n"
                    "    return images.reshape(-1, g.d).T",
                ),
            ),
        ),
        Mistake(
            "only the first instance, the others 0",
            FIRST,
            (("    return sums", "    sums[size:] = 0\n    return sums"),),
        ),
        Mistake(
            "only the first instance",
            FIRST,
            (("    return sums", "    sums = sums[:size]\n    return sums"),),
        ),
        Mistake(
            "indices of the instances mixed up",
            "The indices must have the order of vec(V): one column per instance, read column by "
            "column, index.reshape(-1, order='F').",
            (('index.reshape(-1, order="F")', "index.reshape(-1)"),),
        ),
    ),
    adjoint=ADJOINT,
    source_check=_source_check,
    uses=("find_index_phiZ",),
)
