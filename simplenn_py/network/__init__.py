"""What a network is: its sizes and rules, its weights, the scaling of its input."""

from .config import NetConfig
from .normalisation import Normalisation
from .presets import PRESETS, Conv
from .weights import Weights

__all__ = ["PRESETS", "Conv", "NetConfig", "Normalisation", "Weights"]
