"""The conventions, stated once: how images, patches and vectors lie in memory.

Storage (1) of the lecture: a batch of ``l`` images with ``d`` channels, height
``a`` and width ``b`` is ONE matrix

    Z = [ Z^{1}  Z^{2} ... Z^{l} ]   of shape (d, a*b*l), Fortran order.

A row is a channel.  A column is a pixel: pixel (row i, column j), both from 0,
of instance n is column ``i + a*j + a*b*n``, so the row index runs fastest, then
the column, then the instance.  In memory the channel runs fastest of all, byte
for byte as in MATLAB; ``Z.T.reshape(l, b, a, d)`` is a C-contiguous view of the
same bytes, and that view, ``pixels(Z, a, b)``, is what the compiled kernels index.

``vec`` stacks columns.  A flat parameter vector orders a layer as ``vec(W)``, then
its bias.  All indices count from 0 (the lecture's MATLAB counts from 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class ConvGeometry:
    """All sizes of one convolutional layer, in the letters of the lecture.

    Parameters
    ----------
    a, b, d : int
        Height, width and channels of the layer's input ``Z^m``.
    p : int
        Rows and columns of zeros that ``pad`` adds on every side.
    h, s : int
        Width of the square filter, and its stride.
    d_next : int
        Number of filters, hence of output channels ``d^{m+1}``.
    h_pool : int
        Window and stride of max pooling; 1 means none.

    Notes
    -----
    ``a_conv = floor((a_pad - h)/s) + 1`` and ``a_next = floor(a_conv/h_pool)``: only
    complete windows are pooled.  The widths ``b_*`` follow the same rules.
    """

    a: int
    b: int
    d: int
    p: int
    h: int
    s: int
    d_next: int
    h_pool: int

    @property
    def a_pad(self) -> int:
        return self.a + 2 * self.p

    @property
    def b_pad(self) -> int:
        return self.b + 2 * self.p

    @property
    def a_conv(self) -> int:
        return (self.a_pad - self.h) // self.s + 1

    @property
    def b_conv(self) -> int:
        return (self.b_pad - self.h) // self.s + 1

    @property
    def a_next(self) -> int:
        return self.a_conv // self.h_pool

    @property
    def b_next(self) -> int:
        return self.b_conv // self.h_pool

    @property
    def hhd(self) -> int:
        """Rows of phi(pad(Z)), columns of W."""
        return self.h * self.h * self.d


@dataclass(frozen=True)
class FullGeometry:
    """Sizes of a fully connected layer ``s = W z + bias``: W is ``(n_out, n_in)``."""

    n_in: int
    n_out: int


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Allocate an uninitialised Fortran-order array that starts on a 64-byte boundary.

    NumPy promises 16 bytes; a cache line, and an AVX-512 vector, have 64.
    """
    dtype = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    raw = np.empty(count * dtype.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    flat = raw[start : start + count * dtype.itemsize].view(dtype)
    return flat.reshape(shape, order="F")


def vec(A: Array) -> Array:
    """Stack the columns of the matrix `A`; a view where `A` is in Fortran order."""
    return A.reshape(-1, order="F")


def pixels(Z: Array, a: int, b: int) -> Array:
    """View ``(d, a*b*l)`` storage as the C-contiguous array ``[instance, column, row, channel]``.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order
    a, b : int
        Height and width of one image.

    Returns
    -------
    ndarray, shape (l, b, a, d), C order; shares memory with `Z`.
    """
    return Z.T.reshape(-1, b, a, Z.shape[0])


def storage(images: Array) -> Array:
    """Inverse of :func:`pixels`: ``(l, b, a, d)`` in C order seen as ``(d, a*b*l)``."""
    return images.reshape(-1, images.shape[-1]).T


def from_nhwc(images: Array) -> Array:
    """Store images ``(l, a, b, d)`` or ``(l, a, b)`` as ``(d, a*b*l)``, Fortran order."""
    if images.ndim == 3:
        images = images[..., np.newaxis]
    return storage(np.ascontiguousarray(images.transpose(0, 2, 1, 3)))


def to_nhwc(Z: Array, a: int, b: int) -> Array:
    """Return the images of `Z` ``(d, a*b*l)`` as ``(l, a, b, d)``; a view."""
    return pixels(Z, a, b).transpose(0, 2, 1, 3)


def from_nchw(images: Array) -> Array:
    """Store images ``(l, d, a, b)`` as ``(d, a*b*l)``, Fortran order."""
    return storage(np.ascontiguousarray(images.transpose(0, 3, 2, 1)))


def to_nchw(Z: Array, a: int, b: int) -> Array:
    """Return the images of `Z` ``(d, a*b*l)`` as ``(l, d, a, b)``; a view."""
    return pixels(Z, a, b).transpose(0, 3, 2, 1)


def from_rows(X: Array, a: int, b: int, d: int, input_format: str = "column") -> Array:
    """Store one image a row, ``(l, a*b*d)``, as ``(d, a*b*l)``, Fortran order.

    Parameters
    ----------
    X : ndarray, shape (l, a*b*d)
        Channel after channel; within a channel, see `input_format`.
    input_format : {"column", "row"}
        "column": the columns of the image one after the other (MATLAB's ``vec``, what
        simpleNN's routines expect); "row": its rows one after the other (the files of
        simpleNN's demo, MNIST, CIFAR-10).
    """
    if input_format == "column":
        return storage(np.ascontiguousarray(X.reshape(-1, d, b, a).transpose(0, 2, 3, 1)))
    if input_format == "row":
        return from_nchw(X.reshape(-1, d, a, b))
    raise ValueError(f"input_format is {input_format!r}; it must be 'column' or 'row'")


def to_rows(Z: Array, a: int, b: int, input_format: str = "column") -> Array:
    """Inverse of :func:`from_rows`: ``(d, a*b*l)`` as a new array ``(l, a*b*d)``."""
    if input_format == "column":
        images = pixels(Z, a, b).transpose(0, 3, 1, 2)
    elif input_format == "row":
        images = to_nchw(Z, a, b)
    else:
        raise ValueError(f"input_format is {input_format!r}; it must be 'column' or 'row'")
    return np.ascontiguousarray(images).reshape(images.shape[0], -1)


def patches(phiZ: Array, g: ConvGeometry) -> Array:
    """View ``(h*h*d, a_conv*b_conv*l)`` as ``[instance, column, row, channel, w, u]``, C order."""
    return phiZ.T.reshape(-1, g.b_conv, g.a_conv, g.d, g.h, g.h)


def check_storage(Z: Array, rows: int, pixels: int, name: str) -> tuple[Array, int]:
    """Check that `Z` is ``(rows, pixels*l)``; return it in Fortran order, and ``l``.

    Raises
    ------
    ValueError
        Naming the array, its shape and the rule.
    """
    if Z.ndim != 2 or Z.shape[0] != rows or Z.shape[1] % pixels:
        raise ValueError(
            f"{name} has shape {Z.shape}; it must be ({rows}, l*{pixels}), "
            "a row a channel and a column a pixel"
        )
    return np.asfortranarray(Z), Z.shape[1] // pixels


def output(out: Array | None, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Allocate an operator's result, or check the array that the caller gave for it."""
    if out is None:
        return aligned_empty(shape, dtype)
    if out.shape != shape or out.dtype != np.dtype(dtype) or not out.flags.f_contiguous:
        raise ValueError(
            f"out has shape {out.shape} and dtype {out.dtype}; it must be {shape}, "
            f"{np.dtype(dtype)}, in Fortran order"
        )
    return out
