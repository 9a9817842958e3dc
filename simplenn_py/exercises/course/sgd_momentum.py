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
    """Run one epoch of the package's own solver on least squares."""
    from ...opt.hooks import Hook
    from ...opt.minibatch import GradientObjective
    from ...opt.sgd import SGDState, sgd

    class LeastSquares(GradientObjective):
        def __init__(self) -> None:
            self.theta, self.l = theta.copy(), len(order)
            self.losses: list[float] = []

        def start_epoch(self, epoch: int) -> None:
            """Do nothing: there is nothing to prepare."""

        def grad(self, indices: Array, out: Array) -> tuple[float, int]:
            batch = order[indices]
            r = A[batch] @ self.theta - y[batch]
            out[:] = 2 * A[batch].T @ r / batch.size
            self.losses.append(float(r @ r))
            return self.losses[-1], 0

    class InOrder(np.random.Generator):
        """A generator without randomness: grad uses the given permutation of the instances."""

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
        ("one batch, v is not 0", 2, [4, 2], [0, 1], {}),
        ("two batches", 4, [0, 0], [0, 1, 2, 3], {}),
        ("another order", 4, [0, 0], [2, 0, 3, 1], {}),
        ("a short last batch", 5, [0, 0], [0, 1, 2, 3, 4], {}),
        ("decreasing learning rate", 4, [0, 0], [0, 1, 2, 3], {"decay": 0.5, "t": 3}),
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
        ("one instance in the last batch", 13, 4),
        ("batches of one", 7, 1),
        ("a batch larger than the data", 6, 10),
        ("all batches complete", 24, 6),
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
        return f"loss before update {index[0]}, instances {', '.join(map(str, batch))}"
    return f"after {-(-len(args['order']) // args['batch_size'])} updates"


EXERCISE = Exercise(
    name="sgd_momentum",
    title="one epoch of mini-batch SGD with momentum",
    functions=("sgd_momentum",),
    returns=("theta", "v", "losses"),
    allows=("numpy", "math", "itertools"),
    points=Points(small=3, awkward=4),
    hints=(
        "An update needs theta, v and the number of updates from the update before it. What must "
        "be computed again for each batch?",
        "Loop over start = 0, batch_size, 2*batch_size ... while start < len(order). A batch is a "
        "slice of order. NumPy cuts a slice at the end of the array, so the short last batch needs "
        "no special case. Call fungrad with the current theta.",
        "batch = order[start : start + batch_size]; loss, grad = fungrad(theta, batch); lr_t = "
        "lr/(1 + decay*t); v = momentum*v - lr_t*grad; theta = theta + v; t += 1; keep the loss.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "sign of the gradient",
            "The step has the direction of -grad: v <- momentum*v - lr_t*grad.",
            (("momentum * v - lr_t * grad", "momentum * v + lr_t * grad"),),
        ),
        Mistake(
            "theta updated before v",
            "First compute v <- momentum*v - lr_t*grad, then theta <- theta + v with the new v.",
            (
                (
                    "        v = momentum * v - lr_t * grad\n        theta = theta + v",
                    "        theta = theta + v\n        v = momentum * v - lr_t * grad",
                ),
            ),
        ),
        Mistake(
            "learning rate applied to the whole step",
            "lr_t multiplies only the new gradient. With v <- momentum*v - grad and theta <- theta "
            "+ lr_t*v, earlier gradients are multiplied by the current learning rate, too.",
            (("lr_t * grad", "grad"), ("theta + v", "theta + lr_t * v")),
        ),
        Mistake(
            "divided by the batch size again",
            "grad is already the mean over the batch; only the loss is a sum.",
            (("lr_t * grad", "lr_t * grad / len(batch)"),),
        ),
        Mistake(
            "mean losses",
            "Return the losses as fungrad returns them: summed over a batch.",
            (("append(loss)", "append(loss / len(batch))"),),
        ),
        Mistake(
            "sign of the momentum",
            "momentum*v continues in the direction of the last step: v <- momentum*v - lr_t*grad, "
            "where v is the step itself, not its negative.",
            (("v = momentum * v", "v = -momentum * v"),),
        ),
        Mistake(
            "v reset at the start",
            "The argument v is the last step of the epoch before: start with it, not with 0.",
            (("    losses = []", "    losses = []\n    v = np.zeros_like(theta)"),),
        ),
        Mistake(
            "learning rate applied to the last step",
            "lr_t multiplies only the gradient: momentum*v - lr_t*grad, not lr_t*(momentum*v - "
            "grad). The last step v already includes its learning rate.",
            (("momentum * v - lr_t * grad", "lr_t * (momentum * v - grad)"),),
        ),
        Mistake(
            "momentum as an average",
            "The factor of grad is lr_t, not (1 - momentum)*lr_t: v is a sum of steps, not their "
            "mean.",
            (("lr_t * grad", "(1 - momentum) * lr_t * grad"),),
        ),
        Mistake(
            "gradient at theta + momentum*v",
            "grad is the gradient at theta. With the gradient at theta + momentum*v, the method is "
            "Nesterov's.",
            (("fungrad(theta, batch)", "fungrad(theta + momentum * v, batch)"),),
        ),
        Mistake(
            "gradient at the first theta of the epoch",
            "Compute the gradient of each batch at the theta after the update before it, not at "
            "the theta at the start of the epoch.",
            (
                ("    losses = []", "    losses, began = [], theta"),
                ("fungrad(theta, batch)", "fungrad(began, batch)"),
            ),
        ),
        Mistake(
            "momentum lost",
            "Keep v from batch to batch: if it is set to 0 before each batch, the step is only "
            "-lr_t*grad.",
            (
                ("        t += 1", "        t += 1\n        last, v = v, 0 * v"),
                ("return theta, v,", "return theta, last,"),
            ),
        ),
        Mistake(
            "order ignored",
            "A batch is a slice of the permutation, order[start : start + batch_size], not the "
            "instances start, start + 1 ... .",
            (
                (
                    "order[start : start + batch_size]",
                    "np.arange(start, min(start + batch_size, len(order)))",
                ),
            ),
        ),
        Mistake(
            "last batch missing",
            "Every instance is used once per epoch: the remaining instances at the end are a "
            "smaller batch.",
            (
                (
                    "range(0, len(order), batch_size)",
                    "range(0, len(order) - batch_size + 1, batch_size)",
                ),
            ),
        ),
        Mistake(
            "last batch filled up",
            "The last batch has only the remaining instances; no instance is used twice per epoch.",
            (
                (
                    "order[start : start + batch_size]",
                    "np.take(order, range(start, start + batch_size), mode='wrap')",
                ),
            ),
        ),
        Mistake(
            "constant learning rate",
            "lr_t = lr/(1 + decay*t): the learning rate decreases with the number of updates.",
            (("lr / (1 + decay * t)", "lr"),),
        ),
        Mistake(
            "t counted from 1",
            "t is the number of updates before this one: increase it after the update, so that the "
            "first update of the training has the learning rate lr.",
            (("decay * t)", "decay * (t + 1))"),),
        ),
        Mistake(
            "t starts at 0 in each epoch",
            "t counts the updates of earlier epochs, too: start with the argument t.",
            (("    losses = []", "    losses, t = [], 0"),),
        ),
        Mistake(
            "t not increased",
            "t increases by 1 with every update, not with every epoch.",
            (("        t += 1\n", ""),),
        ),
    ),
)
