"""What this package depends on, on this machine, and a remedy for each thing that is wrong."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError, shown
from ..runtime.environment import blas, cpu_name
from ..runtime.threads import available
from ..runtime.variables import mistakes

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
    "NUMBA_DISABLE_JIT": (("1",), "nothing is compiled, and only the engine lecture runs"),
    "NUMBA_BOUNDSCHECK": (("1",), "compiled code checks every index"),
    "NUMBA_ENABLE_AVX": (("0",), "Numba does not use AVX"),
    "NUMBA_OPT": (("0", "1", "2"), "Numba optimises less"),
    "NUMBA_CPU_NAME": (None, "Numba compiles for another processor"),
    "NUMBA_CPU_FEATURES": (None, "Numba compiles for another processor"),
}
_COUNT = "[0-9]*[1-9][0-9]*"
# Values that the libraries read; they leave out any other.
_IGNORED = {
    **dict.fromkeys(_THREAD_VARIABLES[1:], f"{_COUNT}(,{_COUNT})*"),
    "OMP_WAIT_POLICY": "active|passive",
    "GOMP_SPINCOUNT": "[0-9]+|infinite|infinity",
}
_LITTLE_MEMORY = 1 << 30
_CACHE_BYTES = 8 << 20


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
        "figures": _figures,
        "data folders": _data,
    }
    findings: list[Finding] = []
    wrong = ", ".join(name for name, _ in mistakes())
    for topic, check in checks.items():
        try:
            for finding in check():
                findings.append(finding)
        except UserError as error:
            if wrong:  # Numba cannot start; the check of the variables says why
                findings.append(Finding(topic, "not checked", f"correct {wrong} first, see below"))
            else:
                findings.append(Finding(topic, "not checked", str(error)))
        except Exception as error:  # whatever is wrong here, the other checks still help
            reason = shown(f"{type(error).__name__}: {error}")
            findings.append(
                Finding(topic, f"the check failed with {reason}", "send this with a question")
            )
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


def clean_damage() -> int:
    """Delete the damaged files of the current cache; return their number."""
    from ..kernels.policy import damaged_code

    damaged = damaged_code()
    for path in damaged:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return len(damaged)


def _versions() -> Iterator[Finding]:
    from importlib.metadata import version

    yield Finding("Python", f"{platform.python_version()}, {sys.executable}")
    yield Finding("NumPy", version("numpy"))
    from ..kernels import shortcuts

    remedy = ""
    import numba

    if not numba.config.DISABLE_JIT and not shortcuts.usable():
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

    try:
        memory = psutil.virtual_memory()
    except OSError as error:
        yield Finding("memory", f"unknown: {error.filename} cannot be read", "mount /proc")
        return
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

    if numba.config.DISABLE_JIT:
        yield Finding("threading", "none, because NUMBA_DISABLE_JIT is set", "unset the variable")
        return
    layer, remedy = numba.threading_layer(), ""
    if available() < numba.config.NUMBA_NUM_THREADS:
        remedy = "they are more than the cores; see NUMBA_NUM_THREADS below"
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
    wrong = dict(mistakes())
    for name, rule in wrong.items():
        found = True
        yield Finding("variable", f"{name}={os.environ[name]}", f"{rule}; correct or unset it")
    for name, pattern in _IGNORED.items():
        text = os.environ.get(name, "")
        if text and not re.fullmatch(pattern, text.strip(), re.IGNORECASE):
            found = True
            yield Finding("variable", f"{name}={text}", "this value has no effect; unset it")
    for name, (values, effect) in _SLOW.items():
        value = os.environ.get(name)
        is_slow = value is not None and (values is None or value.lower() in values)
        if is_slow and name not in wrong:
            found = True
            yield Finding("variable", f"{name}={value}", f"{effect}; unset it")
    for name in _THREAD_VARIABLES:
        text = os.environ.get(name, "")
        if remedy := _threads_remedy(name, text, cores):
            found = True
            yield Finding("variable", f"{name}={text}", remedy)
    if not found:
        yield Finding("variables", "none that slows computations down")


def _threads_remedy(name: str, value: str, cores: int) -> str:
    """Return what to do about a number of threads; "" if it is right, or no number."""
    first = value.split(",")[0].strip()  # OpenMP takes a list, for loops within loops
    if not re.fullmatch(_COUNT, first):
        return ""
    if int(first) < cores:
        return f"there are {cores} cores; unset it, and give --threads to limit a single run"
    if int(first) > cores and name == "NUMBA_NUM_THREADS":
        return f"there are {cores} cores, and more threads wait for each other; unset it"
    return ""


def _cache() -> Iterator[Finding]:
    from ..kernels.policy import cache_folder, damaged_code, location
    from ..runtime.compile_cache import others_may_write
    from ..runtime.units import human_bytes

    folder = cache_folder()
    if folder is None:
        where = os.environ.get("NUMBA_CACHE_DIR") or "your cache folder"
        state, remedy = f"{where} is not writable", "set NUMBA_CACHE_DIR to a writable folder"
        if os.path.isdir(location()) and others_may_write(location()):
            state = f"{location()} may be changed by other users, so its code is not run"
            remedy = "set NUMBA_CACHE_DIR to a folder in which only you can write"
        yield Finding("compile cache", f"{state}: every start compiles again", remedy)
        return
    problem = _no_room(folder)
    if problem:
        yield Finding(
            "compile cache",
            f"{folder}: {problem}, so every start compiles again",
            "free some space there, or set NUMBA_CACHE_DIR to a folder on another disk",
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
    damaged, remedy = damaged_code(), ""
    if damaged:
        names = ", ".join(shown(path.name, 60) for path in damaged[:3])
        value += f"; {len(damaged)} damaged file{'s' * (len(damaged) > 1)}: {names}"
        value += ", ..." if len(damaged) > 3 else ""
        remedy = (
            "nothing is lost, their kernels are compiled anew when they are needed; to delete "
            "them: 'simplenn doctor --clean-cache'"
        )
    yield Finding("compile cache", value, remedy)


def _no_room(folder: Path) -> str:
    """Try whether the folder takes as much as compiled code needs; return the error, or ""."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_CACHE_BYTES))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _bytes_in(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _figures() -> Iterator[Finding]:
    from importlib.metadata import version

    folder = os.environ.get("MPLCONFIGDIR")
    if folder and not os.access(folder, os.W_OK):
        remedy = "Matplotlib cannot write there; name a folder that exists, or unset the variable"
        yield Finding("figures", f"MPLCONFIGDIR={folder}", remedy)
        return
    try:
        import matplotlib  # noqa: F401
    except Exception as error:
        reason = shown(error)
        backend = os.environ.get("MPLBACKEND")
        if backend and backend in reason:
            remedy = "Matplotlib does not know this backend; unset the variable"
            yield Finding("figures", f"MPLBACKEND={backend}", remedy)
        else:
            remedy = "correct Matplotlib's file matplotlibrc, or reinstall Matplotlib"
            yield Finding("figures", f"Matplotlib cannot start: {reason}", remedy)
    else:
        yield Finding("figures", f"Matplotlib {version('matplotlib')}")


def _data() -> Iterator[Finding]:
    from ..datasets.fetch import ENVIRONMENT, folders

    chosen = os.environ.get(ENVIRONMENT)
    for folder in folders():
        missing = not os.path.isdir(folder)  # Path.is_dir fails if a folder above is closed
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
