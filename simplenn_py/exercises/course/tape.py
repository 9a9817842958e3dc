"""Exercise: reverse-mode differentiation on a tape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ...layout import Array
from ..exercise import Args, Case, Exercise, Mistake, Points

_BINARY = ("add", "sub", "mul")


def _reference(program: str, values: Mapping[str, float], sweeps: int) -> tuple[Any, Array]:
    from ...autodiff import GradientTape

    known = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply,
        "sin": np.sin, "log": np.log, "exp": np.exp,
    }  # fmt: skip
    with GradientTape() as tape:
        nodes = {name: tape.watch(value) for name, value in values.items()}
        variables = list(nodes.values())
        for line in program.split("; "):
            name, operation = line.split(" = ")
            called, inputs = operation.rstrip(")").split("(")
            nodes[name] = f = known[called](*(nodes[k] for k in inputs.split(", ")))
    return np.float64(f.value), np.array(tape.gradient(f, variables), float)


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    for label, program, values in (
        ("one sum", "f = add(x, y)", {"x": 2.0, "y": 5.0}),
        ("one difference", "f = sub(x, y)", {"x": 2.0, "y": 5.0}),
        ("one product", "f = mul(x, y)", {"x": 2.0, "y": 5.0}),
        ("sin", "f = sin(x)", {"x": 2.0}),
        ("log", "f = log(x)", {"x": 2.0}),
        ("exp", "f = exp(x)", {"x": 2.0}),
        ("a chain", "a = sin(x); b = exp(a); f = sin(b)", {"x": 2.0}),
        ("a variable that is not used", "f = sin(y)", {"x": 2.0, "y": 5.0}),
        ("a variable used twice", "a = sin(x); f = mul(a, x)", {"x": 2.0}),
        ("both inputs the same", "f = mul(x, x)", {"x": 3.0}),
        ("a node used twice, early and late", "a = sin(x); b = exp(a); f = mul(a, b)", {"x": 2.0}),
        (
            "the talk's example",
            "a = log(x); b = mul(x, y); c = add(a, b); d = sin(y); f = sub(c, d)",
            {"x": 2.0, "y": 5.0},
        ),
    ):
        yield Case(label, {"program": program, "values": values, "sweeps": 1}, small=True)
    two = "a = mul(x, y); f = add(a, x)"
    yield Case(
        "a second gradient from one tape",
        {"program": two, "values": {"x": 2.0, "y": 5.0}, "sweeps": 2},
    )
    names = ["x", *(f"a{k}" for k in range(1, 41))]
    doubled = "; ".join(f"{z} = add({y}, {y})" for y, z in pairwise(names))
    yield Case(
        "doubled forty times: 2^40 paths, 40 nodes",
        {"program": doubled, "values": {"x": 1.5}, "sweeps": 1},
    )
    for k in range(5):
        values = {n: float(v) for n, v in zip("xyz", rng.uniform(0.5, 1.5, 3), strict=True)}
        yield Case(
            f"random: {4 * (k + 1)} operations",
            {"program": _program(rng, 4 * (k + 1)), "values": values, "sweeps": 1},
        )


def _program(rng: np.random.Generator, size: int) -> str:
    """Write random operations, chosen so that all values stay finite."""
    names, lines = ["x", "y", "z"], []
    for k in range(size):
        one, other = (names[int(q)] for q in rng.integers(0, len(names), 2))
        last = names[-1]
        name = f"a{k + 1}"
        if rng.random() < 0.5:
            called = _BINARY[int(rng.integers(3))]
            lines.append(f"{name} = {called}({one}, {last})")
        elif rng.random() < 0.5:
            lines.append(f"b{k + 1} = sin({other}); {name} = exp(b{k + 1})")
        else:
            lines.append(f"b{k + 1} = exp({last}); c{k + 1} = add(b{k + 1}, b{k + 1})")
            lines.append(f"{name} = log(c{k + 1})")
        names.append(name)
    lines.append(f"f = sin({names[-1]})")
    return "; ".join(lines)


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    if name == "value":
        return "the value of f, before any sweep"
    return f"df/d{list(args['values'])[index[0]]}"


EXERCISE = Exercise(
    name="tape",
    title="reverse mode on a tape: a gradient by one sweep",
    functions=("Tape",),
    returns=("value", "gradient"),
    allows=("math", "numpy", "dataclasses", "typing"),
    points=Points(small=3, awkward=5),
    hints=(
        "Think of the tape as a list. Every operation computes a number and appends a node with "
        "the data that the sweep needs. Which data does the sweep need for mul? Nodes of the same "
        "form work for all operations.",
        "A node has its inputs and, for each input, the derivative of the result with respect to "
        "it. This derivative is a number that is known at once: for mul(x, y) the derivatives are "
        "y.value and x.value. The sweep has a number bar for every node, which is 0 at the start "
        "except for f, and visits the list from its end.",
        "bar = [0.0] * len(nodes); bar[f.index] = 1.0; for node in reversed(nodes): for parent, "
        "derivative in node.parents: bar[parent.index] += bar[node.index] * derivative. Return "
        "[bar[x.index] for x in variables].",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "= instead of +=",
            "If a node is used twice, each use contributes to df/dx, and df/dx is their sum: x_bar "
            "+= ..., not x_bar = ... .",
            (("bar[parent.index] += bar", "bar[parent.index] = bar"),),
        ),
        Mistake(
            "sweep from the first to the last",
            "The sweep goes from f to the variables: z_bar of a node must be complete before it is "
            "used, and the nodes that add to it are later on the tape.",
            (("in reversed(self.nodes)", "in self.nodes"),),
        ),
        Mistake(
            "factors of mul swapped",
            "z = x*y has dz/dx = y: x_bar is computed with the other factor.",
            (("(x, y.value), (y, x.value)", "(x, x.value), (y, y.value)"),),
        ),
        Mistake(
            "sign of sub missing",
            "z = x - y has dz/dy = -1: y_bar -= z_bar.",
            (("(y, -1.0)", "(y, 1.0)"),),
        ),
        Mistake(
            "derivative of sin with a minus",
            "The derivative of sin is cos; only the derivative of cos has a minus.",
            (("math.cos(x.value)", "-math.cos(x.value)"),),
        ),
        Mistake(
            "derivative computed from the result",
            "The derivative of log(x) is 1/x, computed from the input, not 1/log(x). Only for exp "
            "the derivative is the result.",
            (("1.0 / x.value", "1.0 / math.log(x.value)"),),
        ),
        Mistake(
            "outer derivative missing",
            "The chain rule multiplies: add z_bar * dz/dx to x_bar, not only dz/dx.",
            (
                (
                    "bar[parent.index] += bar[node.index] * derivative",
                    "bar[parent.index] += bool(bar[node.index]) * derivative",
                ),
            ),
        ),
        Mistake(
            "second sweep added to the first",
            "Each gradient starts with f_bar = 1 and 0 for all others. Your code keeps the values "
            "of the sweep before.",
            (
                (
                    "        bar = [0.0] * len(self.nodes)\n        bar[f.index] = 1.0",
                    "        bar = self.bar = getattr(self, 'bar', [0.0] * len(self.nodes))\n"
                    "        bar[f.index] = 1.0",
                ),
            ),
        ),
    ),
)
