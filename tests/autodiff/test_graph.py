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


def talk_with_adjoints():
    with GradientTape() as tape:
        x, y = tape.watch(2.0, 5.0)
        f = np.log(x) + x * y - np.sin(y)
    return graph_svg(f, {"x": x, "y": y}, adjoints=True)


def layers(down=True):
    """A chain with weights beside it, as a network is."""
    rng = np.random.default_rng(0)
    names = {}
    with GradientTape() as tape:
        z = names["z"] = tape.watch(rng.standard_normal((4, 3)))
        for m in range(3):
            W, bias = tape.watch(rng.standard_normal((4, 4)), np.zeros(4))
            names |= {f"W{m}": W, f"bias{m}": bias}
            z = np.maximum(W @ z + np.reshape(bias, (-1, 1)), 0)
        f = np.sum(z * z)
    return graph_svg(f, names, adjoints=True, down=down)


def tangled(down=False):
    """Long arrows, constants, a value used twice by one operation, unused records."""
    with GradientTape() as tape:
        x, y, W = tape.watch(2.0, np.arange(3.0), np.ones((2, 3)))
        u = W @ y
        np.exp(u)
        v = np.tanh(u + x) * u / 7.5
        f = np.sum(np.concatenate([v, np.sqrt(v * v) + x, y])) + x * np.ones(2)[1] - np.max(W)
    return graph_svg(f, {"weights": W}, down=down)


PICTURES = {
    "talk": talk, "talk with adjoints": talk_with_adjoints, "layers": layers,
    "layers to the right": lambda: layers(False), "tangled": tangled,
    "tangled, down": lambda: tangled(True),
}  # fmt: skip
pictures = pytest.mark.parametrize("name", PICTURES)


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
        if len(numbers) == 3:  # on through a free place
            x, y, on = numbers
            numbers = [x, y, x + on, y] if "h" in d else [x, y, x, y + on]
        found.append(tuple(numbers))
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


@pictures
def test_nothing_overlaps(name):
    svg = PICTURES[name]()
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
        forward = (y0, y1) if "down" in name or name == "layers" else (x0, x1)
        assert forward[0] < forward[1]


@pictures
def test_text_fits_its_node(name):
    svg = PICTURES[name]()
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


def test_adjoints_are_the_gradients():
    assert texts(talk_with_adjoints()) == [
        *("x", "2", "adjoint 5.5", "y", "5", "adjoint 1.71634"),
        *("log", "0.693147", "adjoint 1", "multiply", "10", "adjoint 1"),
        *("sin", "-0.958924", "adjoint -1"),
        *("add", "10.6931", "adjoint 1", "subtract", "11.6521", "adjoint 1"),
    ]
    with GradientTape(persistent=True) as tape:
        W = tape.watch(np.array([[1.0, 2.0], [3.0, 4.0]]))
        f = np.sum(W * W) / 2
    svg = graph_svg(f, {"W": W}, adjoints=True)
    shown = texts(svg)
    assert shown[shown.index("W") + 2] == f"|adjoint| {np.sqrt(30):.4g}"
    assert shown.count("2") == 1  # a constant has none
    assert graph_svg(f, {"W": W}, adjoints=True) == svg
    vector = np.ones(2)
    with GradientTape() as tape:
        y = np.exp(tape.watch(vector))
    with pytest.raises(ValueError, match="give delta"):
        graph_svg(y, adjoints=True)


def test_weights_stand_beside_the_layer_that_takes_them():
    svg = layers()
    root = ET.fromstring(svg)
    at = {t.text: float(t.get("y")) for t in root.iter(f"{SVG}text")}
    assert at["z"] == at["W0"] < at["W1"] < at["W2"]
    assert at["bias0"] <= at["W1"]  # its reshape is drawn late, too
    assert at["bias2"] >= at["W2"]
    size = [float(root.get(k)) for k in ("width", "height")]
    wide = ET.fromstring(layers(False))
    assert size[0] < size[1]
    assert float(wide.get("width")) > float(wide.get("height"))


def test_an_operation_may_have_a_title():
    with GradientTape() as tape:
        x = tape.watch(1.0)
        y = np.exp(x) + 1
    shown = texts(graph_svg(y, title=lambda record: f"<{record.rule.name}>"))
    assert shown == ["input", "1", "<exp>", "2.71828", "1", "<add>", "3.71828"]


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
