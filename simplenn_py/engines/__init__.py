"""Ways to run a layer, behind one small interface (``cnn.engine.Engine``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import DTypeLike

from ..cnn.engine import Engine
from ..errors import OptionError, closest
from ..network.config import NetConfig
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
    """Return the engine called `name`; OptionError if there is none."""
    if name not in ENGINES:
        raise OptionError(
            f"engine is {name!r}; it must be one of {', '.join(ENGINES)}"
            + closest(name, list(ENGINES))
        )
    if name == "direct":
        from .direct import DirectEngine

        return DirectEngine
    from .lecture import LectureEngine

    return LectureEngine


def make_engine(
    name: str, config: NetConfig, batch_size: int, dtype: DTypeLike, training: bool = True
) -> Engine:
    """Build the engine called `name` with its workspace (see ``cnn.engine.Engine``)."""
    return engine_class(name)(config, batch_size, dtype, training)
