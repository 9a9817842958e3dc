"""A student's own routines in place of the lecture engine's: found in a file, watched at work.

The file is run as any module is: with the rights of whoever trains with it.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .. import cnn
from ..engines.operator_table import Operators
from ..errors import DataError

#: How many calls of each routine are repeated with ours, for their values and their time.
_COMPARED = 20
#: What a routine with several results returns.
_RESULTS = {"maxpooling": ("Z", "idx_pool")}
#: Of a float32 sum's size: what the order of adding may change.
_ROUNDING = 1e-4


@dataclass
class Watched:
    """One routine, and what it did so far.

    Parameters
    ----------
    name : str
    routine, ours : callable
    path : Path
        Of the file, for messages.

    Attributes
    ----------
    calls : int
    seconds : float
        Of all calls.
    compared : int
        Calls that ours repeated, without the first, which may compile; `compared_seconds` and
        `our_seconds` are the times of both.
    error : float
        Largest difference from ours, relative to the largest entry.
    say : callable
        Told once, at the first call whose values differ.
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

    def __call__(self, *args: Any) -> Any:
        compared = self.calls <= _COMPARED
        if compared:  # before they can be changed in place
            kept = [a.copy(order="F") if isinstance(a, np.ndarray) else a for a in args]
        began = time.perf_counter()
        try:
            result = self.routine(*args)
        except (Exception, SystemExit) as error:
            raise DataError(_where(self.path, self.name, error)) from None
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
        pairs = [(result, expected)]
        if isinstance(expected, tuple) and isinstance(result, tuple):
            pairs = list(zip(result, expected, strict=False))
        agreed = self.agrees
        for k, (got, wanted) in enumerate(pairs):
            if getattr(got, "shape", None) == wanted.shape:  # else the table of operators refuses
                largest = float(np.abs(wanted).max(initial=0)) or 1.0
                error = float(np.abs(np.asarray(got, np.float64) - wanted).max(initial=0))
                error = np.inf if np.isnan(error) else error / largest
                if error and wanted.dtype.kind in "iu":  # indices are right or wrong
                    error = max(error, 2 * _ROUNDING)
                if error > max(self.error, _ROUNDING):
                    self._wrong = _RESULTS.get(self.name, ("",))[k]
                self.error = max(self.error, error)
        if agreed and not self.agrees:
            self.say(self.difference())

    @property
    def ratio(self) -> float | None:
        """How many times as long as ours it takes; None after a single call."""
        return self.compared_seconds / self.our_seconds if self.compared else None

    @property
    def agrees(self) -> bool:
        return self.error <= _ROUNDING

    def summary(self) -> str:
        """Say in a line how often it was called, how long that took, and whether it is right."""
        text = f"{self.name} of {self.path.name}: {self.calls:,} calls, {self.seconds:.2f} s"
        if self.ratio is not None:
            shown = f"{self.ratio:.1f}" if self.ratio < 10 else f"{self.ratio:,.0f}"
            text += f", {shown} times as long as ours"
        return f"{text}; the same values" if self.agrees else f"{text}; {self.difference()}"

    def difference(self) -> str:
        """Say by how much its values are not ours, and where to look."""
        which = f"its {self._wrong} is" if self._wrong else "its values are"
        ties = " (of equal maxima the first counts)" if self._wrong == "idx_pool" else ""
        return (
            f"{which} NOT ours, off by up to {self.error:.2g} of the largest entry{ties}: "
            f"'simplenn exercise check {self.path.name}' looks closer"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the same as plain values for JSON."""
        return {
            "name": self.name,
            "file": str(self.path),
            "calls": self.calls,
            "seconds": self.seconds,
            "times_as_long_as_ours": self.ratio,
            "error": self.error,
        }


def _where(path: Path, routine: str, error: BaseException) -> str:
    """Say in a line what was raised, and in which line of the file."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    place = f", line {lines[-1]}" if lines else ""
    inside = f", in {routine}" if routine else ""
    text = (str(error).strip() or "no message").splitlines()[0]
    return f"{path}{place}{inside}: {type(error).__name__}: {text}"


def load_all(paths: Sequence[str | Path]) -> list[Watched]:
    """Take the routines of several files, or of all Python files in a folder.

    Raises
    ------
    DataError
        As :func:`load_routines`, and where two files define the same routine.  A folder's files
        need not all define one.
    """
    found: dict[str, Watched] = {}
    for path in map(Path, paths):
        if path.is_dir():
            own = [watched for file in sorted(path.glob("*.py")) for watched in _routines(file)[0]]
            if not own:
                raise DataError(f"{path} holds no file with a routine of the lecture engine")
        else:
            own = load_routines(path)
        for watched in own:
            other = found.setdefault(watched.name, watched)
            if other is not watched:
                raise DataError(
                    f"{other.path} and {watched.path} both define {watched.name}; name the files "
                    "to take"
                )
    return list(found.values())


def load_routines(path: str | Path) -> list[Watched]:
    """Run a file and take from it the routines that the lecture engine calls.

    Parameters
    ----------
    path : path
        Of a Python file with functions under simpleNN's names, such as ``vTP_phi(V, g)``: those
        of ``engines.operator_table.Operators``, called as its entries are, but without ``out``.

    Returns
    -------
    list of Watched
        Where a function only raises NotImplementedError, as the skeletons of the exercises do,
        ours stands in for it and it is not listed.

    Raises
    ------
    DataError
        If the file cannot be run, or has none of them.
    """
    found, unwritten = _routines(Path(path))
    known = Operators.names()
    if not found:
        begun = [name for name in known if name in unwritten]
        if begun:
            raise DataError(f"{path}: {' and '.join(begun)} is not written yet")
        raise DataError(
            f"{path} has no routine of the lecture engine; write a function called "
            f"{', '.join(known[:-1])} or {known[-1]}"
        )
    return found


def _routines(path: Path) -> tuple[list[Watched], set[str]]:
    """Return a file's routines, and the names of those that are not written yet."""
    path = path.resolve()
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        number = getattr(error, "lineno", None)
        line = f", line {number}" if number else ""
        reason = str(error.args[0]) if error.args else "it is nested too deeply"
        raise DataError(f"{path}{line} is no Python: {reason}") from None
    module = _run(path)
    unwritten = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)
                 and _is_unwritten(node)}  # fmt: skip
    for name in unwritten & set(dir(cnn)):
        setattr(module, name, getattr(cnn, name))
    table = Operators()
    found = [
        Watched(name, getattr(module, name), getattr(table, name), path)
        for name in Operators.names()
        if callable(getattr(module, name, None)) and name not in unwritten
    ]
    return found, unwritten


def operators_of(routines: list[Watched]) -> Operators:
    """Return the lecture engine's table with these routines in it."""
    return Operators().replace(**{watched.name: watched for watched in routines})


def _run(path: Path) -> ModuleType:
    name = f"simplenn_own_{path.stem}"  # a file called json.py must not become everybody's json
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise DataError(f"{path} is no Python file; give one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Numba looks its functions' modules up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise DataError(_where(path, "", error)) from None
    return module


def _is_unwritten(node: ast.FunctionDef) -> bool:
    """Whether a function does nothing but raise NotImplementedError."""
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
