"""Sizes of layers, arrays, and the lecture's names of their entries, for the exercises."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np

from ..layout import Array, ConvGeometry

_DERIVED = ("a_pad", "b_pad", "a_conv", "b_conv", "a_next", "b_next", "hhd")


def geometry(
    a: int, b: int, d: int = 1, p: int = 0, h: int = 1, s: int = 1, d_next: int = 1, h_pool: int = 1
) -> SimpleNamespace:
    """Return the sizes of a layer as attributes ``g.a``, ``g.a_conv`` and so on.

    The student's code receives this object.

    Parameters
    ----------
    a, b, d, p, h, s, d_next, h_pool : int
        Sizes as for :class:`~simplenn_py.layout.ConvGeometry`.

    Returns
    -------
    SimpleNamespace
        The sizes above and those derived from them: a_pad, b_pad, a_conv, b_conv, a_next, b_next
        and ``hhd = h*h*d``.
    """
    g = ConvGeometry(a, b, d, p, h, s, d_next, h_pool)
    return SimpleNamespace(**vars(g), **{name: getattr(g, name) for name in _DERIVED})


def awkward() -> Iterator[tuple[str, SimpleNamespace, int]]:
    """Yield (label, sizes of a convolution, l) for sizes that reveal mistakes."""
    yield "not square, three channels", geometry(5, 7, d=3, h=3), 1
    yield "stride 2, one row unused", geometry(8, 6, d=2, h=3, s=2), 2
    yield "stride larger than the filter", geometry(7, 8, d=2, h=2, s=3), 2
    yield "padding", geometry(4, 3, d=2, p=2, h=3, s=1), 3
    yield "padding and stride", geometry(6, 5, d=3, p=1, h=4, s=2), 2
    yield "1 x 1 filter", geometry(4, 5, d=3, h=1), 2
    yield "one patch per image", geometry(3, 3, d=4, h=3), 5


def random_sizes(
    rng: np.random.Generator, count: int
) -> Iterator[tuple[str, SimpleNamespace, int]]:
    """Yield `count` random convolutions in the form of :func:`awkward`."""
    for _ in range(count):
        h, s, p = (int(rng.integers(*bounds)) for bounds in ((1, 5), (1, 4), (0, 3)))
        a, b = (int(n) for n in rng.integers(h, h + 7, 2))
        d, l = (int(n) for n in rng.integers(1, 5, 2))
        yield f"random: h={h} s={s} p={p}", geometry(a, b, d=d, p=p, h=h, s=s), l


def counting(rows: int, columns: int) -> Array:
    """Return 1, 2, 3 ... column by column, which is easy to follow by eye.

    Returns
    -------
    ndarray of float64, shape (rows, columns), Fortran order
    """
    return np.arange(1.0, rows * columns + 1).reshape((rows, columns), order="F")


def normal(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Return random normal numbers.

    Returns
    -------
    ndarray of float64, shape (rows, columns), Fortran order
    """
    return np.asfortranarray(rng.standard_normal((rows, columns)))


# Names of entries in the lecture's indices, all from 0.


def pixel(a: int, b: int, column: int) -> str:
    """Name a column of an array of shape ``(d, a*b*l)``."""
    n, rest = divmod(column, a * b)
    return f"instance {n}, pixel (i={rest % a}, j={rest // a})"


def offset(h: int, row: int) -> str:
    """Name a row of phi(pad(Z)) or a column of W."""
    c, rest = divmod(row, h * h)
    return f"offset (u={rest % h}, w={rest // h}), channel {c}"


def entry(rows: int, a: int, k: int) -> str:
    """Name entry `k` of ``vec`` of one instance with `rows` channels and height `a`."""
    return f"channel {k % rows}, pixel (i={k // rows % a}, j={k // rows // a})"
