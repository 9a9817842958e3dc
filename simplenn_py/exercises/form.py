"""What an exercise is: one frozen object, and the files that belong to it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent

#: What ``simplenn train --with FILE.py`` takes from a file, as the lecture engine calls it.
OPERATORS = frozenset(
    {"padding_and_phiZ", "vTP_phi", "unpad", "maxpooling", "vTP_pool", "bias_relu", "mask"}
)

#: A case's arguments by name, in the order of the routine's parameters.
Args = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One call of the student's routine.

    Parameters
    ----------
    label : str
        What is particular about it, for instance "stride 2, two channels".
    args : dict
        By name, in the order of the parameters: arrays in Fortran order, numbers, text,
        tuples, lists, dicts and :func:`sizes.geometry` namespaces.
    small : bool
        Whether it is small enough to be printed whole; small cases come first.
    function : str
        Which routine, where the exercise asks for several; the first by default.
    """

    label: str
    args: Args
    small: bool = False
    function: str = ""


@dataclass(frozen=True)
class Wrong:
    """A typical wrong answer, and what to say to whoever gives it.

    Parameters
    ----------
    name : str
        A few words: "stride forgotten".
    says : str
        A hint, one or two sentences, in the lecture's symbols.
    edits : tuple of (old, new)
        What to replace in the model solution to make this mistake; every `old` must occur.  The
        solution so edited recognises the mistake: the same values from the same arguments.
    """

    name: str
    says: str
    edits: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Adjoint:
    """An identity that holds whatever the values are.

    Parameters
    ----------
    identity : str
        As it is printed: "<v' P_phi, z> = <v, P_phi z>".
    sides : callable
        ``sides(args, got, rng)`` returns both sides; random vectors come from `rng`.
    """

    identity: str
    sides: Callable[[Args, Any, np.random.Generator], tuple[float, float]]


@dataclass(frozen=True)
class Speed:
    """A race of the student's routine with a reference on one thread, in turns in one run.

    Parameters
    ----------
    case : callable
        ``case(rng)`` returns the :class:`Case`, tens of milliseconds long for the reference.
    kernel : callable
        The reference, called as the student's routine is; it runs on one thread.
    full, half : float
        How many times the reference's time may be taken for all and for half of the points.
        Keep them wide: other programs run on the machine, too.
    """

    case: Callable[[np.random.Generator], Case]
    kernel: Callable[..., Any]
    full: float
    half: float


@dataclass(frozen=True)
class Points:
    """What the parts of a check are worth: small shapes, awkward and random ones, speed."""

    small: int
    awkward: int
    speed: int = 0

    @property
    def total(self) -> int:
        return self.small + self.awkward + self.speed


@dataclass(frozen=True)
class Exercise:
    """One exercise of the course.

    Parameters
    ----------
    name : str
        Of the exercise, of its module in ``course/``, of ``skeletons/NAME.py`` (the statement and
        what the student starts from) and of ``solutions/NAME.py`` (the model solution).
    title : str
        One line for the table.
    functions : tuple of str
        What the student's file must define.
    returns : tuple of str
        A name for each array returned; more than one means a tuple.
    allows : tuple of str
        Top-level modules that the file may import.
    points : Points
    hints : tuple of three str
        From "think of" to nearly the code.
    reference : callable
        The package's own routine, called as the student's is: where expected values come from.
        Its imports belong inside, so that a list of the exercises loads no compiled code.
    cases : callable
        ``cases(rng)`` yields :class:`Case`, the small ones first.
    where : callable
        ``where(args, name, index)`` says in the lecture's indices which entry ``index`` of the
        returned array `name` is.
    wrong : tuple of Wrong
    adjoint : Adjoint, optional
    speed : Speed, optional
    form : callable, optional
        Of the file's syntax tree: what is wrong with the form of the answer, or "".
    judge : callable, optional
        ``judge(args, expected, got)`` in place of the comparison of values, which stays the test
        of types, shapes and NaN: what is wrong, or "".  For results that are not unique.
    uses : tuple of str
        Routines of earlier exercises that the skeleton declares and leaves unwritten; in a check
        the student's own, or a model solution, stands in for each that still is.
    fortran : bool
        Whether arrays must be returned in Fortran order.
    tolerance : float
        Largest difference, relative to the largest expected entry of an array.
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
    wrong: tuple[Wrong, ...] = ()
    adjoint: Adjoint | None = None
    speed: Speed | None = None
    form: Callable[[ast.Module], str] | None = None
    judge: Callable[[Args, Any, Any], str] | None = None
    uses: tuple[str, ...] = ()
    fortran: bool = False
    tolerance: float = 1e-9

    @cached_property
    def skeleton(self) -> str:
        """What the student starts from; its docstring is the statement."""
        return (HERE / "skeletons" / f"{self.name}.py").read_text("utf-8")

    @cached_property
    def solution(self) -> str:
        """The model solution: a file that stands alone and imports only what is allowed."""
        return (HERE / "solutions" / f"{self.name}.py").read_text("utf-8")

    @cached_property
    def driver(self) -> bytes:
        """Source of ``call(student, function, *args)``, for routines that arrays alone cannot call.

        Empty where there is no ``drivers/NAME.py``.  It runs in the student's process, so it may
        import what it likes but the package.
        """
        path = HERE / "drivers" / f"{self.name}.py"
        return path.read_bytes() if path.exists() else b""

    @property
    def trains(self) -> bool:
        """Whether its file defines a routine that ``simplenn train --with`` takes."""
        return not OPERATORS.isdisjoint(self.functions)

    @cached_property
    def statement(self) -> str:
        """The skeleton's docstring."""
        return ast.get_docstring(ast.parse(self.skeleton)) or ""

    def edited(self, wrong: Wrong) -> str:
        """Return the solution with a typical mistake made in it.

        Raises
        ------
        ValueError
            If what is to be replaced is not there.
        """
        text = self.solution
        for old, new in wrong.edits:
            if old not in text:
                raise ValueError(f"{self.name}, {wrong.name!r}: the solution has no {old!r}")
            text = text.replace(old, new)
        return text


def calls(tree: ast.Module, name: str) -> bool:
    """Whether a file calls something of that name, as ``name(...)`` or ``module.name(...)``."""
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(getattr(f, "attr", getattr(f, "id", "")) == name for f in called)
