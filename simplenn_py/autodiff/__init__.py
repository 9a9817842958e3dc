"""Automatic differentiation of NumPy code: a tape, forward mode, and differences to check them.

The mechanism is in ``tape.py`` and ``forward.py``, the derivative rules in ``rules.py``.
``rules_cnn.py``, which needs the compiled kernels, is imported on its own:
``from simplenn_py.autodiff.rules_cnn import conv, maxpool, relu``.
"""

from .forward import Dual, derivative, jvp
from .functions import (
    finite_difference,
    gradient,
    hessian,
    hvp,
    jacobian,
    value_and_gradient,
)
from .graph import graph_svg
from .projection import JacobianMemory, jacobian_memory, projection_gradient
from .rules import RULES, define, elementwise, linear
from .tape import GradientTape, Rule, Variable

__all__ = [
    # reverse mode
    "GradientTape",
    "Variable",
    # forward mode
    "Dual",
    "jvp",
    "derivative",
    # of functions
    "gradient",
    "value_and_gradient",
    "jacobian",
    "hvp",
    "hessian",
    "finite_difference",
    # back-propagation on tensors
    "projection_gradient",
    "jacobian_memory",
    "JacobianMemory",
    # a picture
    "graph_svg",
    # rules
    "RULES",
    "Rule",
    "define",
    "elementwise",
    "linear",
]
