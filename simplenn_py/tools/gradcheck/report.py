"""The results of a derivative check: errors, verdicts, the worst entry of each layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .hints import Hint


@dataclass(frozen=True)
class Check:
    """One error, which must not exceed its tolerance.

    Parameters
    ----------
    name : str
    error : float
        Relative error.
    tolerance : float
        Largest error that is accepted.
    """

    name: str
    error: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.error <= self.tolerance  # False for a NaN


@dataclass(frozen=True)
class Entry:
    """The entry of a layer's gradient with the largest error; all indices but `m` start from 0.

    Parameters
    ----------
    m : int
        Number of the layer, from 1.
    part : {"W", "bias"}
    k : int
        Index of the filter, or of the output of a fully connected layer.
    c, u, w : int or None
        Channel and offset in the filter; c is the input of a fully connected layer.
    computed, expected : float
        Derivative of the mean loss, without regularisation.
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
        """The place of the entry in words."""
        if self.part == "bias":
            return f"layer {self.m}, bias, filter k = {self.k}"
        if self.u is None:
            return f"layer {self.m}, W, output k = {self.k}, input c = {self.c}"
        offset = f"offset (u, w) = ({self.u}, {self.w})"
        return f"layer {self.m}, W, filter k = {self.k}, channel c = {self.c}, {offset}"


@dataclass(frozen=True)
class LayerCheck:
    """The checks with directions that change one layer only.

    Parameters
    ----------
    m : int
        Number of the layer, from 1.
    kind : {"conv", "full"}
    sizes : str
        Sizes of the layer, such as ``"3x3, 1 -> 2"``.
    checks : dict of str to Check
        "gradient W", "gradient bias", "Jv W", "Jv bias", "adjoint W", "adjoint bias".
    kinked : bool
        Whether a check is undecided, because every direction crosses a kink.
    silent : bool
        Whether nothing was checked, because the output does not depend on the layer.
    worst : Entry or None
        Entry with the largest error, if the gradient is wrong.
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
        """Whether the layer was checked and all checks are passed."""
        return not self.silent and all(check.ok for check in self.checks.values())

    @property
    def verdict(self) -> str:
        """The result: "ok", "wrong", "kink" (undecided) or "silent" (not checked)."""
        if self.silent:
            return "silent"
        return "ok" if self.ok else "kink" if self.kinked else "wrong"


@dataclass(frozen=True)
class SweepPoint:
    """Relative errors of differences with one step.

    Parameters
    ----------
    step, gradient, Jv : float
        The step, and the relative errors of the gradient and of Jv.
    kinked : bool
        Whether the step crosses a kink.
    """

    step: float
    gradient: float
    Jv: float
    kinked: bool


@dataclass(frozen=True)
class GradcheckReport:
    """The result of ``check_derivatives``.

    Parameters
    ----------
    engine, loss : str
    images, seed : int
    layers : tuple of LayerCheck
        The checks of each layer alone.
    network : tuple of Check
        The checks of all layers together, of G, of the loss, and of the forward pass against the
        lecture engine's.
    sweep : tuple of SweepPoint
        Errors over the step.
    rounding : float
        Rounding of f causes an error of about ``rounding/step`` in the sweep.
    redrawn : int
        Number of directions that were drawn again because of a kink.
    hints : tuple of Hint
        Likely causes of wrong derivatives.
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
        """Whether all checks are passed."""
        return all(x.ok for x in self.layers) and all(x.ok for x in self.network)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        values = asdict(self) | {"ok": self.ok}
        for shown, layer in zip(values["layers"], self.layers, strict=True):
            shown["verdict"] = layer.verdict
            if layer.worst:
                shown["worst"]["place"] = layer.worst.place
        return values
