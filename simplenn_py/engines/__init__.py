"""The engines: ways to run a layer, behind one small interface (``cnn.engine.Engine``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import DTypeLike

from ..cnn.engine import Engine
from ..errors import OptionError, closest
from ..network.config import NetConfig
from ..runtime.arguments import described
from ..runtime.lazy import exports

if TYPE_CHECKING:
    from .lecture import LectureEngine as LectureEngine
    from .operator_table import Operators as Operators

__getattr__, __dir__ = exports(
    __name__, {"lecture": ("LectureEngine",), "operator_table": ("Operators",)}
)

ENGINES = ("lecture", "direct")
DEFAULT = "direct"


def engine_class(name: str) -> type[Engine]:
    """Return the class of an engine by its name.

    Parameters
    ----------
    name : {"lecture", "direct"}

    Returns
    -------
    type
        A subclass of ``cnn.engine.Engine``.

    Raises
    ------
    OptionError
        If there is no engine of that name.
    """
    if not isinstance(name, str) or name not in ENGINES:
        raise OptionError(
            f"engine is {described(name)}; it must be one of {', '.join(ENGINES)}"
            + closest(str(name), list(ENGINES))
        )
    if name == "direct":
        from .direct import DirectEngine

        return DirectEngine
    from .lecture import LectureEngine

    return LectureEngine


def make_engine(
    name: str, config: NetConfig, batch_size: int, dtype: DTypeLike, training: bool = True
) -> Engine:
    """Build an engine with its buffers.

    Parameters
    ----------
    name : {"lecture", "direct"}
    config : NetConfig
        The network.
    batch_size : int
        Maximum number of instances per batch.
    dtype : {float32, float64}
        Dtype of all arithmetic.
    training : bool
        Whether backward passes and tangents follow; if not, less memory is kept.

    Returns
    -------
    Engine
        See ``cnn.engine.Engine``.

    Raises
    ------
    OptionError
        If there is no engine of that name.

    Examples
    --------
    Random weights, a batch of two random images, and one forward pass:

    >>> import numpy as np
    >>> from simplenn_py import Conv, Model, NetConfig, feedforward, make_engine
    >>> config = NetConfig.build((8, 8, 1), conv=[Conv(4, 3, pad=1, pool=2)], full=[10])
    >>> rng = np.random.default_rng(0)
    >>> model = Model.initialise(config, np.arange(10), rng, np.float64)
    >>> engine = make_engine("lecture", config, 2, np.float64)
    >>> engine.load(rng.random((1, 8 * 8 * 2)), np.arange(2), 1.0, np.zeros(64))
    >>> feedforward(engine, model).shape
    (10, 2)
    """
    return engine_class(name)(config, batch_size, dtype, training)
