"""Exercise: v' P_phi by calling someone else's scatter-add."""

from __future__ import annotations

import ast

from ..exercise import Exercise, Mistake, Points, calls
from .vTP_phi_cases import ADJOINT, BORDER, INSTANCE, cases, reference, where


def _source_check(tree: ast.Module) -> str:
    if calls(tree, "bincount"):
        return ""
    return "the file never calls np.bincount; this exercise is vTP_phi by bincount, without loops"


EXERCISE = Exercise(
    name="vTP_phi_bincount",
    title="v' P_phi by np.bincount, MATLAB's accumarray",
    functions=("vTP_phi",),
    returns=("vTP",),
    allows=("numpy", "math", "itertools"),
    points=Points(small=3, awkward=5),
    hints=(
        "Think of one instance first: find_index_phiZ(g) says for each entry of vec(V) where it "
        "goes. np.bincount adds up weights by such numbers. What are the weights?",
        "Instance n has the same indices, plus d*a_pad*b_pad*n. Put the indices of all instances "
        "side by side, one column an instance, and take vec of them, order='F'. bincount leaves "
        "out the end if nothing goes there: give minlength.",
        "size = d*a_pad*b_pad; index = find_index_phiZ(g)[:, None] + size*np.arange(l); "
        "np.bincount(index.reshape(-1, order='F'), V.reshape(-1, order='F'), minlength=size*l), "
        "then reshape to (d, -1) with order='F'.",
    ),
    reference=reference,
    cases=cases,
    where=where,
    mistakes=(
        Mistake(
            "+= lost",
            "out[index] = values, and out[index] += values too, keep one value where an index "
            "occurs several times; np.bincount adds them all.",
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
            "all instances in one", INSTANCE, (("+ size * np.arange(l)", "+ 0 * np.arange(l)"),)
        ),
        Mistake(
            "V read row by row",
            "vec stacks columns: V.reshape(-1, order='F'), as the indices are ordered. NumPy's "
            "V.ravel() and V.flatten() go row by row.",
            (('V.reshape(-1, order="F")', "V.reshape(-1)"),),
        ),
        Mistake(
            "result laid out row by row",
            "bincount returns vec of the result, which stacks columns: reshape with order='F'.",
            (('.reshape((g.d, -1), order="F")', ".reshape((g.d, -1))"),),
        ),
        Mistake(
            "indices counted from 1",
            "accumarray counts from 1, bincount from 0: the index of the first entry is 0.",
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
    ),
    adjoint=ADJOINT,
    source_check=_source_check,
    uses=("find_index_phiZ",),
)
