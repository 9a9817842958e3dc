"""The problem to solve: the images, their classes, the loss and C."""

from __future__ import annotations

from dataclasses import dataclass

from ..layout import Array
from .operators.loss import Loss


@dataclass(frozen=True)
class Problem:
    """The data and the constants that define the objective f.

    Parameters
    ----------
    images : ndarray, shape (d, a*b*l), Fortran order, any real dtype
        Images before scaling; the engine scales and centres a batch as it gathers it.
    y : ndarray of int64, shape (l,)
        Index of the class of each instance.
    loss : Loss
        The loss xi.
    C : float
        The lecture's ``C``, which is the user's option times l; ``inf`` means no
        regularisation.
    scale : float
        Factor in ``Z^1 = images*scale - offset``.
    offset : ndarray, shape (d*a*b,)
        Offset in the same formula, in the order of ``vec(Z^{1,i})``.

    Notes
    -----
    Section A of the lecture; simpleNN's ``prob`` and the parts of ``param`` that define f.
    """

    images: Array
    y: Array
    loss: Loss
    C: float
    scale: float
    offset: Array

    @property
    def l(self) -> int:
        """Number of instances."""
        return int(self.y.size)
