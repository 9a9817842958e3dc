"""The numbers that MATLAB simpleNN itself computed, in the package's terms.

``golden.load("tiny").Jv`` is the recorded array; a cell array is a list.  MATLAB's indices
count from 1.  See ``golden/README.md`` for what each name holds.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from simplenn_py.cnn.engine import Engine
from simplenn_py.cnn.feedforward import feedforward
from simplenn_py.cnn.operators.loss import get_loss
from simplenn_py.cnn.problem import Problem
from simplenn_py.engines import make_engine
from simplenn_py.model.model import Model
from simplenn_py.network.config import NetConfig

NAMES = ("tiny", "strided", "ragged_pool", "digits")
_SCALARS = ("LC", "LF", "ht_input", "wd_input")
_LISTS = (
    *("ch_input", "full_neurons", "wd_pad_added", "wd_filter", "strides"),
    "wd_subimage_pool",
)


def _plain(value: np.ndarray) -> Any:
    if value.dtype == object:
        return [_plain(item) if item.size == 1 else item for item in value.ravel()]
    return value.item() if value.size == 1 and value.dtype.names is None else value


def network_of(stored: np.ndarray) -> NetConfig:
    """Build the network that a recorded ``config`` struct describes."""
    fields: dict[str, Any] = {key: int(stored[key][0, 0].item()) for key in _SCALARS}
    fields |= {key: tuple(int(x) for x in stored[key][0, 0].ravel()) for key in _LISTS}
    return NetConfig(**fields)


class Golden:
    """One recorded network; every recorded name is an attribute."""

    def __init__(self, name: str) -> None:
        recorded = scipy.io.loadmat(Path(__file__).parent / "golden" / f"{name}.mat")
        stored = recorded.pop("config")
        self.name = name
        self.__dict__.update({k: _plain(v) for k, v in recorded.items() if k[0] != "_"})
        self.config = network_of(stored)
        self.l = self.data.shape[1]
        self.images = self.data.reshape(self.config.ch_input[0], -1, order="F")
        self.theta = self.flat(self.weight, self.bias)

    @staticmethod
    def flat(W: list[np.ndarray], bias: list[np.ndarray]) -> np.ndarray:
        """Stack vec(W), then the bias, layer by layer."""
        parts = [np.ravel(x, order="F") for pair in zip(W, bias, strict=True) for x in pair]
        return np.concatenate(parts)

    def model(self, dtype: type = np.float64) -> Model:
        return Model(self.config, self.theta.astype(dtype), np.arange(1, self.config.nL + 1))

    def problem(self, loss: str = "squared", dtype: type = np.float64) -> Problem:
        y = self.y.ravel().astype(np.int64) - 1
        offset = np.zeros(self.data.shape[0])
        return Problem(self.images.astype(dtype), y, get_loss(loss), self.C, 1.0, offset)

    def forward(self, engine_name: str, dtype: type = np.float64) -> tuple[Engine, Model]:
        """Run all instances forward; return the engine that holds them, and the model."""
        engine = make_engine(engine_name, self.config, self.l, np.dtype(dtype))
        model, problem = self.model(dtype), self.problem(dtype=dtype)
        engine.load(problem.images, np.arange(self.l), problem.scale, problem.offset)
        feedforward(engine, model)
        return engine, model


@lru_cache
def load(name: str) -> Golden:
    return Golden(name)
