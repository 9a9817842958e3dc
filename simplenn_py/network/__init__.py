"""The description of a network: its sizes and their rules, its weights, its input's scaling."""

from .config import NetConfig
from .normalisation import Normalisation
from .presets import PRESETS, Conv
from .weights import Weights

__all__ = ["PRESETS", "Conv", "NetConfig", "Normalisation", "Weights"]
