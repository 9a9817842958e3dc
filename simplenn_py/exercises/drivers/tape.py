"""Runs a program on the student's tape: ``a = log(x); f = add(a, y)``."""

import numpy as np


def call(student, function, program, values, sweeps):
    tape = getattr(student, function)()
    nodes = {name: tape.variable(value) for name, value in values.items()}
    variables = list(nodes.values())
    for line in program.split("; "):
        name, operation = line.split(" = ")
        called, inputs = operation.rstrip(")").split("(")
        nodes[name] = f = getattr(tape, called)(*(nodes[k] for k in inputs.split(", ")))
    for _ in range(sweeps):
        gradient = tape.gradient(f, variables)
    if not isinstance(gradient, list | tuple | np.ndarray):
        raise TypeError(f"gradient must return a list; it returned {gradient!r}")
    if any(not isinstance(d, int | float | np.generic) for d in gradient):
        raise TypeError(f"gradient must return a list of numbers; it returned {gradient!r}")
    return f.value, np.array(gradient, float)
