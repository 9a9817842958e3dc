"""Width of the SIMD vectors."""

from __future__ import annotations

import os

from ..errors import UserError

VARIABLE = "SIMPLENN_LANES"
_ALLOWED = (4, 8, 16)


def float32_lanes() -> int:
    """Return the number of float32 values per vector: 16 with AVX-512, 8 with AVX2, else 4.

    ``$SIMPLENN_LANES`` overrides the processor's width, for tests.

    Raises
    ------
    UserError
        If the variable is set to anything other than 4, 8 or 16.
    """
    return _choice()[0]


def why() -> str:
    """Return in a few words what decided :func:`float32_lanes`."""
    return _choice()[1]


def _choice() -> tuple[int, str]:
    asked = os.environ.get(VARIABLE)
    if asked is not None:
        if asked not in map(str, _ALLOWED):
            raise UserError(f"{VARIABLE} is {asked!r}; it must be 4, 8 or 16, or not set")
        return int(asked), f"{VARIABLE} is set"
    from numba.core import config

    if config.CPU_FEATURES is not None:
        features = {name[1:]: name[0] == "+" for name in config.CPU_FEATURES.split(",") if name}
        origin = "NUMBA_CPU_FEATURES"
    else:
        import llvmlite.binding as llvm

        features, origin = dict(llvm.get_host_cpu_features()), llvm.get_host_cpu_name()
    for name, lanes in (("avx512f", 16), ("avx2", 8)):
        if features.get(name):
            return lanes, f"{origin} has {name}"
    return 4, f"{origin} has neither avx512f nor avx2"
