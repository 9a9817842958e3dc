"""The costs of a network, computed without running it: sizes, parameters, operations, memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..engines import DEFAULT, engine_class
from ..errors import OptionError
from ..layout import ConvGeometry, FullGeometry
from ..network.config import NetConfig
from ..runtime.memory import free_bytes
from ..runtime.units import human_bytes


@dataclass(frozen=True)
class LayerSummary:
    """One layer, for one batch of ``l`` images.

    Parameters
    ----------
    m : int
        Number of the layer, from 1 as in the lecture; a factored layer counts as two.
    name : str
        The number as text; in a factored network the number of the layer and the factor: "2 V".
    geometry : ConvGeometry or FullGeometry
        All sizes of the layer.
    parameters : int
        Number of entries of ``W`` and of the bias.
    product : tuple of int
        ``(m, k, n)`` of the forward product ``W phi(pad(Z))``, m x k times k x n.
    operations : int
        Operations of that product, ``2*m*n*k``.
    step_operations : int
        Operations of a training step: the forward product, (4), and (5), which layer 1 does not
        need.
    Z_bytes : int
        Size of the layer's input ``Z^m``.
    phi_bytes : int
        Size of ``phi(pad(Z^m))``; 0 for a fully connected layer.  An engine may not need it.
    """

    m: int
    name: str
    geometry: ConvGeometry | FullGeometry
    parameters: int
    product: tuple[int, int, int]
    operations: int
    step_operations: int
    Z_bytes: int
    phi_bytes: int

    @property
    def is_convolutional(self) -> bool:
        """Whether the layer is convolutional, not fully connected."""
        return isinstance(self.geometry, ConvGeometry)

    @property
    def sizes(self) -> dict[str, int]:
        """The layer's sizes under the lecture's letters."""
        g = self.geometry
        if isinstance(g, FullGeometry):
            return {"n_in": g.n_in, "n_out": g.n_out}
        letters = "a b d p a_pad b_pad h s a_conv b_conv h_pool a_next b_next d_next"
        return {letter: getattr(g, letter) for letter in letters.split()}


@dataclass(frozen=True)
class Summary:
    """A network's layers and their totals.

    Parameters
    ----------
    layers : tuple of LayerSummary
    batch_size : int
        Number ``l`` of images per batch.
    dtype, engine : str
    training : bool
        Whether the memory is that of a training step, or of a forward pass alone.
    buffers : dict of str to int
        Size in bytes of each buffer that the engine allocates (``Engine.forecast``).
    solver_bytes : int
        Size of the vectors theta, v and gradient for training, otherwise of theta.
    free_bytes : int
        Memory that is available now without swapping.
    """

    layers: tuple[LayerSummary, ...]
    batch_size: int
    dtype: str
    engine: str
    training: bool
    buffers: dict[str, int]
    solver_bytes: int
    free_bytes: int

    @property
    def parameters(self) -> int:
        """Number of parameters of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def operations(self) -> int:
        """Operations of all forward products, per batch."""
        return sum(layer.operations for layer in self.layers)

    @property
    def step_operations(self) -> int:
        """Operations of all products of a training step, per batch."""
        return sum(layer.step_operations for layer in self.layers)

    @property
    def total_bytes(self) -> int:
        """Memory without the data set: the engine's buffers and the solver's vectors."""
        return sum(self.buffers.values()) + self.solver_bytes

    @property
    def fits(self) -> bool:
        """Whether the memory that is needed is available."""
        return self.total_bytes <= self.free_bytes

    def as_dict(self) -> dict[str, Any]:
        """Return everything, including the totals, as plain values for JSON."""
        layers = []
        for layer in self.layers:
            kind = "convolutional" if layer.is_convolutional else "fully connected"
            values = {k: v for k, v in asdict(layer).items() if k != "geometry"}
            layers.append({**values, "kind": kind, "sizes": layer.sizes})
        totals = ("parameters", "operations", "step_operations", "total_bytes", "fits")
        return {
            **{k: v for k, v in asdict(self).items() if k != "layers"},
            **{name: getattr(self, name) for name in totals},
            "layers": layers,
        }


def summarise(
    config: NetConfig,
    batch_size: int = 128,
    dtype: DTypeLike = "float32",
    engine: str = "",
    training: bool = True,
) -> Summary:
    """Compute the costs of a batch, without allocating anything of the network's size.

    Parameters
    ----------
    config : NetConfig
    batch_size : int
        Number ``l`` of images per batch, 1 or more.
    dtype : {float32, float64}
    engine : str
        Name of an engine; "" chooses the default.
    training : bool
        False: memory of a forward pass alone.

    Returns
    -------
    Summary

    Raises
    ------
    OptionError
        If `batch_size`, `dtype` or `engine` is not valid.

    Notes
    -----
    Only products are counted.  ReLU, pooling and phi itself do few operations, but move memory.
    """
    if batch_size < 1:
        raise OptionError(f"batch_size is {batch_size}; it must be a whole number, 1 or more")
    if str(dtype) not in ("float32", "float64") and dtype not in (np.float32, np.float64):
        raise OptionError(f"dtype is {dtype!r}; it must be 'float32' or 'float64'")
    dtype, engine = np.dtype(dtype), engine or DEFAULT
    named = zip(config.stage_names, config.stages.geometries, config.is_V, strict=True)
    vectors = 3 if training else 1
    return Summary(
        layers=tuple(
            _layer(m, *layer, batch_size, dtype) for m, layer in enumerate(named, start=1)
        ),
        batch_size=batch_size,
        dtype=dtype.name,
        engine=engine,
        training=training,
        buffers=engine_class(engine).forecast(config, batch_size, dtype, training),
        solver_bytes=vectors * config.n_parameters * dtype.itemsize,
        free_bytes=free_bytes(),
    )


def _layer(
    m: int,
    name: str,
    g: ConvGeometry | FullGeometry,
    is_V: bool,
    l: int,
    dtype: np.dtype[Any],
) -> LayerSummary:
    if isinstance(g, ConvGeometry):
        rows, inner, columns = g.d_next, g.hhd, g.a_conv * g.b_conv * l
        Z_entries, phi_entries = g.d * g.a * g.b * l, inner * columns
    else:
        rows, inner, columns = g.n_out, g.n_in, l
        Z_entries, phi_entries = g.n_in * l, 0
    operations = 2 * rows * columns * inner
    return LayerSummary(
        m=m,
        name=name,
        geometry=g,
        parameters=rows * inner + (0 if is_V else rows),
        product=(rows, inner, columns),
        operations=operations,
        step_operations=(2 if m == 1 else 3) * operations,
        Z_bytes=Z_entries * dtype.itemsize,
        phi_bytes=phi_entries * dtype.itemsize,
    )


def check_memory(config: NetConfig, images: int, dtype: str, *engines: str) -> None:
    """Raise an error for a network that does not fit into memory, before it is allocated.

    Parameters
    ----------
    config : NetConfig
    images : int
        Number of images per batch, 1 or more.
    dtype : {"float32", "float64"}
    *engines : str
        Names of the engines that will be built, together; "" is the default.  Without names, the
        lecture engine.

    Raises
    ------
    OptionError
        If there is not enough memory.
    """
    costs = [summarise(config, images, dtype, engine) for engine in engines or ("lecture",)]
    need, free = sum(cost.total_bytes for cost in costs), costs[0].free_bytes
    if need > free:
        raise OptionError(
            f"the network needs {human_bytes(need)} for {images} image{'s' * (images > 1)}, but "
            f"{human_bytes(free)} are free; give a smaller network, or smaller images"
        )
