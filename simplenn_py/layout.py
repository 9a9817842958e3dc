"""The conventions, stated once: how images, patches and vectors lie in memory.

Storage (1) of the lecture: a batch of ``l`` images with ``d`` channels, height
``a`` and width ``b`` is ONE matrix

    Z = [ Z^{1}  Z^{2} ... Z^{l} ]   of shape (d, a*b*l), Fortran order.

A row of ``Z`` is a channel and a column of ``Z`` is a pixel.  Pixel ``(i, j)``, in row i
and column j of image n, is column ``i + a*j + a*b*n`` of ``Z``.  The row i runs
fastest, then the column j, then the image n.  In memory the channel runs fastest of
all, byte for byte as in MATLAB.  ``Z.T.reshape(l, b, a, d)`` is a C-contiguous view of
the same bytes; the compiled kernels index that view, ``pixels(Z, a, b)``.

``vec`` stacks columns.  A flat parameter vector orders a layer as ``vec(W)``, then
its bias.  All indices count from 0 (the lecture's MATLAB counts from 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .runtime.arguments import expect, expect_methods

Array = NDArray[Any]


@dataclass(frozen=True)
class ConvGeometry:
    """All sizes of one convolutional layer, in the letters of the lecture.

    Parameters
    ----------
    a, b, d : int
        Height, width and channels of the layer's input ``Z^m``.
    p : int
        Number of rows and columns of zeros that ``pad`` adds on every side.
    h, s : int
        Width of the square filter, and its stride.
    d_next : int
        Number of filters, which is the number of output channels ``d^{m+1}``.
    h_pool : int
        Width of the pooling window, which is also its stride; 1 means no pooling.

    Raises
    ------
    UserError
        If a size is not a whole number.

    Notes
    -----
    Section A of the lecture.  ``a_conv = floor((a_pad - h)/s) + 1`` and
    ``a_next = floor(a_conv/h_pool)``: only complete windows are pooled.  The widths ``b_*``
    follow the same rules.

    Examples
    --------
    >>> from simplenn_py import ConvGeometry
    >>> g = ConvGeometry(a=28, b=28, d=1, p=2, h=5, s=1, d_next=32, h_pool=2)
    >>> g.a_pad, g.a_conv, g.a_next, g.hhd
    (32, 28, 14, 25)
    """

    a: int
    b: int
    d: int
    p: int
    h: int
    s: int
    d_next: int
    h_pool: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            expect(name, value, Integral, "a whole number")

    @property
    def a_pad(self) -> int:
        """Height of pad(Z)."""
        return self.a + 2 * self.p

    @property
    def b_pad(self) -> int:
        """Width of pad(Z)."""
        return self.b + 2 * self.p

    @property
    def a_conv(self) -> int:
        """Height of the convolution's output S."""
        return (self.a_pad - self.h) // self.s + 1

    @property
    def b_conv(self) -> int:
        """Width of the convolution's output S."""
        return (self.b_pad - self.h) // self.s + 1

    @property
    def a_next(self) -> int:
        """Height of the layer's output, after pooling."""
        return self.a_conv // self.h_pool

    @property
    def b_next(self) -> int:
        """Width of the layer's output, after pooling."""
        return self.b_conv // self.h_pool

    @property
    def hhd(self) -> int:
        """Number of rows of phi(pad(Z)) and of columns of W."""
        return self.h * self.h * self.d


@dataclass(frozen=True)
class FullGeometry:
    """Sizes of a fully connected layer ``s = W z + bias``: W is ``(n_out, n_in)``.

    Parameters
    ----------
    n_in, n_out : int
        Number of inputs and of outputs.
    """

    n_in: int
    n_out: int


def check_geometry(g: ConvGeometry) -> None:
    """Check that an operator is given the sizes of its layer.

    Parameters
    ----------
    g : ConvGeometry
        Or an object with the same attributes.

    Raises
    ------
    UserError
        If it is something else.
    """
    what = "a ConvGeometry, such as config.conv_layers[0]"
    expect_methods("g", g, ("a_pad", "a_conv", "a_next", "hhd"), what)


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Allocate an uninitialised Fortran-order array that starts on a 64-byte boundary.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    ndarray, shape `shape`, Fortran order

    Notes
    -----
    NumPy guarantees only 16 bytes.  A cache line and an AVX-512 vector have 64.
    """
    dtype = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    raw = np.empty(count * dtype.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    flat = raw[start : start + count * dtype.itemsize].view(dtype)
    return flat.reshape(shape, order="F")


def vec(A: Array) -> Array:
    """Stack the columns of a matrix.

    Parameters
    ----------
    A : ndarray, shape (m, n)

    Returns
    -------
    ndarray, shape (m*n,)
        A view of `A` if `A` is in Fortran order, otherwise a copy.

    Examples
    --------
    >>> import numpy as np
    >>> from simplenn_py.layout import vec
    >>> vec(np.array([[1, 2, 3], [4, 5, 6]])).tolist()
    [1, 4, 2, 5, 3, 6]
    """
    return A.reshape(-1, order="F")


def pixels(Z: Array, a: int, b: int) -> Array:
    """View ``(d, a*b*l)`` storage as the C-contiguous array ``[n, j, i, channel]``.

    The indices are the image n, its column j, its row i and the channel.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order
    a, b : int
        Height and width of one image.

    Returns
    -------
    ndarray, shape (l, b, a, d), C order
        A view, which shares its memory with `Z`.

    Examples
    --------
    Pixel ``(i, j) = (1, 0)`` of the first of two images of height 2, width 3 and 1 channel:

    >>> import numpy as np
    >>> from simplenn_py.layout import pixels
    >>> Z = np.arange(12).reshape(1, 12, order="F")
    >>> pixels(Z, 2, 3).shape
    (2, 3, 2, 1)
    >>> int(pixels(Z, 2, 3)[0, 0, 1, 0])
    1
    """
    return Z.T.reshape(-1, b, a, Z.shape[0])


def storage(images: Array) -> Array:
    """View ``(l, b, a, d)`` as ``(d, a*b*l)`` storage: the inverse of :func:`pixels`.

    Parameters
    ----------
    images : ndarray, shape (l, b, a, d), C order

    Returns
    -------
    ndarray, shape (d, a*b*l), Fortran order
        A view, which shares its memory with `images`.
    """
    return images.reshape(-1, images.shape[-1]).T


def from_nhwc(images: Array) -> Array:
    """Store images ``(l, a, b, d)`` as ``(d, a*b*l)``.

    Parameters
    ----------
    images : ndarray, shape (l, a, b, d), or (l, a, b) if there is one channel

    Returns
    -------
    ndarray, shape (d, a*b*l), Fortran order, the dtype of `images`

    Raises
    ------
    ValueError
        If `images` has another number of dimensions.

    Examples
    --------
    One image of height 2, width 3 and 1 channel; its columns follow one another:

    >>> import numpy as np
    >>> from simplenn_py.layout import from_nhwc
    >>> image = np.array([[1, 2, 3],
    ...                   [4, 5, 6]])
    >>> from_nhwc(image[np.newaxis]).tolist()
    [[1, 4, 2, 5, 3, 6]]
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    _check_form(images, 4, "images", "(l, a, b, d), or (l, a, b) if there is one channel")
    return storage(np.ascontiguousarray(images.transpose(0, 2, 1, 3)))


def to_nhwc(Z: Array, a: int, b: int) -> Array:
    """View ``(d, a*b*l)`` storage as images ``(l, a, b, d)``: the inverse of :func:`from_nhwc`.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order
    a, b : int
        Height and width of one image.

    Returns
    -------
    ndarray, shape (l, a, b, d)
        A view, which shares its memory with `Z` if that is in Fortran order.

    Raises
    ------
    ValueError
        If `Z` has another shape.
    """
    return pixels(_checked(Z, a, b), a, b).transpose(0, 2, 1, 3)


def from_nchw(images: Array) -> Array:
    """Store images ``(l, d, a, b)`` as ``(d, a*b*l)``.

    Parameters
    ----------
    images : ndarray, shape (l, d, a, b)

    Returns
    -------
    ndarray, shape (d, a*b*l), Fortran order, the dtype of `images`

    Raises
    ------
    ValueError
        If `images` has another number of dimensions.
    """
    images = np.asarray(images)
    _check_form(images, 4, "images", "(l, d, a, b)")
    return storage(np.ascontiguousarray(images.transpose(0, 3, 2, 1)))


def to_nchw(Z: Array, a: int, b: int) -> Array:
    """View ``(d, a*b*l)`` storage as images ``(l, d, a, b)``: the inverse of :func:`from_nchw`.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order
    a, b : int
        Height and width of one image.

    Returns
    -------
    ndarray, shape (l, d, a, b)
        A view, which shares its memory with `Z` if that is in Fortran order.

    Raises
    ------
    ValueError
        If `Z` has another shape.
    """
    return pixels(_checked(Z, a, b), a, b).transpose(0, 3, 2, 1)


def from_rows(X: Array, a: int, b: int, d: int, input_format: str = "column") -> Array:
    """Store a matrix with one row per image, ``(l, a*b*d)``, as ``(d, a*b*l)``.

    Parameters
    ----------
    X : ndarray, shape (l, a*b*d)
        One image per row, channel after channel; `input_format` is the order within a channel.
    a, b, d : int
        Height, width and channels of one image.
    input_format : {"column", "row"}
        "column": the image's columns one after the other (MATLAB's ``vec``, which
        simpleNN's routines expect).  "row": its rows one after the other (the files of
        simpleNN's demo, MNIST, CIFAR-10).

    Returns
    -------
    ndarray, shape (d, a*b*l), Fortran order, the dtype of `X`

    Raises
    ------
    ValueError
        If `input_format` is neither of the two, or `X` has another shape.
    """
    X = np.asarray(X)
    if X.ndim != 2 or X.shape[1] != a * b * d:
        raise ValueError(
            f"X has shape {X.shape}; it must be (l, {a * b * d}), one image of {a}x{b}x{d} per row"
        )
    if input_format == "column":
        return storage(np.ascontiguousarray(X.reshape(-1, d, b, a).transpose(0, 2, 3, 1)))
    if input_format == "row":
        return from_nchw(X.reshape(-1, d, a, b))
    raise ValueError(f"input_format is {input_format!r}; it must be 'column' or 'row'")


def to_rows(Z: Array, a: int, b: int, input_format: str = "column") -> Array:
    """Return ``(d, a*b*l)`` storage with one row per image: the inverse of :func:`from_rows`.

    Parameters
    ----------
    Z : ndarray, shape (d, a*b*l), Fortran order
    a, b : int
        Height and width of one image.
    input_format : {"column", "row"}
        As for :func:`from_rows`.

    Returns
    -------
    ndarray, shape (l, a*b*d), C order, the dtype of `Z`
        A view of `Z` if the bytes have this order already, otherwise a copy.

    Raises
    ------
    ValueError
        If `input_format` is neither of the two, or `Z` has another shape.
    """
    if input_format == "column":
        images = pixels(_checked(Z, a, b), a, b).transpose(0, 3, 1, 2)
    elif input_format == "row":
        images = to_nchw(Z, a, b)
    else:
        raise ValueError(f"input_format is {input_format!r}; it must be 'column' or 'row'")
    return np.ascontiguousarray(images).reshape(images.shape[0], -1)


def patches(phiZ: Array, g: ConvGeometry) -> Array:
    """View ``(h*h*d, a_conv*b_conv*l)`` storage as the array ``[n, j, i, channel, w, u]``.

    Entry ``[n, j, i]`` is the patch of output pixel ``(i, j)`` of image n; u is the row and w
    the column within the patch.

    Parameters
    ----------
    phiZ : ndarray, shape (h*h*d, a_conv*b_conv*l), Fortran order
    g : ConvGeometry

    Returns
    -------
    ndarray, shape (l, b_conv, a_conv, d, h, h), C order
        A view, which shares its memory with `phiZ`.

    Examples
    --------
    The patch of output pixel ``(i, j) = (0, 1)``, transposed so that its rows come first:

    >>> import numpy as np
    >>> from simplenn_py import ConvGeometry, padding_and_phiZ
    >>> from simplenn_py.layout import from_nhwc, patches
    >>> g = ConvGeometry(a=3, b=3, d=1, p=0, h=2, s=1, d_next=1, h_pool=1)
    >>> Z = from_nhwc(np.arange(9.0).reshape(1, 3, 3))
    >>> patches(padding_and_phiZ(Z, g), g)[0, 1, 0, 0].T
    array([[1., 2.],
           [4., 5.]])
    """
    return phiZ.T.reshape(-1, g.b_conv, g.a_conv, g.d, g.h, g.h)


def _check_form(images: Array, ndim: int, name: str, form: str) -> None:
    if images.ndim != ndim:
        raise ValueError(f"{name} has shape {images.shape}; it must be {form}")


def _checked(Z: Array, a: int, b: int) -> Array:
    """Return `Z` as an array if it is (d, a*b*l) storage of images of a x b pixels."""
    Z = np.asarray(Z)
    _check_form(Z, 2, "Z", f"(d, {a * b}*l), one row per channel and one column per pixel")
    return check_storage(Z, Z.shape[0], a * b, "Z")[0]


def compilable(Z: Array, name: str) -> Array:
    """Return `Z` as an array whose dtype the compiled kernels know.

    Parameters
    ----------
    Z : array_like
    name : str
        Name of the array in the message.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If the dtype is half or long precision, an object, or not in native byte order.
    """
    Z = np.asarray(Z)
    if Z.dtype.kind not in "biufc" or Z.dtype.char in "egG" or not Z.dtype.isnative:
        raise ValueError(
            f"{name} has dtype {Z.dtype}; give it as float32 or float64, in native byte order"
        )
    return Z


def check_storage(Z: Array, rows: int, pixels: int, name: str) -> tuple[Array, int]:
    """Check that `Z` is ``(rows, pixels*l)``; return it in Fortran order, and ``l``.

    Parameters
    ----------
    Z : ndarray
    rows, pixels : int
        Number of rows, and number of pixels per image.
    name : str
        Name of the array in the message.

    Returns
    -------
    Z : ndarray, shape (rows, pixels*l), Fortran order
        `Z` itself if it is in Fortran order, otherwise a copy.
    l : int
        Number of images.

    Raises
    ------
    ValueError
        If `Z` has a wrong shape, or a dtype for which nothing can be compiled; the message names
        the array, its shape or dtype, and the rule.
    """
    Z = compilable(Z, name)
    if Z.ndim != 2 or Z.shape[0] != rows or Z.shape[1] % pixels:
        raise ValueError(
            f"{name} has shape {Z.shape}; it must be ({rows}, l*{pixels}), "
            "one row per channel and one column per pixel"
        )
    return np.asfortranarray(Z), Z.shape[1] // pixels


def output(out: Array | None, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Allocate an operator's result, or check the array that the caller gave for it.

    Parameters
    ----------
    out : ndarray or None
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    ndarray, shape `shape`, Fortran order
        `out` itself, or a new array if `out` is None.

    Raises
    ------
    ValueError
        If `out` has a wrong shape, dtype or memory order.
    """
    if out is None:
        return aligned_empty(shape, dtype)
    if out.shape != shape or out.dtype != np.dtype(dtype) or not out.flags.f_contiguous:
        raise ValueError(
            f"out has shape {out.shape} and dtype {out.dtype}; it must be {shape}, "
            f"{np.dtype(dtype)}, in Fortran order"
        )
    return out
