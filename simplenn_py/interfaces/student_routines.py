"""Your own routines in place of the lecture engine's: loaded from a file, compared while they run.

The file is run like any module: with all rights of the user.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .. import cnn
from ..engines.contracts import as_array, check_call
from ..engines.operator_table import Operators
from ..errors import DataError, shown
from ..io.files import TEXT_BYTES, not_python_text, read_bytes
from ..layout import Array
from ..runtime.console import shell_words
from ..runtime.paths import user_path

#: Number of calls per routine that are repeated with the package's, to compare values and times.
_COMPARED = 20
#: Names of the results of routines with several results.
_RESULTS = {"maxpooling": ("Z", "idx_pool")}
#: Relative change of a float32 sum that another order of adding may cause.
_ROUNDING = 1e-4


@dataclass
class Watched:
    """One routine of a user, which is called in place of the package's and compared with it.

    Parameters
    ----------
    name : str
        Name of the routine, such as "vTP_phi".
    routine, ours : callable
        The user's routine and the package's.
    path : Path
        The file, for messages.

    Attributes
    ----------
    calls : int
        Number of calls so far.
    seconds : float
        Time of all calls.
    compared : int
        Number of calls whose time was compared; the first call, which may compile, is not among
        them.
    compared_seconds, our_seconds : float
        Time of the compared calls, by the user's routine and by the package's.
    error : float
        Largest difference from the package's values, relative to the largest entry.
    say : callable
        Called with a message at the first call whose values differ.
    """

    name: str
    routine: Callable[..., Any]
    ours: Callable[..., Any]
    path: Path
    calls: int = 0
    seconds: float = 0.0
    compared: int = 0
    compared_seconds: float = 0.0
    our_seconds: float = 0.0
    error: float = 0.0
    _wrong: str = ""
    say: Callable[[str], None] = lambda text: None

    def __post_init__(self) -> None:
        self.__wrapped__ = self.routine  # inspect then sees the routine's own arguments

    def __call__(self, *args: Any) -> Any:
        compared = self.calls <= _COMPARED
        if compared:  # copied, because the routine may change them in place
            kept = [a.copy(order="F") if isinstance(a, np.ndarray) else a for a in args]
        with _running(self.path, self.name):
            began = time.perf_counter()
            result = self.routine(*args)
            seconds = time.perf_counter() - began
        self.calls += 1
        self.seconds += seconds
        if compared:
            self._compare(kept, result, seconds)
        return result

    def _compare(self, args: list[Any], result: Any, seconds: float) -> None:
        began = time.perf_counter()
        expected = self.ours(*args)
        ours = time.perf_counter() - began
        if self.calls > 1:
            self.compared += 1
            self.compared_seconds += seconds
            self.our_seconds += ours
        if not isinstance(expected, tuple):
            expected, result = (expected,), (result,)
        if not isinstance(result, tuple | list) or len(result) != len(expected):
            return  # the table of operators raises
        agreed = self.agrees
        for k, (returned, wanted) in enumerate(zip(result, expected, strict=True)):
            got = as_array(returned)
            if got is None or got.dtype.kind == "c" or got.shape != wanted.shape:
                return  # the same
            error = _relative_error(got, wanted)
            if error > max(self.error, _ROUNDING):
                self._wrong = _RESULTS.get(self.name, ("",))[k]
            self.error = max(self.error, error)
        if agreed and not self.agrees:
            self.say(self.difference())

    @property
    def ratio(self) -> float | None:
        """Time relative to the package's routine; None after a single call."""
        return self.compared_seconds / self.our_seconds if self.compared else None

    @property
    def agrees(self) -> bool:
        """Whether all compared values equal the package's, up to rounding."""
        return self.error <= _ROUNDING

    def summary(self) -> str:
        """Return one line with the number of calls, the time, and whether the values agree."""
        text = f"{self.name} of {self.path.name}: {self.calls:,} calls, {self.seconds:.2f} s"
        if self.ratio is not None:
            shown = f"{self.ratio:.1f}" if self.ratio < 10 else f"{self.ratio:,.0f}"
            text += f", {shown} times the package's time"
        return f"{text}; values correct" if self.agrees else f"{text}; {self.difference()}"

    def difference(self) -> str:
        """Return by how much the values differ from the package's."""
        which = f"a wrong {self._wrong}" if self._wrong else "wrong values"
        ties = " (among equal maxima the first counts)" if self._wrong == "idx_pool" else ""
        return (
            f"returns {which}; the largest error is {self.error:.2g} times the largest entry{ties}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the same as plain values for JSON."""
        return {
            "name": self.name,
            "file": str(self.path),
            "calls": self.calls,
            "seconds": self.seconds,
            "time_relative_to_ours": self.ratio,
            "error": self.error,
        }


def _relative_error(got: Array, wanted: Array) -> float:
    """Return the largest difference, relative to the largest entry of `wanted`."""
    with np.errstate(all="ignore"):
        largest = float(np.abs(wanted).max(initial=0)) or 1.0
        error = float(np.abs(got.astype(np.float64) - wanted).max(initial=0)) / largest
    if np.isnan(error):
        return np.inf
    if error and wanted.dtype.kind in "iu":  # an index has no rounding
        return max(error, 2 * _ROUNDING)
    return error


@contextmanager
def _running(path: Path, routine: str = "") -> Iterator[None]:
    """Run code of a user's file: an error becomes one line, and output goes to stderr."""
    try:
        # stdout is for results, as with --json; what the file sets in NumPy is its own.
        with redirect_stdout(sys.stderr), np.errstate():
            yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, and classes of the file's own
        raise DataError(_where(path, routine, error)) from None


def _where(path: Path, routine: str, error: BaseException) -> str:
    """Return one line with the error and its line in the file."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    place = f", line {lines[-1]}" if lines else ""
    inside = f", in {routine}" if routine else ""
    return f"{path}{place}{inside}: {type(error).__name__}: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    try:
        lines = [line for line in str(error).splitlines() if line.strip()]
    except BaseException:  # an exception of the file's own may fail to describe itself
        lines = []
    if lines and lines[0].startswith("Failed in nopython mode") and len(lines) > 1:
        lines = lines[1:]  # Numba says there what it could not compile
    return shown(lines[0].strip(), 400) if lines else "no message"


def load_all(paths: Sequence[str | Path]) -> list[Watched]:
    """Load the routines of several files, or of all Python files in a folder.

    Parameters
    ----------
    paths : sequence of path
        Python files and folders; files in a folder need not all define a routine.

    Returns
    -------
    list of Watched

    Raises
    ------
    DataError
        As :func:`load_routines`, and if two files define the same routine.
    """
    found: dict[str, Watched] = {}
    for path in map(user_path, paths):
        if path.is_dir():
            own = [watched for file in sorted(path.glob("*.py")) for watched in _routines(file)[0]]
            if not own:
                raise DataError(
                    f"{path} holds no Python file with a routine of the lecture engine; name "
                    "another folder, or a file"
                )
        else:
            own = load_routines(path)
        for watched in own:
            other = found.setdefault(watched.name, watched)
            if other is not watched:
                raise DataError(
                    f"{other.path} and {watched.path} both define {watched.name}; name only one of "
                    "these files"
                )
    return list(found.values())


def load_routines(path: str | Path) -> list[Watched]:
    """Run a file and load the routines in it that the lecture engine calls.

    Parameters
    ----------
    path : path
        A Python file with functions under simpleNN's names, such as ``vTP_phi(V, g)``.  The names
        and arguments are those of ``engines.operator_table.Operators``, but without ``out``.

    Returns
    -------
    list of Watched
        A function that only raises NotImplementedError, as in the skeletons of the exercises, is
        not listed; the package's routine is used instead.

    Raises
    ------
    DataError
        If the file cannot be run, or defines none of these routines.
    """
    found, unwritten = _routines(user_path(path))
    known = Operators.names()
    if not found:
        begun = [name for name in known if name in unwritten]
        if begun:
            verb = "is" if len(begun) == 1 else "are"
            raise DataError(
                f"{path}: {' and '.join(begun)} {verb} not written yet; write at least one routine"
            )
        raise DataError(
            f"{path} defines no routine of the lecture engine; write a function named "
            f"{', '.join(known[:-1])} or {known[-1]}"
        )
    return found


def _routines(path: Path) -> tuple[list[Watched], set[str]]:
    """Return a file's routines, and the names of those that are not written yet."""
    path = path.resolve()
    source = read_bytes(path, TEXT_BYTES)
    if fault := not_python_text(source):
        raise DataError(f"{path}: {fault}; open it in an editor and save it as UTF-8")
    try:
        tree = ast.parse(source, str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        number = getattr(error, "lineno", None)
        line = f", line {number}" if number else ""
        reason = str(error.args[0]) if error.args else "it is nested too deeply"
        raise DataError(f"{path}{line} is not valid Python: {reason}") from None
    module = _run(path, tree)
    unwritten = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)
                 and _is_unwritten(node)}  # fmt: skip
    for name in unwritten & set(dir(cnn)):
        setattr(module, name, getattr(cnn, name))
    table = Operators()
    found = []
    for name in Operators.names():
        routine, ours = getattr(module, name, None), getattr(table, name)
        if callable(routine) and routine is not ours and name not in unwritten:
            found.append(Watched(name, routine, ours, path))
            check_call(name, found[-1])
    return found, unwritten


def operators_of(routines: list[Watched]) -> Operators:
    """Return the lecture engine's table of operators with these routines in it.

    Parameters
    ----------
    routines : list of Watched
        From :func:`load_all` or :func:`load_routines`.
    """
    return Operators().replace(**{watched.name: watched for watched in routines})


def _run(path: Path, tree: ast.Module) -> ModuleType:
    name = f"simplenn_own_{path.stem}"  # a file json.py must not replace the module json
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or path.suffix != ".py":
        if path.suffix == ".ipynb":
            command = shell_words(["jupyter", "nbconvert", "--to", "script", str(path)])
            raise DataError(
                f"{path} is a notebook; export it with {command}, and give the .py file"
            )
        raise DataError(f"{path} is not a Python file; give a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Numba looks up the modules of its functions
    with _running(path):  # what was read is run, never an older file of __pycache__
        exec(compile(tree, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def _is_unwritten(node: ast.FunctionDef) -> bool:
    """Return whether a function only raises NotImplementedError."""
    body = [
        statement
        for statement in node.body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]
    return (
        len(body) == 1
        and isinstance(body[0], ast.Raise)
        and "NotImplementedError" in ast.dump(body[0])
    )
