"""Exercise: the forward pass through one convolutional layer."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
from numpy.typing import ArrayLike

from ...layout import Array
from ..exercise import Args, Case, Exercise, Mistake, Points
from ..sizes import entry, geometry, normal, offset, pixel


def _reference(Z: Array, W: Array, bias: Array, g: SimpleNamespace) -> tuple[Array, Array, Array]:
    from ...cnn.operators.phi import padding_and_phiZ
    from ...cnn.operators.pooling import maxpooling
    from ...cnn.operators.relu import bias_relu

    phiZ = padding_and_phiZ(Z, g)  # type: ignore[arg-type]
    S = bias_relu(np.asfortranarray(W @ phiZ), bias)
    Z_next, idx_pool = maxpooling(S, g)  # type: ignore[arg-type]
    return Z_next, phiZ, idx_pool


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    digits = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3]
    small: tuple[tuple[str, SimpleNamespace, ArrayLike, ArrayLike], ...] = (
        ("one filter", geometry(3, 3, h=2), [[1, 2, 0, 1]], [0]),
        ("a bias", geometry(3, 3, h=2), [[1, 2, 0, 1]], [10]),
        ("negative entries of S", geometry(3, 3, h=2), [[1, -1, 0, 0]], [3.5]),
        ("two filters", geometry(3, 4, h=2, d_next=2), [[1, 2, 0, 1], [0, 1, 1, 0]], [4, 7]),
        ("pooling", geometry(5, 5, h=2, h_pool=2), [[1, 0, -1, 2]], [1]),
        ("a window without a positive entry", geometry(2, 2, h=1, h_pool=2), [[-1]], [0]),
        ("padding", geometry(2, 2, p=1, h=2), [[1, 2, 3, 4]], [-5]),
        ("two channels", geometry(3, 2, d=2, h=2), [[1, 0, 0, 1, 0, 2, -1, 0]], [1]),
        ("two instances", geometry(3, 2, h=2, d_next=2), [[1, 2, 0, -1], [0, 1, -1, 0]], [1, 2]),
    )
    for label, g, W, bias in small:
        l = 2 if label == "two instances" else 1
        numbers = digits[: g.d * g.a * g.b * l]
        args = {
            "Z": np.array(numbers, float).reshape((g.d, -1), order="F"),
            "W": np.array(W, float, order="F"),
            "bias": np.array(bias, float),
            "g": g,
        }
        yield Case(label, args, small=True)
    for label, g, l in (
        ("not square, one column dropped", geometry(6, 8, d=2, h=3, d_next=3, h_pool=2), 2),
        ("padding and stride", geometry(7, 6, d=3, p=1, h=3, s=2, d_next=4, h_pool=2), 3),
        ("1 x 1 filters, no pooling", geometry(4, 5, d=3, h=1, d_next=5), 2),
        ("as many filters as output pixels", geometry(4, 3, d=2, h=2, d_next=6), 1),
        ("one output pixel", geometry(4, 4, d=2, p=1, h=3, d_next=3, h_pool=4), 4),
    ):
        yield Case(label, _random(rng, g, l))
    for _ in range(4):
        h, s, p, h_pool = (int(rng.integers(1, top)) for top in (4, 3, 3, 3))
        a, b = (int(x) for x in rng.integers(h + 2 * s, h + 2 * s + 4, 2))
        d, d_next, l = (int(x) for x in rng.integers(1, 5, 3))
        g = geometry(a, b, d=d, p=p, h=h, s=s, d_next=d_next, h_pool=h_pool)
        yield Case(f"random: h={h} s={s} p={p} h_pool={h_pool}", _random(rng, g, l))


def _random(rng: np.random.Generator, g: SimpleNamespace, l: int) -> Args:
    return {
        "Z": normal(rng, g.d, g.a * g.b * l),
        "W": normal(rng, g.d_next, g.hhd),
        "bias": rng.standard_normal(g.d_next),
        "g": g,
    }


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    g = args["g"]
    if name == "Z_next":
        return f"channel {index[0]}, {pixel(g.a_next, g.b_next, index[1])} of Z^{{m+1}}"
    if name == "phiZ":
        return f"{offset(g.h, index[0])}; output: {pixel(g.a_conv, g.b_conv, index[1])}"
    return f"instance {index[1]}, {entry(g.d_next, g.a_next, index[0])} of Z^{{m+1}}"


EXERCISE = Exercise(
    name="layer_forward",
    title="the forward pass of one layer: pool(sigma(W phi(pad(Z)) + bias 1'))",
    functions=("layer_forward",),
    returns=("Z_next", "phiZ", "idx_pool"),
    allows=("numpy", "math", "itertools"),
    points=Points(small=2, awkward=4),
    hints=(
        "Think of the formula from the inside out: you have one routine for pad and phi; then come "
        "a product, the bias and sigma; for pool you have a routine, too. Which shape does each "
        "step give?",
        "W phi(pad(Z)) has one row per filter. bias has one number per filter, so it must become a "
        "column: NumPy adds an array of shape (n,) along the rows. maxpooling gets sigma(S), not "
        "S.",
        "phiZ = padding_and_phiZ(Z, g); S = W @ phiZ + bias[:, np.newaxis]; Z_next, idx_pool = "
        "maxpooling(np.maximum(S, 0), g); return Z_next, phiZ, idx_pool.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "W transposed",
            "W has one row per filter, shape (d_next, h*h*d), and phi(pad(Z)) has one column per "
            "patch: the product is W phi(pad(Z)), without a transpose.",
            (("W @ phiZ", "W.T @ phiZ"),),
        ),
        Mistake(
            "bias forgotten",
            "S = W phi(pad(Z)) + bias 1': the bias of a filter is added to its whole row of S.",
            ((" + bias[:, np.newaxis]", ""),),
        ),
        Mistake(
            "ReLU forgotten",
            "Z^{m+1} = pool(sigma(S)): sigma replaces negative entries by 0 before pooling.",
            (("np.maximum(S, 0.0)", "S"),),
        ),
        Mistake(
            "ReLU before the bias",
            "The bias is part of S, and sigma is applied to S: sigma(W phi(pad(Z)) + bias 1').",
            (
                ("W @ phiZ + bias[:, np.newaxis]", "W @ phiZ"),
                ("np.maximum(S, 0.0)", "np.maximum(S, 0.0) + bias[:, np.newaxis]"),
            ),
        ),
        Mistake(
            "absolute value",
            "sigma is max(S, 0), which sets negative entries to 0 and keeps the others; it does "
            "not change signs.",
            (("np.maximum(S, 0.0)", "np.abs(S)"),),
        ),
        Mistake(
            "bias along the rows",
            "bias has one entry per filter, so use it as a column, bias[:, np.newaxis]. NumPy adds "
            "an array of shape (d_next,) along each row, or raises an error.",
            (("bias[:, np.newaxis]", "bias"),),
        ),
        Mistake(
            "pooling before the ReLU",
            "The values do not depend on the order, but idx_pool does: in a window without a "
            "positive entry sigma sets all entries to 0, and the first of them is the maximum.",
            (
                (
                    "maxpooling(np.maximum(S, 0.0), g)",
                    "maxpooling(S, g)\n    Z_next = np.maximum(Z_next, 0.0)",
                ),
            ),
        ),
        Mistake(
            "pooling by slices with a stride",
            "Pooling keeps the largest entry of each window; slices ::h_pool in both directions "
            "always keep the first one.",
            (
                (
                    "    return Z_next",
                    "    l = S.shape[1] // (g.a_conv * g.b_conv)\n"
                    "    images = np.maximum(S, 0.0).T.reshape(l, g.b_conv, g.a_conv, g.d_next)\n"
                    "    images = images[:, :: g.h_pool, :: g.h_pool][:, : g.b_next, : g.a_next]\n"
                    "    Z_next = images.reshape(-1, g.d_next).T\n"
                    "    return Z_next",
                ),
            ),
        ),
    ),
    uses=("padding_and_phiZ", "maxpooling"),
)
