"""What is to be minimised: the images, their classes, the loss and C."""

from __future__ import annotations

from dataclasses import dataclass

from ..layout import Array
from .operators.loss import Loss


@dataclass(frozen=True)
class Problem:
    """What is to be minimised; simpleNN's ``prob`` and the parts of ``param`` that define f.

    Parameters
    ----------
    images : ndarray, shape (d, a*b*l), Fortran order, any real dtype
        As they came; a batch is scaled and centred as it is gathered.
    y : ndarray of int64, shape (l,)
        Index of each instance's class.
    loss : Loss
    C : float
        The lecture's ``C``, that is the user's option times l; ``inf`` switches
        regularisation off.
    scale : float
    offset : ndarray, shape (d*a*b,)
        ``Z^1 = images*scale - offset``.
    """

    images: Array
    y: Array
    loss: Loss
    C: float
    scale: float
    offset: Array

    @property
    def l(self) -> int:
        return int(self.y.size)
