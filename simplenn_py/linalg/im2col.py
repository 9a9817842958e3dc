"""im2col in three memory layouts, and the permutations among them.

All three hold the same numbers: entry ``(u, w, c)`` of the patch below output pixel ``(i, j)`` of
instance ``n``, that is pixel ``(i*s + u, j*s + w)`` of channel ``c`` of the padded image.  They
differ in which of the six indices runs fastest in memory.  Slowest to fastest:

    layout   array                            memory        the product that follows
    phi      (h*h*d, a_conv*b_conv*l), F      n j i c w u   W (d_next, h*h*d) from the left
    nhwc     (l*a_conv*b_conv, h*h*d), C      n i j u w c   filters (h*h*d, d_next) from the right
    nchw     (l, d*h*h, a_conv*b_conv), C     n c u w i j   W (d_next, d*h*h), once an instance

One patch of a 2 x 2 filter on two channels, x and y, the image's rows written as rows:

    channel x   x00 x01    channel y   y00 y01
                x10 x11                y10 y11

    phi    one COLUMN       | x00 |    a column is contiguous: offset row u fastest, then
                            | x10 |    offset column w, then channel c (MATLAB's order)
                            | x01 |
                            | x11 |
                            | y00 |
                            | ... |
    nhwc   one ROW          [ x00 y00 x01 y01 x10 y10 x11 y11 ]    contiguous: channel fastest,
                                                                   then width, then height
    nchw   one COLUMN       | x00 x00' x00'' ... |    here the ROW is contiguous: the same entry
                            | x01 x01' x01'' ... |    of all patches, output width j fastest;
                            | x10 ...            |    down a column: w, then u, then c

So a patch is one run of memory in phi and in nhwc, and strided in nchw.  What is gathered in one
run, from images in the layout's own order (:data:`IMAGES`), :func:`run_length` tells: ``h*d``
numbers of NHWC images for nhwc, ``b_conv`` of NCHW images for nchw with stride 1, and for phi
one, or ``h`` where there is one channel: its rows have the channel slowest, the images fastest.

Sources: section C of the lecture on matrix products; phi is simpleNN's, nhwc TensorFlow's buffer,
nchw what Theano used and what PyTorch's ``unfold`` returns.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import DataError, OptionError, closest
from ..layout import Array, ConvGeometry

#: Order of the six indices in memory, the slowest first.
LAYOUTS: dict[str, str] = {"phi": "njicwu", "nhwc": "nijuwc", "nchw": "ncuwij"}
#: Order in memory of the images that go with each: instance, row, column, channel; slowest first.
IMAGES: dict[str, str] = {"phi": "nbad", "nhwc": "nabd", "nchw": "ndab"}


def im2col_phi(images: Array, h: int, s: int = 1, p: int = 0) -> Array:
    """Form simpleNN's phi(pad(Z)) of images in NHWC order.

    Parameters
    ----------
    images : ndarray, shape (l, a, b, d)
        Any dtype and strides.
    h : int
        Filter width (square).
    s, p : int
        Stride, and zero padding on every side.

    Returns
    -------
    ndarray, shape (h*h*d, a_conv*b_conv*l), Fortran order, the dtype of `images`
        Row ``u + h*w + h*h*c``, column ``i + a_conv*j + a_conv*b_conv*n``.

    Raises
    ------
    DataError
        Where `images` has no four axes, or the padded image is smaller than the filter.
    OptionError
        Where `h`, `s` or `p` is out of its range.
    """
    windows = _windows(images, "nabc", h, s, p)
    return _matrix(_in_memory(windows, "phi"), "phi")


def im2col_nhwc(images: Array, h: int, s: int = 1, p: int = 0) -> Array:
    """Form TensorFlow's patch rows of images in NHWC order.

    Parameters
    ----------
    images : ndarray, shape (l, a, b, d)
        Any dtype and strides.
    h, s, p : int
        Filter width, stride, padding.

    Returns
    -------
    ndarray, shape (l*a_conv*b_conv, h*h*d), C order, the dtype of `images`
        Row ``(n*a_conv + i)*b_conv + j``, column ``(u*h + w)*d + c``.

    Raises
    ------
    DataError, OptionError
        As :func:`im2col_phi`.
    """
    windows = _windows(images, "nabc", h, s, p)
    return _matrix(_in_memory(windows, "nhwc"), "nhwc")


def im2col_nchw(images: Array, h: int, s: int = 1, p: int = 0) -> Array:
    """Form one patch matrix an instance of images in NCHW order.

    Parameters
    ----------
    images : ndarray, shape (l, d, a, b)
        Any dtype and strides.
    h, s, p : int
        Filter width, stride, padding.

    Returns
    -------
    ndarray, shape (l, d*h*h, a_conv*b_conv), C order, the dtype of `images`
        Row ``(c*h + u)*h + w``, column ``i*b_conv + j``.

    Raises
    ------
    DataError, OptionError
        As :func:`im2col_phi`.
    """
    windows = _windows(images, "ncab", h, s, p)
    return _matrix(_in_memory(windows, "nchw"), "nchw")


def convert(
    P: Array, source: str, target: str, *, h: int, d: int, a_conv: int, b_conv: int
) -> Array:
    """Bring patches from one layout into another, exactly.

    Parameters
    ----------
    P : ndarray
        In the layout `source`, with the shape that its function returns; any strides.
    source, target : {"phi", "nhwc", "nchw"}
    h, d : int
        Filter width and channels.
    a_conv, b_conv : int
        Rows and columns of output pixels.

    Returns
    -------
    ndarray
        A new array with the shape and the memory order of `target`.

    Raises
    ------
    OptionError
        Where a layout is unknown or a size is less than 1.
    DataError
        Where `P` has another shape.

    Notes
    -----
    One read and one write of every number, and one of the two in short runs: it costs about what
    forming the patches anew does.
    """
    sizes = {"i": a_conv, "j": b_conv, "u": h, "w": h, "c": d}
    for name, size in zip(("a_conv", "b_conv", "h", "h", "d"), sizes.values(), strict=True):
        at_least(name, size, 1)
    axes = _axes(source)
    _axes(target)
    P = np.asarray(P)
    l = P.size // (a_conv * b_conv * h * h * d)
    wanted = _shape(source, sizes | {"n": l})
    if P.shape != wanted or l == 0:
        raise DataError(
            f"P has shape {P.shape}; {source!r} patches of these sizes have "
            f"{_rule(source, sizes)}, give the sizes that they were made with"
        )
    memory = P.T if source == "phi" else P  # the array whose C order is the layout's memory
    six = memory.reshape([(sizes | {"n": l})[axis] for axis in axes])
    return _matrix(_in_memory((six, axes), target), target)


def permutation(
    source: str, target: str, *, h: int, d: int, a_conv: int, b_conv: int, l: int
) -> Array:
    """Tell which entry of the source's memory each entry of the target's memory is.

        memory(target) = memory(source)[index]

    where memory is ``vec`` (columns stacked) of phi, and the rows one after the other of the two
    others.  As a 0/1 matrix it has one 1 in every row and column.

    Parameters
    ----------
    source, target : {"phi", "nhwc", "nchw"}
    h, d, a_conv, b_conv, l : int
        Filter width, channels, output rows and columns, instances.

    Returns
    -------
    ndarray of int64, shape (h*h*d*a_conv*b_conv*l,)

    Raises
    ------
    OptionError
        Where a layout is unknown or a size is less than 1.
    """
    count = h * h * d * a_conv * b_conv * l
    at_least("l", l, 1)
    sizes = {"n": l, "i": a_conv, "j": b_conv, "u": h, "w": h, "c": d}
    _axes(source)
    numbers = np.arange(count, dtype=np.int64)
    P = numbers.reshape(_shape(source, sizes), order="F" if source == "phi" else "C")
    moved = convert(P, source, target, h=h, d=d, a_conv=a_conv, b_conv=b_conv)
    return moved.reshape(-1, order="F" if target == "phi" else "C")


def images_of(layout: str, images: Array) -> Array:
    """Bring images (l, a, b, d) into the memory order that goes with a layout.

    Returns
    -------
    ndarray
        As the layout's function takes it: (l, d, a, b) for nchw, else (l, a, b, d), a view of an
        array with the axes of :data:`IMAGES` in C order.

    Raises
    ------
    OptionError
        Where the layout is unknown.
    """
    _axes(layout)
    order, taken = IMAGES[layout], "ndab" if layout == "nchw" else "nabd"
    memory = np.ascontiguousarray(images.transpose(["nabd".index(axis) for axis in order]))
    return memory.transpose([order.index(axis) for axis in taken])


def addresses(layout: str, a: int, b: int, d: int) -> Array:
    """Number the pixels of one image (1, a, b, d) as they lie in the layout's memory, from 0."""
    strides = images_of(layout, np.empty((1, a, b, d), np.int8)).strides
    if layout == "nchw":
        strides = (strides[0], *strides[2:], strides[1])
    i, j, c = np.ogrid[:a, :b, :d]
    return (strides[1] * i + strides[2] * j + strides[3] * c)[np.newaxis]


def run_length(layout: str, g: ConvGeometry) -> int:
    """Count the numbers that lie side by side in the padded image as well as in the patches.

    They can be copied in one go; the images are in the layout's own order.
    """
    images = images_of(layout, np.empty((1, g.a, g.b, g.d), np.int8))
    windows, axes = _windows(images, "ncab" if layout == "nchw" else "nabc", g.h, g.s, g.p)
    run = 1
    for axis in reversed(LAYOUTS[layout]):
        k = axes.index(axis)
        if windows.shape[k] > 1 and windows.strides[k] != run:
            break
        run *= windows.shape[k]
    return run


def _windows(images: Array, order: str, h: int, s: int, p: int) -> tuple[Array, str]:
    """View the padded images with the six axes; return the view and their names."""
    for name, value, least in (("h", h, 1), ("s", s, 1), ("p", p, 0)):
        at_least(name, value, least)
    images = np.asarray(images)
    if images.ndim != 4:
        axes = "(l, a, b, d)" if order == "nabc" else "(l, d, a, b)"
        raise DataError(f"images has shape {images.shape}; it must be {axes}, add the missing axis")
    spatial = (order.index("a"), order.index("b"))
    padded = _pad(images, [p if axis in spatial else 0 for axis in range(4)])
    if min(padded.shape[axis] for axis in spatial) < h:
        raise DataError(
            f"images has shape {images.shape}, too small for filters of width {h} with padding "
            f"{p}; a filter must fit, pad more or take a smaller one"
        )
    step = tuple(slice(None, None, s if axis in spatial else 1) for axis in range(4))
    windows = sliding_window_view(padded, (h, h), axis=spatial)[step]
    return windows, order.replace("a", "i").replace("b", "j") + "uw"


def _pad(images: Array, widths: list[int]) -> Array:
    """Add zeros on both sides of every axis; the axes keep their order in memory."""
    if not any(widths):
        return images
    order = sorted(range(4), key=lambda axis: -images.strides[axis])
    padded = np.pad(images.transpose(order), [(widths[axis],) * 2 for axis in order])
    return padded.transpose(np.argsort(order))


def _in_memory(windows: tuple[Array, str], layout: str) -> Array:
    """Copy six named axes into the memory order of a layout."""
    array, axes = windows
    return np.array(array.transpose([axes.index(axis) for axis in LAYOUTS[layout]]), order="C")


def _matrix(memory: Array, layout: str) -> Array:
    """See the six axes of :func:`_in_memory` as the layout's array."""
    shape = _shape(layout, dict(zip(LAYOUTS[layout], memory.shape, strict=True)))
    return memory.reshape(shape[::-1]).T if layout == "phi" else memory.reshape(shape)


def _shape(layout: str, sizes: dict[str, int]) -> tuple[int, ...]:
    patch = sizes["u"] * sizes["w"] * sizes["c"]
    grid = sizes["i"] * sizes["j"]
    return {
        "phi": (patch, grid * sizes["n"]),
        "nhwc": (sizes["n"] * grid, patch),
        "nchw": (sizes["n"], patch, grid),
    }[layout]


def _rule(layout: str, sizes: dict[str, int]) -> str:
    """Write the shape of a layout for any number of instances."""
    patch, grid = sizes["u"] * sizes["w"] * sizes["c"], sizes["i"] * sizes["j"]
    return {
        "phi": f"({patch}, l*{grid})",
        "nhwc": f"(l*{grid}, {patch})",
        "nchw": f"(l, {patch}, {grid})",
    }[layout]


def _axes(layout: str) -> str:
    if layout not in LAYOUTS:
        known = ", ".join(LAYOUTS)
        raise OptionError(f"layout is {layout!r}; it must be one of {known}" + _near(layout))
    return LAYOUTS[layout]


def _near(layout: object) -> str:
    return closest(layout, list(LAYOUTS)) if isinstance(layout, str) else ""


def at_least(name: str, value: object, least: int) -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least:  # type: ignore[operator]
        raise OptionError(f"{name} is {value!r}; it must be a whole number, {least} or more")
