"""Definition of an exercise: one frozen object, and the files that belong to it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent

#: Routines that ``simplenn train --with FILE.py`` takes from a file, as the lecture engine calls
#: them.
OPERATORS = frozenset(
    {
        "padding_and_phiZ", "vTP_phi", "unpad", "maxpooling", "vTP_pool", "P_pool", "bias_relu",
        "mask",
    }
)  # fmt: skip

#: Replacements in a text, (old, new).
Edits = tuple[tuple[str, str], ...]

#: A case's arguments by name, in the order of the routine's parameters.
Args = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One call of the student's routine.

    Parameters
    ----------
    label : str
        Feature that the case tests, for instance "stride 2, two channels".
    args : dict
        Arguments by name, in the order of the parameters: arrays in Fortran order, numbers, text,
        tuples, lists, dicts and :func:`sizes.geometry` namespaces.
    small : bool
        Whether the case is small enough to be printed in full; small cases come first.
    function : str
        Name of the routine to call, if the exercise asks for several; the first by default.
    """

    label: str
    args: Args
    small: bool = False
    function: str = ""


@dataclass(frozen=True)
class Mistake:
    """A typical mistake, and the explanation for a student who makes it.

    Parameters
    ----------
    name : str
        Short name: "stride forgotten".
    explanation : str
        One or two sentences that help to fix the mistake, in the lecture's symbols.
    edits : tuple of (old, new)
        Replacements in the model solution that make this mistake; every `old` must occur.  A
        student's routine is said to make the mistake if it returns the same values as the edited
        solution.
    forms : tuple of edits
        Other ways to make this mistake that return other values in some cases.
    """

    name: str
    explanation: str
    edits: Edits
    forms: tuple[Edits, ...] = ()


@dataclass(frozen=True)
class Adjoint:
    """An adjoint identity, which holds for all vectors.

    Parameters
    ----------
    identity : str
        Identity as it is printed: "<v' P_phi, z> = <v, P_phi z>".
    sides : callable
        ``sides(args, got, rng)`` returns the values of both sides, with random vectors from `rng`.
    """

    identity: str
    sides: Callable[[Args, Any, np.random.Generator], tuple[float, float]]


@dataclass(frozen=True)
class Speed:
    """How the speed of the student's routine is measured, relative to a reference on one thread.

    Parameters
    ----------
    case : callable
        ``case(rng)`` returns the :class:`Case`; the reference takes tens of milliseconds for it.
    kernel : callable
        Reference, with the same parameters as the student's routine; it runs on one thread.
    full, half : float
        Largest running time for all points and for half of the points, as a multiple of the
        reference's time.  Choose generous values, since other programs run on the machine as well.
    """

    case: Callable[[np.random.Generator], Case]
    kernel: Callable[..., Any]
    full: float
    half: float


@dataclass(frozen=True)
class Points:
    """Points of the parts of a check.

    Parameters
    ----------
    small, awkward, speed : int
        Points for small shapes, for awkward and random shapes, and for speed.
    """

    small: int
    awkward: int
    speed: int = 0

    @property
    def total(self) -> int:
        """Sum of all points."""
        return self.small + self.awkward + self.speed


@dataclass(frozen=True)
class Exercise:
    """One exercise of the course.

    Parameters
    ----------
    name : str
        Name of the exercise, of its module in ``course/``, of ``skeletons/NAME.py`` (the statement
        and the skeleton) and of ``solutions/NAME.py`` (the model solution).
    title : str
        One line for the table of exercises.
    functions : tuple of str
        Names of the functions or classes that the student's file must define.
    returns : tuple of str
        Name of each returned array; more than one means that a tuple is returned.
    allows : tuple of str
        Top-level modules that the file may import.
    points : Points
        Points of the parts of a check.
    hints : tuple of three str
        Hints, from a first idea to almost the code.
    reference : callable
        The package's own routine, which computes the expected values.  It has the parameters of the
        student's routine.  Its imports belong inside, so that listing the exercises does not load
        compiled code.
    cases : callable
        ``cases(rng)`` yields :class:`Case`, the small ones first.
    where : callable
        ``where(args, name, index)`` describes entry ``index`` of the returned array `name` in the
        lecture's indices.
    mistakes : tuple of Mistake
        Typical mistakes.
    adjoint : Adjoint, optional
        Identity that a correct result satisfies.
    speed : Speed, optional
        Speed measurement, if there are points for speed.
    source_check : callable, optional
        ``source_check(tree)`` looks at the file's syntax tree and returns a message if the routine
        is not written in the required form, else "".
    judge : callable, optional
        ``judge(args, expected, got)`` replaces the comparison of values, for results that are not
        unique.  It returns a message, or "" if the result is correct.  Types, shapes and NaN are
        compared as usual.
    uses : tuple of str
        Routines of earlier exercises that the skeleton declares without code.  A check uses the
        student's own routine for each, or the model solution.
    fortran : bool
        Whether arrays must be returned in Fortran order.
    same_dtype : bool
        Whether arrays must be returned with the dtype of the reference's result.
    tolerance : float
        Largest allowed difference, relative to the largest expected entry of an array.
    """

    name: str
    title: str
    functions: tuple[str, ...]
    returns: tuple[str, ...]
    allows: tuple[str, ...]
    points: Points
    hints: tuple[str, str, str]
    reference: Callable[..., Any]
    cases: Callable[[np.random.Generator], Iterator[Case]]
    where: Callable[[Args, str, tuple[int, ...]], str]
    mistakes: tuple[Mistake, ...] = ()
    adjoint: Adjoint | None = None
    speed: Speed | None = None
    source_check: Callable[[ast.Module], str] | None = None
    judge: Callable[[Args, Any, Any], str] | None = None
    uses: tuple[str, ...] = ()
    fortran: bool = False
    same_dtype: bool = False
    tolerance: float = 1e-9

    @cached_property
    def skeleton(self) -> str:
        """Text of the file that the student starts from; its docstring is the statement."""
        return (HERE / "skeletons" / f"{self.name}.py").read_text("utf-8")

    @cached_property
    def solution(self) -> str:
        """Text of the model solution, which imports only the allowed modules."""
        return (HERE / "solutions" / f"{self.name}.py").read_text("utf-8")

    @cached_property
    def driver(self) -> bytes:
        """Source of ``call(student, function, *args)``, for routines that take more than arrays.

        It is empty if there is no ``drivers/NAME.py``.  It runs in the student's process, so it
        may import any module except the package.
        """
        path = HERE / "drivers" / f"{self.name}.py"
        return path.read_bytes() if path.exists() else b""

    @property
    def trains(self) -> bool:
        """Whether the file defines a routine that ``simplenn train --with`` can use."""
        return not OPERATORS.isdisjoint(self.functions)

    @cached_property
    def statement(self) -> str:
        """The skeleton's docstring."""
        return ast.get_docstring(ast.parse(self.skeleton)) or ""

    def edited(self, mistake: Mistake) -> list[str]:
        """Return the model solution, edited so that it makes a typical mistake, in every form.

        Raises
        ------
        ValueError
            If the solution does not contain a text that is to be replaced.
        """
        texts = []
        for edits in (mistake.edits, *mistake.forms):
            text = self.solution
            for old, new in edits:
                if old not in text:
                    raise ValueError(f"{self.name}, {mistake.name!r}: the solution has no {old!r}")
                text = text.replace(old, new)
            texts.append(text)
        return texts


def calls(tree: ast.Module, name: str) -> bool:
    """Whether a file calls a function `name`, as ``name(...)`` or ``module.name(...)``."""
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(getattr(f, "attr", getattr(f, "id", "")) == name for f in called)
