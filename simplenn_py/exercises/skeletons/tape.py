"""tape: reverse-mode differentiation on a tape, for numbers.

While a function is computed, a tape records every operation: its name, its inputs (earlier nodes)
and its value.  Then one sweep over the tape, from the last operation to the first, gives the
derivatives with respect to all variables (section E).  Write x_bar for df/dx of a node x.  At the
start f_bar = 1, and all others are 0.  At each node z the sweep adds to the x_bar and y_bar of the
inputs of z:

    z = add(x, y)      x_bar += z_bar          y_bar += z_bar
    z = sub(x, y)      x_bar += z_bar          y_bar -= z_bar
    z = mul(x, y)      x_bar += z_bar * y      y_bar += z_bar * x
    z = sin(x)         x_bar += z_bar * cos(x)
    z = log(x)         x_bar += z_bar / x
    z = exp(x)         x_bar += z_bar * z

A node comes after its inputs on the tape.  So when the sweep reaches a node, its z_bar is complete.
This is back-propagation.

Example (from the talk): f = log(x) + x*y - sin(y) at (2, 5) has df/dx = 1/x + y = 5.5 and
df/dy = x - cos(y):

>>> tape = Tape()
>>> x, y = tape.variable(2.0), tape.variable(5.0)
>>> f = tape.sub(tape.add(tape.log(x), tape.mul(x, y)), tape.sin(y))
>>> [round(float(d), 6) for d in tape.gradient(f, [x, y])]
[5.5, 1.716338]
>>> round(float(f.value), 6)
11.652071

A check writes such a function as "a = log(x); b = mul(a, y); ..." and calls your tape for each
operation.  It may ask for several gradients from one tape.  A sweep visits every node once, even if
many paths lead to it.  Import math for the values.
"""


class Node:
    """An entry of the tape: its value, and whatever you want to keep for the sweep.

    Parameters
    ----------
    value : float
        Result of the operation.
    """

    def __init__(self, value: float) -> None:
        self.value = value


class Tape:
    """Records operations on numbers and computes gradients.

    The operations take nodes of this tape and return a new node, whose attribute `value` is the
    result.
    """

    def variable(self, value: float) -> Node:
        """Return a node without inputs."""
        raise NotImplementedError("tape has no code yet")

    def add(self, x: Node, y: Node) -> Node:
        """Return x + y."""
        raise NotImplementedError("tape has no code yet")

    def sub(self, x: Node, y: Node) -> Node:
        """Return x - y."""
        raise NotImplementedError("tape has no code yet")

    def mul(self, x: Node, y: Node) -> Node:
        """Return x * y."""
        raise NotImplementedError("tape has no code yet")

    def sin(self, x: Node) -> Node:
        """Return sin(x)."""
        raise NotImplementedError("tape has no code yet")

    def log(self, x: Node) -> Node:
        """Return the natural logarithm of x."""
        raise NotImplementedError("tape has no code yet")

    def exp(self, x: Node) -> Node:
        """Return e to the power of x."""
        raise NotImplementedError("tape has no code yet")

    def gradient(self, f: Node, variables: list[Node]) -> list[float]:
        """Return df/dx for each x in `variables`, by one sweep.

        Parameters
        ----------
        f : Node
            Node to differentiate.
        variables : list of Node
            Variables x.

        Returns
        -------
        list of float
            One derivative per variable; 0 if f does not depend on it.
        """
        raise NotImplementedError("tape has no code yet")
