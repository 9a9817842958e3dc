"""Factors and products: low rank by randomized SVD, and im2col in three memory layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..runtime.lazy import exports
from .im2col import LAYOUTS, convert, im2col_nchw, im2col_nhwc, im2col_phi, permutation
from .svd import (
    SVD,
    bound_frobenius,
    bound_spectral,
    error_estimate,
    frobenius_error,
    randomized_svd,
)

if TYPE_CHECKING:
    from ..kernels.peak import peak as peak
    from .ladder import measure_ladder as measure_ladder
    from .plots import plot_ladder as plot_ladder
    from .plots import plot_roofline as plot_roofline
    from .products import STEPS as STEPS
    from .products import partitioned as partitioned
    from .roofline import layer_work as layer_work
    from .roofline import measure_machine as measure_machine

# These names need the compiled kernels; they are loaded when they are first used.
__getattr__, __dir__ = exports(
    __name__,
    {
        "..kernels.peak": ("peak",),
        "ladder": ("measure_ladder",),
        "plots": ("plot_ladder", "plot_roofline"),
        "products": ("STEPS", "partitioned"),
        "roofline": ("layer_work", "measure_machine"),
    },
)

__all__ = [
    # low rank
    "SVD",
    "randomized_svd",
    "error_estimate",
    "frobenius_error",
    "bound_spectral",
    "bound_frobenius",
    # patches
    "LAYOUTS",
    "im2col_phi",
    "im2col_nhwc",
    "im2col_nchw",
    "convert",
    "permutation",
]
