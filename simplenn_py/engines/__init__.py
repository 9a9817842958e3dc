"""Ways to run a layer, behind one small interface (``base.Engine``)."""

from __future__ import annotations

from numpy.typing import DTypeLike

from ..config import NetConfig
from ..errors import OptionError, closest
from .base import Engine

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
    """Build the engine called `name` with its workspace (see ``base.Engine``)."""
    return engine_class(name)(config, batch_size, dtype, training)
