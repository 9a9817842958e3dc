"""Layout of nodes and arrows, and their text in an .svg file.

A node's layer is the length of the longest path to it, so every arrow goes forward.  An arrow
that passes a layer has a free place there, so no arrow crosses a node.  The layers go to the
right or downwards; ``main`` is that direction, and ``cross`` the other one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from xml.sax.saxutils import escape

CHARACTER = 7.5  # width of one character of 12 px monospace text, rounded up
LINE, LEAST = 15.0, 40.0  # height of a line of text; minimum height of a node
MARGIN = 20.0  # around the drawing
GAP_MAIN, GAP_CROSS = {True: 34.0, False: 50.0}, 20.0  # gaps of layers (down or not); of nodes
FREE = 8.0  # size of the free place of an arrow in a layer that it passes
FILL = {"input": "#dbeafe", "constant": "#eeeeee", "operation": "#ffffff", "result": "#dcfce7"}
ADJOINT = "#b3400a"  # colour of the line with a node's adjoint


@dataclass
class Node:
    """A node of the drawing.

    Attributes
    ----------
    kind : str
        Key of :data:`FILL`, or "" for the free place of an arrow.
    lines : tuple of str
        Text in the node.
    layer : int
        Number of its layer, from 0.
    parents : list of Node
        Nodes from which an arrow comes.
    adjoint : str
        Last line, in another colour; "" for none.
    x, y, width, height : float
        Upper left corner and size in pixels, set by :func:`draw`.
    """

    kind: str
    lines: tuple[str, ...]
    layer: int
    parents: list[Node] = field(default_factory=list)
    adjoint: str = ""
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0

    @property
    def texts(self) -> tuple[str, ...]:
        """All lines, with the adjoint."""
        return (*self.lines, self.adjoint) if self.adjoint else self.lines


def draw(nodes: Sequence[Node], down: bool = False) -> str:
    """Place the nodes and draw them.

    Parameters
    ----------
    nodes : sequence of Node
        Nodes with `layer` and `parents`; their places and sizes are set here.
    down : bool
        Whether the layers go downwards instead of to the right.

    Returns
    -------
    str
        Text of the .svg file.
    """
    layers = _layers(nodes)
    children = _order(layers)
    _size(layers, down)
    width, height = _place(layers, children, down)
    return _write([node for layer in layers for node in layer], width, height, down)


def _layers(nodes: Sequence[Node]) -> list[list[Node]]:
    """Group the nodes by layer, and give every arrow a place in each layer that it passes."""
    layers: list[list[Node]] = [[] for _ in range(1 + max(node.layer for node in nodes))]
    for node in nodes:
        layers[node.layer].append(node)
    for node in nodes:
        for k, parent in enumerate(node.parents):
            for layer in range(parent.layer + 1, node.layer):
                parent = Node("", (), layer, [parent])
                layers[layer].append(parent)
            node.parents[k] = parent
    return layers


def _order(layers: list[list[Node]]) -> dict[int, list[tuple[Node, float]]]:
    """Reduce crossings: sort each layer by its neighbours' mean places, forward and backward.

    Returns the children of every node, each with the place on it, from 0 to 1, at which the arrow
    ends.
    """
    children: dict[int, list[tuple[Node, float]]] = {id(n): [] for layer in layers for n in layer}
    for layer in layers:
        for node in layer:
            for k, parent in enumerate(node.parents):
                children[id(parent)].append((node, (k + 1) / (len(node.parents) + 1)))
    for sweep in range(4):
        places = {id(n): k / len(layer) for layer in layers for k, n in enumerate(layer)}
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            means = {}
            for node in layer:
                if sweep % 2 == 0:
                    near = [places[id(n)] for n in node.parents]
                else:  # the inputs of an operation stand in the order of its arguments
                    near = [places[id(n)] + 1e-3 * end for n, end in children[id(node)]]
                near = near or [places[id(node)]]
                means[id(node)] = sum(near) / len(near)
            layer.sort(key=lambda node: means[id(node)])
            places.update({id(n): k / len(layer) for k, n in enumerate(layer)})
    return children


def _size(layers: list[list[Node]], down: bool) -> None:
    """Set the size of every node; all nodes of a layer have the same size along `main`."""
    for layer in layers:
        for node in layer:
            letters = max((len(line) for line in node.texts), default=0)
            node.width = max(60.0, CHARACTER * letters + 16) if node.kind else FREE
            node.height = max(LEAST, LINE * len(node.texts) + 10) if node.kind else FREE
        for name in ("height",) if down else ("width",):
            largest = max(getattr(node, name) for node in layer)
            for node in layer:
                setattr(node, name, largest)


def _place(
    layers: list[list[Node]], children: dict[int, list[tuple[Node, float]]], down: bool
) -> tuple[float, float]:
    """Set the corner of every node; return the size of the drawing."""
    cross = {id(n): n.width if down else n.height for layer in layers for n in layer}
    centre: dict[int, float] = {}
    for layer in layers:
        start = 0.0
        for node in layer:
            centre[id(node)] = start + cross[id(node)] / 2
            start += cross[id(node)] + GAP_CROSS
    for sweep in range(8):  # move nodes towards their neighbours, as far as the order allows
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wishes, weights = [], []
            for node in layer:
                near = node.parents if sweep % 2 == 0 else [n for n, _ in children[id(node)]]
                near = [n for n in near if not _is_leaf(n)] or near or [node]
                wishes.append(sum(centre[id(n)] for n in near) / len(near))
                weights.append(1.0 if _is_leaf(node) else 100.0)  # the chain stays straight
            sizes = [cross[id(n)] for n in layer]
            centre.update(zip(map(id, layer), _apart(wishes, weights, sizes), strict=True))
    first = min(centre[id(n)] - cross[id(n)] / 2 for layer in layers for n in layer)
    main, end = MARGIN, 0.0
    for layer in layers:
        for node in layer:
            aside = MARGIN + centre[id(node)] - cross[id(node)] / 2 - first
            node.x, node.y = (aside, main) if down else (main, aside)
            end = max(end, aside + cross[id(node)])
        main += (layer[0].height if down else layer[0].width) + GAP_MAIN[down]
    main += MARGIN - GAP_MAIN[down]
    return (end + MARGIN, main) if down else (main, end + MARGIN)


def _is_leaf(node: Node) -> bool:
    return node.kind in ("input", "constant")


def _apart(wishes: list[float], weights: list[float], sizes: list[float]) -> list[float]:
    """Return the centres nearest to the wished ones that keep the order and the gaps.

    Isotonic regression by pooling adjacent violators, applied to the wishes minus the offsets
    that sizes and gaps require.
    """
    offsets = [0.0]
    for one, two in pairwise(sizes):
        offsets.append(offsets[-1] + (one + two) / 2 + GAP_CROSS)
    pools: list[list[float]] = []  # mean, weight, count
    for wish, weight, offset in zip(wishes, weights, offsets, strict=True):
        pools.append([wish - offset, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, more, count = pools.pop()
            total = pools[-1][1] + more
            pools[-1][0] += (mean - pools[-1][0]) * more / total
            pools[-1][1:] = [total, pools[-1][2] + count]
    means = [mean for mean, _, count in pools for _ in range(int(count))]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _write(nodes: list[Node], width: float, height: float, down: bool) -> str:
    size = f"{width:.6g} {height:.6g}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.6g}" height="{height:.6g}" '
        f'viewBox="0 0 {size}" font-family="monospace" font-size="12">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker></defs>',
        f'<rect width="{width:.6g}" height="{height:.6g}" fill="white"/>',
    ]
    for node in nodes:
        lines += _arrows(node, down)
    for node in nodes:
        lines += _box(node)
    return "\n".join([*lines, "</svg>", ""])


def _arrows(node: Node, down: bool) -> list[str]:
    """Write the arrows into a node; each ends at a different point."""
    lines = []
    for k, parent in enumerate(node.parents):
        share = (k + 1) / (len(node.parents) + 1)
        if down:
            start = (parent.x + parent.width / 2, parent.y + parent.height)
            end = (node.x + node.width * share, node.y)
        else:
            start = (parent.x + parent.width, parent.y + parent.height / 2)
            end = (node.x, node.y + node.height * share)
        tip = ' marker-end="url(#arrow)"' if node.kind else ""
        lines.append(
            f'<path class="arrow" d="M{start[0]:.6g},{start[1]:.6g} L{end[0]:.6g},{end[1]:.6g}" '
            f'stroke="black"{tip}/>'
        )
    if not node.kind:  # the line goes on through the free place
        on = f"v{node.height:.6g}" if down else f"h{node.width:.6g}"
        x, y = (node.x + FREE / 2, node.y) if down else (node.x, node.y + FREE / 2)
        lines.append(f'<path d="M{x:.6g},{y:.6g} {on}" stroke="black"/>')
    return lines


def _box(node: Node) -> list[str]:
    if not node.kind:
        return []
    lines = [
        f'<rect class="{node.kind}" x="{node.x:.6g}" y="{node.y:.6g}" width="{node.width:.6g}" '
        f'height="{node.height:.6g}" rx="6" stroke="black" fill="{FILL[node.kind]}"/>'
    ]
    top = node.y + (node.height - LINE * len(node.texts)) / 2 + 12
    for k, text in enumerate(node.texts):
        colour = f' fill="{ADJOINT}"' if node.adjoint and k == len(node.lines) else ""
        lines.append(
            f'<text x="{node.x + node.width / 2:.6g}" y="{top + LINE * k:.6g}" '
            f'text-anchor="middle"{colour}>{escape(_printable(text))}</text>'
        )
    return lines


def _printable(line: str) -> str:
    """Replace control characters, which XML does not allow even if escaped."""
    return "".join(c if c.isprintable() else "?" for c in line)
