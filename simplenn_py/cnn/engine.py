"""The interface between the passes and an engine, which runs one layer at a time.

An engine is built for one network, one maximum batch size and one dtype.  It owns every buffer
that a pass needs, and keeps ``Z^m`` of all layers after a forward pass for the passes that
follow.  Layers count from 0: layer ``m`` turns ``Z(m)`` into ``Z(m + 1)``.  The layers here are
those of ``NetConfig.stages``: a factored layer ``W = U V`` counts as two, first ``V`` without
bias and activation, then ``U``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from ..errors import OptionError
from ..layout import Array, compilable
from ..network.config import NetConfig
from ..network.weights import Weights
from ..runtime.arguments import expect, expect_float_dtype, expect_whole


class Engine(ABC):
    """Base class of the engines: runs layers forward, backward, and forward for a tangent.

    Parameters
    ----------
    config : NetConfig
        The network.
    batch_size : int
        Maximum number of instances per batch; a smaller batch uses part of the same buffers.
    dtype : {float32, float64}
        Dtype of all arithmetic.
    training : bool
        Whether backward passes and tangents follow; if not, less memory is kept.

    Attributes
    ----------
    config : NetConfig
        The network's ``stages``.
    batch_size : int
        Maximum number of instances per batch.
    dtype : numpy.dtype
        Dtype of all arithmetic.
    training : bool
        Whether backward passes and tangents follow.
    l : int
        Number of instances in the batch that was loaded last.
    name : str
        Name of the engine in the options.
    """

    name: ClassVar[str]

    def __init__(
        self, config: NetConfig, batch_size: int, dtype: DTypeLike, training: bool = True
    ) -> None:
        expect("config", config, NetConfig, "a NetConfig, such as NetConfig.preset('layer4')")
        expect_whole("batch_size", batch_size, 1, OptionError)
        expect_float_dtype(dtype)
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
        """Compute how much memory an engine would need, without building it.

        Parameters
        ----------
        config, batch_size, dtype, training
            See the class.

        Returns
        -------
        dict of str to int
            Name and bytes of each buffer of a training step, or of a forward pass if `training`
            is False.
        """

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
            All N images of the data set.
        indices : ndarray of int64, shape (l,), ``l <= batch_size``
            Index of each image of the batch.
        scale : float
            Factor of all entries.
        offset : ndarray, shape (d*a*b,)
            Subtracted after scaling, in the order of ``vec(Z^{1,i})``.
        flips : ndarray of bool, shape (l,), optional
            For each image of the batch, whether it is mirrored left to right before anything
            else.  If omitted, no image is mirrored.

        Raises
        ------
        ValueError
            If an array has a wrong shape or dtype, or there is no image of an index.
        """

    def _batch(
        self, images: Array, indices: Array, offset: Array, flips: Array | None
    ) -> tuple[Array, Array, Array]:
        """Check the arguments of :meth:`load`, since compiled code does not check an index.

        Returns
        -------
        rows : ndarray, shape (N, d*a*b), C order
        indices : ndarray of int64, shape (l,)
        flips : ndarray of bool, shape (l,)
        """
        entries = self.config.ht_input * self.config.wd_input * self.config.ch_input[0]
        images, indices = compilable(images, "images"), np.asarray(indices)
        if images.ndim != 2 or images.size % entries:
            raise ValueError(
                f"images has shape {images.shape}; it must be (d, a*b*N), with {entries} entries "
                "per image"
            )
        if offset.shape != (entries,):
            raise ValueError(f"offset has shape {offset.shape}; it must be ({entries},)")
        rows = images.T.reshape(-1, entries)
        if indices.ndim != 1 or indices.dtype.kind not in "iu" or indices.size > self.batch_size:
            raise ValueError(
                f"indices has dtype {indices.dtype} and shape {indices.shape}; it must hold whole "
                f"numbers, at most the batch size, {self.batch_size}"
            )
        if indices.size and not 0 <= indices.min() <= indices.max() < rows.shape[0]:
            raise ValueError(
                f"indices go from {indices.min()} to {indices.max()}; they must go from 0 to "
                f"{rows.shape[0] - 1}"
            )
        flips = np.zeros(indices.size, np.bool_) if flips is None else np.asarray(flips, np.bool_)
        if flips.shape != indices.shape:
            raise ValueError(f"flips has shape {flips.shape}; it must be {indices.shape}")
        return rows, indices.astype(np.int64, copy=False), flips

    @abstractmethod
    def Z(self, m: int) -> Array:
        """Return ``Z(m)`` of the batch.

        Parameters
        ----------
        m : int
            From 0, the images, to ``L``, the output of the last layer.

        Returns
        -------
        ndarray, Fortran order
            ``(d, a*b*l)`` for the input or output of a convolutional layer, otherwise
            ``(n, l)`` with n the entries per instance.  It may be a view that the next pass
            overwrites.
        """

    @abstractmethod
    def phi(self, m: int) -> Array:
        """Return ``phi(pad(Z(m)))`` of the batch, or ``Z(m)`` if layer m is fully connected.

        Parameters
        ----------
        m : int
            Index of the layer.

        Returns
        -------
        ndarray, Fortran order
            ``(h*h*d, a_conv*b_conv*l)``, or ``(n_in, l)`` if layer m is fully connected.  It may
            be a view that the next pass overwrites.
        """

    @abstractmethod
    def forward(
        self, m: int, W: Array, bias: Array, *, activate: bool = True, pool: bool = True
    ) -> None:
        """Compute ``Z(m + 1) = pool(sigma(W phi(pad(Z(m))) + bias 1'))``, or ``sigma(W z + bias)``.

        The backward pass and the tangent remember `activate` and `pool`.

        Parameters
        ----------
        m : int
            Index of the layer.
        W : ndarray, shape (d_next, h*h*d) or (n_out, n_in), Fortran order
            Weights of the layer, in the engine's dtype.
        bias : ndarray, shape (d_next,) or (n_out,)
            Biases of the layer; an empty array if it has none.
        activate : bool
            Whether to apply the ReLU.
        pool : bool
            Whether to pool.  If not, ``Z(m + 1)`` has ``a_conv*b_conv`` pixels per image and no
            layer may follow.
        """

    @abstractmethod
    def set_gradient(self, V: Array, columns: int = 1) -> None:
        """Start a backward pass.

        Parameters
        ----------
        V : ndarray, shape (nL, l*columns)
            Gradient ``dxi/dz^{L+1}``; copied.
        columns : int
            Number of gradients per instance, stored side by side: 1 for back-propagation,
            ``nL`` for a stored Jacobian.
        """

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
        """Run layer m backward by (3), (4), (5).

        Call :meth:`set_gradient` first, then this method for each layer from the last to the
        first.

        Parameters
        ----------
        m : int
            Index of the layer.
        W : ndarray, shape (d_next, h*h*d) or (n_out, n_in), Fortran order
            Weights of the layer.
        dW : ndarray, shape and order of `W`, optional
            Array for ``dxi/dW`` of (4), summed over the batch; not computed if omitted.
        dbias : ndarray, shape (d_next,) or (n_out,), optional
            Array for ``dxi/dbias``, summed over the batch; not computed if omitted or empty.
        columns : int
            Number of gradients per instance, as in :meth:`set_gradient`.
        input_gradient : bool
            Whether to compute (5), the gradient of the layer's input; the first layer does not
            need it.
        """

    @abstractmethod
    def gradient_S(self, m: int, columns: int = 1) -> Array:
        """Return ``dxi/dS^m`` by (3); to be called just before :meth:`backward` of layer m.

        Parameters
        ----------
        m : int
            Index of the layer.
        columns : int
            Number of gradients per instance, as in :meth:`set_gradient`.

        Returns
        -------
        ndarray, shape (d_next, a_conv*b_conv*l*columns) or (n_out, l*columns), Fortran order
            Valid until the next call.
        """

    @abstractmethod
    def tangent(self, m: int, W: Array, V: Array, v_bias: Array) -> Array:
        """Compute ``R{Z(m + 1)}``, the derivative along the direction ``(V, v_bias)``.

        ``R{S} = W phi(pad(R{Z})) + V phi(pad(Z)) + v_bias 1'``, pooled with the kept indices
        and masked by ``I[Z(m + 1)]``.  ``R{Z(0)} = 0``.  Run a forward pass first, then call this
        method for each layer from the first to the last.

        Parameters
        ----------
        m : int
            Index of the layer.
        W : ndarray, shape (d_next, h*h*d) or (n_out, n_in), Fortran order
            Weights of the layer.
        V : ndarray, shape and order of `W`
            Direction of the weights.
        v_bias : ndarray, shape (d_next,) or (n_out,)
            Direction of the biases; an empty array if the layer has none.

        Returns
        -------
        ndarray
            For the last layer ``R{z^{L+1}}``, shape (nL, l), Fortran order, valid until the next
            call.  For the other layers an array in the engine's own layout.
        """

    def path(self, m: int) -> str:
        """Describe in a few words how layer m is run, for ``simplenn profile``.

        Parameters
        ----------
        m : int
            Index of the layer.

        Returns
        -------
        str
            Empty unless the engine overrides this method.
        """
        return ""


def check_pass(engine: Engine, model: Weights) -> None:
    """Check the first two arguments of a pass.

    Parameters
    ----------
    engine : Engine
    model : Weights

    Raises
    ------
    UserError
        If one of them has another type.
    """
    expect("engine", engine, Engine, "an Engine, such as make_engine('lecture', config, l, dtype)")
    expect("model", model, Weights, "a Model")


def read_only(buffers: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return views through which no buffer can be changed."""
    views = {role: buffer.view() for role, buffer in buffers.items()}
    for view in views.values():
        view.flags.writeable = False
    return MappingProxyType(views)
