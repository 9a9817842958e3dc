"""The scaling of a network's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..layout import Array


@dataclass(frozen=True)
class Normalisation:
    """The input's scaling, part of the model: ``Z^1 = (images - shift)*scale - mean``.

    Parameters
    ----------
    shift, scale : float
        Take the training images' range to [0, 1].
    mean : ndarray of float64, shape (d*a*b,)
        The mean of the scaled training images, in the order of ``vec(Z^{1,i})``.
    """

    shift: float
    scale: float
    mean: Array

    @property
    def offset(self) -> Array:
        """``Z^1 = images*scale - offset``."""
        return self.shift * self.scale + self.mean

    @classmethod
    def none(cls, entries: int) -> Normalisation:
        return cls(0.0, 1.0, np.zeros(entries))

    @property
    def is_none(self) -> bool:
        """Whether images are taken as they are: simpleNN's models leave scaling to their user."""
        return self.shift == 0 and self.scale == 1 and not self.mean.any()

    @classmethod
    def of(cls, images: Array, chosen: Array, entries: int) -> Normalisation:
        """Measure the range and the mean of some images.

        Parameters
        ----------
        images : ndarray, shape (d, a*b*l), Fortran order, any real dtype
        chosen : ndarray of int64
            The instances that count: those trained on.
        entries : int
            ``d*a*b``.

        Notes
        -----
        simpleNN's example scales by the smallest and the largest entry and subtracts the mean
        image.  Constant images are only shifted.
        """
        rows = images.T.reshape(-1, entries)
        low, high, total = np.inf, -np.inf, np.zeros(entries)
        for start in range(0, chosen.size, 4096):  # in parts: no float64 copy of all images
            part = rows[chosen[start : start + 4096]]
            low, high = min(low, float(part.min())), max(high, float(part.max()))
            total += part.sum(axis=0, dtype=np.float64)
        scale = 1 / (high - low) if high > low else 1.0
        return cls(low, scale, (total / chosen.size - low) * scale)
