"""Exercise: the R-operator of a whole small network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...layout import Array
from ..exercise import Adjoint, Args, Case, Exercise, Mistake, Points
from . import JTv as back


def _reference(Z: Array, layers: back.Layers, v: Array) -> Array:
    from ...cnn.jv import Jv

    g = layers[0]["g"]
    engine, model = back.network(Z, layers, Z.shape[1] // (g.a * g.b))
    return Jv(engine, model, v)


def _sides(args: Args, got: Any, rng: np.random.Generator) -> tuple[float, float]:
    from ...cnn.gradient import JTv

    U = np.asfortranarray(rng.standard_normal(got.shape))
    engine, model = back.network(args["Z"], args["layers"], got.shape[1])
    return float(np.vdot(U, got)), float(np.vdot(JTv(engine, model, U), args["v"]))


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    """Yield the networks of the exercise JTv with directions v."""
    for case in back.EXERCISE.cases(rng):
        Z, layers = case.args["Z"], case.args["layers"]
        n = sum(layer["W"].size + layer["bias"].size for layer in layers)
        v = np.arange(3.0, n + 3) * (-1) ** np.arange(n) if case.small else rng.standard_normal(n)
        yield Case(case.label, {"Z": Z, "layers": layers, "v": v}, small=case.small)


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    return f"output {index[0]} of instance {index[1]}"


EXERCISE = Exercise(
    name="Jv",
    title="the R-operator of a small network: J v in a forward pass",
    functions=("Jv",),
    returns=("Jv",),
    allows=("numpy", "math", "itertools"),
    points=Points(small=4, awkward=6),
    hints=(
        "Think of two forward passes at the same time, one for Z and one for R{Z}. Which arrays of "
        "the first does each formula of the second need, and what replaces max pooling and sigma?",
        "Split v first: V = v[start : start + W.size].reshape(W.shape, order='F'), then v_bias. "
        "R{S} has three terms. Pooling is a selection: take the entries idx_pool of vec(R{S}) of "
        "each instance, even if they are not the largest. The mask is that of Z^{m+1}.",
        "Z, phiZ, idx_pool = layer_forward(Z, W, bias, g); RS = W @ padding_and_phiZ(RZ, g) + V @ "
        "phiZ + v_bias[:, None]; RZ = take_along_axis(RS.reshape((-1, l), order='F'), idx_pool, "
        "0).reshape(Z.shape, order='F') * (Z > 0). Start with RZ = zeros like Z.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "V phi(pad(Z)) left out",
            "S contains a product, so R{S} has two terms for it: W with R{Z}, and V with Z.",
            (("+ V @ phiZ ", ""),),
        ),
        Mistake(
            "W phi(pad(R{Z})) left out",
            "S contains a product, so R{S} has two terms for it: V with Z, and W with R{Z}. "
            "Without the second term, the directions of earlier layers have no effect.",
            (
                ("W @ padding_and_phiZ(RZ, g) + ", ""),
                ('last["W"] @ Rz + ', ""),
            ),
        ),
        Mistake(
            "v_bias left out",
            "The bias is a parameter with the direction v_bias, so R{S} has the term v_bias 1'.",
            (
                (" + v_bias[:, np.newaxis]", ""),
                (" + v_bias_last[:, np.newaxis]", ""),
            ),
        ),
        Mistake(
            "bias instead of v_bias",
            "The derivative of the bias in the direction v is v_bias, not the bias itself.",
            (
                ("+ v_bias[:, np.newaxis]", '+ layer["bias"][:, np.newaxis]'),
                ("+ v_bias_last[:, np.newaxis]", '+ last["bias"][:, np.newaxis]'),
            ),
        ),
        Mistake(
            "mask missing",
            "An entry that sigma sets to 0 does not depend on the parameters: multiply by "
            "I[Z^{m+1}], which is 1 where Z^{m+1} > 0 and 0 elsewhere.",
            ((" * (Z > 0)", ""),),
        ),
        Mistake(
            "sigma of R{S}",
            "The derivative of sigma is 0 or 1 and depends on the sign of S, not of R{S}: use the "
            "mask I[Z^{m+1}], and keep negative entries of R{S}.",
            (
                (
                    'selected.reshape(Z.shape, order="F") * (Z > 0)',
                    'np.maximum(selected.reshape(Z.shape, order="F"), 0)',
                ),
            ),
        ),
        Mistake(
            "largest R{S} pooled",
            "Pooling selects the entries in which sigma(S) is largest, not R{S}: use the indices "
            "idx_pool.",
            (
                (
                    '        selected = np.take_along_axis(RS.reshape((-1, l), order="F"), '
                    "idx_pool, axis=0)\n",
                    "        k = g.h_pool\n"
                    '        RS = RS.reshape((-1, g.a_conv, g.b_conv, l), order="F")\n'
                    "        RS = RS[:, : k * g.a_next, : k * g.b_next]\n"
                    '        RS = RS.reshape((-1, k, g.a_next, k, g.b_next, l), order="F")\n'
                    "        selected = RS.max(axis=(1, 3))\n",
                ),
            ),
        ),
        Mistake(
            "R{Z^1} is Z",
            "The input does not depend on the parameters: R{Z^1} = 0.",
            (("RZ = np.zeros_like(Z)", "RZ = Z"),),
        ),
        Mistake(
            "mask at the last layer",
            "The last layer is linear: R{z^{L+1}} has no mask, for positive and negative z^{L+1}.",
            (
                (
                    '    return last["W"] @ Rz + V_last @ z + v_bias_last[:, np.newaxis]',
                    '    return (last["W"] @ z + last["bias"][:, np.newaxis] > 0) * (\n'
                    '        last["W"] @ Rz + V_last @ z + v_bias_last[:, np.newaxis])',
                ),
            ),
        ),
        Mistake(
            "only the first instance",
            "J_n v has one column per instance: compute it for all l instances.",
            (("    return last", "    z, Rz = z[:, :1], Rz[:, :1]\n    return last"),),
        ),
        Mistake(
            "instance runs fastest in z",
            "Each column of z is vec of one instance: Z.reshape((-1, l), order='F'), since in the "
            "columns of Z the instance runs slowest.",
            (
                (
                    'X.reshape((-1, l), order="F") for X',
                    "X.T.reshape(-1, l, len(X)).transpose(0, 2, 1).reshape(-1, l) for X",
                ),
            ),
        ),
        Mistake(
            "V read row by row",
            "vec stacks columns: use v[...].reshape(W.shape, order='F'). By default NumPy goes row "
            "by row.",
            (('reshape(W.shape, order="F")', "reshape(W.shape)"),),
        ),
        Mistake(
            "v_bias before V",
            "The part of v for a layer is vec(V), then v_bias.",
            (
                (
                    'parts.append((v[start:middle].reshape(W.shape, order="F"), v[middle:end]))',
                    "middle = start + bias.size\n"
                    '        parts.append((v[middle:end].reshape(W.shape, order="F"),'
                    " v[start:middle]))",
                ),
            ),
        ),
    ),
    adjoint=Adjoint("<U, Jv> = <J'U, v>", _sides),
    uses=("padding_and_phiZ", "layer_forward"),
)
