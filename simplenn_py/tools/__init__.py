"""Tools for a network: check its gradients, explain, compress, profile or summarise it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..runtime.lazy import exports

if TYPE_CHECKING:
    from .compress.plot import plot_ranks as plot_ranks
    from .compress.ranks import factor_layers as factor_layers
    from .compress.ranks import ranks_by_energy as ranks_by_energy
    from .compress.ranks import ranks_by_size as ranks_by_size
    from .compress.ranks import ranks_given as ranks_given
    from .compress.ranks import roots as roots
    from .gradcheck.check import check_derivatives as check_derivatives
    from .profile.layer_times import PASSES as PASSES
    from .profile.layer_times import time_layers as time_layers
    from .profile.plot import plot_layer_times as plot_layer_times
    from .summary import summarise as summarise

__getattr__, __dir__ = exports(
    __name__,
    {
        "summary": ("summarise",),
        "gradcheck.check": ("check_derivatives",),
        "profile.layer_times": ("PASSES", "time_layers"),
        "profile.plot": ("plot_layer_times",),
        "compress.ranks": (
            "factor_layers",
            "ranks_by_energy",
            "ranks_by_size",
            "ranks_given",
            "roots",
        ),
        "compress.plot": ("plot_ranks",),
    },
)
