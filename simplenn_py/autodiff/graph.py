"""A picture of the computational graph that a tape recorded, as the text of an .svg file.

Inputs stand on the left, the result on the right.  A node's layer is the length of the longest
path to it, so that every arrow goes to the right.  An arrow that passes over a layer has a
free place of its own there: no arrow crosses a node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from .tape import Value, Variable, plain

CHARACTER = 7.5  # width of one character of 12 px monospace text, rounded up
HEIGHT, MARGIN = 40.0, 20.0  # of a node; around the picture
GAP_X, GAP_Y = 50.0, 20.0  # between layers; between nodes of a layer
FREE = 8.0  # height of the place where an arrow passes a layer
FILL = {"input": "#dbeafe", "constant": "#eeeeee", "operation": "#ffffff", "result": "#dcfce7"}


@dataclass
class _Node:
    """A box of the picture; `kind` "" is the place where an arrow passes."""

    kind: str
    lines: tuple[str, ...]
    layer: int
    parents: list[_Node] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0

    @property
    def height(self) -> float:
        return HEIGHT if self.kind else FREE


def graph_svg(result: Value, names: Mapping[str, Any] | None = None) -> str:
    """Draw the computational graph of a recorded expression.

    Parameters
    ----------
    result : Variable
        Of a tape whose records are kept: draw before calling ``gradient``, or make the tape
        persistent.
    names : mapping from str to Variable, optional
        What to call the watched arrays.

    Returns
    -------
    str
        The text of an .svg file.  A node has its operation (or name) and its value, if that is
        a number, or its shape.

    Raises
    ------
    TypeError
        Where `result` is not a Variable.
    ValueError
        Where its tape has been used.

    Notes
    -----
    Section E of the lecture.
    """
    if not isinstance(result, Variable):
        raise TypeError(
            f"result is of type {type(result).__name__}; it must be a Variable, computed from "
            "watched arrays while the tape was recording"
        )
    nodes = _nodes(result, names or {})
    layers = _layers(nodes)
    _order(layers)
    width, height = _place(layers)
    return _write([node for layer in layers for node in layer], width, height)


def _nodes(result: Variable, names: Mapping[str, Any]) -> list[_Node]:
    """Make a node of every record, and every constant, that the result depends on."""
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
    made: dict[int, _Node] = {}
    nodes = []
    for index in sorted(needed):
        record = tape.records[index]
        parents = []
        for value, parent in zip(record.inputs, record.parents, strict=True):
            if parent is None:
                nodes.append(_Node("constant", (_text(value),), 0))
                parents.append(nodes[-1])
            else:
                parents.append(made[parent])
        kind = "input" if record.rule is None else "result" if index == last else "operation"
        title = labels.get(index, record.rule.name if record.rule else "input")
        layer = 1 + max((p.layer for p in parents), default=-1)
        made[index] = _Node(kind, (title, _text(record.result)), layer, parents)
        nodes.append(made[index])
    for node in nodes:  # a constant stands next to the operation that takes it
        for parent in node.parents:
            if parent.kind == "constant":
                parent.layer = node.layer - 1
    return nodes


def _text(value: Value) -> str:
    value = np.asarray(plain(value))
    return f"{value:.6g}" if value.shape == () else f"shape {value.shape}"


def _printable(line: str) -> str:
    """Replace control characters, which XML cannot hold even escaped."""
    return "".join(c if c.isprintable() else "?" for c in line)


def _layers(nodes: list[_Node]) -> list[list[_Node]]:
    """Sort the nodes by layer, and give every arrow a place in each layer that it passes."""
    layers: list[list[_Node]] = [[] for _ in range(1 + max(node.layer for node in nodes))]
    for node in nodes:
        layers[node.layer].append(node)
    for node in nodes:
        for k, parent in enumerate(node.parents):
            for layer in range(parent.layer + 1, node.layer):
                parent = _Node("", (), layer, [parent])
                layers[layer].append(parent)
            node.parents[k] = parent
    return layers


def _order(layers: list[list[_Node]]) -> None:
    """Reduce crossings: each layer in the order of its neighbours' mean places, to and fro."""
    children: dict[int, list[_Node]] = {}
    for layer in layers:
        for node in layer:
            for parent in node.parents:
                children.setdefault(id(parent), []).append(node)
    for sweep in range(4):
        places = {id(n): k / len(layer) for layer in layers for k, n in enumerate(layer)}
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            means = {}
            for node in layer:
                near = node.parents if sweep % 2 == 0 else children.get(id(node), [])
                here = [places[id(n)] for n in near] or [places[id(node)]]
                means[id(node)] = sum(here) / len(here)
            layer.sort(key=lambda node: means[id(node)])
            places.update({id(n): k / len(layer) for k, n in enumerate(layer)})


def _place(layers: list[list[_Node]]) -> tuple[float, float]:
    """Give every node its corner; return the size of the picture."""
    heights = [sum(n.height for n in layer) + GAP_Y * (len(layer) - 1) for layer in layers]
    x = MARGIN
    for layer, height in zip(layers, heights, strict=True):
        letters = max((len(line) for node in layer for line in node.lines), default=0)
        width = max(60.0, CHARACTER * letters + 16)
        y = MARGIN + (max(heights) - height) / 2
        for node in layer:
            node.x, node.y, node.width = x, y, width
            y += node.height + GAP_Y
        x += width + GAP_X
    return x - GAP_X + MARGIN, max(heights) + 2 * MARGIN


def _write(nodes: list[_Node], width: float, height: float) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="monospace" font-size="12">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" fill="white"/>',
    ]
    for node in nodes:
        for k, parent in enumerate(node.parents):
            # arrows into one node end at points of their own on its left side
            y = node.y + node.height * (k + 1) / (len(node.parents) + 1)
            start = f"{parent.x + parent.width:g},{parent.y + parent.height / 2:g}"
            tip = ' marker-end="url(#arrow)"' if node.kind else ""
            lines.append(
                f'<path class="arrow" d="M{start} L{node.x:g},{y:g}" stroke="black"{tip}/>'
            )
        if not node.kind:  # on through the free place
            middle = node.y + node.height / 2
            lines.append(f'<path d="M{node.x:g},{middle:g} h{node.width:g}" stroke="black"/>')
    for node in nodes:
        if node.kind:
            lines.append(
                f'<rect class="{node.kind}" x="{node.x:g}" y="{node.y:g}" '
                f'width="{node.width:g}" height="{node.height:g}" rx="6" stroke="black" '
                f'fill="{FILL[node.kind]}"/>'
            )
        for k, line in enumerate(node.lines):
            y = node.y + (17 + 15 * k if len(node.lines) > 1 else 24)
            lines.append(
                f'<text x="{node.x + node.width / 2:g}" y="{y:g}" text-anchor="middle">'
                f"{escape(_printable(line))}</text>"
            )
    return "\n".join([*lines, "</svg>", ""])
