"""The seam: what the passes ask of an engine, one layer at a time.

An engine is built for one network, one largest batch and one dtype, and owns every buffer
that a pass needs.  ``Z^m`` of all layers stay in it after a forward pass, for the passes
that follow.  Layers count from 0: layer ``m`` turns ``Z(m)`` into ``Z(m + 1)``.  A factored
layer ``W = U V`` is two of them, ``V`` without bias and activation, then ``U``: the layers here
are the stages of ``NetConfig.stages``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from ..layout import Array
from ..network.config import NetConfig


class Engine(ABC):
    """Runs layers forward, backward, and forward for a tangent.

    Parameters
    ----------
    config : NetConfig
        Kept as its ``stages``.
    batch_size : int
        The largest batch; a smaller one is run in part of the same buffers.
    dtype : {float32, float64}
    training : bool
        False where only forward passes follow: less is kept.

    Attributes
    ----------
    l : int
        Instances in the batch that was loaded last.
    """

    name: ClassVar[str]

    def __init__(
        self, config: NetConfig, batch_size: int, dtype: DTypeLike, training: bool = True
    ) -> None:
        self.config = config.stages
        self.batch_size = batch_size
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.training = training
        self.l = 0

    @property
    @abstractmethod
    def buffers(self) -> Mapping[str, Array]:
        """Read-only views of all buffers by name; :meth:`forecast` gives their sizes."""

    @staticmethod
    @abstractmethod
    def forecast(
        config: NetConfig, batch_size: int, dtype: DTypeLike, training: bool = True
    ) -> dict[str, int]:
        """Return the bytes of every buffer that a training step (or a forward pass) needs."""

    @abstractmethod
    def load(
        self,
        images: Array,
        indices: Array,
        scale: float,
        offset: Array,
        flips: Array | None = None,
    ) -> None:
        """Gather a batch into ``Z(0)``: ``images[indices]*scale - offset``.

        Parameters
        ----------
        images : ndarray, shape (d, a*b*N), Fortran order, any real dtype
        indices : ndarray of int64, shape (l,), ``l <= batch_size``
        scale : float
        offset : ndarray, shape (d*a*b,), in the order of ``vec(Z^{1,i})``
        flips : ndarray of bool, shape (l,), optional
            Which of them to mirror left to right first.
        """

    @abstractmethod
    def Z(self, m: int) -> Array:
        """Return ``Z^m`` of the batch: ``(d, a*b*l)``, or ``(n, l)`` where layer m is full."""

    @abstractmethod
    def phi(self, m: int) -> Array:
        """Return ``phi(pad(Z^m))`` of the batch, or ``Z^m`` if layer m is full.

        Returns
        -------
        ndarray, Fortran order
            ``(h*h*d, a_conv*b_conv*l)``, or ``(n_in, l)`` if layer m is full; perhaps a view that
            the next pass overwrites.
        """

    @abstractmethod
    def forward(
        self, m: int, W: Array, bias: Array, *, activate: bool = True, pool: bool = True
    ) -> None:
        """Compute ``Z(m + 1) = pool(sigma(W phi(pad(Z(m))) + bias 1'))``, or ``sigma(W z + bias)``.

        An empty `bias` is none, here and in :meth:`tangent`.
        `activate` and `pool` switch the ReLU and the pooling; the passes back remember it.
        Without the pool ``Z(m + 1)`` has ``a_conv*b_conv`` pixels and no layer may follow.
        """

    @abstractmethod
    def set_gradient(self, V: Array, columns: int = 1) -> None:
        """Start a pass back with ``V = dxi/dz^{L+1}``, shape ``(nL, l*columns)``."""

    @abstractmethod
    def backward(
        self,
        m: int,
        W: Array,
        dW: Array | None = None,
        dbias: Array | None = None,
        *,
        columns: int = 1,
        input_gradient: bool = True,
    ) -> None:
        """Go back through layer m by (3), (4), (5).

        Parameters
        ----------
        m : int
        W : ndarray
        dW, dbias : ndarray, optional
            Where to write (4), summed over the batch; left out where None, the bias also where
            it is empty.
        columns : int
            Gradient columns an instance (more than 1 for a stored Jacobian), side by side.
        input_gradient : bool
            False leaves (5) out, as for the first layer.
        """

    @abstractmethod
    def gradient_S(self, m: int, columns: int = 1) -> Array:
        """Return ``dxi/dS^m`` by (3), where :meth:`backward` of layer m would come next.

        Shape ``(d_next, a_conv*b_conv*l*columns)``, valid until the next call.
        """

    @abstractmethod
    def tangent(self, m: int, W: Array, V: Array, v_bias: Array) -> Array:
        """Compute ``R{Z(m + 1)}``, the derivative along the direction ``(V, v_bias)``.

        ``R{S} = W phi(pad(R{Z})) + V phi(pad(Z)) + v_bias 1'``, pooled with the kept indices
        and masked by ``I[Z(m + 1)]``.  ``R{Z(0)} = 0``.  Needs a forward pass before it.
        """

    def path(self, m: int) -> str:
        """Say in a few words how layer m is run, for ``simplenn profile``."""
        return ""


def read_only(buffers: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return views through which no buffer can be changed."""
    views = {role: buffer.view() for role, buffer in buffers.items()}
    for view in views.values():
        view.flags.writeable = False
    return MappingProxyType(views)
