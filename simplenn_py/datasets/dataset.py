"""What every reader of a data set returns."""

from __future__ import annotations

from dataclasses import dataclass

from ..layout import Array


@dataclass(frozen=True)
class Images:
    """Labelled images as they came, nothing scaled.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order, uint8 or float32 or float64
        Storage (1) of the lecture.
    y : ndarray, shape (l,), integers or fixed-width strings
        The labels themselves, not indices of classes.
    a, b : int
        Height and width of an image.
    """

    Z: Array
    y: Array
    a: int
    b: int

    @property
    def d(self) -> int:
        return int(self.Z.shape[0])

    @property
    def l(self) -> int:
        return int(self.y.shape[0])


@dataclass(frozen=True)
class Dataset:
    """A training part, a test part where there is one, and where both come from."""

    name: str
    train: Images
    test: Images | None
    source: str
