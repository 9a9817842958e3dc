"""Factors and products: low rank by randomized SVD, and im2col in three memory layouts."""

from .im2col import LAYOUTS, convert, im2col_nchw, im2col_nhwc, im2col_phi, permutation
from .svd import (
    SVD,
    bound_frobenius,
    bound_spectral,
    error_estimate,
    frobenius_error,
    randomized_svd,
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
