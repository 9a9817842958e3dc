"""The types that every reader of a data set returns."""

from __future__ import annotations

from dataclasses import dataclass

from ..layout import Array


@dataclass(frozen=True)
class Images:
    """Labelled images with the values of the file, not scaled.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order, uint8 or float32 or float64
        Storage (1) of the lecture.
    y : ndarray, shape (l,), integers or fixed-width strings
        Labels as in the file, not class indices.
    a, b : int
        Height and width of an image.
    """

    Z: Array
    y: Array
    a: int
    b: int

    @property
    def d(self) -> int:
        """Number of channels."""
        return int(self.Z.shape[0])

    @property
    def l(self) -> int:
        """Number of images."""
        return int(self.y.shape[0])


@dataclass(frozen=True)
class Dataset:
    """A training set and, if there is one, a test set.

    Parameters
    ----------
    name : str
        Name of the data set: the file or folder name if it was read from a path.
    train : Images
        Training set.
    test : Images or None
        Test set; None if the data set has none.
    source : str
        Files or folders that the images were read from, for display.
    """

    name: str
    train: Images
    test: Images | None
    source: str
