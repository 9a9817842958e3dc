"""The losses xi(z^{L+1}, y): value, derivative and Hessian product, one instance a column."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ...errors import OptionError, closest
from ...layout import Array


class Loss(Protocol):
    """What the passes ask of a loss.  All arrays are ``(nL, l)``, one instance a column."""

    name: str

    def value(self, z: Array, y: Array) -> float:
        """Return ``sum_i xi(z_i, y_i)`` in float64."""
        ...

    def gradient(self, z: Array, y: Array) -> Array:
        """Return ``dxi_i/dz_i``, one column an instance, in the dtype of `z`."""
        ...

    def hessian_product(self, z: Array, V: Array) -> Array:
        """Return ``B_i v_i``, one column an instance, in the dtype of `z`."""
        ...


class SquaredLoss:
    """``xi = ||z - e_y||^2`` with ``e_y`` the one-hot vector of class ``y``; simpleNN's default."""

    name = "squared"

    def value(self, z: Array, y: Array) -> float:
        residual = self._residual(z, y).astype(np.float64)
        return float(np.sum(residual * residual))

    def gradient(self, z: Array, y: Array) -> Array:
        return 2 * self._residual(z, y)

    def hessian_product(self, z: Array, V: Array) -> Array:
        """``B_i = 2 I``."""
        return 2 * V

    @staticmethod
    def _residual(z: Array, y: Array) -> Array:
        residual = z.copy(order="F")
        residual[y, np.arange(y.size)] -= 1
        return residual


class CrossEntropy:
    """``xi = -log p_y`` with the softmax ``p = exp(z)/sum(exp(z))``."""

    name = "cross-entropy"

    def value(self, z: Array, y: Array) -> float:
        shifted = z.astype(np.float64) - z.max(axis=0)
        log_sum = np.log(np.exp(shifted).sum(axis=0))
        return float(np.sum(log_sum - shifted[y, np.arange(y.size)]))

    def gradient(self, z: Array, y: Array) -> Array:
        p = self.softmax(z)
        p[y, np.arange(y.size)] -= 1
        return p

    def hessian_product(self, z: Array, V: Array) -> Array:
        """``B_i = diag(p) - p p'``."""
        p = self.softmax(z)
        return p * V - p * np.sum(p * V, axis=0)

    @staticmethod
    def softmax(z: Array) -> Array:
        """Return the class probabilities of each column; the largest entry is subtracted first."""
        p = np.exp(z - z.max(axis=0))
        p /= p.sum(axis=0)
        return p


LOSSES: dict[str, Loss] = {loss.name: loss for loss in (SquaredLoss(), CrossEntropy())}


def get_loss(name: str) -> Loss:
    """Return the loss called `name`; OptionError if there is none."""
    if name not in LOSSES:
        raise OptionError(
            f"loss is {name!r}; it must be one of {', '.join(LOSSES)}{closest(name, list(LOSSES))}"
        )
    return LOSSES[name]
