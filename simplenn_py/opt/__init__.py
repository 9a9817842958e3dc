"""The solvers.  They work on an objective and a parameter vector, and know nothing of layers."""

from .adam import AdamState, adam
from .cg import CG
from .hooks import Hook
from .minibatch import learning_rate
from .newton import NewtonState, newton
from .sgd import SGDState, sgd

__all__ = [
    "CG",
    "AdamState",
    "Hook",
    "NewtonState",
    "SGDState",
    "adam",
    "learning_rate",
    "newton",
    "sgd",
]
