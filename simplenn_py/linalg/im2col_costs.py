"""Times of the three layouts of im2col on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from ..errors import OptionError
from ..layout import ConvGeometry
from ..runtime.clock import seconds
from ..runtime.memory import free_bytes
from .im2col import LAYOUTS, at_least, im2col_nchw, im2col_nhwc, im2col_phi, images_of, run_length


@dataclass(frozen=True)
class LayoutCost:
    """Time and memory that the patches of one layer take in one layout.

    Attributes
    ----------
    layout : {"phi", "nhwc", "nchw"}
        Memory layout of the patches.
    form_seconds : float
        Time to pad the images, which are in the layout's own order, and to gather the patches.
    product_seconds : float
        Time of the product of patches and filters, by BLAS.
    bytes : int
        Size of the patches.
    run : int
        Number of contiguous numbers that are copied in one go, see
        :func:`~simplenn_py.linalg.im2col.run_length`.
    """

    layout: str
    form_seconds: float
    product_seconds: float
    bytes: int
    run: int


def measure_layouts(
    g: ConvGeometry, l: int, dtype: str = "float32", repeat: int = 8
) -> list[LayoutCost]:
    """Time the forming of one layer's patches and their product, in all three layouts.

    Parameters
    ----------
    g : ConvGeometry
        Sizes of the layer; pooling is ignored.
    l : int
        Number of images in the batch.
    dtype : {"float32", "float64"}
        Precision of images and filters.
    repeat : int
        Number of runs; the shortest time is kept.

    Returns
    -------
    list of LayoutCost
        One per layout, in the order of :data:`~simplenn_py.linalg.im2col.LAYOUTS`.

    Raises
    ------
    OptionError
        If `l` or `dtype` is out of range, or the patches do not fit into the free memory.
    """
    at_least("l", l, 1)
    if dtype not in ("float32", "float64"):
        raise OptionError(f"dtype is {dtype!r}; it must be float32 or float64")
    need, free = _bytes(g, l, np.dtype(dtype).itemsize), free_bytes()
    if need > free:
        raise OptionError(
            f"the patches of {l} images in three layouts, with the images, need {need >> 20} MiB "
            f"but {free >> 20} MiB are free; take fewer images, or a smaller layer"
        )
    rng = np.random.default_rng(0)
    images = rng.standard_normal((l, g.a, g.b, g.d)).astype(dtype)
    W = rng.standard_normal((g.d_next, g.hhd)).astype(dtype)
    form = {"phi": im2col_phi, "nhwc": im2col_nhwc, "nchw": im2col_nchw}
    gather, multiply, P = {}, {}, {}
    for layout in LAYOUTS:
        gather[layout] = partial(form[layout], images_of(layout, images), g.h, g.s, g.p)
        P[layout] = gather[layout]()
        operands = (P[layout], np.ascontiguousarray(W.T)) if layout == "nhwc" else (W, P[layout])
        multiply[layout] = partial(np.matmul, *operands)
    best: dict[tuple[str, str], float] = {}
    for _ in range(repeat):  # in turns, so that a disturbance of the machine hits all of them
        for layout in LAYOUTS:
            for what, call in (("form", gather[layout]), ("product", multiply[layout])):
                best[what, layout] = min(seconds(call, 1, 0.0), best.get((what, layout), np.inf))
    return [
        LayoutCost(
            layout, best["form", layout], best["product", layout], P[layout].nbytes,
            run_length(layout, g),
        )
        for layout in LAYOUTS
    ]  # fmt: skip


def _bytes(g: ConvGeometry, l: int, size: int) -> int:
    """Count the bytes that :func:`measure_layouts` holds at once, with `size` bytes per number."""
    pixels, columns = g.d * l, g.a_conv * g.b_conv * l
    images, padded, W = pixels * g.a * g.b, pixels * g.a_pad * g.b_pad, g.d_next * g.hhd
    kept = 3 * g.hhd * columns + 4 * images + 2 * W  # for all layouts, and the original images
    at_work = g.hhd * columns + padded + g.d_next * columns  # for the layout whose turn it is
    return size * (kept + at_work) + 8 * max(images, W)  # random numbers are drawn in float64
