"""The roofline: whether a product is bound by arithmetic or by memory.

The arithmetic intensity of a product is the number of its operations per byte that it must move.
A machine that does P operations and moves B bytes per second can do no more than
``min(P, intensity*B)`` operations per second: below the balance P/B the memory is the bound, above
it the arithmetic.
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
    """Operations and bytes of a layer's forward product, computed in one way.

    Attributes
    ----------
    layer : int
        Number of the layer, from 1.
    way : str
        "direct" reads the images and forms no phi.  "phi" writes and reads phi(pad(Z)) as well.
        "rank r" is "direct" with W replaced by two factors; the result of the first factor is
        written and read.
    operations : int
        Number of multiplications and additions.
    bytes : int
        Size of all numbers that must be read or written at least once.
    """

    layer: int
    way: str
    operations: int
    bytes: int

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.operations / self.bytes


def layer_work(
    config: NetConfig, batch_size: int, itemsize: int, rank_share: float = 0.25
) -> list[Work]:
    """Count operations and bytes of every layer's forward product.

    Parameters
    ----------
    config : NetConfig
        Description of the network.
    batch_size : int
        Number of images per batch.
    itemsize : int
        Bytes per number.
    rank_share : float
        Rank of the low-rank variant, as a share of the smaller side of W; above 0, at most 1.

    Returns
    -------
    list of Work
        Three per convolutional layer and two per fully connected layer, which has no phi.  A layer
        that is a factor already has no low-rank variant.

    Raises
    ------
    OptionError
        If `rank_share` is out of range.
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
            continue  # it is a factor, so it is thin already
        thin = rank * (rows + depth)
        between = entries + thin + 2 * rank * columns + result
        found.append(Work(m + 1, f"rank {rank}", 2 * thin * columns, between * itemsize))
    return found


def _product(g: ConvGeometry | FullGeometry, l: int) -> tuple[int, int, int, int]:
    """Count the rows and columns of W, the columns of its right operand, and the image entries."""
    if isinstance(g, ConvGeometry):
        return g.d_next, g.hhd, g.a_conv * g.b_conv * l, g.d * g.a * g.b * l
    return g.n_out, g.n_in, l, g.n_in * l


@dataclass(frozen=True)
class Machine:
    """Limits of the machine.

    Attributes
    ----------
    peak : float
        Operations per second of multiply-adds on registers, on all cores.
    bandwidth : float
        Bytes per second to and from memory, with all cores.
    """

    peak: float
    bandwidth: float

    @property
    def balance(self) -> float:
        """Operations per byte above which arithmetic is the bound."""
        return self.peak / self.bandwidth

    def attainable(self, intensity: float) -> float:
        """Return the maximum number of operations per second at the given intensity.

        Parameters
        ----------
        intensity : float
            Operations per byte.

        Returns
        -------
        float
            Operations per second: ``min(peak, intensity*bandwidth)``.
        """
        return min(self.peak, intensity * self.bandwidth)

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes and the balance as a dict.

        Returns
        -------
        dict
            Values by the names of the attributes, and ``balance``.
        """
        return asdict(self) | {"balance": self.balance}


def measure_machine(dtype: str = "float32") -> Machine:
    """Measure the peak and the bandwidth of the machine.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Precision of the numbers.

    Returns
    -------
    Machine
        The limits with Numba's current number of threads.

    Notes
    -----
    The bandwidth is that of ``a <- b + x c`` on arrays larger than any cache.
    """
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
