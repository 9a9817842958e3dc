"""The losses xi(z^{L+1}, y): value, derivative and Hessian product, one column per instance."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ...errors import OptionError, closest
from ...layout import Array
from ...runtime.arguments import described


class Loss(Protocol):
    """The methods that a loss must have.

    Attributes
    ----------
    name : str
        Name of the loss in the options and in model files.
    """

    name: str

    def value(self, z: Array, y: Array) -> float:
        """Return the loss summed over the instances, ``sum_i xi(z_i, y_i)``.

        Parameters
        ----------
        z : ndarray, shape (nL, l)
            Output ``z^{L+1}`` of the network, one column per instance.
        y : ndarray of int64, shape (l,)
            Index of the class of each instance.

        Returns
        -------
        float
            The sum, computed in float64.
        """
        ...

    def gradient(self, z: Array, y: Array) -> Array:
        """Return the derivatives ``dxi_i/dz_i``.

        Parameters
        ----------
        z, y
            See :meth:`value`.

        Returns
        -------
        ndarray, shape (nL, l), the dtype of `z`
            One column per instance.
        """
        ...

    def hessian_product(self, z: Array, V: Array) -> Array:
        """Return the products ``B_i v_i``, ``B_i`` the Hessian of ``xi_i`` in ``z_i``.

        Parameters
        ----------
        z : ndarray, shape (nL, l)
            See :meth:`value`; the Hessians of both losses here do not depend on the classes.
        V : ndarray, shape (nL, l)
            One vector ``v_i`` per column.

        Returns
        -------
        ndarray, shape (nL, l), the dtype of `z`
            One column per instance.
        """
        ...


class SquaredLoss:
    """The squared loss ``xi = ||z - e_y||^2``, with ``e_y`` the one-hot vector of class ``y``.

    Notes
    -----
    Section A of the lecture; simpleNN's default.  :class:`Loss` describes the arguments of the
    methods.

    Examples
    --------
    One instance of class 1, with the output (1, 3):

    >>> import numpy as np
    >>> from simplenn_py import SquaredLoss
    >>> z, y = np.array([[1.0], [3.0]]), np.array([1])
    >>> SquaredLoss().value(z, y)
    5.0
    >>> SquaredLoss().gradient(z, y).tolist()
    [[2.0], [4.0]]
    """

    name = "squared"

    def value(self, z: Array, y: Array) -> float:
        """Return ``sum_i ||z_i - e_{y_i}||^2``."""
        residual = self._residual(z, y).astype(np.float64)
        return float(np.sum(residual * residual))

    def gradient(self, z: Array, y: Array) -> Array:
        """Return ``2 (z_i - e_{y_i})``."""
        return 2 * self._residual(z, y)

    def hessian_product(self, z: Array, V: Array) -> Array:
        """Return ``B_i v_i`` with ``B_i = 2 I``."""
        return 2 * V

    @staticmethod
    def _residual(z: Array, y: Array) -> Array:
        residual = np.array(z, order="F")
        residual[y, np.arange(len(y))] -= 1
        return residual


class CrossEntropy:
    """The cross-entropy ``xi = -log p_y`` with the softmax ``p = exp(z)/sum(exp(z))``.

    Notes
    -----
    Section A of the lecture.  :class:`Loss` describes the arguments of the methods.

    Examples
    --------
    One instance of class 0 whose two classes have the same output: ``p = (1/2, 1/2)``, and
    ``xi = log 2``:

    >>> import numpy as np
    >>> from simplenn_py import CrossEntropy
    >>> z, y = np.array([[1.0], [1.0]]), np.array([0])
    >>> round(CrossEntropy().value(z, y), 6)
    0.693147
    >>> CrossEntropy().gradient(z, y).tolist()
    [[-0.5], [0.5]]
    """

    name = "cross-entropy"

    def value(self, z: Array, y: Array) -> float:
        """Return ``sum_i -log p_{y_i}``; each column's largest entry is subtracted first."""
        z = np.asarray(z)
        shifted = z.astype(np.float64) - z.max(axis=0)
        log_sum = np.log(np.exp(shifted).sum(axis=0))
        return float(np.sum(log_sum - shifted[y, np.arange(len(y))]))

    def gradient(self, z: Array, y: Array) -> Array:
        """Return ``p_i - e_{y_i}``."""
        p = self.softmax(z)
        p[y, np.arange(len(y))] -= 1
        return p

    def hessian_product(self, z: Array, V: Array) -> Array:
        """Return ``B_i v_i`` with ``B_i = diag(p) - p p'``."""
        p = self.softmax(z)
        return p * V - p * np.sum(p * V, axis=0)

    @staticmethod
    def softmax(z: Array) -> Array:
        """Return the class probabilities of each instance.

        Parameters
        ----------
        z : ndarray, shape (nL, l)
            One column per instance.

        Returns
        -------
        ndarray, shape (nL, l), the dtype of `z`
            Each column sums to 1.

        Notes
        -----
        The largest entry of a column is subtracted first, so that ``exp`` does not overflow.
        """
        z = np.asarray(z)
        p = np.exp(z - z.max(axis=0))
        p /= p.sum(axis=0)
        return p


LOSSES: dict[str, Loss] = {loss.name: loss for loss in (SquaredLoss(), CrossEntropy())}


def get_loss(name: str) -> Loss:
    """Return a loss by its name.

    Parameters
    ----------
    name : {"squared", "cross-entropy"}

    Returns
    -------
    Loss

    Raises
    ------
    OptionError
        If there is no loss of that name.
    """
    if not isinstance(name, str) or name not in LOSSES:
        raise OptionError(
            f"loss is {described(name)}; it must be one of {', '.join(LOSSES)}"
            + closest(str(name), list(LOSSES))
        )
    return LOSSES[name]
