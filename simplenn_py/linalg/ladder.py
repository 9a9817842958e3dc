"""Rates of the matrix products of ``products.py``, against the machine's peak and its BLAS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..errors import OptionError
from ..runtime.clock import Shortest
from .products import STEPS

#: Seconds that a product may take; a step's products that would take longer are left out.
_LONGEST = 2.0
_FOREIGN = """\
import json, sys, time
import numpy as np
n, dtype = int(sys.argv[1]), sys.argv[2]
A, B = np.random.default_rng(0).random((2, n, n)).astype(dtype)
best = float("inf")
for _ in range(6):
    began = time.perf_counter()
    A @ B
    best = min(best, time.perf_counter() - began)
print(json.dumps(2 * n**3 / best))
"""


@dataclass
class Ladder:
    """Measured rates of the steps of a matrix product.

    Attributes
    ----------
    dtype : str
        Precision of the matrices.
    sizes : list of int
        Sizes m = n = k of the products, in rising order.
    rates : dict
        Operations per second at each size, by step; None for a product that would have taken too
        long.
    peak : float
        Peak rate of multiply-adds on registers, on all cores, in operations per second.
    foreign : dict
        Rate of BLAS with kernels for another CPU at the largest size, by that CPU's name.
    """

    dtype: str
    sizes: list[int]
    rates: dict[str, list[float | None]]
    peak: float
    foreign: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes as a dict.

        Returns
        -------
        dict
            Values by the names of the attributes.
        """
        return asdict(self)


def measure_ladder(
    sizes: Sequence[int],
    dtype: str = "float32",
    steps: Sequence[str] = tuple(STEPS),
    repeat: int = 5,
    say: Callable[[str], None] = lambda text: None,
) -> Ladder:
    """Time every step at every size, in turns, and return the best rate of each.

    Parameters
    ----------
    sizes : sequence of int
        Sizes m = n = k of the products, each 1 or more.
    dtype : {"float32", "float64"}
        Precision of the matrices.
    steps : sequence of str
        Keys of ``products.STEPS``.
    repeat : int
        Number of turns; the shortest time counts.
    say : callable
        Function that is called with a line about the next measurement.

    Returns
    -------
    Ladder
        The best rate of each step at each size.

    Raises
    ------
    OptionError
        If a size is less than 1, or `dtype` is unknown.
    """
    import numba

    from ..kernels.peak import peak

    for n in sizes:
        if n < 1:
            raise OptionError(f"sizes has {n}; a size must be 1 or more")
    if dtype not in ("float32", "float64"):
        raise OptionError(f"dtype is {dtype!r}; it must be 'float32' or 'float64'")
    ordered = sorted(set(sizes))
    ladder = Ladder(
        dtype, ordered, {step: [] for step in steps}, peak(dtype, numba.get_num_threads())
    )
    small = np.ones((2, 2), dtype)
    for step in steps:
        say(f"compiling {step}")
        STEPS[step](small, small)
    for n in ordered:
        say(f"{n} x {n}")
        _measure_size(ladder, n, repeat)
    ladder.foreign = foreign_blas(ordered[-1], dtype)
    return ladder


def _measure_size(ladder: Ladder, n: int, repeat: int) -> None:
    A, B = np.random.default_rng(n).random((2, n, n)).astype(ladder.dtype)
    clock = Shortest()
    best = clock.seconds
    for turn in range(repeat):
        for step, rates in ladder.rates.items():
            known = next((r for r in reversed(rates) if r is not None), None)
            too_long = known is not None and 2 * n**3 / known > _LONGEST
            if too_long or (turn > 0 and best[step] * repeat > _LONGEST):
                continue
            if best.get(step, 0) < _LONGEST / 20:
                STEPS[step](A, B)  # warms caches and threads, which the previous step used
            with clock.time(step):
                STEPS[step](A, B)
    for step, rates in ladder.rates.items():
        rates.append(2 * n**3 / best[step] if step in best else None)


def foreign_blas(n: int, dtype: str) -> dict[str, float]:
    """Measure OpenBLAS with its kernels for an older CPU.

    The environment variable ``OPENBLAS_CORETYPE`` chooses the kernels; some machines set it for
    all users.

    Parameters
    ----------
    n : int
        Size m = n = k of the product.
    dtype : {"float32", "float64"}
        Precision of the matrices.

    Returns
    -------
    dict of str to float
        Operations per second, by the name of the older CPU; empty if NumPy uses another BLAS or
        no older CPU is known.
    """
    from threadpoolctl import threadpool_info

    chosen = [i.get("architecture") for i in threadpool_info() if i["internal_api"] == "openblas"]
    if not chosen:
        return {}
    older = {"SkylakeX": "Haswell", "Cooperlake": "Haswell", "Sapphirerapids": "Haswell",
             "Zen": "Nehalem", "Haswell": "Nehalem"}  # fmt: skip
    name = older.get(str(chosen[0]))
    if name is None:
        return {}
    done = subprocess.run(
        [sys.executable, "-c", _FOREIGN, str(n), dtype],
        env=os.environ | {"OPENBLAS_CORETYPE": name},
        capture_output=True,
        text=True,
        check=False,
    )
    return {name: json.loads(done.stdout)} if done.returncode == 0 else {}
