"""The weights and biases of a network: views of one flat vector."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import ConfigError
from ..layout import Array
from ..runtime.arguments import expect, expect_float_dtype
from .config import NetConfig


class Weights:
    """Weights and biases of a network, views of ONE flat vector.

    Parameters
    ----------
    config : NetConfig
        The network.
    theta : ndarray, shape (config.n_parameters,), float32 or float64
        Ordered by layer, ``vec(W)`` then the bias; for a factored layer ``vec(V)``, ``vec(U)`` and
        the bias.

    Attributes
    ----------
    W : list of ndarray, Fortran order
        ``W[m]`` has shape ``(d_next, h*h*d)`` or ``(n_out, n_in)`` and is a view of `theta`.  One
        entry per stage of the network (see ``NetConfig.stages``): a factored layer ``W = U V``
        has two, V and U.
    bias : list of ndarray
        ``bias[m]`` has shape ``(d_next,)`` or ``(n_out,)`` and is a view of `theta`; it is empty
        for the stage V of a factored layer.

    Raises
    ------
    ConfigError
        If the length of `theta` is not the number of parameters of the network.

    Examples
    --------
    One fully connected layer with two inputs and two classes:

    >>> import numpy as np
    >>> from simplenn_py import NetConfig
    >>> from simplenn_py.network import Weights
    >>> config = NetConfig.build((1, 2, 1), full=[2])
    >>> weights = Weights(config, np.array([1.0, 2.0, 3.0, 4.0, 0.5, 0.6]))
    >>> weights.W[0].tolist(), weights.bias[0].tolist()
    ([[1.0, 3.0], [2.0, 4.0]], [0.5, 0.6])
    >>> weights.W[0][0, 1] = 7
    >>> weights.theta.tolist()
    [1.0, 2.0, 7.0, 4.0, 0.5, 0.6]
    """

    def __init__(self, config: NetConfig, theta: Array) -> None:
        expect("config", config, NetConfig, "a NetConfig, such as NetConfig.preset('layer4')")
        expect("theta", theta, np.ndarray, "an array of float32 or float64")
        if theta.dtype not in (np.float32, np.float64):
            raise ConfigError(f"theta has dtype {theta.dtype}; it must have float32 or float64")
        if theta.shape != (config.n_parameters,):
            raise ConfigError(
                f"theta has shape {theta.shape}; this network has {config.n_parameters} parameters"
            )
        self.config = config
        self.theta = theta
        self.W, self.bias = self.split(theta)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle without the views, which would become separate arrays."""
        return Weights, (self.config, self.theta)

    def split(self, theta: Array) -> tuple[list[Array], list[Array]]:
        """Return the weights and biases in a flat vector, as views.

        Parameters
        ----------
        theta : ndarray, shape (n_parameters,)
            Parameters, or a gradient or direction in their space.

        Returns
        -------
        W, bias : list of ndarray
            As in the attributes of the class.
        """
        W, bias, start = [], [], 0
        for (rows, columns), is_V in zip(self.config.weight_shapes, self.config.is_V, strict=True):
            end = start + rows * columns
            W.append(theta[start:end].reshape(columns, rows).T)
            start = end + (0 if is_V else rows)
            bias.append(theta[end:start])
        return W, bias

    def multiplied_out(self) -> Weights:
        """Return the same network without factored layers: every product ``W = U V`` is formed.

        Returns
        -------
        Weights
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
                with np.errstate(over="ignore", invalid="ignore"):  # as in training
                    factor = U @ factor
            W[...] = factor
            bias[...] = own_bias
        return whole


def initial_theta(
    config: NetConfig, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> Array:
    """Draw random weights as in He et al. (2015): normal, variance ``2/fan_in``; biases 0.

    Parameters
    ----------
    config : NetConfig
    rng : numpy.random.Generator
        Draws in float64, so that float32 and float64 start from the same point.
    dtype : {float32, float64}

    Returns
    -------
    ndarray, shape (config.n_parameters,)
        Ordered by layer, ``vec(W)`` then the bias.

    Notes
    -----
    simpleNN's ``init_model``.  The variance keeps the size of ``Z^m`` from layer to layer.  For
    V of a factored layer, which no ReLU follows, the variance is ``1/fan_in``.
    """
    expect("config", config, NetConfig, "a NetConfig, such as NetConfig.preset('layer4')")
    expect("rng", rng, np.random.Generator, "a generator, such as numpy.random.default_rng(0)")
    expect_float_dtype(dtype)
    parts = []
    for (rows, fan_in), is_V in zip(config.weight_shapes, config.is_V, strict=True):
        parts.append(rng.standard_normal(rows * fan_in) * np.sqrt((1 if is_V else 2) / fan_in))
        parts.append(np.zeros(0 if is_V else rows))
    return np.concatenate(parts).astype(dtype)
