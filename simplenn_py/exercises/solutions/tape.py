"""A solution of tape: a node keeps its parents, each with the derivative with respect to it."""

import math


class Node:
    """A value, its index on the tape, and its parents with their derivatives."""

    def __init__(self, value, index, parents):
        self.value = value
        self.index = index
        self.parents = parents


class Tape:
    """A list of nodes in the order in which they were computed."""

    def __init__(self):
        self.nodes = []

    def record(self, value, *parents):
        """Append a node; each parent is a pair (node, derivative of the value by this node)."""
        node = Node(value, len(self.nodes), parents)
        self.nodes.append(node)
        return node

    def variable(self, value):
        return self.record(value)

    def add(self, x, y):
        return self.record(x.value + y.value, (x, 1.0), (y, 1.0))

    def sub(self, x, y):
        return self.record(x.value - y.value, (x, 1.0), (y, -1.0))

    def mul(self, x, y):
        return self.record(x.value * y.value, (x, y.value), (y, x.value))

    def sin(self, x):
        return self.record(math.sin(x.value), (x, math.cos(x.value)))

    def log(self, x):
        return self.record(math.log(x.value), (x, 1.0 / x.value))

    def exp(self, x):
        z = math.exp(x.value)
        return self.record(z, (x, z))

    def gradient(self, f, variables):
        bar = [0.0] * len(self.nodes)
        bar[f.index] = 1.0
        for node in reversed(self.nodes):
            for parent, derivative in node.parents:
                bar[parent.index] += bar[node.index] * derivative
        return [bar[x.index] for x in variables]
