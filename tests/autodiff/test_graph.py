"""The picture of the graph: well-formed, complete, and nothing on top of anything else."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from simplenn_py.autodiff import GradientTape, graph_svg

SVG = "{http://www.w3.org/2000/svg}"


def talk():
    with GradientTape() as tape:
        x, y = tape.watch(2.0, 5.0)
        f = np.log(x) + x * y - np.sin(y)
    return graph_svg(f, {"x": x, "y": y})


def tangled():
    """Long arrows, constants, a value used twice by one operation, unused records."""
    with GradientTape() as tape:
        x, y, W = tape.watch(2.0, np.arange(3.0), np.ones((2, 3)))
        u = W @ y
        np.exp(u)
        v = np.tanh(u + x) * u / 7.5
        f = np.sum(np.concatenate([v, np.sqrt(v * v) + x, y])) + x * np.ones(2)[1] - np.max(W)
    return graph_svg(f, {"weights": W})


def boxes(svg):
    """(x, y, width, height) of every node."""
    root = ET.fromstring(svg)
    found = [r for r in root.iter(f"{SVG}rect") if r.get("class")]
    return [tuple(float(r.get(k)) for k in ("x", "y", "width", "height")) for r in found]


def lines(svg):
    """(x0, y0, x1, y1) of every line."""
    found = []
    for path in ET.fromstring(svg).iter(f"{SVG}path"):
        d = path.get("d")
        if "z" in d:  # the arrow's head
            continue
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", d)]
        found.append((*numbers, numbers[1]) if "h" in d else tuple(numbers))
        if "h" in d:
            x, y, width = numbers
            found[-1] = (x, y, x + width, y)
    return found


def texts(svg):
    return [t.text for t in ET.fromstring(svg).iter(f"{SVG}text")]


def test_the_talks_example():
    svg = talk()
    assert texts(svg) == [
        *("x", "2", "y", "5", "log", "0.693147", "multiply", "10", "sin", "-0.958924"),
        *("add", "10.6931", "subtract", "11.6521"),
    ]
    assert len(boxes(svg)) == 7
    inputs = [b for b in boxes(svg) if b[0] == min(x for x, *_ in boxes(svg))]
    result = max(boxes(svg))
    assert len(inputs) == 2
    assert svg.count('class="result"') == 1
    assert all(b == result or b[0] < result[0] for b in boxes(svg))


@pytest.mark.parametrize("draw", [talk, tangled])
def test_nothing_overlaps(draw):
    svg = draw()
    root = ET.fromstring(svg)
    width, height = float(root.get("width")), float(root.get("height"))
    nodes = boxes(svg)
    for x, y, w, h in nodes:
        assert x >= 10
        assert y >= 10
        assert x + w <= width - 10
        assert y + h <= height - 10
    for (x, y, w, h), (X, Y, V, H) in itertools.combinations(nodes, 2):
        assert x + w + 10 <= X or x >= X + V + 10 or y + h + 10 <= Y or y >= Y + H + 10
    for x0, y0, x1, y1 in lines(svg):
        for t in np.linspace(0, 1, 201)[1:-1]:
            px, py = x0 + t * (x1 - x0), y0 + t * (y1 - y0)
            assert not any(x < px < x + w and y < py < y + h for x, y, w, h in nodes)
        assert x0 < x1  # to the right


@pytest.mark.parametrize("draw", [talk, tangled])
def test_text_fits_its_node(draw):
    svg = draw()
    nodes = boxes(svg)
    for text in ET.fromstring(svg).iter(f"{SVG}text"):
        x, y = float(text.get("x")), float(text.get("y"))
        half = 7.23 * len(text.text) / 2  # 12 px monospace: 0.6 em a character
        assert any(
            x - half > X and x + half < X + w and Y + 9 < y < Y + h - 3 for X, Y, w, h in nodes
        )


def test_every_used_record_is_drawn_and_no_other():
    svg = tangled()
    shown = texts(svg)
    assert "exp" not in shown
    for text in ("weights", "shape (2, 3)", "matmul", "7.5", "concatenate", "sum", "input"):
        assert text in shown
    assert shown.count("multiply") == 3


def test_text_is_escaped():
    with GradientTape() as tape:
        x = tape.watch(1.0)
        y = x + 1
    svg = graph_svg(y, {'<a & "b">\x00': x})
    assert '<a & "b">?' in texts(svg)


def test_an_input_alone_and_a_constant():
    with GradientTape() as tape:
        x = tape.watch(1.0)
    assert texts(graph_svg(x, {"x": x})) == ["x", "1"]
    assert len(boxes(graph_svg(x))) == 1


def test_errors():
    with GradientTape() as tape:
        x = tape.watch(1.0)
        y = np.exp(x)
    tape.gradient(y, x)
    with pytest.raises(ValueError, match="persistent=True"):
        graph_svg(y)
    with pytest.raises(TypeError, match="float64; it must be a Variable"):
        graph_svg(np.float64(1))
