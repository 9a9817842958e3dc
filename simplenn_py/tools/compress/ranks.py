"""Fewer parameters for a trained network: each layer becomes two thin ones, W ~ U V.

The error of ``U V`` can be measured on the weights, ``||W - U V||_F``, or on the layer's outputs,
``||(W - U V) phi(pad(Z))||_F``.  Patches of images fill only a few directions of their space, and
W need not be accurate in the others.  The minimiser of the second error is also a best low-rank
approximation, namely of ``W R`` with ``R R' = phi phi'/n`` and n the number of patches.

X. Zhang, J. Zou, K. He, J. Sun, "Accelerating very deep convolutional networks for
classification and detection", arXiv:1505.06798 (2015), section 3.1 chooses the same measure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...cnn.operators.phi import padding_and_phiZ
from ...errors import OptionError
from ...layout import Array, ConvGeometry
from ...linalg.factors import balanced_factors, energy_rank
from ...model.model import Model
from ...network.config import NetConfig


@dataclass(frozen=True)
class LayerRank:
    """The rank of one layer, and the singular values from which it was chosen.

    Parameters
    ----------
    m : int
        Number of the layer, from 1 as in the lecture.
    shape : tuple of int
        Shape of ``W``: ``(d_next, h*h*d)`` or ``(n_out, n_in)``.
    singular_values : ndarray of float64, shape (min(shape),)
        Singular values of ``W`` or of ``W R``, in descending order.
    rank : int
        Rank of ``U V``; 0 leaves the layer unchanged.
    """

    m: int
    shape: tuple[int, int]
    singular_values: Array
    rank: int

    @property
    def parameters(self) -> int:
        """Number of entries of ``U`` and ``V``, or of ``W``; the bias is not counted."""
        rows, columns = self.shape
        return self.rank * (rows + columns) if self.rank else rows * columns

    @property
    def energy(self) -> float:
        """Share of ``||W||_F^2`` or of ``||W R||_F^2`` that the rank keeps."""
        squares = self.singular_values**2
        total = float(squares.sum())
        return float(squares[: self.rank].sum()) / total if self.rank and total else 1.0


def pays(shape: tuple[int, int], rank: int) -> bool:
    """Return whether the factors have fewer entries than W: ``r(m + n) < m n``.

    Parameters
    ----------
    shape : tuple of int
        Shape (m, n) of W.
    rank : int
        Rank r of the factors.
    """
    rows, columns = shape
    return rank * (rows + columns) < rows * columns


@dataclass(frozen=True)
class Root:
    """A square root ``R`` of a layer's second moments ``phi(pad(Z)) phi(pad(Z))'/n``.

    Parameters
    ----------
    R, inverse : ndarray of float64, shape (h*h*d, h*h*d) or (n_in, n_in)
        The root and its inverse.
    """

    R: Array
    inverse: Array


def roots(model: Model, images: Array) -> list[Root]:
    """Measure the second moments of every layer's patches.

    Parameters
    ----------
    model : Model
        Factored layers are multiplied out first.
    images : ndarray, shape (d, a*b*l)
        A few hundred training images, in the format that ``Model.decision_values`` expects.

    Returns
    -------
    list of Root
        One per layer.  Moments below 1e-6 times the largest are raised to that value, so that W
        is still represented in directions in which these images have no variation.
    """
    found = []
    model = model.multiplied_out()
    for Z, g in zip(model.layer_inputs(images, "storage"), model.config.geometries, strict=True):
        phiZ = padding_and_phiZ(Z, g) if isinstance(g, ConvGeometry) else Z
        moments, Q = np.linalg.eigh(phiZ @ phiZ.T / phiZ.shape[1])
        scale = np.sqrt(np.maximum(moments, max(1e-6 * moments[-1], np.finfo(np.float64).tiny)))
        found.append(Root(Q * scale, (Q / scale).T))
    return found


def ranks_by_energy(
    model: Model, energy: float, measure: Sequence[Root] | None = None
) -> list[LayerRank]:
    """Choose for each layer the smallest rank that keeps the fraction `energy` of its energy.

    The energy of a layer is the sum of its squared singular values.

    A layer whose factors would not be smaller is left unchanged.

    Parameters
    ----------
    model : Model
    energy : float
        Fraction to keep, above 0 and at most 1.
    measure : sequence of Root, optional
        Result of :func:`roots`.  If given, the error is measured on the outputs, otherwise on the
        weights.

    Returns
    -------
    list of LayerRank
        One per layer.

    Raises
    ------
    OptionError
        If `energy` is not above 0 and at most 1.
    """
    return [
        replace(layer, rank=rank if pays(layer.shape, rank) else 0)
        for layer in _spectra(model, measure)
        for rank in [energy_rank(layer.singular_values, energy)]
    ]


def ranks_by_size(
    model: Model, times: float, measure: Sequence[Root] | None = None
) -> list[LayerRank]:
    """Choose ranks that leave 1/`times` of the parameters of `model` and lose little energy.

    Parameters
    ----------
    model : Model
    times : float
        Factor by which to divide the number of parameters, above 1.
    measure : sequence of Root, optional
        See :func:`ranks_by_energy`.

    Returns
    -------
    list of LayerRank
        One per layer.

    Raises
    ------
    OptionError
        If `times` is not above 1, or if too many parameters remain even with rank 1 in every
        layer.

    Notes
    -----
    Minimises ``sum_m (1 - energy_m) + price*parameters``, where ``energy_m`` is the fraction of
    its energy that layer m keeps and ``price`` is a penalty per parameter.  Bisection
    finds the lowest price at which the network is small enough.  A layer with few parameters is
    left unchanged.
    """
    if not times > 1:
        raise OptionError(
            f"smaller is {times}; it must be above 1, as it divides the number of parameters"
        )
    layers = _spectra(model, measure)
    whole = model.multiplied_out().config

    def gain(price: float) -> tuple[float, list[LayerRank]]:
        chosen = [_cheapest(layer, price) for layer in layers]
        ranks = tuple(layer.rank for layer in chosen)
        return model.config.n_parameters / replace(whole, rank=ranks).n_parameters, chosen

    low, high = 0.0, 1.0  # at price 1 a single parameter outweighs all energy
    most, best = gain(high)
    if most < times:
        raise OptionError(
            f"smaller is {times:g}, but ranks of 1 make this network only "
            f"{math.floor(10 * most) / 10:g} times smaller; give at most that"
        )
    for _ in range(60):
        price = (low + high) / 2
        reached, chosen = gain(price)
        if reached >= times:
            high, best = price, chosen
        else:
            low = price
    return best


def ranks_given(
    model: Model, ranks: Sequence[int], measure: Sequence[Root] | None = None
) -> list[LayerRank]:
    """Use the given ranks: one per layer, or a single one for all layers.

    Parameters
    ----------
    model : Model
    ranks : sequence of int
        One rank per layer, 0 for an unchanged layer; or a single rank, in which case layers
        whose factors would not be smaller are left unchanged.
    measure : sequence of Root, optional
        See :func:`ranks_by_energy`.

    Returns
    -------
    list of LayerRank
        One per layer.

    Raises
    ------
    OptionError
        If the number of ranks is not the number of layers, or a single rank is below 1.
    ConfigError
        If a rank is larger than the layer allows.
    """
    layers = _spectra(model, measure)
    if len(ranks) == 1:
        chosen = [ranks[0] if pays(layer.shape, ranks[0]) else 0 for layer in layers]
        if ranks[0] < 1:
            raise OptionError(f"rank is {ranks[0]}; it must be 1 or more")
    else:
        chosen = list(ranks)
    if len(chosen) != len(layers):
        raise OptionError(
            f"rank has {len(chosen)} entries, but the network has {len(layers)} layers; give one "
            "rank per layer (0 leaves a layer unchanged), or a single one for all"
        )
    found = [replace(layer, rank=rank) for layer, rank in zip(layers, chosen, strict=True)]
    factored(model, found)  # raises for an impossible rank
    return found


def factored(model: Model, layers: Sequence[LayerRank]) -> NetConfig:
    """Return the configuration of the network with these ranks.

    Parameters
    ----------
    model : Model
    layers : sequence of LayerRank

    Returns
    -------
    NetConfig

    Raises
    ------
    ConfigError
        If a rank is larger than the layer allows.
    OptionError
        If no layer is factored.
    """
    ranks = tuple(layer.rank for layer in layers)
    if not any(ranks):
        raise OptionError(
            "no layer would have fewer parameters as two factors; give a smaller energy or rank"
        )
    return replace(model.multiplied_out().config, rank=ranks)


def factor_layers(
    model: Model, layers: Sequence[LayerRank], measure: Sequence[Root] | None = None
) -> Model:
    """Factor the layers of `model`.

    Parameters
    ----------
    model : Model
        Factored layers are multiplied out first.
    layers : sequence of LayerRank
        From :func:`ranks_by_energy`, :func:`ranks_by_size` or :func:`ranks_given`.
    measure : sequence of Root, optional
        The same value that was used to choose the ranks.

    Returns
    -------
    Model
        A new model with the same dtype, classes, normalisation and loss.

    Raises
    ------
    ConfigError, OptionError
        See :func:`factored`.

    Notes
    -----
    Section D of the lecture: each ``W`` is replaced by its best approximation of that rank.  With
    `measure`, ``U V R`` is the best approximation of ``W R``.
    """
    whole = model.multiplied_out()
    config = factored(model, layers)
    theta = np.empty(config.n_parameters, whole.theta.dtype)
    small = Model(config, theta, whole.classes, whole.normalisation, whole.loss)
    stages = iter(zip(small.W, small.bias, strict=True))
    for k, (layer, W, bias) in enumerate(zip(layers, whole.W, whole.bias, strict=True)):
        first, own_bias = next(stages)
        if layer.rank:
            second, own_bias = next(stages)
            U, V = balanced_factors(W @ measure[k].R if measure else W, layer.rank)
            second[...], first[...] = U, V @ measure[k].inverse if measure else V
        else:
            first[...] = W
        own_bias[...] = bias
    return small


def _spectra(model: Model, measure: Sequence[Root] | None) -> list[LayerRank]:
    layers = []
    for k, W in enumerate(model.multiplied_out().W):
        wide = W.astype(np.float64)
        s = np.linalg.svd(wide @ measure[k].R if measure else wide, compute_uv=False)
        layers.append(LayerRank(k + 1, (W.shape[0], W.shape[1]), s, 0))
    return layers


def _cheapest(layer: LayerRank, price: float) -> LayerRank:
    """Weigh the energy that each rank loses against its parameters; rank 0 loses nothing."""
    rows, columns = layer.shape
    squares = layer.singular_values**2
    r = np.arange(1, squares.size + 1)
    lost = 1 - np.cumsum(squares) / (squares.sum() or 1.0)  # a layer of zeros loses nothing
    costs = np.append(price * rows * columns, lost + price * r * (rows + columns))
    return replace(layer, rank=int(np.argmin(costs)))
