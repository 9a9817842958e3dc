"""The time of a training step: the forward and backward pass of every layer, measured."""

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
_ENOUGH_SECONDS, _AT_LEAST = 10.0, 3  # large networks get fewer passes


@dataclass(frozen=True)
class LayerTime:
    """The times of one layer in a training step.

    Parameters
    ----------
    m : int
        Number of the layer, from 1 as in the lecture; a factored layer counts as two.
    name : str
        See ``summary.LayerSummary``.
    kind : {"conv", "full"}
    sizes : str
        Filter, and input and output channels: ``"5x5, 1 -> 32"``.
    path : str
        How the engine runs the layer, in its own words.
    operations : int
        Operations ``2*m*n*k`` of the lecture's product, the same for each of the passes.
    seconds : dict
        Shortest time of each of PASSES.  Layer 1 has no "dZ".
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
        """Seconds of all passes of the layer."""
        return sum(self.seconds.values())

    def rate(self, which: str) -> float:
        """Return the operations per second of `which`, one of PASSES."""
        return self.operations / self.seconds[which]


@dataclass(frozen=True)
class LayerTimes:
    """The times of all layers of a network, and the peak rates of the machine.

    Parameters
    ----------
    layers : tuple of LayerTime
    batch_size : int
    dtype, engine : str
    threads, repeats : int
    step : float
        Seconds of a gradient, after the batch is gathered: the forward and the backward pass.
    peak : float
        Operations per second of multiply-adds on registers, on all threads.
    product : float or None
        Operations per second of a large matrix product by BLAS, for an engine that calls it.
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
        """Return the seconds of `which`, one of PASSES, summed over all layers."""
        return sum(layer.seconds.get(which, 0.0) for layer in self.layers)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON; times in ms, rates in 10^9 per second."""
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
        Number of images per batch.
    dtype : {float32, float64}
    engine : str
        Name of an engine; "" chooses the default.
    repeat : int
        Number of passes over the network; the shortest times count.  If they take more than ten
        seconds, fewer passes are made, but at least 3.

    Returns
    -------
    LayerTimes

    Raises
    ------
    OptionError
        If an option is out of range, or there is not enough memory.

    Notes
    -----
    The weights are drawn as for training, and the gradient is that of the squared loss, so that
    ReLU and pooling pass on as much as at the start of a training.  (4) and (5) are timed one at a
    time, and each includes (3), so dW and dZ together can take longer than in a step.
    """
    if repeat < 1:
        raise OptionError(f"repeat is {repeat}; it must be a whole number, 1 or more")
    costs = summarise(config, batch_size, dtype, engine)
    if not costs.fits:
        raise OptionError(
            f"batch_size {batch_size} needs {human_bytes(costs.total_bytes)}, but "
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
        """Time every layer alone, then the forward and backward pass as in training."""
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
    """Measure the rate of NumPy's BLAS in a product of n x n matrices.

    Parameters
    ----------
    dtype : {float32, float64}
    n : int
        Size of the matrices.

    Returns
    -------
    float
        Operations per second.
    """
    A, B = np.random.default_rng(0).random((2, n, n)).astype(dtype)
    out = np.empty_like(A)
    return 2 * n**3 / seconds(lambda: np.matmul(A, B, out=out), 4)


def _sizes(g: ConvGeometry | FullGeometry) -> str:
    if isinstance(g, FullGeometry):
        return f"{g.n_in} -> {g.n_out}"
    stride = f" stride {g.s}" if g.s > 1 else ""
    return f"{g.h}x{g.h}{stride}, {g.d} -> {g.d_next}"
