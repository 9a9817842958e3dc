"""The roofline: whether a product is bound by arithmetic or by memory.

Of a product's operations and the bytes that it must move follows its arithmetic intensity,
operations a byte.  A machine that does P operations and moves B bytes a second can do no more
than ``min(P, intensity*B)``: below the balance P/B memory is the bound, above it arithmetic.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import OptionError
from ..layout import ConvGeometry, FullGeometry, aligned_empty
from ..network.config import NetConfig
from ..runtime.clock import seconds


@dataclass(frozen=True)
class Work:
    """What one way of a layer's forward product takes.

    Attributes
    ----------
    layer : int
        From 1.
    way : str
        "direct" reads the images and forms no phi; "phi" writes and reads phi(pad(Z)) as well;
        "rank r" is "direct" with W replaced by two factors, and the result between them moved.
    operations, bytes : int
        Multiplications and additions; numbers that must be read or written at least once.
    """

    layer: int
    way: str
    operations: int
    bytes: int

    @property
    def intensity(self) -> float:
        """Operations a byte."""
        return self.operations / self.bytes


def layer_work(
    config: NetConfig, batch_size: int, itemsize: int, rank_share: float = 0.25
) -> list[Work]:
    """Count operations and bytes of every layer's forward product.

    Parameters
    ----------
    config : NetConfig
    batch_size : int
    itemsize : int
        Bytes of a number.
    rank_share : float
        The low-rank variant's rank, as a share of the smaller side of W.

    Returns
    -------
    list of Work
        Three of a convolutional layer, two of a full one, which has no phi.
    """
    if not 0 < rank_share <= 1:
        raise OptionError(f"rank_share is {rank_share}; it must be above 0 and at most 1")
    found = []
    for m, g in enumerate(config.stages.geometries):
        rows, depth, columns, entries = _product(g, batch_size)
        weights, result, phi = rows * depth, rows * columns, depth * columns
        rank = max(1, round(rank_share * min(rows, depth)))
        moved = entries + weights + result
        found.append(Work(m + 1, "direct", 2 * rows * depth * columns, moved * itemsize))
        if isinstance(g, ConvGeometry):
            explicit = moved + 2 * phi
            found.append(Work(m + 1, "phi", 2 * rows * depth * columns, explicit * itemsize))
        if not config.stage_names[m].isdigit():
            continue  # a factor is thin already
        thin = rank * (rows + depth)
        between = entries + thin + 2 * rank * columns + result
        found.append(Work(m + 1, f"rank {rank}", 2 * thin * columns, between * itemsize))
    return found


def _product(g: ConvGeometry | FullGeometry, l: int) -> tuple[int, int, int, int]:
    """Rows and columns of W, columns of its right operand, and numbers of the images."""
    if isinstance(g, ConvGeometry):
        return g.d_next, g.hhd, g.a_conv * g.b_conv * l, g.d * g.a * g.b * l
    return g.n_out, g.n_in, l, g.n_in * l


@dataclass(frozen=True)
class Machine:
    """What the machine can do.

    Attributes
    ----------
    peak : float
        Operations a second, multiply-adds on registers, all cores.
    bandwidth : float
        Bytes a second to and from memory, all cores.
    """

    peak: float
    bandwidth: float

    @property
    def balance(self) -> float:
        """Operations a byte from which on arithmetic is the bound."""
        return self.peak / self.bandwidth

    def attainable(self, intensity: float) -> float:
        """Return the most operations a second at that intensity."""
        return min(self.peak, intensity * self.bandwidth)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"balance": self.balance}


def measure_machine(dtype: str = "float32") -> Machine:
    """Measure peak and bandwidth; the latter by ``a <- b + x c`` on arrays beyond any cache."""
    import numba

    from ..kernels.peak import peak, triad_everywhere

    threads = numba.get_num_threads()
    size = (1 << 26) // threads  # 256 MiB each in float32
    arrays = [aligned_empty((size // 2, threads), dtype).T for _ in range(3)]
    for array in arrays:
        array[...] = 1
    x = np.dtype(dtype).type(0.5)
    best = seconds(lambda: triad_everywhere(*arrays, x), 6)
    return Machine(peak(dtype, threads), 3 * arrays[0].nbytes / best)
