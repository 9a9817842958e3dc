"""Automatic differentiation of NumPy code: a tape, forward mode, and differences to check them.

The mechanism is in ``box.py``, ``tape.py`` and ``forward.py``, the derivative rules in
``rules.py``.  Two modules are imported by their own names.  ``rules_cnn.py`` has the lecture's
layers on the tape and needs the compiled kernels (``from simplenn_py.autodiff.rules_cnn import
conv, maxpool, relu``).  ``tape_training.py`` trains the networks that are written with them.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy import exports
from .box import Rule
from .define import define, elementwise, linear
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
from .projection import (
    JacobianCost,
    JacobianMemory,
    jacobian_experiment,
    jacobian_memory,
    projection_gradient,
)
from .rules import RULES
from .tape import GradientTape, Variable

if TYPE_CHECKING:
    from .rules_cnn import conv as conv

# conv needs the compiled kernels.
__getattr__, __dir__ = exports(__name__, {"rules_cnn": ("conv",)})

__all__ = [
    # reverse mode
    "GradientTape",
    "Variable",
    # forward mode
    "Dual",
    "jvp",
    "derivative",
    # derivatives of functions
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
    "jacobian_experiment",
    "JacobianCost",
    # drawing
    "graph_svg",
    # rules
    "RULES",
    "Rule",
    "define",
    "elementwise",
    "linear",
]
