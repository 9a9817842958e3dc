"""What a derivative check found: numbers, verdicts, the worst entry of each layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .hints import Hint


@dataclass(frozen=True)
class Check:
    """One number that must be small.

    Parameters
    ----------
    name : str
    error : float
        Relative.
    tolerance : float
    """

    name: str
    error: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return self.error <= self.tolerance  # False for a NaN


@dataclass(frozen=True)
class Entry:
    """The entry of a layer's gradient that is most wrong; all numbers count from 0 but `m`.

    Parameters
    ----------
    m : int
        Layer, from 1.
    part : {"W", "bias"}
    k : int
        Filter, or output of a fully connected layer.
    c, u, w : int or None
        Channel and offset in the filter; of a fully connected layer c is the input.
    computed, expected : float
        Of the mean loss, without regularisation.
    """

    m: int
    part: str
    k: int
    c: int | None
    u: int | None
    w: int | None
    computed: float
    expected: float

    @property
    def place(self) -> str:
        if self.part == "bias":
            return f"layer {self.m}, bias, filter k = {self.k}"
        if self.u is None:
            return f"layer {self.m}, W, output k = {self.k}, input c = {self.c}"
        offset = f"offset (u, w) = ({self.u}, {self.w})"
        return f"layer {self.m}, W, filter k = {self.k}, channel c = {self.c}, {offset}"


@dataclass(frozen=True)
class LayerCheck:
    """What directions that touch one layer alone gave.

    Parameters
    ----------
    m : int
        Layer, from 1.
    kind : {"conv", "full"}
    sizes : str
    checks : dict of str to Check
        "gradient W", "gradient bias", "Jv W", "Jv bias", "adjoint W", "adjoint bias".
    kinked : bool
        No direction without a kink was found for one of them: it is undecided.
    silent : bool
        The network's output does not depend on the layer: nothing was checked.
    worst : Entry or None
    """

    m: int
    kind: str
    sizes: str
    checks: dict[str, Check]
    kinked: bool
    silent: bool
    worst: Entry | None = None

    @property
    def ok(self) -> bool:
        return not self.silent and all(check.ok for check in self.checks.values())

    @property
    def verdict(self) -> str:
        """Return "ok", "wrong", "kink" (undecided) or "silent"."""
        if self.silent:
            return "silent"
        return "ok" if self.ok else "kink" if self.kinked else "wrong"


@dataclass(frozen=True)
class SweepPoint:
    """Relative errors at one step; `kinked` where a kink lies within it."""

    step: float
    gradient: float
    Jv: float
    kinked: bool


@dataclass(frozen=True)
class GradcheckReport:
    """All that ``gradcheck.check`` found.

    Parameters
    ----------
    engine, loss : str
    images, seed : int
    layers : tuple of LayerCheck
    network : tuple of Check
        All layers together, G, the loss, and the forward pass against the lecture's.
    sweep : tuple of SweepPoint
    rounding : float
        Rounding of f makes an error of about ``rounding/step`` in the sweep.
    redrawn : int
        Directions that were drawn anew because of a kink.
    hints : tuple of Hint
    """

    engine: str
    loss: str
    images: int
    seed: int
    layers: tuple[LayerCheck, ...]
    network: tuple[Check, ...]
    sweep: tuple[SweepPoint, ...]
    rounding: float
    redrawn: int
    hints: tuple[Hint, ...]

    @property
    def ok(self) -> bool:
        return all(x.ok for x in self.layers) and all(x.ok for x in self.network)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        values = asdict(self) | {"ok": self.ok}
        for shown, layer in zip(values["layers"], self.layers, strict=True):
            shown["verdict"] = layer.verdict
            if layer.worst:
                shown["worst"]["place"] = layer.worst.place
        return values
