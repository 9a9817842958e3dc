"""Formulas written as text, such as those that ``simplenn graph`` draws, computed without ``eval``.

The text is parsed into Python's syntax tree, and this module walks the tree: it computes numbers,
names, ``+ - * / **`` and a list of NumPy's functions, and refuses every other node.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import OptionError, closest
from ..runtime.numerals import is_digits, real
from .box import Value

FUNCTIONS: dict[str, Callable[..., Value]] = {
    "abs": np.absolute,
    **{
        name: getattr(np, name)
        for name in (
            *("exp", "expm1", "log", "log1p", "sqrt", "square", "sin", "cos", "tan", "arctan"),
            *("sinh", "cosh", "tanh", "maximum", "minimum", "logaddexp"),
        )
    },
}
CONSTANTS = {"pi": math.pi}
_BINARY = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
    ast.Pow: np.power,
}  # fmt: skip
_UNARY = {ast.USub: np.negative, ast.UAdd: np.positive}
_LONGEST, _MOST, _DEEPEST = 1000, 400, 60  # maximum number of characters, nodes, nested nodes
_RULE = (
    f"it may have numbers, names, {', '.join(CONSTANTS)}, + - * / **, parentheses and "
    f"{', '.join(FUNCTIONS)}"
)


@dataclass(frozen=True)
class Expression:
    """A scalar function of named numbers.

    Attributes
    ----------
    text : str
        The formula.
    names : tuple of str
        Its variables, sorted alphabetically, with numbers in increasing order: x1, x2, x10, y.
    tree : ast.expr
        Syntax tree, checked: it has only nodes that may be computed.
    """

    text: str
    names: tuple[str, ...]
    tree: ast.expr

    def __call__(self, values: Mapping[str, Value]) -> Value:
        """Compute the formula.

        Parameters
        ----------
        values : mapping of str to number or Box
            Value of every variable; it may be watched by a tape.

        Returns
        -------
        number or Box
            The result; it may be inf or NaN, without a warning.
        """
        with np.errstate(all="ignore"):
            return _compute(self.tree, values)

    def point(self, text: str) -> dict[str, float]:
        """Read the values of all variables.

        Parameters
        ----------
        text : str
            Values in the order of `names` (``"2,5"``) or with names (``"x=2,y=5"``).

        Returns
        -------
        dict of str to float
            Value of every variable, in the order of `names`.

        Raises
        ------
        OptionError
            If the text does not have one finite number for each variable.
        """
        example = ",".join(f"{name}=1" for name in self.names)
        wanted = (
            f"give {len(self.names)} number{'s' * (len(self.names) > 1)}, for "
            f"{shortened(', '.join(self.names))}, such as {shortened(example)}"
        )
        parts = [part.strip() for part in text.split(",")]
        named = [part.partition("=") for part in parts]
        if all(equals for _, equals, _ in named):
            keys = [name.strip() for name, _, _ in named]
            numbers = [number for _, _, number in named]
        else:
            keys, numbers = list(self.names), parts
        if sorted(keys) != sorted(self.names) or len(numbers) != len(keys):
            raise OptionError(f"the point is {shortened(text)!r}; {wanted}")
        found = {}
        for key, number in zip(keys, numbers, strict=True):
            try:
                found[key] = real(number)
            except ValueError:
                found[key] = math.nan
            if not math.isfinite(found[key]):
                raise OptionError(
                    f"the point is {shortened(text)!r}, but {shortened(number)!r} is not a finite "
                    f"number; {wanted}"
                )
        return {name: found[name] for name in self.names}


def parse(text: str) -> Expression:
    """Read an expression such as ``"log(x1) + x1*x2 - sin(x2)"``.

    Parameters
    ----------
    text : str
        Formula; a function may be written ``sin`` or ``np.sin``.

    Returns
    -------
    Expression
        The formula, ready to be computed.

    Raises
    ------
    OptionError
        If the text is not a formula, has no variable, or has a part that is not allowed; the
        message names the part.

    Examples
    --------
    >>> f = parse("log(x) + x*y - sin(y)")
    >>> f.names
    ('x', 'y')
    >>> float(f({"x": 1.0, "y": 0.0}))
    0.0
    """
    if len(text) > _LONGEST:
        raise OptionError(
            f"the expression has {len(text)} characters; at most {_LONGEST} are allowed"
        )
    try:
        with warnings.catch_warnings():  # Python warns of odd code
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        why = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise OptionError(f"{_named(text)} is not a valid formula ({why}); {_RULE}") from None
    count = sum(isinstance(node, ast.expr) for node in ast.walk(tree))
    if count > _MOST:
        raise OptionError(
            f"{_named(text)} has {count} numbers, names and operations; at most {_MOST} are allowed"
        )
    names: set[str] = set()
    _check(tree, text, names, 0)
    if not names:
        raise OptionError(f"{_named(text)} has no variable; give one with a name, such as x")
    return Expression(text.strip(), tuple(sorted(names, key=_natural)), tree)


def shortened(text: str) -> str:
    """Cut a text that a message repeats to 60 characters.

    Parameters
    ----------
    text : str
        Text of the user.

    Returns
    -------
    str
        The text, or its first 57 characters and three dots.
    """
    return text if len(text) <= 60 else text[:57] + "..."


def _named(text: str) -> str:
    return f"the expression {shortened(text)!r}"


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"([0-9]+)", name)
    return [(int(part) if is_digits(part, _LONGEST) else -1, part) for part in parts]


def _check(node: ast.expr, text: str, names: set[str], depth: int) -> None:
    """Raise OptionError unless every node may be computed; collect the variables in `names`."""
    if depth > _DEEPEST:
        raise OptionError(f"{_named(text)} is nested more than {_DEEPEST} deep; use fewer levels")
    chain, node = _chain(node)
    parts = [each.right for each in chain]
    if chain:
        parts.insert(0, node)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        if not _is_finite(node.value):
            raise _refused(node, text, "a number as large as")
    elif isinstance(node, ast.Name):
        if node.id in FUNCTIONS:
            raise _refused(node, text, "a function without parentheses,")
        if node.id not in CONSTANTS:
            names.add(node.id)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        raise _refused(node, text, "'^' in", "write a power with **; ")
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        parts = [node.operand]
    elif isinstance(node, ast.Call):
        name = _function_name(node.func)
        if name not in FUNCTIONS:
            raise _refused(node.func, text, "the function", hint=closest(name, list(FUNCTIONS)))
        wanted = getattr(FUNCTIONS[name], "nin", 1)
        if node.keywords or len(node.args) != wanted:
            raise OptionError(
                f"{_named(text)} calls {name} with {len(node.args) + len(node.keywords)} "
                f"arguments; it takes {wanted}, without names"
            )
        parts = node.args
    else:
        raise _refused(node, text, "")
    for part in parts:
        _check(part, text, names, depth + 1)


def _chain(node: ast.expr) -> tuple[list[ast.BinOp], ast.expr]:
    """Split ``x + y - z`` into its operations, from left to right, and its first operand, x.

    In the tree every operation is the left operand of the next one; to a reader the chain is flat.
    """
    chain: list[ast.BinOp] = []
    while isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        chain.append(node)
        node = node.left
    return chain[::-1], node


def _function_name(node: ast.expr) -> str:
    """Return ``sin`` for ``sin`` and ``np.sin``, and "" for anything else that is called."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id in ("np", "numpy") else ""
    return node.id if isinstance(node, ast.Name) else ""


def _refused(node: ast.expr, text: str, what: str, remedy: str = "", hint: str = "") -> OptionError:
    part = ast.get_source_segment(text.strip(), node) or text
    kind = f"{what} {shortened(part)!r}".strip()
    return OptionError(f"{_named(text)} has {kind}{hint}; {remedy}{_RULE}")


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _compute(node: ast.expr, values: Mapping[str, Value]) -> Value:
    chain, node = _chain(node)
    if chain:
        value = _compute(node, values)
        for each in chain:
            value = _BINARY[type(each.op)](value, _compute(each.right, values))
        return value
    match node:
        case ast.Constant(value=value):
            return np.float64(value)  # type: ignore[arg-type]  # a number, see _check
        case ast.Name(id=name):
            return values[name] if name in values else np.float64(CONSTANTS[name])
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_compute(operand, values))
        case ast.Call(func=function, args=args):
            return FUNCTIONS[_function_name(function)](*(_compute(a, values) for a in args))
    raise TypeError(f"{ast.dump(node)} was not checked")
