"""The types that every reader of a data set returns."""

from __future__ import annotations

from dataclasses import dataclass

from ..layout import Array
from ..pixels import own_storage


@dataclass(frozen=True)
class Images:
    """Labelled images with the values of the file, not scaled.

    Parameters
    ----------
    Z : array_like, shape (d, a*b*l), or (l, a, b, d)
        Pixels of any real dtype; kept in storage (1) of the lecture, ``(d, a*b*l)`` in Fortran
        order, as uint8, float32 or float64.  An array with two dimensions is that storage.
    y : ndarray, shape (l,), integers or fixed-width strings
        Labels as in the file, not class indices.
    a, b : int
        Height and width of an image.

    Raises
    ------
    DataError
        If `Z` cannot be the pixels of such images.
    """

    Z: Array
    y: Array
    a: int
    b: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "Z", own_storage(self.Z, self.a, self.b))

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
    """A training set and, if there are any, a validation set and a test set.

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
    validation : Images or None
        Validation set, which chooses the best epoch; None: TrainOptions says how many of the
        training images are held out for this.
    notes : tuple of str
        What was found but is not used, for display.
    """

    name: str
    train: Images
    test: Images | None
    source: str
    validation: Images | None = None
    notes: tuple[str, ...] = ()
