"""The environment of a run: versions, processor, BLAS, and the variables that influence it."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

#: The variable that makes the tutorials small.
SMALL = "SIMPLENN_SMALL"
_PACKAGES = ("simplenn-py", "numba", "llvmlite", "numpy", "scipy")
_VARIABLES = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_THREAD_TIMEOUT",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMBA_THREADING_LAYER",
    "NUMBA_CPU_NAME",
    "NUMBA_CACHE_DIR",
)


def describe() -> dict[str, Any]:
    """Describe the environment of a run.

    Returns
    -------
    dict
        ``versions`` of Python and packages, ``system``, ``cpu``, ``blas`` (see :func:`blas`), and
        ``environment``: the variables that influence a run, if they are set.
    """
    return {
        "versions": {"python": platform.python_version()} | {p: _version(p) for p in _PACKAGES},
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu_name(),
        "blas": blas(),
        "environment": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def cpu_name() -> str:
    """Return the name of the processor, or its architecture if the system does not report it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def blas() -> list[dict[str, Any]]:
    """Describe each loaded BLAS library.

    Returns
    -------
    list of dict
        ``internal_api`` (name), ``version``, ``architecture`` (chosen kernel) and
        ``num_threads`` of each library.
    """
    from threadpoolctl import threadpool_info

    keys = ("internal_api", "version", "architecture", "num_threads")
    pools = [pool for pool in threadpool_info() if pool.get("user_api") == "blas"]
    return [{key: pool.get(key) for key in keys} for pool in pools]


def _version(package: str) -> str | None:
    import importlib.metadata

    from .. import __version__

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        # simplenn_py is not installed if it runs from a bare clone.
        return __version__ if package == "simplenn-py" else None


def reduced() -> bool:
    """Return whether the environment asks for small tutorials by ``SIMPLENN_SMALL=1``."""
    return os.environ.get(SMALL, "") not in ("", "0")
