"""The scaling of a network's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from ..layout import Array


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
