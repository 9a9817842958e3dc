"""tape: reverse mode on a tape, for numbers.

A tape notes every operation while a function is computed: which one, from which earlier nodes, with
which value.  One sweep over the notes, from the last to the first, then gives the derivatives by
all variables at once (section E).  With x_bar for df/dx of a node x, f_bar = 1 and all others 0 at
the start, the sweep comes to each node z and sends z_bar on to what z was computed from:

    z = add(x, y)      x_bar += z_bar          y_bar += z_bar
    z = sub(x, y)      x_bar += z_bar          y_bar -= z_bar
    z = mul(x, y)      x_bar += z_bar * y      y_bar += z_bar * x
    z = sin(x)         x_bar += z_bar * cos(x)
    z = log(x)         x_bar += z_bar / x
    z = exp(x)         x_bar += z_bar * z

A node stands on the tape after those it was computed from; so when the sweep comes to it, its z_bar
is complete.  Back-propagation is nothing else.

Example, the talk's: f = log(x) + x*y - sin(y) at (2, 5), where df/dx = 1/x + y = 5.5 and
df/dy = x - cos(y):

>>> tape = Tape()
>>> x, y = tape.variable(2.0), tape.variable(5.0)
>>> f = tape.sub(tape.add(tape.log(x), tape.mul(x, y)), tape.sin(y))
>>> [round(float(d), 6) for d in tape.gradient(f, [x, y])]
[5.5, 1.716338]
>>> round(float(f.value), 6)
11.652071

A check writes such a function as "a = log(x); b = mul(a, y); ..." and calls your tape for each
operation.  It may ask for several gradients from one tape.  One sweep looks at every node once,
however many paths lead to it.  Import math for the values.
"""


class Node:
    """A place on the tape: the value, and what the way back needs; what that is, is up to you."""

    def __init__(self, value: float) -> None:
        self.value = value


class Tape:
    """Notes operations on numbers, and differentiates what it noted.

    The operations take nodes of this tape and return a new one, whose attribute `value` is its
    number.
    """

    def variable(self, value: float) -> Node:
        """Return a node that was computed from nothing."""
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
        """Return e to the power x."""
        raise NotImplementedError("tape has no code yet")

    def gradient(self, f: Node, variables: list[Node]) -> list[float]:
        """Return df/dx for each x of `variables`, by one sweep back; 0 where f does not use x."""
        raise NotImplementedError("tape has no code yet")
