"""The scaling of a network's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from ..layout import Array

_OTHER_SCALE = 8  # an image that leaves the range of the training images this far has another


@dataclass(frozen=True)
class Normalisation:
    """The scaling of the input, part of the model: ``Z^1 = (images - shift)*scale - mean``.

    Parameters
    ----------
    shift, scale : float
        Constants that map the range of the training images to [0, 1].
    mean : ndarray of float64, shape (d*a*b,)
        Mean of the scaled training images, in the order of ``vec(Z^{1,i})``.
    """

    shift: float
    scale: float
    mean: Array

    @property
    def offset(self) -> Array:
        """The ``offset`` of ``Z^1 = images*scale - offset``, shape (d*a*b,)."""
        return self.shift * self.scale + self.mean

    def doubt(self, images: Array) -> str:
        """Say if images seem to have another scale than the training images.

        Parameters
        ----------
        images : ndarray, uint8 or float32 or float64, any shape

        Returns
        -------
        str
            A sentence; empty if the scale may be right.  Other scales than 0 to 255 against 0 to 1
            or 0 to 16 are not recognised.

        Examples
        --------
        >>> import numpy as np
        >>> from simplenn_py.network.normalisation import Normalisation
        >>> Normalisation(0.0, 1.0, np.zeros(1)).doubt(np.array([[0, 255]], np.uint8))
        'the images reach 255, but the training images range from 0 to 1; give the same scale'
        """
        low, high = self.shift, self.shift + 1 / self.scale
        trained = f"the training images range from {low:g} to {high:g}; give the same scale"
        least, most = float(images.min()), float(images.max())
        if images.dtype == np.uint8:
            too_large = (most - low) * self.scale >= _OTHER_SCALE
            return f"the images reach {most:g}, but {trained}" if too_large else ""
        small = least >= 0 and most <= 1 and 1 / self.scale >= _OTHER_SCALE
        if small and (images != np.floor(images)).any():
            return f"the images reach only {most:g}, but {trained}"
        return ""

    @classmethod
    def none(cls, entries: int) -> Normalisation:
        """Return the scaling that changes nothing.

        Parameters
        ----------
        entries : int
            ``d*a*b``, the number of entries per image.
        """
        return cls(0.0, 1.0, np.zeros(entries))

    @property
    def is_none(self) -> bool:
        """Whether the images stay unchanged, as in simpleNN, where the user scales them."""
        return self.shift == 0 and self.scale == 1 and not self.mean.any()

    def problem(self, dtype: DTypeLike) -> str:
        """Return why images cannot be scaled in a precision, for a message; "" if they can.

        Parameters
        ----------
        dtype : {float32, float64}
            Dtype of all arithmetic.
        """
        largest = float(np.finfo(dtype).max)
        if not 0 < abs(self.scale) <= largest:
            return (
                f"the scale of the normalisation is {self.scale:g}; it must not be 0, and at most "
                f"{largest:.2g} in {np.dtype(dtype).name}"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            offset = self.offset
        if not (np.abs(offset) <= largest).all():  # also False for NaN
            return (
                f"the offset shift*scale + mean of the normalisation has an entry above "
                f"{largest:.2g}, the most in {np.dtype(dtype).name}"
            )
        return ""

    @classmethod
    def of(cls, images: Array, chosen: Array, entries: int) -> Normalisation:
        """Measure the range and the mean of some images.

        Parameters
        ----------
        images : ndarray, shape (d, a*b*l), Fortran order, any real dtype
        chosen : ndarray of int64, shape (n,)
            Index of each image to measure: those of the training set.
        entries : int
            ``d*a*b``, the number of entries per image.

        Returns
        -------
        Normalisation

        Notes
        -----
        simpleNN's example scales by the smallest and the largest entry and subtracts the mean
        image.  If all entries are equal, the scale is 1.
        """
        rows = images.T.reshape(-1, entries)
        low, high, total = np.inf, -np.inf, np.zeros(entries)
        for start in range(0, chosen.size, 4096):  # in parts, to save memory
            part = rows[chosen[start : start + 4096]]
            low, high = min(low, float(part.min())), max(high, float(part.max()))
            total += part.sum(axis=0, dtype=np.float64)
        scale = 1 / (high - low) if high > low else 1.0
        return cls(low, scale, (total / chosen.size - low) * scale)
