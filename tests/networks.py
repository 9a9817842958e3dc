"""Networks and data that several tests use."""

from __future__ import annotations

from typing import Any

import numpy as np

import simplenn_py
from simplenn_py import Dataset, Images, TrainOptions, layout
from simplenn_py.network import Conv, NetConfig
from simplenn_py.opt.minibatch import GradientObjective


def net(
    a: int,
    b: int,
    d: int,
    *conv: tuple[int, ...],
    full: tuple[int, ...] = (3,),
    rank: tuple[int, ...] = (),
) -> NetConfig:
    """Build a network for a table of cases.

    A convolutional layer is a tuple in the order of ``Conv``: filters, width h, padding p,
    stride s, window h_pool.
    """
    return NetConfig.build((a, b, d), [Conv(*layer) for layer in conv], full, rank)


#: A stride that leaves a column over, a pool that leaves a row out, two full layers.
RAGGED = net(9, 8, 2, (3, 3, 1, 1, 2), (4, 3, 1, 2, 1), (3, 2), full=(5, 4))
FULL = net(4, 3, 2, full=(5, 3))
#: For the images of :func:`stripes`.
STRIPES = net(6, 5, 1, (4, 3, 1, 1, 2), full=(3,))
STRIPES_OPTIONS = TrainOptions(epochs=3, batch_size=16, lr=0.05, C=1.0)


def stripes(l: int, seed: int, labels: tuple[Any, ...] = ("h", "v", "x")) -> Images:
    """Horizontal, vertical and no stripes, with noise: learnt in a moment."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, l)
    images = rng.integers(0, 60, (l, 6, 5)).astype(np.uint8)
    images[kind == 0, ::2, :] += 150
    images[kind == 1, :, ::2] += 150
    return Images(layout.from_nhwc(images), np.array(labels)[kind], 6, 5)


def fit(data: Dataset, options: TrainOptions = STRIPES_OPTIONS, **more: Any) -> Any:
    """Train on stripes, in silence."""
    return simplenn_py.train(data, options=options, progress=False, **{"config": STRIPES, **more})


def without_times(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave the seconds out of a history, which differ from run to run."""
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]


class Quadratic(GradientObjective):
    """f = mean of (theta - x_i)^2/2 over the batch: an objective whose gradient is known."""

    def __init__(self, x: Any) -> None:
        self.x, self.theta, self.seen, self.epochs = x, np.zeros(1), [], []

    @property
    def l(self) -> int:
        return self.x.size

    def start_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def grad(self, indices: Any, out: Any) -> tuple[float, int]:
        self.seen.append(indices.copy())
        residual = self.theta - self.x[indices]
        out[:] = residual.mean()
        with np.errstate(over="ignore"):
            return float(np.sum(residual**2) / 2), 0
