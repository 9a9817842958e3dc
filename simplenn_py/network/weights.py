"""The weights and biases of a network: views of one flat vector."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import ConfigError
from ..layout import Array
from .config import NetConfig


class Weights:
    """Weights and biases of a network, views of ONE flat vector.

    Parameters
    ----------
    config : NetConfig
    theta : ndarray, shape (config.n_parameters,), float32 or float64
        Ordered by layer, ``vec(W)`` then the bias; for a factored layer ``vec(V)``, ``vec(U)`` and
        the bias.

    Attributes
    ----------
    W, bias : list of ndarray
        ``W[m]`` is ``(d_next, h*h*d)`` or ``(n_out, n_in)`` in Fortran order, a view of `theta`.
        One entry per stage of the network: a factored layer ``W = U V`` has two, V with an empty
        bias, then U (see ``NetConfig.stages``).

    Raises
    ------
    ConfigError
        If `theta` has another length than the network has parameters.
    """

    def __init__(self, config: NetConfig, theta: Array) -> None:
        if theta.shape != (config.n_parameters,):
            raise ConfigError(
                f"theta has shape {theta.shape}; this network has {config.n_parameters} parameters"
            )
        self.config = config
        self.theta = theta
        self.W, self.bias = self.split(theta)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle without the views, which would become arrays of their own."""
        return Weights, (self.config, self.theta)

    def split(self, theta: Array) -> tuple[list[Array], list[Array]]:
        """Return the weights and the biases that the flat vector `theta` holds, as views."""
        W, bias, start = [], [], 0
        for (rows, columns), is_V in zip(self.config.weight_shapes, self.config.is_V, strict=True):
            end = start + rows * columns
            W.append(theta[start:end].reshape(columns, rows).T)
            start = end + (0 if is_V else rows)
            bias.append(theta[end:start])
        return W, bias

    def multiplied_out(self) -> Weights:
        """Return the same network without factored layers: every ``W = U V``.

        The object itself if no layer is factored.
        """
        if not self.config.rank:
            return self
        config = replace(self.config, rank=())
        whole = Weights(config, np.empty(config.n_parameters, self.theta.dtype))
        stages = iter(zip(self.W, self.bias, self.config.is_V, strict=True))
        for W, bias in zip(whole.W, whole.bias, strict=True):
            factor, own_bias, is_V = next(stages)
            if is_V:
                U, own_bias, _ = next(stages)
                factor = U @ factor
            W[...] = factor
            bias[...] = own_bias
        return whole


def initial_theta(
    config: NetConfig, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> Array:
    """Draw the weights as He et al. (2015): normal, variance ``2/fan_in``; biases 0.

    Parameters
    ----------
    config : NetConfig
    rng : numpy.random.Generator
        Draws in float64, so that float32 and float64 start from the same point.
    dtype : {float32, float64}

    Returns
    -------
    ndarray, shape (config.n_parameters,)

    Notes
    -----
    simpleNN's ``init_model``.  The variance keeps the size of ``Z^m`` from layer to layer.  For
    V of a factored layer, which no ReLU follows, it is ``1/fan_in``.
    """
    parts = []
    for (rows, fan_in), is_V in zip(config.weight_shapes, config.is_V, strict=True):
        parts.append(rng.standard_normal(rows * fan_in) * np.sqrt((1 if is_V else 2) / fan_in))
        parts.append(np.zeros(0 if is_V else rows))
    return np.concatenate(parts).astype(dtype)
