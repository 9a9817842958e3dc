"""Likely causes of a wrong gradient: known mistakes are built and their gradients compared.

A mistake that reproduces the computed gradient to six digits is reported as certain.  If none
does, constant ratios and the pattern of the wrong layers are reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...cnn.feedforward import feedforward
from ...cnn.gradient import JTv
from ...cnn.operators.phi import find_index_phiZ
from ...cnn.problem import Problem
from ...engines.lecture import LectureEngine
from ...engines.operator_table import Operators
from ...layout import Array, ConvGeometry, patches, pixels, storage
from ...model.model import Model
from ...network.config import NetConfig

LECTURE = Operators()
REPRODUCED = 1e-6  # relative; the derivative of the loss agrees with differences to about 1e-9


@dataclass(frozen=True)
class Hint:
    """A likely cause.

    Parameters
    ----------
    text : str
        One sentence that names the place and the cause.
    certain : bool
        Whether exactly this mistake gives the computed gradient.
    """

    text: str
    certain: bool


@dataclass(frozen=True)
class Fault:
    """A mistake in the backward pass of a layer.

    Parameters
    ----------
    text : str
        Description of the mistake, to follow "layer m: ".
    operators : Operators
        The lecture's operators, with a wrong one among them.
    change : callable, optional
        Called with ``dW``, ``dbias`` and the layer's geometry; changes ``dW`` or ``dbias`` in
        place.
    """

    text: str
    operators: Operators = LECTURE
    change: Callable[[Array, Array, ConvGeometry], None] | None = None


class FaultyEngine(LectureEngine):
    """The lecture engine in float64, with a mistake in the backward pass of some layers.

    Parameters
    ----------
    config : NetConfig
    batch_size : int

    Attributes
    ----------
    fault : Fault
        The mistake; set it before a backward pass.
    layers : frozenset of int
        Layers with the mistake, from 0.
    """

    def __init__(self, config: NetConfig, batch_size: int) -> None:
        super().__init__(config, batch_size, np.float64)
        self.fault, self.layers = Fault("none"), frozenset[int]()

    def backward(
        self,
        m: int,
        W: Array,
        dW: Array | None = None,
        dbias: Array | None = None,
        *,
        columns: int = 1,
        input_gradient: bool = True,
    ) -> None:
        guilty, g = m in self.layers, self._layers[m]
        self.operators = self.fault.operators if guilty else LECTURE
        super().backward(m, W, dW, dbias, columns=columns, input_gradient=input_gradient)
        change = self.fault.change
        if guilty and change and isinstance(g, ConvGeometry) and dW is not None:
            assert dbias is not None
            change(dW, dbias, g)


# The mistakes below take the arguments of the lecture's operators and return arrays of the same
# shape, float64.

# (3), the pooling: V is dxi/dZ^{m+1}, shape (d_next, a_next*b_next*l), one value per window.


def _windows(g: ConvGeometry, V: Array) -> tuple[Array, Array]:
    """Return V as pixels, and zeros for ``dxi/dS`` as pixels."""
    pooled = pixels(V, g.a_next, g.b_next)
    return pooled, np.zeros((len(pooled), g.b_conv, g.a_conv, g.d_next))


def pool_to_all(V: Array, idx_pool: Array, g: ConvGeometry) -> Array:
    """Send each value to every entry of its window."""
    pooled, dS = _windows(g, V)
    n = g.h_pool
    dS[:, : g.b_next * n, : g.a_next * n] = pooled.repeat(n, axis=1).repeat(n, axis=2)
    return storage(dS)


def pool_shared(V: Array, idx_pool: Array, g: ConvGeometry) -> Array:
    """Share each value among the entries of its window, as average pooling would."""
    return pool_to_all(V, idx_pool, g) / g.h_pool**2


def pool_to_first(V: Array, idx_pool: Array, g: ConvGeometry) -> Array:
    """Send each value to the first entry of its window, not to the largest."""
    pooled, dS = _windows(g, V)
    n = g.h_pool
    dS[:, : g.b_next * n : n, : g.a_next * n : n] = pooled
    return storage(dS)


def pool_to_last(V: Array, idx_pool: Array, g: ConvGeometry) -> Array:
    """Send each value to the last entry of its window."""
    pooled, dS = _windows(g, V)
    n = g.h_pool
    dS[:, n - 1 : g.b_next * n : n, n - 1 : g.a_next * n : n] = pooled
    return storage(dS)


def pool_next(V: Array, idx_pool: Array, g: ConvGeometry) -> Array:
    """Send each value to the entry after the largest: an index from 1 used from 0."""
    pooled, dS = _windows(g, V)
    rows = dS.reshape(len(pooled), -1)
    np.put_along_axis(rows, (idx_pool.T + 1) % rows.shape[1], pooled.reshape(len(rows), -1), 1)
    return storage(dS)


def mask_missing(V: Array, Z: Array, columns: int = 1) -> Array:
    """Leave out ``.* I[Z]``."""
    return V


# (5): V is W' dxi/dS, shape (h*h*d, a_conv*b_conv*l), one column per patch.


def _scatter(P: Array, g: ConvGeometry, stride: int) -> Array:
    """Add patches ``[instance, column, row, channel, w, u]`` to the pixels of pad(Z)."""
    out = np.zeros((len(P), g.b_pad, g.a_pad, g.d))
    tall, wide = stride * (g.a_conv - 1) + 1, stride * (g.b_conv - 1) + 1
    for w in range(g.h):
        for u in range(g.h):
            out[:, w : w + wide : stride, u : u + tall : stride] += P[..., w, u]
    return storage(out)


def scatter_unit_stride(V: Array, g: ConvGeometry) -> Array:
    """Scatter as if the stride were 1."""
    return _scatter(patches(V, g), g, 1)


def scatter_transposed(V: Array, g: ConvGeometry) -> Array:
    """Scatter with u and w exchanged."""
    return _scatter(patches(V, g).swapaxes(-1, -2), g, g.s)


def scatter_channels_first(V: Array, g: ConvGeometry) -> Array:
    """Take the rows of V in the order of (channel, u, w), the channel running fastest."""
    P = V.T.reshape(-1, g.b_conv, g.a_conv, g.h, g.h, g.d)  # [.., w, u, c]
    return _scatter(np.moveaxis(P, -1, 3), g, g.s)


def scatter_overwrites(V: Array, g: ConvGeometry) -> Array:
    """Assign the values of overlapping patches, which must be added."""
    index = find_index_phiZ(g)
    values = V.T.reshape(-1, index.size)
    out = np.zeros((len(values), g.d * g.a_pad * g.b_pad))
    out[:, index] = values
    return out.reshape(-1, g.d).T


def unpad_first(V: Array, g: ConvGeometry) -> Array:
    """Keep the first a rows and b columns of pad(Z), border included."""
    return storage(np.ascontiguousarray(pixels(V, g.a_pad, g.b_pad)[:, : g.b, : g.a]))


# (4): dW of shape (d_next, h*h*d) and dbias of shape (d_next,) are changed in place.


def dW_transposed(dW: Array, dbias: Array, g: ConvGeometry) -> None:
    """Exchange u and w in every filter."""
    filters = dW.reshape(g.d_next, g.d, g.h, g.h)
    dW[...] = filters.swapaxes(2, 3).reshape(dW.shape)


def dW_channels_first(dW: Array, dbias: Array, g: ConvGeometry) -> None:
    """Order the columns with the channel fastest."""
    filters = dW.reshape(g.d_next, g.d, g.h, g.h)
    dW[...] = filters.transpose(0, 2, 3, 1).reshape(dW.shape)


def _with(**routines: Any) -> Operators:
    return Operators().replace(**routines)


FAULTS = (
    Fault("(3) lacks the ReLU's mask .* I[Z]", _with(mask=mask_missing)),
    Fault("(3) sends the pooled gradient to all entries of a window; send it to the maximum only",
          _with(vTP_pool=pool_to_all)),
    Fault("(3) shares the pooled gradient among the entries of a window; send it to the maximum "
          "only", _with(vTP_pool=pool_shared)),
    Fault("(3) sends the pooled gradient to a wrong entry, the first of the window; send it to "
          "the maximum", _with(vTP_pool=pool_to_first)),
    Fault("(3) sends the pooled gradient to a wrong entry, the last of the window; send it to "
          "the maximum", _with(vTP_pool=pool_to_last)),
    Fault("(3) sends the pooled gradient to a wrong entry, the one after the maximum; idx_pool "
          "counts from 0", _with(vTP_pool=pool_next)),
    Fault("(5) ignores the stride in v' P_phi", _with(vTP_phi=scatter_unit_stride)),
    Fault("(5) transposes the filter in v' P_phi: u and w are exchanged",
          _with(vTP_phi=scatter_transposed)),
    Fault("(5) uses another patch order in v' P_phi: the channel runs fastest",
          _with(vTP_phi=scatter_channels_first)),
    Fault("(5) overwrites values in v' P_phi where patches overlap; they must be added",
          _with(vTP_phi=scatter_overwrites)),
    Fault("(5) does not remove the padding: it keeps the first a x b pixels of pad(Z), border "
          "included", _with(unpad=unpad_first)),
    Fault("(4) transposes the filter in dxi/dW: u and w are exchanged", change=dW_transposed),
    Fault("(4) uses another patch order in dxi/dW: the channel runs fastest",
          change=dW_channels_first),
)  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """The evidence for the cause of a wrong gradient.

    Parameters
    ----------
    model : Model
    problem : Problem
        Its loss may be the cause.
    V, differences : ndarray, shape (nL, l)
        Derivative of the loss, as the loss computes it and by differences of its value.
    computed : ndarray, shape (n_parameters,)
        ``sum_i J_i' v_i`` with V, by the engine that is checked.
    foreign : int or None
        First layer whose ``Z^{m+1}`` is not the lecture engine's, from 0.
    sampled : dict of (m, part) to (computed, expected)
        Single entries of the wrong gradients, as computed and by differences; m from 0, part "W"
        or "bias".
    """

    model: Model
    problem: Problem
    V: Array
    differences: Array
    computed: Array
    foreign: int | None
    sampled: Mapping[tuple[int, str], tuple[Array, Array]]


def likely_causes(e: Evidence) -> tuple[Hint, ...]:
    """Return the likely causes of a wrong gradient, the certain ones first.

    Parameters
    ----------
    e : Evidence

    Returns
    -------
    tuple of Hint
        Empty if no cause is known.
    """
    found = list(_of_the_loss(e))
    if e.foreign is not None:
        text = (
            f"layer {e.foreign + 1}: the forward pass is not the lecture's, so a correct backward "
            "pass does not match it; fix the forward pass first"
        )
        return (*found, Hint(text, False), *_constant_ratios(e, e.sampled))
    engine = FaultyEngine(e.model.config, e.V.shape[1])
    engine.load(e.problem.images, np.arange(e.problem.l), e.problem.scale, e.problem.offset)
    feedforward(engine, e.model)
    right = JTv(engine, e.model, e.V)
    if same(e.computed, right):
        return tuple(found)  # the engine is correct, so the loss is the only cause
    computed, expected = _parts(e.model, e.computed), _parts(e.model, right)
    wrong = {k: (computed[k], expected[k]) for k in computed if not same(computed[k], expected[k])}
    found += _constant_ratios(e, wrong) or _known_faults(e, engine)
    if {part for _, part in wrong} == {"bias"}:
        layers = _layers({m for m, _ in wrong})
        text = f"{layers}: only the bias gradient is wrong; it must be dxi/dS 1, the sum over all"
        found.append(Hint(f"{text} pixels and instances", False))
    if not found:
        found.append(_last_resort(e, {m for m, _ in wrong}))
    return tuple(sorted(found, key=lambda hint: not hint.certain))


def same(x: Array, y: Array) -> bool:
    """Return whether x equals y to about six digits, measured by their norms.

    Parameters
    ----------
    x, y : ndarray of the same shape
    """
    return bool(np.linalg.norm(x - y) <= REPRODUCED * np.linalg.norm(y))


def constant_ratio(x: Array, y: Array) -> float | None:
    """Return r if ``x = r y`` to about six digits, else None.

    Parameters
    ----------
    x, y : ndarray of the same shape
    """
    if not np.any(y):
        return None
    ratio = float(np.vdot(x, y) / np.vdot(y, y))
    close = np.linalg.norm(x - ratio * y) <= REPRODUCED * max(abs(ratio), 1e-3) * np.linalg.norm(y)
    return ratio if close else None


def name_ratio(ratio: float, l: int, pixels: int = 1) -> str:
    """Return a possible cause of a constant ratio between a computed and a correct gradient.

    Parameters
    ----------
    ratio : float
        Computed gradient divided by the correct one.
    l : int
        Number of instances in the batch.
    pixels : int
        Number of pixels ``a_conv*b_conv``, or 1 if a mean over pixels is not a possible cause.
    """
    sign = "the sign is wrong" if ratio < 0 else ""
    size, causes = abs(ratio), [sign] if sign else []
    if abs(size) < REPRODUCED:
        return "it is 0 everywhere: nothing was written"
    known = [
        (l, f"l = {l}: the factor 1/l is missing"),
        (1 / l, f"1/l = 1/{l}: the factor 1/l was applied twice"),
        (2.0, "the factor 2 of the squared loss was applied twice"),
        (0.5, "the factor 2 of the squared loss is missing"),
    ]
    if pixels > 1:
        known.append((1 / pixels, f"1/{pixels}: a mean over a_conv*b_conv pixels, not their sum"))
        known.append((1 / (pixels * l), f"1/{pixels * l}: a mean over pixels and instances"))
    causes += [cause for value, cause in known if abs(size / value - 1) < REPRODUCED]
    return " or ".join(causes) if causes else "this is not a factor of the lecture's formulas"


def _of_the_loss(e: Evidence) -> list[Hint]:
    if same(e.V, e.differences):
        return []
    ratio, name = constant_ratio(e.V, e.differences), e.problem.loss.name
    if ratio is None:
        text = f"the {name} loss: its derivative is not the derivative of its value"
        return [Hint(text, False)]
    cause = name_ratio(ratio, e.problem.l)
    return [Hint(f"the {name} loss: its derivative is {ratio:.6g} times the correct one; {cause}",
                 True)]  # fmt: skip


def _parts(model: Model, flat: Array) -> dict[tuple[int, str], Array]:
    W, bias = model.split(flat)
    return {(m, part): A for m, both in enumerate(zip(W, bias, strict=True))
            for part, A in zip(("W", "bias"), both, strict=True) if A.size}  # fmt: skip


def _layers(ms: set[int]) -> str:
    if len(ms) == 1:
        return f"layer {min(ms) + 1}"
    return "layers " + ", ".join(str(m + 1) for m in sorted(ms))


def _constant_ratios(
    e: Evidence, wrong: Mapping[tuple[int, str], tuple[Array, Array]]
) -> list[Hint]:
    """Return a hint per constant ratio; no hints if the gradient of a part has no such ratio."""
    ratios = {key: constant_ratio(x, y) for key, (x, y) in wrong.items()}
    groups: dict[str, list[tuple[int, str]]] = {}
    for key, ratio in ratios.items():
        if ratio is None:
            return []
        groups.setdefault(f"{ratio:.6g}", []).append(key)
    hints = []
    for shown, keys in groups.items():
        parts = {part for _, part in keys}
        what = "gradient" if len(parts) == 2 else f"gradient of {min(parts)}"
        ms = {m for m, _ in keys}
        cause = name_ratio(float(ratios[keys[0]] or 0.0), e.problem.l, _pixels(e, ms, parts))
        where = _layers(ms)
        if max(ms) < len(e.model.W) - 1 and parts == {"W", "bias"}:
            where += f", from (5) of layer {max(ms) + 2} or (3) of layer {max(ms) + 1} on"
        hints.append(Hint(f"{where}: the {what} is {shown} times the correct one; {cause}", True))
    return hints


def _pixels(e: Evidence, ms: set[int], parts: set[str]) -> int:
    """Return a_conv*b_conv if a mean over pixels is a possible cause (the bias of one layer)."""
    if parts != {"bias"} or len(ms) > 1 or min(ms) >= e.model.config.stages.LC:
        return 1
    g = e.model.config.stages.conv_layers[min(ms)]
    return g.a_conv * g.b_conv


def _known_faults(e: Evidence, engine: FaultyEngine) -> list[Hint]:
    """Try each of FAULTS in all layers at once, then in single layers."""
    every = frozenset(range(len(e.model.W)))
    trial = np.empty_like(e.computed)

    def reproduces(fault: Fault, layers: frozenset[int]) -> bool:
        engine.fault, engine.layers = fault, layers
        return same(JTv(engine, e.model, e.V, out=trial), e.computed)

    everywhere = [fault for fault in FAULTS if reproduces(fault, every)]
    hints = []
    for fault in everywhere or FAULTS:
        alone = [m for m in sorted(every) if reproduces(fault, frozenset({m}))]
        if alone:
            hints.append(Hint(f"layer {alone[0] + 1}: {fault.text}", True))
        elif everywhere:
            hints.append(Hint(f"every layer with this step: {fault.text}", True))
    return hints


def _last_resort(e: Evidence, ms: set[int]) -> Hint:
    m = max(ms)
    before = "the loss's derivative" if m == len(e.model.W) - 1 else f"(5) of layer {m + 2}"
    text = f"layer {m + 1} is the first wrong one in the backward pass: check its (3) and (4)"
    return Hint(f"{text}, and {before}", False)
