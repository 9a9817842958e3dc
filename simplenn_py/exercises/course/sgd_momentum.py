"""Exercise: an epoch of mini-batch SGD with momentum."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...layout import Array
from ..exercise import Args, Case, Exercise, Mistake, Points


def _reference(
    A: Array,
    y: Array,
    theta: Array,
    v: Array,
    order: Array,
    batch_size: int,
    lr: float,
    decay: float,
    momentum: float,
    t: int,
) -> tuple[Array, Array, Array]:
    """Run an epoch of the package's own solver on least squares."""
    from ...opt.hooks import Hook
    from ...opt.sgd import SGDState, sgd

    class LeastSquares:
        def __init__(self) -> None:
            self.theta, self.l = theta.copy(), len(order)
            self.losses: list[float] = []

        def start_epoch(self, epoch: int) -> None:
            """Nothing to prepare."""

        def grad(self, indices: Array, out: Array) -> tuple[float, int]:
            batch = order[indices]
            r = A[batch] @ self.theta - y[batch]
            out[:] = 2 * A[batch].T @ r / batch.size
            self.losses.append(float(r @ r))
            return self.losses[-1], 0

    class InOrder(np.random.Generator):
        """Draws no permutation: grad looks the instances up in the one that is given."""

        def permutation(self, x: int) -> Array:  # type: ignore[override]
            return np.arange(x)

    objective = LeastSquares()
    state = SGDState(v=v.copy(), rng=InOrder(np.random.PCG64(0)), updates=t)
    sgd(objective, state, Hook(), momentum=momentum, epochs=1, batch_size=batch_size, lr=lr,
        decay=decay)  # fmt: skip
    return objective.theta, state.v, np.array(objective.losses)


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    A = np.array([[1, 0], [0, 2], [1, 1], [2, 0], [1, 3]], float)
    plain = {"batch_size": 2, "lr": 0.125, "decay": 0.0, "momentum": 0.75, "t": 0}
    for label, l, v, order, more in (
        ("one batch", 2, [0, 0], [0, 1], {}),
        ("one batch after an old step", 2, [4, 2], [0, 1], {}),
        ("two batches", 4, [0, 0], [0, 1, 2, 3], {}),
        ("another order", 4, [0, 0], [2, 0, 3, 1], {}),
        ("a short last batch", 5, [0, 0], [0, 1, 2, 3, 4], {}),
        ("the learning rate falls", 4, [0, 0], [0, 1, 2, 3], {"decay": 0.5, "t": 3}),
    ):
        yield Case(
            label,
            {
                "A": np.asfortranarray(A[:l]),
                "y": np.array([3, 4, -1, 5, 2], float)[:l],
                "theta": np.array([1.0, 1.0]),
                "v": np.array(v, float),
                "order": np.array(order),
            }
            | plain
            | more,
            small=True,
        )
    for label, l, batch_size in (
        ("the last batch is one instance", 13, 4),
        ("batches of one", 7, 1),
        ("a batch larger than the data", 6, 10),
        ("batches that fit", 24, 6),
        ("many small batches", 60, 7),
    ):
        yield Case(label, _random(rng, l, 5, batch_size))


def _random(rng: np.random.Generator, l: int, n: int, batch_size: int) -> Args:
    return {
        "A": np.asfortranarray(rng.standard_normal((l, n))),
        "y": rng.standard_normal(l),
        "theta": rng.standard_normal(n),
        "v": 0.1 * rng.standard_normal(n),
        "order": rng.permutation(l),
        "batch_size": batch_size,
        "lr": 0.02,
        "decay": 0.03,
        "momentum": 0.8,
        "t": int(rng.integers(0, 50)),
    }


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    if name == "losses":
        start = index[0] * args["batch_size"]
        batch = args["order"][start : start + args["batch_size"]]
        return f"before update {index[0]}, instances {', '.join(map(str, batch))}"
    return f"after {-(-len(args['order']) // args['batch_size'])} updates"


EXERCISE = Exercise(
    name="sgd_momentum",
    title="an epoch of mini-batch SGD with momentum",
    functions=("sgd_momentum",),
    returns=("theta", "v", "losses"),
    allows=("numpy", "math", "itertools"),
    points=Points(small=3, awkward=4),
    hints=(
        "Think of what one update needs from the one before: theta, v, and how many updates there "
        "were. And what must be computed anew for each batch?",
        "Loop over start = 0, batch_size, 2*batch_size ... while start < len(order); the batch is "
        "a slice of order, and a slice that ends too late is cut by NumPy, so the short last batch "
        "needs no case of its own. Call fungrad with the theta of this moment.",
        "batch = order[start : start + batch_size]; loss, grad = fungrad(theta, batch); lr_t = "
        "lr/(1 + decay*t); v = momentum*v - lr_t*grad; theta = theta + v; t += 1; keep loss.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "uphill",
            "The step goes against the gradient: v <- momentum*v - lr_t*grad.",
            (("momentum * v - lr_t * grad", "momentum * v + lr_t * grad"),),
        ),
        Mistake(
            "theta before v",
            "First v <- momentum*v - lr_t*grad, then theta <- theta + v with this new v.",
            (
                (
                    "        v = momentum * v - lr_t * grad\n        theta = theta + v",
                    "        theta = theta + v\n        v = momentum * v - lr_t * grad",
                ),
            ),
        ),
        Mistake(
            "rate applied to the whole step",
            "lr_t multiplies the new gradient alone. With v <- momentum*v - grad and theta <- "
            "theta + lr_t*v the old gradients, too, are multiplied by today's rate.",
            (("lr_t * grad", "grad"), ("theta + v", "theta + lr_t * v")),
        ),
        Mistake(
            "divided by the batch's size again",
            "grad is the mean over the batch already; only the loss is a sum.",
            (("lr_t * grad", "lr_t * grad / len(batch)"),),
        ),
        Mistake(
            "mean losses",
            "The losses asked for are those that fungrad returns, summed over a batch.",
            (("append(loss)", "append(loss / len(batch))"),),
        ),
        Mistake(
            "sign of the momentum",
            "momentum*v goes on in the direction of the last step: v <- momentum*v - lr_t*grad, "
            "with v the step itself, not its opposite.",
            (("v = momentum * v", "v = -momentum * v"),),
        ),
        Mistake(
            "v not taken over",
            "v is the last step of the epoch before; it starts the new one.",
            (("    losses = []", "    losses = []\n    v = np.zeros_like(theta)"),),
        ),
        Mistake(
            "rate applied to the old step",
            "lr_t multiplies the gradient alone: momentum*v - lr_t*grad, not lr_t*(momentum*v - "
            "grad). v is a step, which has its rate in it already.",
            (("momentum * v - lr_t * grad", "lr_t * (momentum * v - grad)"),),
        ),
        Mistake(
            "momentum as an average",
            "grad has the factor lr_t, not (1 - momentum)*lr_t: v adds steps up, it is no mean of "
            "them.",
            (("lr_t * grad", "(1 - momentum) * lr_t * grad"),),
        ),
        Mistake(
            "gradient ahead",
            "grad is the gradient at theta. At theta + momentum*v it would be Nesterov's method.",
            (("fungrad(theta, batch)", "fungrad(theta + momentum * v, batch)"),),
        ),
        Mistake(
            "gradient where the epoch began",
            "Each batch's gradient is at the theta that the update before it left, not at the one "
            "with which the epoch began.",
            (
                ("    losses = []", "    losses, began = [], theta"),
                ("fungrad(theta, batch)", "fungrad(began, batch)"),
            ),
        ),
        Mistake(
            "momentum lost",
            "v goes from batch to batch: set to 0 before each of them it is never more than "
            "-lr_t*grad.",
            (
                ("        t += 1", "        t += 1\n        last, v = v, 0 * v"),
                ("return theta, v,", "return theta, last,"),
            ),
        ),
        Mistake(
            "order ignored",
            "A batch is a piece of the permutation, order[start : start + batch_size], not "
            "instances start, start + 1 ... .",
            (
                (
                    "order[start : start + batch_size]",
                    "np.arange(start, min(start + batch_size, len(order)))",
                ),
            ),
        ),
        Mistake(
            "last batch lost",
            "Every instance is used once an epoch: what is left over at the end is a batch, too, "
            "only smaller.",
            (
                (
                    "range(0, len(order), batch_size)",
                    "range(0, len(order) - batch_size + 1, batch_size)",
                ),
            ),
        ),
        Mistake(
            "last batch filled up",
            "The last batch has only what is left; no instance is used twice in an epoch.",
            (
                (
                    "order[start : start + batch_size]",
                    "np.take(order, range(start, start + batch_size), mode='wrap')",
                ),
            ),
        ),
        Mistake(
            "rate does not fall",
            "lr_t = lr/(1 + decay*t): the rate falls with the number of updates.",
            (("lr / (1 + decay * t)", "lr"),),
        ),
        Mistake(
            "t counted from 1",
            "t is the number of updates made before this one: it goes up after the update, and the "
            "first of all has the rate lr.",
            (("decay * t)", "decay * (t + 1))"),),
        ),
        Mistake(
            "t begins at 0 in each epoch",
            "t counts the updates of earlier epochs, too: begin with the t that is given.",
            (("    losses = []", "    losses, t = [], 0"),),
        ),
        Mistake(
            "t not counted up",
            "t goes up with every update, not with every epoch.",
            (("        t += 1\n", ""),),
        ),
    ),
)
