"""The problem to solve: the images, their classes, the loss and C."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np

from ..layout import Array
from ..runtime.arguments import expect, expect_methods
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

    Raises
    ------
    UserError
        If a field has another type.

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

    def __post_init__(self) -> None:
        expect("images", self.images, np.ndarray, "an array (d, a*b*l) in Fortran order")
        expect("y", self.y, np.ndarray, "an array (l,) of class indices")
        expect("offset", self.offset, np.ndarray, "an array (d*a*b,), such as numpy.zeros(d*a*b)")
        methods = ("value", "gradient", "hessian_product")
        expect_methods("loss", self.loss, methods, "a loss, such as CrossEntropy()")
        for name, value in (("C", self.C), ("scale", self.scale)):
            expect(name, value, Real, "a number")

    @property
    def l(self) -> int:
        """Number of instances."""
        return int(self.y.size)
