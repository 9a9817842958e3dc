"""Exercise: the backward pass of a whole small network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...layout import Array
from ..exercise import Adjoint, Args, Case, Exercise, Mistake, Points
from ..sizes import geometry, normal, offset

if TYPE_CHECKING:
    from ...engines.lecture import LectureEngine
    from ...model.model import Model

Layers = list[dict[str, Any]]


def network(Z: Array, layers: Layers, l: int) -> tuple[LectureEngine, Model]:
    """Return the package's engine after the forward pass of this network, and the model.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l)
        Input of the network.
    layers : list of dict
        Layers as the student's routine receives them.
    l : int
        Number of instances.
    """
    from ...cnn.feedforward import feedforward
    from ...engines.lecture import LectureEngine
    from ...model.model import Model
    from ...network.config import NetConfig

    *convolutional, last = layers
    sizes = [layer["g"] for layer in convolutional]
    config = NetConfig(
        LC=len(sizes),
        LF=1,
        ht_input=sizes[0].a,
        wd_input=sizes[0].b,
        ch_input=(sizes[0].d, *(g.d_next for g in sizes)),
        full_neurons=(len(last["bias"]),),
        wd_pad_added=tuple(g.p for g in sizes),
        wd_filter=tuple(g.h for g in sizes),
        strides=tuple(g.s for g in sizes),
        wd_subimage_pool=tuple(g.h_pool for g in sizes),
    )
    parts = [x.reshape(-1, order="F") for layer in layers for x in (layer["W"], layer["bias"])]
    model = Model(config, np.concatenate(parts), np.arange(config.nL))
    engine = LectureEngine(config, l, np.float64)
    engine.load(Z, np.arange(l), 1.0, np.zeros(Z.size // l))
    feedforward(engine, model)
    return engine, model


def _reference(Z: Array, layers: Layers, V: Array) -> Array:
    from ...cnn.gradient import JTv

    engine, model = network(Z, layers, V.shape[1])
    return JTv(engine, model, V)


def _sides(args: Args, got: Any, rng: np.random.Generator) -> tuple[float, float]:
    from ...cnn.jv import Jv

    V = args["V"]
    engine, model = network(args["Z"], args["layers"], V.shape[1])
    v = rng.standard_normal(got.shape)
    return float(np.vdot(V, Jv(engine, model, v))), float(np.vdot(got, v))


def _layer(W: ArrayLike, bias: ArrayLike, **more: Any) -> dict[str, Any]:
    return {"W": np.array(W, float, order="F"), "bias": np.array(bias, float), **more}


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    """Yield simple networks first, then those that reveal mistakes."""
    one = geometry(2, 1, h=1)
    two = geometry(2, 1, h=1, d_next=2)
    pooled = geometry(3, 3, h=2, h_pool=2)
    first, second = geometry(3, 3, h=2, d_next=2), geometry(2, 2, d=2, h=2)
    filters = [[1, 2, 0, -1], [0, 1, 1, 0]]
    small: tuple[tuple[str, ArrayLike, Layers, ArrayLike], ...] = (
        (
            "all entries positive",
            [[1, 2]],
            [_layer([[3]], [1], g=one), _layer([[1, 3], [2, 4]], [1, 1])],
            [[1], [2]],
        ),
        (
            "the ReLU sets a pixel to 0",
            [[1, 2]],
            [_layer([[3]], [-5], g=one), _layer([[1, 3], [2, 4]], [1, 1])],
            [[1], [2]],
        ),
        (
            "a negative output",
            [[1, 2]],
            [_layer([[3]], [1], g=one), _layer([[1, -3], [2, 4]], [1, 1])],
            [[1], [2]],
        ),
        (
            "two filters",
            [[1, 2]],
            [_layer([[3], [1]], [1, 2], g=two), _layer([[1, 3, 0, 2], [2, 4, 1, 1]], [1, 1])],
            [[1], [2]],
        ),
        (
            "two instances",
            [[1, 2, 4, 3]],
            [_layer([[3]], [1], g=one), _layer([[1, 3], [2, 4]], [1, 1])],
            [[1, 3], [2, 5]],
        ),
        (
            "pooling",
            [[3, 1, 4, 1, 5, 9, 2, 6, 5]],
            [_layer([[1, 2, 0, 1]], [1], g=pooled), _layer([[2], [1]], [1, 1])],
            [[1], [2]],
        ),
        (
            "two convolutional layers",
            [[3, 1, 4, 1, 5, 9, 2, 6, 5]],
            [
                _layer(filters, [1, 2], g=first),
                _layer([[1, 2, 0, 1, 1, -1, 0, 1]], [1], g=second),
                _layer([[2], [1]], [1, 1]),
            ],
            [[1], [2]],
        ),
    )
    for label, Z, layers, V in small:
        args = {
            "Z": np.array(Z, float, order="F"),
            "layers": layers,
            "V": np.array(V, float, order="F"),
        }
        yield Case(label, args, small=True)
    for label, a, b, d, convolutional, l in (
        ("one layer, padding", 4, 5, 2, ((3, 1, 3, 1, 1),), 3),
        ("one layer, stride, pixels dropped", 8, 7, 3, ((2, 0, 3, 2, 2),), 2),
        ("two layers", 6, 7, 2, ((3, 0, 2, 1, 1), (4, 0, 3, 1, 1)), 3),
        ("two layers with pooling", 9, 8, 1, ((3, 1, 3, 1, 2), (4, 1, 3, 1, 2)), 4),
        ("two layers, everything", 11, 9, 3, ((4, 2, 4, 1, 2), (2, 1, 2, 2, 1)), 5),
    ):
        yield Case(f"{label}, {l} instances", _random(rng, a, b, d, convolutional, l))


def _random(
    rng: np.random.Generator,
    a: int,
    b: int,
    d: int,
    convolutional: tuple[tuple[int, int, int, int, int], ...],
    l: int,
) -> Args:
    """Return a random network; each convolutional layer is (d_next, p, h, s, h_pool)."""
    Z = normal(rng, d, a * b * l)
    layers = []
    for d_next, p, h, s, h_pool in convolutional:
        g = geometry(a, b, d=d, p=p, h=h, s=s, d_next=d_next, h_pool=h_pool)
        layers.append(_layer(normal(rng, d_next, g.hhd), rng.standard_normal(d_next), g=g))
        a, b, d = g.a_next, g.b_next, d_next
    layers.append(_layer(normal(rng, 4, a * b * d), rng.standard_normal(4)))
    return {"Z": Z, "layers": layers, "V": normal(rng, 4, l)}


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    k = index[0]
    for m, layer in enumerate(args["layers"]):
        rows, columns = layer["W"].shape
        if k < rows * columns:
            if "g" in layer:
                place = f"filter {k % rows}, {offset(layer['g'].h, k // rows)}"
            else:
                place = f"row {k % rows}, column {k // rows}"
            return f"layer {m}: W, {place}"
        k -= rows * columns
        if k < rows:
            return f"layer {m}: bias, entry {k}"
        k -= rows
    raise IndexError(f"theta has no entry {index[0]}")


EXERCISE = Exercise(
    name="JTv",
    title="the whole backward pass of a small network, equations (3) to (5)",
    functions=("JTv",),
    returns=("gradient",),
    allows=("numpy", "math", "itertools"),
    points=Points(small=4, awkward=6),
    hints=(
        "The backward pass visits the layers of the forward pass in reverse order. Which arrays of "
        "each layer do (3), (4) and (5) need, and which of them does layer_forward return?",
        "Keep Z^{m+1}, phi(pad(Z^m)) and idx_pool of every layer. For the fully connected layer "
        "use gradient_W_bias(V, z), where z has vec of each instance in one column. W'V, reshaped "
        "to (d, a*b*l), is dxi/dZ. Then, in reverse order: mask, vTP_pool, gradient_W_bias, "
        "gradient_Z.",
        "z = Z.reshape((-1, l), order='F'); dZ = (W.T @ V).reshape(Z.shape, order='F'); for each "
        "layer in reverse: dS = vTP_pool(dZ * (Z_next > 0), idx_pool, g); gradient_W_bias(dS, "
        "phiZ); dZ = gradient_Z(W, dS, g). At the end reverse the list, and concatenate "
        "dW.reshape(-1, order='F') and dbias of every layer.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "layers in reverse order",
            "theta begins with the first layer, but the backward pass begins with the last one: "
            "reverse the list before you concatenate it.",
            (("in reversed(gradients)", "in gradients"),),
        ),
        Mistake(
            "bias before W",
            "The part of theta for a layer is vec(W), then its bias.",
            (('[dW.reshape(-1, order="F"), dbias]', '[dbias, dW.reshape(-1, order="F")]'),),
        ),
        Mistake(
            "vec(W) row by row",
            "vec stacks columns: use dW.reshape(-1, order='F'). dW.ravel() and dW.flatten() of "
            "NumPy go row by row.",
            (('dW.reshape(-1, order="F")', "dW.reshape(-1)"),),
        ),
        Mistake(
            "mask of the ReLU missing",
            "(3) multiplies by I[Z^{m+1}], which is 1 where Z^{m+1} > 0 and 0 elsewhere. The "
            "indicator is strict: Z^{m+1} is never negative, so >= 0 has no effect.",
            (("dZ * (Z_next > 0)", "dZ"),),
        ),
        Mistake(
            "mask at the last layer",
            "The last layer is linear: use V without a mask, for positive and negative z^{L+1}.",
            (
                (
                    "    gradients = [",
                    '    V = V * (last["W"] @ z + last["bias"][:, np.newaxis] > 0)\n'
                    "    gradients = [",
                ),
            ),
        ),
        Mistake(
            "multiplied by Z instead of its mask",
            "The derivative of sigma is 0 or 1: (3) multiplies by the indicator I[Z^{m+1}], not by "
            "Z^{m+1}.",
            (("(Z_next > 0)", "Z_next"),),
        ),
        Mistake(
            "z taken row by row",
            "Each column of z is vec of one instance, where the channel runs fastest: "
            "Z.reshape((-1, l), order='F').",
            (('Z.reshape((-1, V.shape[1]), order="F")', "Z.reshape((V.shape[1], -1)).T"),),
        ),
        Mistake(
            "W'V reshaped row by row",
            "Each column of W'V is vec of one instance of dxi/dZ: reshape to (d, a*b*l) with "
            "order='F'.",
            (('.reshape(Z.shape, order="F")', ".T.reshape(Z.shape)"),),
        ),
        Mistake(
            "divided by l",
            "The result is the gradient of the summed loss, sum_n J_n' v_n; the factor 1/l of the "
            "objective comes later.",
            (("np.concatenate(parts)", "np.concatenate(parts) / V.shape[1]"),),
        ),
        Mistake(
            "only the first instance",
            "The result is the sum of J_n' v_n over all l instances, not J_0' v_0 of the first "
            "one.",
            (
                (
                    "    kept = []",
                    "    kept = []\n    V = V * (np.arange(V.shape[1]) == 0)",
                ),
            ),
        ),
        Mistake(
            "instance runs fastest in z",
            "Each column of z is vec of one instance: Z.reshape((-1, l), order='F'), since in the "
            "columns of Z the instance runs slowest.",
            (
                (
                    'Z.reshape((-1, V.shape[1]), order="F")',
                    "Z.T.reshape(-1, V.shape[1], len(Z)).swapaxes(1, 2).reshape(-1, V.shape[1])",
                ),
            ),
        ),
        Mistake(
            "mask missing in (5)",
            "(5) uses dxi/dS of its own layer, which includes the mask and P_pool of (3).",
            (
                (
                    'gradient_Z(layer["W"], dS, layer["g"])',
                    'gradient_Z(layer["W"], vTP_pool(dZ, idx_pool, layer["g"]), layer["g"])',
                ),
            ),
        ),
    ),
    adjoint=Adjoint("<V, Jv> = <J'V, v>", _sides),
    uses=("layer_forward", "vTP_pool", "gradient_W_bias", "gradient_Z"),
)
