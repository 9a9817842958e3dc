"""Drawing of the computational graph that a tape recorded, as the text of an .svg file.

The result is the last node.  A watched array or a constant stands one layer before the first
operation that uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .box import Value, plain
from .svg import Node, draw
from .tape import TapeEntry, Variable


def graph_svg(
    result: Value,
    names: Mapping[str, Any] | None = None,
    *,
    adjoints: bool = False,
    down: bool = False,
    title: Callable[[TapeEntry], str] | None = None,
) -> str:
    """Draw the computational graph of a recorded expression.

    Parameters
    ----------
    result : Variable
        Result on a tape that still has its records: draw before calling ``gradient``, or make
        the tape persistent.
    names : mapping from str to Variable, optional
        Watched arrays, by the names to write into their nodes.
    adjoints : bool
        Whether to write the derivative of the result into every node except constants: the
        number, or the norm of an array.  Unless the tape is persistent, this uses its one
        gradient.
    down : bool
        Whether to draw from top to bottom, for long chains, instead of from left to right.
    title : callable, optional
        Function of a record with a rule that returns the first line of its node; by default the
        rule's name.

    Returns
    -------
    str
        Text of an .svg file.  A node has its operation (or name), and its value if that is a
        number, or else its shape.

    Raises
    ------
    TypeError
        If `result` is not a Variable.
    ValueError
        If its tape has been used, or `adjoints` is true and `result` is not a scalar.

    Notes
    -----
    Section E of the lecture.

    Examples
    --------
    >>> from simplenn_py.autodiff import GradientTape
    >>> with GradientTape() as tape:
    ...     x = tape.watch(2.0)
    ...     f = np.log(x)
    >>> graph_svg(f, {"x": x}).startswith("<svg")
    True
    """
    if not isinstance(result, Variable):
        raise TypeError(
            f"result is of type {type(result).__name__}; it must be a Variable, computed from "
            "watched arrays while the tape was recording"
        )
    made = _nodes(result, names or {}, title or _name)
    if adjoints:
        _write_adjoints(result, made)
    nodes = list(made.values())
    constants = [p for node in nodes for p in node.parents if p.kind == "constant"]
    return draw([*constants, *nodes], down)


def _nodes(
    result: Variable, names: Mapping[str, Any], title: Callable[[TapeEntry], str]
) -> dict[int, Node]:
    """Make one node per record that the result depends on, with its constants as parents."""
    tape: Any = result.trace
    last = tape.find(result, "result")
    labels = {
        x.index: name for name, x in names.items() if isinstance(x, Variable) and x.trace is tape
    }
    needed, stack = {last}, [last]
    while stack:
        for parent in tape.records[stack.pop()].parents:
            if parent is not None and parent not in needed:
                needed.add(parent)
                stack.append(parent)
    made: dict[int, Node] = {}
    for index in sorted(needed):
        record = tape.records[index]
        parents = [
            Node("constant", (_text(value),), 0) if parent is None else made[parent]
            for value, parent in zip(record.inputs, record.parents, strict=True)
        ]
        kind = "input" if record.rule is None else "result" if index == last else "operation"
        name = labels.get(index) or (title(record) if record.rule else "input")
        layer = 1 + max((p.layer for p in parents), default=-1)
        made[index] = Node(kind, (name, _text(record.result)), layer, parents)
    _late(list(made.values()))
    return made


def _late(nodes: list[Node]) -> None:
    """Move leaves, and operations on leaves that nothing else uses, to the node that uses them."""
    children: dict[int, list[Node]] = {}
    for node in nodes:
        for parent in node.parents:
            children.setdefault(id(parent), []).append(node)
    for node in reversed(nodes):
        if node.layer == 1 and id(node) in children:
            own = [p for p in node.parents if len(children[id(p)]) == 1]
            if len(own) == len(node.parents):  # no other node uses its parents
                node.layer = min(child.layer for child in children[id(node)]) - 1
    for taken in children.values():
        for node in taken:
            for parent in node.parents:
                if parent.kind in ("input", "constant"):
                    parent.layer = min(child.layer for child in children[id(parent)]) - 1


def _write_adjoints(result: Variable, made: Mapping[int, Node]) -> None:
    tape: Any = result.trace
    sources = [Variable(tape, tape.records[index].result, index) for index in made]
    for node, adjoint in zip(made.values(), tape.gradient(result, sources), strict=True):
        adjoint = np.asarray(plain(adjoint))
        if adjoint.shape == ():
            node.adjoint = f"adjoint {adjoint:.6g}"
        else:
            node.adjoint = f"|adjoint| {np.linalg.norm(adjoint):.4g}"


def _name(record: TapeEntry) -> str:
    return record.rule.name if record.rule else "input"


def _text(value: Value) -> str:
    value = np.asarray(plain(value))
    return f"{value:.6g}" if value.shape == () else f"shape {value.shape}"
