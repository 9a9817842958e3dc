"""A solution of tape: a node notes its parents, each with the derivative by it."""

import math


class Node:
    def __init__(self, value, place, parents):
        self.value = value
        self.place = place
        self.parents = parents


class Tape:
    def __init__(self):
        self.nodes = []

    def note(self, value, *parents):
        """Append a node; parents are pairs (node, derivative of the value by it)."""
        node = Node(value, len(self.nodes), parents)
        self.nodes.append(node)
        return node

    def variable(self, value):
        return self.note(value)

    def add(self, x, y):
        return self.note(x.value + y.value, (x, 1.0), (y, 1.0))

    def sub(self, x, y):
        return self.note(x.value - y.value, (x, 1.0), (y, -1.0))

    def mul(self, x, y):
        return self.note(x.value * y.value, (x, y.value), (y, x.value))

    def sin(self, x):
        return self.note(math.sin(x.value), (x, math.cos(x.value)))

    def log(self, x):
        return self.note(math.log(x.value), (x, 1.0 / x.value))

    def exp(self, x):
        z = math.exp(x.value)
        return self.note(z, (x, z))

    def gradient(self, f, variables):
        bar = [0.0] * len(self.nodes)
        bar[f.place] = 1.0
        for node in reversed(self.nodes):
            for parent, derivative in node.parents:
                bar[parent.place] += bar[node.place] * derivative
        return [bar[x.place] for x in variables]
