"""im2col in three memory layouts, and the permutations between them.

All three hold the same numbers: entry ``(u, w, c)`` of the patch of output pixel ``(i, j)`` of
instance ``n``, that is pixel ``(i*s + u, j*s + w)`` of channel ``c`` of the padded image.  They
differ in which of the six indices runs fastest in memory.  Column "memory" lists the indices from
the slowest to the fastest:

    layout   array                            memory        the product that follows
    phi      (h*h*d, a_conv*b_conv*l), F      n j i c w u   W (d_next, h*h*d) from the left
    nhwc     (l*a_conv*b_conv, h*h*d), C      n i j u w c   filters (h*h*d, d_next) from the right
    nchw     (l, d*h*h, a_conv*b_conv), C     n c u w i j   W (d_next, d*h*h), once per instance

One patch of a 2 x 2 filter on two channels, x and y; the image's rows are written as rows:

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

So a patch is contiguous in phi and in nhwc, and strided in nchw.  :func:`run_length` counts the
numbers that can be gathered in one run from images in the layout's own order (:data:`IMAGES`):
``h*d`` numbers of NHWC images for nhwc, ``b_conv`` numbers of NCHW images for nchw with stride 1.
For phi it is one number, or ``h`` if there is one channel: the channel runs slowest in its rows
and fastest in the images.

Sources: section C of the lecture, on matrix products.  phi is simpleNN's layout, nhwc is
TensorFlow's buffer, nchw is the layout that Theano used and that PyTorch's ``unfold`` returns.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import DataError, OptionError, closest
from ..layout import Array, ConvGeometry

#: Order of the six indices in memory, from the slowest to the fastest.
LAYOUTS: dict[str, str] = {"phi": "njicwu", "nhwc": "nijuwc", "nchw": "ncuwij"}
#: Memory order of the images that go with each layout, from the slowest index to the fastest:
#: n is the instance, a the row, b the column, d the channel.
IMAGES: dict[str, str] = {"phi": "nbad", "nhwc": "nabd", "nchw": "ndab"}


def im2col_phi(images: Array, h: int, s: int = 1, p: int = 0) -> Array:
    """Form simpleNN's phi(pad(Z)) from images in NHWC order.

    Parameters
    ----------
    images : ndarray, shape (l, a, b, d)
        Images, of any dtype and strides.
    h : int
        Height and width of the filter, 1 or more.
    s : int
        Stride, 1 or more.
    p : int
        Number of rows and columns of zeros on every side, 0 or more.

    Returns
    -------
    ndarray, shape (h*h*d, a_conv*b_conv*l), Fortran order, the dtype of `images`
        Row ``u + h*w + h*h*c``, column ``i + a_conv*j + a_conv*b_conv*n``.

    Raises
    ------
    DataError
        If `images` does not have four axes, or the padded image is smaller than the filter.
    OptionError
        If `h`, `s` or `p` is out of range.

    Notes
    -----
    The lecture's phi(pad(Z)); simpleNN forms it in ``padding_and_phiZ``.

    Examples
    --------
    A 2 x 2 filter on an image of 2 x 3 pixels has two patches, one per column:

    >>> image = np.array([[1, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> im2col_phi(image, h=2).tolist()
    [[1, 2], [4, 5], [2, 3], [5, 6]]
    """
    windows = _windows(images, "nabc", h, s, p)
    return _matrix(_in_memory(windows, "phi"), "phi")


def im2col_nhwc(images: Array, h: int, s: int = 1, p: int = 0) -> Array:
    """Form the patches as rows, as TensorFlow does, from images in NHWC order.

    Parameters
    ----------
    images : ndarray, shape (l, a, b, d)
        Images, of any dtype and strides.
    h, s, p : int
        Filter width, stride, and padding, as in :func:`im2col_phi`.

    Returns
    -------
    ndarray, shape (l*a_conv*b_conv, h*h*d), C order, the dtype of `images`
        Row ``(n*a_conv + i)*b_conv + j``, column ``(u*h + w)*d + c``.

    Raises
    ------
    DataError, OptionError
        In the same cases as :func:`im2col_phi`.

    Examples
    --------
    A 2 x 2 filter on an image of 2 x 3 pixels has two patches, one per row:

    >>> image = np.array([[1, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> im2col_nhwc(image, h=2).tolist()
    [[1, 2, 4, 5], [2, 3, 5, 6]]
    """
    windows = _windows(images, "nabc", h, s, p)
    return _matrix(_in_memory(windows, "nhwc"), "nhwc")


def im2col_nchw(images: Array, h: int, s: int = 1, p: int = 0) -> Array:
    """Form one patch matrix per instance from images in NCHW order.

    Parameters
    ----------
    images : ndarray, shape (l, d, a, b)
        Images, of any dtype and strides.
    h, s, p : int
        Filter width, stride, and padding, as in :func:`im2col_phi`.

    Returns
    -------
    ndarray, shape (l, d*h*h, a_conv*b_conv), C order, the dtype of `images`
        Row ``(c*h + u)*h + w``, column ``i*b_conv + j``.

    Raises
    ------
    DataError, OptionError
        In the same cases as :func:`im2col_phi`.

    Examples
    --------
    A 2 x 2 filter on an image of 2 x 3 pixels has two patches, one per column:

    >>> image = np.array([[1, 2, 3], [4, 5, 6]]).reshape(1, 1, 2, 3)
    >>> im2col_nchw(image, h=2)[0].tolist()
    [[1, 2], [2, 3], [4, 5], [5, 6]]
    """
    windows = _windows(images, "ncab", h, s, p)
    return _matrix(_in_memory(windows, "nchw"), "nchw")


def convert(
    P: Array, source: str, target: str, *, h: int, d: int, a_conv: int, b_conv: int
) -> Array:
    """Copy patches from one layout into another; no number changes.

    Parameters
    ----------
    P : ndarray
        Patches in the layout `source`, in the shape that its function returns; any dtype and
        strides.
    source, target : {"phi", "nhwc", "nchw"}
        Layout of `P`, and layout of the result.
    h, d : int
        Filter width and number of channels.
    a_conv, b_conv : int
        Numbers of rows and columns of output pixels.

    Returns
    -------
    ndarray, the dtype of `P`
        A new array in the shape and the memory order of `target`.

    Raises
    ------
    OptionError
        If a layout is unknown or a size is less than 1.
    DataError
        If the shape of `P` does not fit `source` and the sizes.

    Notes
    -----
    Every number is read once and written once, and one of the two goes in short runs: converting
    costs about as much as forming the patches again.

    Examples
    --------
    >>> image = np.array([[1, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> P = im2col_phi(image, h=2)
    >>> convert(P, "phi", "nhwc", h=2, d=1, a_conv=1, b_conv=2).tolist()
    [[1, 2, 4, 5], [2, 3, 5, 6]]
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
            f"{_rule(source, sizes)}; give the sizes with which P was formed"
        )
    memory = P.T if source == "phi" else P  # the array whose C order is the layout's memory
    six = memory.reshape([(sizes | {"n": l})[axis] for axis in axes])
    return _matrix(_in_memory((six, axes), target), target)


def permutation(
    source: str, target: str, *, h: int, d: int, a_conv: int, b_conv: int, l: int
) -> Array:
    """Return the index in the source's memory that each entry of the target is copied from.

        memory(target) = memory(source)[index]

    The memory of phi is its ``vec`` (the columns one after the other); the memory of nhwc and
    nchw is their rows one after the other.  Written as a 0/1 matrix, the permutation has one 1
    in every row and in every column.

    Parameters
    ----------
    source, target : {"phi", "nhwc", "nchw"}
        Layout to copy from, and layout to copy to.
    h, d, a_conv, b_conv, l : int
        Filter width, and numbers of channels, output rows, output columns, and instances.

    Returns
    -------
    ndarray of int64, shape (h*h*d*a_conv*b_conv*l,)
        The index.

    Raises
    ------
    OptionError
        If a layout is unknown or a size is less than 1.

    Examples
    --------
    One patch of a 2 x 2 filter on one channel: phi stores its columns, nhwc its rows:

    >>> permutation("phi", "nhwc", h=2, d=1, a_conv=1, b_conv=1, l=1).tolist()
    [0, 2, 1, 3]
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
    """Copy images into the memory order that goes with a layout.

    Parameters
    ----------
    layout : {"phi", "nhwc", "nchw"}
        Layout of the patches.
    images : ndarray, shape (l, a, b, d)
        Images, of any dtype and strides.

    Returns
    -------
    ndarray, shape (l, d, a, b) for nchw, else (l, a, b, d), the dtype of `images`
        The images as the layout's function takes them: a view of an array whose axes are those of
        :data:`IMAGES`, in C order.

    Raises
    ------
    OptionError
        If the layout is unknown.
    """
    _axes(layout)
    order, taken = IMAGES[layout], "ndab" if layout == "nchw" else "nabd"
    memory = np.ascontiguousarray(images.transpose(["nabd".index(axis) for axis in order]))
    return memory.transpose([order.index(axis) for axis in taken])


def addresses(layout: str, a: int, b: int, d: int) -> Array:
    """Number the pixels of one image in the order of the layout's memory.

    Parameters
    ----------
    layout : {"phi", "nhwc", "nchw"}
        Layout whose images are numbered, see :data:`IMAGES`.
    a, b, d : int
        Numbers of rows, columns, and channels.

    Returns
    -------
    ndarray of int64, shape (1, a, b, d)
        The addresses, from 0 to ``a*b*d - 1``.
    """
    strides = images_of(layout, np.empty((1, a, b, d), np.int8)).strides
    if layout == "nchw":
        strides = (strides[0], *strides[2:], strides[1])
    i, j, c = np.ogrid[:a, :b, :d]
    return (strides[1] * i + strides[2] * j + strides[3] * c)[np.newaxis]


def run_length(layout: str, g: ConvGeometry) -> int:
    """Count the numbers that are contiguous both in the padded image and in the patches.

    Such a run can be copied in one go.  The images are in the layout's own order.

    Parameters
    ----------
    layout : {"phi", "nhwc", "nchw"}
        Layout of the patches and of the images.
    g : ConvGeometry
        Sizes of the layer.

    Returns
    -------
    int
        Length of a run, 1 or more.
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
        raise DataError(f"images has shape {images.shape}; it must be {axes}; add the missing axis")
    spatial = (order.index("a"), order.index("b"))
    padded = _pad(images, [p if axis in spatial else 0 for axis in range(4)])
    if min(padded.shape[axis] for axis in spatial) < h:
        raise DataError(
            f"images has shape {images.shape}, too small for filters of width {h} with padding "
            f"{p}; pad more, or take a smaller filter"
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
    """View the six axes of :func:`_in_memory` as the layout's array."""
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
    """Check that a value is a whole number and not less than a bound.

    Parameters
    ----------
    name : str
        Name of the value, for the message.
    value : object
        Value to check.
    least : int
        Smallest value allowed.

    Raises
    ------
    OptionError
        If `value` is not a whole number, or less than `least`.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least:  # type: ignore[operator]
        raise OptionError(f"{name} is {value!r}; it must be a whole number, {least} or more")
