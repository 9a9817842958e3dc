"""simplenn_py: convolutional networks as the lecture writes them, compiled by Numba.

The names below are loaded when they are first used: importing the package costs nothing
and compiles nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .classifier import CNNClassifier as CNNClassifier
    from .cnn.feedforward import feedforward
    from .cnn.gauss_newton import GaussNewton, Gv
    from .cnn.gradient import JTv, lossgrad_subset
    from .cnn.jacobian import jacobian
    from .cnn.jv import Jv
    from .cnn.loss import CrossEntropy, SquaredLoss
    from .cnn.objective import Problem, fungrad_minibatch
    from .cnn.padding import padding, unpad
    from .cnn.phi import find_index_phiZ, padding_and_phiZ, vTP_phi
    from .cnn.pooling import P_pool, maxpooling, vTP_pool
    from .cnn.relu import indicator, relu
    from .config import NetConfig
    from .datasets import Dataset, Images, load_dataset
    from .engines import make_engine
    from .layout import ConvGeometry
    from .matlab import cnn_predict, cnn_train
    from .model import Model
    from .opt.cg import CG
    from .opt.newton import newton
    from .options import TrainOptions, default_options
    from .training import History, train

__version__ = "0.1.0"

_HOME = {
    "config": ("NetConfig",),
    "layout": ("ConvGeometry",),
    "cnn.padding": ("padding", "unpad"),
    "cnn.phi": ("find_index_phiZ", "padding_and_phiZ", "vTP_phi"),
    "cnn.pooling": ("maxpooling", "vTP_pool", "P_pool"),
    "cnn.relu": ("relu", "indicator"),
    "cnn.loss": ("SquaredLoss", "CrossEntropy"),
    "cnn.feedforward": ("feedforward",),
    "cnn.gradient": ("JTv", "lossgrad_subset"),
    "cnn.objective": ("Problem", "fungrad_minibatch"),
    "cnn.jv": ("Jv",),
    "cnn.jacobian": ("jacobian",),
    "cnn.gauss_newton": ("Gv", "GaussNewton"),
    "opt.cg": ("CG",),
    "opt.newton": ("newton",),
    "engines": ("make_engine",),
    "datasets": ("Dataset", "Images", "load_dataset"),
    "model": ("Model",),
    "options": ("TrainOptions", "default_options"),
    "training": ("History", "train"),
    "matlab": ("cnn_train", "cnn_predict"),
    "classifier": ("CNNClassifier",),  # needs scikit-learn, so that "import *" leaves it out
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "NetConfig",
    "ConvGeometry",
    "padding",
    "unpad",
    "find_index_phiZ",
    "padding_and_phiZ",
    "vTP_phi",
    "maxpooling",
    "vTP_pool",
    "P_pool",
    "relu",
    "indicator",
    "SquaredLoss",
    "CrossEntropy",
    "feedforward",
    "JTv",
    "lossgrad_subset",
    "Problem",
    "fungrad_minibatch",
    "Jv",
    "jacobian",
    "Gv",
    "GaussNewton",
    "CG",
    "newton",
    "make_engine",
    "Dataset",
    "Images",
    "load_dataset",
    "Model",
    "TrainOptions",
    "default_options",
    "History",
    "train",
    "cnn_train",
    "cnn_predict",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'simplenn_py' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
