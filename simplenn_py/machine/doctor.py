"""What this package depends on, on this machine, and a remedy for each thing that is wrong."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..runtime.environment import blas, cpu_name
from ..runtime.numerals import is_digits
from ..runtime.threads import available

_CACHE_NAME = re.compile(r"kernels-[0-9a-f]{16}")
_THREAD_VARIABLES = (
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# Variables that slow computations down: the values that do (None: any value), and their effect.
_SLOW: dict[str, tuple[tuple[str, ...] | None, str]] = {
    "OPENBLAS_L2_SIZE": (None, "OpenBLAS chooses its block sizes for another cache"),
    "OMP_WAIT_POLICY": (("active",), "idle threads spin on cores that BLAS or Numba need"),
    "NUMBA_DISABLE_JIT": (("1",), "nothing is compiled"),
    "NUMBA_BOUNDSCHECK": (("1",), "compiled code checks every index"),
    "NUMBA_ENABLE_AVX": (("0",), "Numba does not use AVX"),
    "NUMBA_OPT": (("0", "1", "2"), "Numba optimises less"),
    "NUMBA_CPU_NAME": (None, "Numba compiles for another processor"),
    "NUMBA_CPU_FEATURES": (None, "Numba compiles for another processor"),
}
_LITTLE_MEMORY = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Parameters
    ----------
    topic : str
        Subject of the check, such as "BLAS".
    value : str
        State that was found.
    remedy : str
        Action that solves the problem; "" if there is none.
    """

    topic: str
    value: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.remedy


def examine() -> list[Finding]:
    """Run all checks.

    Returns
    -------
    list of Finding
        A check that cannot be run is a finding, too.
    """
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "versions": _versions,
        "SIMD": _simd,
        "cores": _cores,
        "memory": _memory,
        "threading": _threading,
        "BLAS": _blas,
        "variables": _variables,
        "compile cache": _cache,
        "data folders": _data,
    }
    findings: list[Finding] = []
    for topic, check in checks.items():
        try:
            findings += check()
        except UserError as error:
            findings.append(Finding(topic, "unknown", str(error)))
    return findings


def old_caches() -> list[Path]:
    """Return the folders of code that was compiled from other versions of our kernels or Numba."""
    from ..kernels.policy import cache_folder

    folder = cache_folder()
    if folder is None:
        return []
    siblings = sorted(folder.parent.iterdir())
    return [p for p in siblings if _CACHE_NAME.fullmatch(p.name) and p.is_dir() and p != folder]


def clean_caches() -> tuple[int, int]:
    """Delete the folders that :func:`old_caches` finds.

    Returns
    -------
    folders : int
        Number of folders deleted.
    size : int
        Their size in bytes.
    """
    folders = old_caches()
    count = sum(map(_bytes_in, folders))
    for folder in folders:
        shutil.rmtree(folder)
    return len(folders), count


def _versions() -> Iterator[Finding]:
    from importlib.metadata import version

    from ..kernels import shortcuts

    yield Finding("Python", f"{platform.python_version()}, {sys.executable}")
    yield Finding("NumPy", version("numpy"))
    remedy = ""
    if not shortcuts.usable():
        remedy = (
            "this Numba is not known, so kernels compile without the shortcuts: the first start "
            "takes longer, the results are the same"
        )
    yield Finding("Numba", f"{version('numba')}, llvmlite {version('llvmlite')}", remedy)


def _simd() -> Iterator[Finding]:
    from ..kernels.lanes import VARIABLE, float32_lanes, why

    yield Finding("processor", cpu_name())
    remedy = ""
    if VARIABLE in os.environ:
        remedy = f"{VARIABLE} is for tests; unset it to use the processor's own width"
    yield Finding("SIMD", f"{float32_lanes()} float32 numbers per vector: {why()}", remedy)


def _cores() -> Iterator[Finding]:
    cores, all_cores = available(), os.cpu_count() or 1
    value = f"{cores} of {all_cores} for this process"
    limit, remedy = _container_limit(), ""
    if hasattr(os, "getloadavg"):
        value += f", load {os.getloadavg()[0]:.1f}"
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5 * cores:
        remedy = "other programs use these cores, so training and timings are slower; stop them"
    if limit is not None and limit < cores:
        whole = max(1, int(limit))
        remedy = (
            f"this container may use the time of {limit:g} cores, and more threads than that wait "
            f"for each other; set NUMBA_NUM_THREADS={whole} and OPENBLAS_NUM_THREADS={whole}"
        )
    yield Finding("cores", value, remedy)


def _container_limit() -> float | None:
    """Return the limit that a Linux control group sets, in cores."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        return None  # another system, or "max"


def _memory() -> Iterator[Finding]:
    import psutil

    from ..runtime.units import human_bytes

    memory = psutil.virtual_memory()
    remedy = ""
    if memory.available < _LITTLE_MEMORY:
        remedy = "close other programs, or train with a smaller --batch-size"
    value = f"{human_bytes(memory.total)}, of which {human_bytes(memory.available)} are free"
    yield Finding("memory", value, remedy)


def _threading() -> Iterator[Finding]:
    import numpy as np

    from ..kernels.elementwise import mask

    tiny = np.ones((1, 1), np.float32)
    mask(tiny, tiny, 1)  # Numba chooses its layer at the first parallel kernel
    import numba

    layer, remedy = numba.threading_layer(), ""
    if layer == "workqueue":
        remedy = (
            "every parallel loop starts slowly; install the run-time library of OpenMP (libgomp "
            "on Linux, libomp on a Mac), or run 'pip install tbb'"
        )
    yield Finding(
        "threading", f"Numba on {layer}, {numba.config.NUMBA_NUM_THREADS} threads", remedy
    )


def _blas() -> Iterator[Finding]:
    import numpy as np

    np.ones((2, 2)) @ np.ones((2, 2))  # loads it
    libraries = blas()
    if not libraries:
        yield Finding("BLAS", "unknown to threadpoolctl; on a Mac it is Apple's Accelerate")
    for library in libraries:
        kernel = library["architecture"]
        value = f"{library['internal_api']} {library['version']}"
        value += f", kernels for {kernel}" if kernel else ""
        remedy = ""
        if library["internal_api"] == "openblas" and "OPENBLAS_CORETYPE" in os.environ:
            own = _own_kernel()
            if own not in (None, kernel):
                remedy = (
                    f"OPENBLAS_CORETYPE={os.environ['OPENBLAS_CORETYPE']} prevents the faster "
                    f"kernels for {own}; unset it"
                )
        yield Finding("BLAS", f"{value}, {library['num_threads']} threads", remedy)


def _own_kernel() -> str | None:
    """Ask a new process which kernels OpenBLAS chooses by itself."""
    code = (
        "import numpy, threadpoolctl\n"
        "for pool in threadpoolctl.threadpool_info():\n"
        "    if pool['internal_api'] == 'openblas': print(pool['architecture'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    names = done.stdout.split()
    return names[0] if done.returncode == 0 and names else None


def _variables() -> Iterator[Finding]:
    cores, found = available(), False
    for name, (values, effect) in _SLOW.items():
        value = os.environ.get(name)
        if value is not None and (values is None or value.lower() in values):
            found = True
            yield Finding("variable", f"{name}={value}", f"{effect}; unset it")
    for name in _THREAD_VARIABLES:
        value = os.environ.get(name, "")
        if is_digits(value) and 0 < int(value) < cores:
            found = True
            remedy = f"there are {cores} cores; unset it, and give --threads to limit a single run"
            yield Finding("variable", f"{name}={value}", remedy)
    if not found:
        yield Finding("variables", "none that slows computations down")


def _cache() -> Iterator[Finding]:
    from ..kernels.policy import cache_folder
    from ..runtime.units import human_bytes

    folder = cache_folder()
    if folder is None:
        where = os.environ.get("NUMBA_CACHE_DIR") or "your cache folder"
        yield Finding(
            "compile cache",
            f"{where} is not writable: every start compiles again",
            "set NUMBA_CACHE_DIR to a writable folder",
        )
        return
    value = f"{folder}, writable, {human_bytes(_bytes_in(folder))}"
    old = old_caches()
    if old:
        size = human_bytes(sum(map(_bytes_in, old)))
        value += (
            f"; {len(old)} old folder{'s' * (len(old) > 1)} beside it, {size} (to delete: "
            "'simplenn doctor --clean-cache')"
        )
    yield Finding("compile cache", value)


def _bytes_in(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _data() -> Iterator[Finding]:
    from ..datasets.fetch import ENVIRONMENT, folders

    chosen = os.environ.get(ENVIRONMENT)
    for folder in folders():
        missing = not folder.is_dir()
        remedy = ""
        if missing and chosen and folder == Path(chosen).expanduser():
            remedy = (
                f"{ENVIRONMENT} names a folder that does not exist; create it, or unset the "
                "variable"
            )
        state = "does not exist yet, the first download creates it" if missing else "exists"
        if not missing and not os.access(folder, os.W_OK):
            state = "exists, read only"
        yield Finding("data folder", f"{folder}: {state}", remedy)
