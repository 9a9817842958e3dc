"""A case to time: a network, its weights and a batch, the same for all competitors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simplenn_py.layout import Array
from simplenn_py.model.model import Model
from simplenn_py.network.config import NetConfig
from simplenn_py.network.presets import PRESETS

LR, MOMENTUM = 1e-3, 0.9  # of SGD; the rate is small, so that activations hardly change


@dataclass(frozen=True)
class Case:
    """One case: a table of the output, with one line per competitor.

    Parameters
    ----------
    kind : {"step", "predict", "gv"}
        A training step (forward, squared loss, backward, SGD with momentum), a forward pass, or
        products with the Gauss-Newton matrix, one after another as in CG.
    net : str
        Name of a preset, or path of a ``.config`` file.
    shape : tuple of int
        Height, width and channels of the images.
    dtype : {"float32", "float64"}
    batch : int
    """

    kind: str
    net: str
    shape: tuple[int, int, int]
    dtype: str
    batch: int

    @cached_property
    def config(self) -> NetConfig:
        a, b, d = self.shape
        if self.net in PRESETS:
            return NetConfig.preset(self.net, a, b, d)
        config = NetConfig.read(Path(self.net))
        return replace(config, ht_input=a, wd_input=b, ch_input=(d, *config.ch_input[1:]))

    @cached_property
    def model(self) -> Model:
        """The weights, drawn by the rule of He et al."""
        rng = np.random.default_rng(1)
        return Model.initialise(self.config, np.arange(self.config.nL), rng, self.dtype)

    @cached_property
    def direction(self) -> Model:
        """The vector that the Gauss-Newton matrix multiplies, in the shape of the weights."""
        rng = np.random.default_rng(4)
        theta = rng.standard_normal(self.config.n_parameters).astype(self.dtype)
        return Model(self.config, theta, self.model.classes)

    @cached_property
    def images(self) -> Array:
        """Random images around 0, shape (batch, a, b, d)."""
        images = np.random.default_rng(2).random((self.batch, *self.shape)) - 0.5
        return images.astype(self.dtype)

    @cached_property
    def y(self) -> Array:
        return np.random.default_rng(3).integers(0, self.config.nL, self.batch)

    @cached_property
    def one_hot(self) -> Array:
        return np.eye(self.config.nL, dtype=self.dtype)[self.y]

    def filters(self, model: Model) -> list[Array]:
        """Weights of the convolutional layers, shape (d_next, d, h, h): row, then column."""
        layers = zip(model.W, self.config.conv_layers, strict=False)
        return [W.reshape(g.d_next, g.d, g.h, g.h).transpose(0, 1, 3, 2) for W, g in layers]

    def matrices(self, model: Model, channels_first: bool) -> list[Array]:
        """Weights of the full layers, shape (n_out, n_in).

        The columns of the first one are ordered as in ``vec(Z)``: channel fastest, then row,
        then column of the image.  The returned columns follow (channel, row, column) or
        (row, column, channel) in C order.
        """
        full = model.W[self.config.LC :]
        a, b, d = self.shape
        if self.config.LC:
            last = self.config.conv_layers[-1]
            a, b, d = last.a_next, last.b_next, last.d_next
        first = full[0].reshape(-1, b, a, d)
        order = (0, 3, 2, 1) if channels_first else (0, 2, 1, 3)
        return [first.transpose(order).reshape(full[0].shape), *full[1:]]

    def loss(self, z: Array) -> float:
        """The mean squared loss of the outputs `z`, shape (batch, nL)."""
        return float(np.sum((z.astype(np.float64) - self.one_hot) ** 2) / self.batch)


class Runner(NamedTuple):
    """One competitor, ready to run: `run` is timed, `loss` takes the value that it returned."""

    run: Callable[[], Any]
    loss: Callable[[Any], float]
    version: str
