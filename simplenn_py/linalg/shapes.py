"""Products of any shape, with plain or transposed operands: our packed tile against BLAS."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import OptionError
from ..runtime.clock import Shortest
from .products import blas, packed_tile

#: Products to time; an operand with a prime is stored transposed: its columns are contiguous.
TRANSPOSITIONS = ("A B", "A' B", "A B'", "A' B'")
#: Maximum number of seconds for which OpenBLAS's threads spin while they wait for more work.
_SPIN = 0.06


@dataclass(frozen=True)
class ShapeRate:
    """Rates of one product, by the packed tile and by BLAS.

    Attributes
    ----------
    m, k, n : int
        Sizes: A is m x k, B is k x n.
    operands : str
        One of :data:`TRANSPOSITIONS`.
    tile, blas : float
        Operations per second of the packed tile and of NumPy's BLAS.
    """

    m: int
    k: int
    n: int
    operands: str
    tile: float
    blas: float

    @property
    def ratio(self) -> float:
        """Rate of the packed tile relative to BLAS."""
        return self.tile / self.blas

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes and the ratio as a dict.

        Returns
        -------
        dict
            Values by the names of the attributes, and ``ratio``.
        """
        return asdict(self) | {"ratio": self.ratio}


def measure_shapes(
    shapes: Sequence[tuple[int, int, int]], dtype: str = "float32", repeat: int = 10
) -> list[ShapeRate]:
    """Time the packed tile and BLAS in turns, for every shape and transposition.

    Parameters
    ----------
    shapes : sequence of (m, k, n)
        Sizes of the products, each 1 or more.
    dtype : {"float32", "float64"}
        Precision of the matrices.
    repeat : int
        Number of turns; the shortest time counts.

    Returns
    -------
    list of ShapeRate
        One per shape and transposition, in the order of `shapes` and :data:`TRANSPOSITIONS`.

    Raises
    ------
    OptionError
        If a size is less than 1, or `dtype` is unknown.
    """
    if dtype not in ("float32", "float64"):
        raise OptionError(f"dtype is {dtype!r}; it must be 'float32' or 'float64'")
    found = []
    for m, k, n in shapes:
        if min(m, k, n) < 1:
            raise OptionError(f"a shape is {m}x{k}x{n}; every size must be 1 or more")
        rng = np.random.default_rng(0)
        A, B = (rng.random(shape).astype(dtype) for shape in ((m, k), (k, n)))
        for operands in TRANSPOSITIONS:
            left = np.asfortranarray(A) if "A'" in operands else A
            right = np.asfortranarray(B) if "B'" in operands else B
            clock = Shortest()
            for _ in range(repeat):
                for product in (packed_tile, blas):
                    began = time.perf_counter()
                    while time.perf_counter() - began < _SPIN:  # BLAS's or our threads still spin
                        product(left, right)
                    with clock.time(product):
                        product(left, right)
            rates = (2 * m * k * n / seconds for seconds in clock.seconds.values())
            found.append(ShapeRate(m, k, n, operands, *rates))
    return found
