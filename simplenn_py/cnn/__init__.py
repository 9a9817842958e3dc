"""The lecture as code: the operators, one per file, and the passes built from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..runtime.lazy import exports

if TYPE_CHECKING:
    from .engine import Engine as Engine
    from .gauss_newton import GaussNewton as GaussNewton
    from .gauss_newton import Gv as Gv
    from .gradient import JTv as JTv
    from .gradient import lossgrad_subset as lossgrad_subset
    from .jv import Jv as Jv
    from .objective import BatchObjective as BatchObjective
    from .objective import FullObjective as FullObjective
    from .objective import evaluate as evaluate
    from .objective import fungrad_minibatch as fungrad_minibatch
    from .operators.loss import CrossEntropy as CrossEntropy
    from .operators.loss import SquaredLoss as SquaredLoss
    from .operators.loss import get_loss as get_loss
    from .operators.padding import padding as padding
    from .operators.padding import unpad as unpad
    from .operators.phi import find_index_phiZ as find_index_phiZ
    from .operators.phi import padding_and_phiZ as padding_and_phiZ
    from .operators.phi import vTP_phi as vTP_phi
    from .operators.pooling import P_pool as P_pool
    from .operators.pooling import maxpooling as maxpooling
    from .operators.pooling import vTP_pool as vTP_pool
    from .operators.relu import bias_relu as bias_relu
    from .operators.relu import indicator as indicator
    from .operators.relu import mask as mask
    from .operators.relu import relu as relu
    from .problem import Problem as Problem

__getattr__, __dir__ = exports(
    __name__,
    {
        "operators.padding": ("padding", "unpad"),
        "operators.phi": ("find_index_phiZ", "padding_and_phiZ", "vTP_phi"),
        "operators.pooling": ("maxpooling", "vTP_pool", "P_pool"),
        "operators.relu": ("relu", "bias_relu", "mask", "indicator"),
        "operators.loss": ("SquaredLoss", "CrossEntropy", "get_loss"),
        "engine": ("Engine",),
        "problem": ("Problem",),
        "gradient": ("JTv", "lossgrad_subset"),
        "jv": ("Jv",),
        "gauss_newton": ("Gv", "GaussNewton"),
        "objective": ("BatchObjective", "FullObjective", "evaluate", "fungrad_minibatch"),
    },
)
