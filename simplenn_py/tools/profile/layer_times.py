"""Where the time of a training step goes: every layer, forward and back, measured."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ...cnn.feedforward import feedforward
from ...cnn.gradient import JTv
from ...engines import make_engine
from ...errors import OptionError
from ...kernels.peak import peak
from ...layout import ConvGeometry, FullGeometry
from ...model.model import Model
from ...network.config import NetConfig
from ...runtime.clock import Shortest, seconds
from ...runtime.threads import limit_threads
from ...runtime.units import human_bytes
from ..summary import summarise

PASSES = ("forward", "dW", "dZ")
_ENOUGH_SECONDS, _AT_LEAST = 10.0, 3  # large networks are repeated less often


@dataclass(frozen=True)
class LayerTime:
    """One layer's part of a training step.

    Parameters
    ----------
    m : int
        Number of the layer, from 1 as in the lecture; a factored layer counts as two.
    name : str
        See ``summary.LayerSummary``.
    kind : {"conv", "full"}
    sizes : str
        The filter, and the channels before and after: ``"5x5, 1 -> 32"``.
    path : str
        How the engine ran it, in its own words.
    operations : int
        ``2*m*n*k`` of the lecture's product, the same for each of the passes.
    seconds : dict
        Of each of PASSES, the shortest of all repeats.  Layer 1 has no "dZ".
    """

    m: int
    name: str
    kind: str
    sizes: str
    path: str
    operations: int
    seconds: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    def rate(self, which: str) -> float:
        """Operations a second of one of PASSES."""
        return self.operations / self.seconds[which]


@dataclass(frozen=True)
class LayerTimes:
    """All layers of a network, and what the machine could do at best.

    Parameters
    ----------
    layers : tuple of LayerTime
    batch_size : int
    dtype, engine : str
    threads, repeats : int
    step : float
        Seconds of a gradient, from the gathered batch on: forward, then back, layer by layer.
    peak : float
        Operations a second of multiply-adds on registers, all threads.
    product : float or None
        Operations a second of a large matrix product by BLAS, for an engine that calls it.
    """

    layers: tuple[LayerTime, ...]
    batch_size: int
    dtype: str
    engine: str
    threads: int
    repeats: int
    step: float
    peak: float
    product: float | None

    def total(self, which: str) -> float:
        """Seconds of one of PASSES, over all layers."""
        return sum(layer.seconds.get(which, 0.0) for layer in self.layers)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON; times in ms, rates in 10^9 a second."""
        values = {k: v for k, v in asdict(self).items() if k not in ("step", "peak", "product")}
        layers = []
        for layer in self.layers:
            passes: dict[str, Any] = dict.fromkeys(PASSES)
            for which, took in layer.seconds.items():
                rate = layer.rate(which)
                passes[which] = {
                    "ms": 1e3 * took,
                    "gflops": rate / 1e9,
                    "share_of_peak": rate / self.peak,
                }
            layers.append({k: v for k, v in asdict(layer).items() if k != "seconds"} | passes)
        return {
            **values,
            "layers": layers,
            "step_ms": 1e3 * self.step,
            "peak_gflops": self.peak / 1e9,
            "blas_gflops": None if self.product is None else self.product / 1e9,
        }


def time_layers(
    config: NetConfig,
    batch_size: int = 128,
    dtype: DTypeLike = "float32",
    engine: str = "",
    repeat: int = 20,
) -> LayerTimes:
    """Time every layer of a network on random images.

    Parameters
    ----------
    config : NetConfig
    batch_size : int
    dtype : {float32, float64}
    engine : str
        "" chooses the default.
    repeat : int
        Passes over the network, of which the shortest times count; fewer, but at least 3, once
        ten seconds have gone by.

    Raises
    ------
    OptionError
        Where an option is out of its range, or memory does not suffice.

    Notes
    -----
    The weights are drawn as for training and the gradient is the squared loss's, so that ReLU
    and pooling let through as much as at a training's start.  (4) and (5) are asked for one at
    a time, and either begins with (3): dW and dZ together can be more than a step takes.
    """
    if repeat < 1:
        raise OptionError(f"repeat is {repeat}; it must be a whole number, 1 or more")
    costs = summarise(config, batch_size, dtype, engine)
    if not costs.fits:
        raise OptionError(
            f"batch_size {batch_size} needs {human_bytes(costs.total_bytes)} and "
            f"{human_bytes(costs.free_bytes)} are free; make it smaller"
        )
    with limit_threads(0) as threads:
        run = _Run(config, batch_size, np.dtype(dtype), costs.engine)
        run.once()  # compiles
        run.shortest = Shortest()
        began, repeats = time.perf_counter(), 0
        while repeats < repeat:
            run.once()
            repeats += 1
            if repeats >= _AT_LEAST and time.perf_counter() - began > _ENOUGH_SECONDS:
                break
        layers, times = [], run.shortest.seconds
        for m, layer in enumerate(costs.layers):
            best = {which: times[which, m] for which in PASSES if (which, m) in times}
            kind = "conv" if layer.is_convolutional else "full"
            sizes, path = _sizes(layer.geometry), run.engine.path(m)
            layers.append(LayerTime(m + 1, layer.name, kind, sizes, path, layer.operations, best))
        return LayerTimes(
            layers=tuple(layers),
            batch_size=batch_size,
            dtype=costs.dtype,
            engine=costs.engine,
            threads=threads,
            repeats=repeats,
            step=times["step", 0],
            peak=peak(dtype, threads),
            product=product_rate(dtype) if costs.engine == "lecture" else None,
        )


class _Run:
    """The network, its engine and the shortest times so far."""

    def __init__(self, config: NetConfig, l: int, dtype: np.dtype[Any], engine: str) -> None:
        rng = np.random.default_rng(0)
        self.model = Model.initialise(config, np.arange(config.nL), rng, dtype)
        self.gradient = np.empty_like(self.model.theta)
        self.engine = make_engine(engine, config, l, dtype)
        self.target = np.eye(config.nL, dtype=dtype)[:, rng.integers(0, config.nL, l)]
        self.shortest = Shortest()
        a, b, d = config.image_shape
        images = np.asfortranarray(rng.standard_normal((d, a * b * l)).astype(dtype))
        self.engine.load(images, np.arange(l), 1.0, np.zeros(a * b * d))

    def once(self) -> None:
        """Time every layer on its own, then forward and backward as training calls them."""
        engine, model, clock = self.engine, self.model, self.shortest
        last, is_V = len(model.W) - 1, model.config.is_V
        for m, (W, bias) in enumerate(zip(model.W, model.bias, strict=True)):
            with clock.time(("forward", m)):
                engine.forward(m, W, bias, activate=m < last and not is_V[m])
        V = 2 * (engine.Z(last + 1) - self.target)
        dW, dbias = model.split(self.gradient)
        engine.set_gradient(V)
        for m in reversed(range(last + 1)):
            with clock.time(("dW", m)):
                engine.backward(m, model.W[m], dW[m], dbias[m], input_gradient=False)
            if m > 0:
                with clock.time(("dZ", m)):
                    engine.backward(m, model.W[m])
        with clock.time(("step", 0)):
            feedforward(engine, model)
            JTv(engine, model, V, self.gradient)


def product_rate(dtype: DTypeLike, n: int = 2048) -> float:
    """Measure how many operations a second NumPy's BLAS does in a product of n x n matrices."""
    A, B = np.random.default_rng(0).random((2, n, n)).astype(dtype)
    out = np.empty_like(A)
    return 2 * n**3 / seconds(lambda: np.matmul(A, B, out=out), 4)


def _sizes(g: ConvGeometry | FullGeometry) -> str:
    if isinstance(g, FullGeometry):
        return f"{g.n_in} -> {g.n_out}"
    stride = f" stride {g.s}" if g.s > 1 else ""
    return f"{g.h}x{g.h}{stride}, {g.d} -> {g.d_next}"
