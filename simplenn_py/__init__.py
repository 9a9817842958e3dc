"""simplenn_py: convolutional networks as the lecture writes them, compiled by Numba.

The names below are loaded when they are first used.  Importing the package is therefore fast
and compiles nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .runtime.lazy import exports

if TYPE_CHECKING:
    from .cnn.feedforward import feedforward
    from .cnn.gauss_newton import GaussNewton, Gv
    from .cnn.gradient import JTv, lossgrad_subset
    from .cnn.jacobian import jacobian
    from .cnn.jv import Jv
    from .cnn.objective import fungrad_minibatch
    from .cnn.operators.loss import CrossEntropy, SquaredLoss
    from .cnn.operators.padding import padding, unpad
    from .cnn.operators.phi import find_index_phiZ, padding_and_phiZ, vTP_phi
    from .cnn.operators.pooling import P_pool, maxpooling, vTP_pool
    from .cnn.operators.relu import indicator, relu
    from .cnn.problem import Problem
    from .datasets import Dataset, Images, load_dataset
    from .engines import make_engine
    from .interfaces.classifier import CNNClassifier as CNNClassifier
    from .interfaces.matlab import cnn_predict, cnn_train
    from .layout import ConvGeometry
    from .model.model import Model
    from .network.config import NetConfig
    from .network.presets import Conv
    from .opt.cg import CG
    from .opt.newton import newton
    from .training.options import TrainOptions, default_options
    from .training.results import History
    from .training.training import train

__version__ = "0.1.0"

__getattr__, __dir__ = exports(
    __name__,
    {
        "network.config": ("NetConfig",),
        "network.presets": ("Conv",),
        "layout": ("ConvGeometry",),
        "cnn.operators.padding": ("padding", "unpad"),
        "cnn.operators.phi": ("find_index_phiZ", "padding_and_phiZ", "vTP_phi"),
        "cnn.operators.pooling": ("maxpooling", "vTP_pool", "P_pool"),
        "cnn.operators.relu": ("relu", "indicator"),
        "cnn.operators.loss": ("SquaredLoss", "CrossEntropy"),
        "cnn.feedforward": ("feedforward",),
        "cnn.gradient": ("JTv", "lossgrad_subset"),
        "cnn.problem": ("Problem",),
        "cnn.objective": ("fungrad_minibatch",),
        "cnn.jv": ("Jv",),
        "cnn.jacobian": ("jacobian",),
        "cnn.gauss_newton": ("Gv", "GaussNewton"),
        "opt.cg": ("CG",),
        "opt.newton": ("newton",),
        "engines": ("make_engine",),
        "datasets": ("Dataset", "Images", "load_dataset"),
        "model.model": ("Model",),
        "training.options": ("TrainOptions", "default_options"),
        "training.results": ("History",),
        "training.training": ("train",),
        "interfaces.matlab": ("cnn_train", "cnn_predict"),
        "interfaces.classifier": ("CNNClassifier",),  # needs scikit-learn: not in __all__
    },
)

__all__ = [
    "NetConfig",
    "Conv",
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
