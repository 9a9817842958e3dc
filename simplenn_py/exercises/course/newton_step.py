"""Exercise: one iteration of the Gauss-Newton method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...layout import Array
from ..form import Args, Case, Exercise, Points, Wrong


class _Objective:
    """What the package's Newton method asks for, from the functions that the driver makes."""

    l = 1

    def __init__(self, X: Array, y: Array, C: float, loss: str, theta: Array) -> None:
        from ..drivers.newton_step import functions

        self.theta = theta.copy()
        self._fun, self._grad, self._Gv = functions(X, y, C, loss, theta)

    def fun(self) -> float:
        return float(self._fun(self.theta))

    def fungrad(self, out: Array) -> tuple[float, dict[str, Any]]:
        out[:] = self._grad(self.theta)
        return self.fun(), {}

    def gauss_newton(self, subset: Array, products: int) -> Callable[[Array], Array]:
        return self._Gv


def _reference(
    X: Array, y: Array, C: float, loss: str, theta: Array, lambda_: float,
    xi: float, CGmax: int, drop: float, boost: float, eta: float,
) -> tuple[Any, ...]:  # fmt: skip
    from ...opt.hooks import Hook
    from ...opt.newton import NewtonState, newton

    objective = _Objective(X, y, C, loss, theta)
    state = NewtonState(lambda_, seed=0)
    newton(
        objective, state, Hook(), GNsize=1, iter_max=1,
        cg_tol=xi, CGmax=CGmax, drop=drop, boost=boost, eta=eta,
    )  # fmt: skip
    (done,) = state.history
    return objective.theta, *(np.float64(done[k]) for k in ("lambda", "alpha", "ratio"))


def _case(
    label: str, X: ArrayLike, y: ArrayLike, theta: ArrayLike, *,
    loss: str = "squared", C: float = 10.0, lambda_: float = 1.0, xi: float = 1e-3,
    eta: float = 1e-4, small: bool = True,
) -> Case:  # fmt: skip
    args = {
        "X": np.array(X, float, order="F"), "y": np.array(y, float), "C": C, "loss": loss,
        "theta": np.array(theta, float), "lambda_": lambda_,
        "xi": xi, "CGmax": 250, "drop": 2 / 3, "boost": 3 / 2, "eta": eta,
    }  # fmt: skip
    return Case(label, args, small=small)


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    eye = [[1, 0], [0, 2]]
    yield _case("quadratic: the model is exact", eye, [1, 2], [3, -1])
    yield _case("quadratic, lambda 0.01", eye, [1, 2], [3, -1], lambda_=0.01)
    root: dict[str, Any] = {"loss": "root", "C": 1e3}
    yield _case("not quadratic, near the minimum", eye, [0, 0], [0.3, 0.2], **root)
    far = [[1]], [0], [2]  # sqrt(1 + theta^2) at 2: Newton's step goes beyond the minimum
    yield _case("the step is too long", *far, lambda_=0.01, **root)
    yield _case("the model was much too hopeful", *far, lambda_=0.03, **root)
    yield _case("a larger eta", *far, lambda_=0.03, eta=0.05, **root)
    yield _case("an eta that half a step does not meet", *far, lambda_=0.03, eta=0.3, **root)
    for k in range(6):
        l, n = (int(q) for q in rng.integers(3, 9, 2))
        X, y, theta = rng.standard_normal((l, n)), rng.standard_normal(l), rng.standard_normal(n)
        lambda_, xi = float(10.0 ** rng.uniform(-3, 1)), float(10.0 ** -rng.integers(1, 4))
        eta, loss = (1e-4, 0.3)[k % 2], ("root", "root", "squared")[k % 3]
        yield _case(
            f"random: n={n}, l={l}, eta={eta:g}", X, 3 * y, 3 * theta,
            loss=loss, C=100.0, lambda_=lambda_, xi=xi, eta=eta, small=False,
        )  # fmt: skip


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    return {
        "theta": f"component {index[0] if index else 0} of theta + alpha s",
        "lambda": "for the next iteration",
        "alpha": "the first of 1, 1/2, 1/4 ... with sufficient decrease",
        "rho": "actred / prered",
    }[name]


EXERCISE = Exercise(
    name="newton_step",
    title="one Gauss-Newton iteration: CG, line search, lambda",
    functions=("newton_step",),
    returns=("theta", "lambda", "alpha", "rho"),
    allows=("numpy", "math", "collections", "typing"),
    points=Points(small=3, awkward=5),
    hints=(
        "Think of the order: everything at the old theta first (f, g, s), then the search for "
        "alpha, then rho, and last lambda, which serves the next iteration and not this one.",
        "cg takes a function: give it one that returns G v + lambda v. The products g's and s'G s "
        "are two numbers, computed once; Gv(s) is without lambda, as prered wants it.",
        "s = cg(lambda v: Gv(v) + lambda_*v, g, xi, CGmax); alpha = 1.0; while fun(theta + "
        "alpha*s) - f > eta*alpha*gs: alpha /= 2. Then rho = (fun(theta + alpha*s) - f) / "
        "(alpha*gs + alpha**2/2 * sGs).",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    wrong=(
        Wrong(
            "lambda left out of the system",
            "CG solves (G + lambda I) s = -g: its function returns G v + lambda v.",
            (("Gv(v) + lambda_ * v", "Gv(v)"),),
        ),
        Wrong(
            "prediction with lambda",
            "lambda shortens the step, but it is no part of the model of f: prered has s'G s, "
            "without lambda s's.",
            (("s @ Gv(s)", "s @ (Gv(s) + lambda_ * s)"),),
        ),
        Wrong(
            "prediction by the gradient alone",
            "The model is quadratic: prered = alpha g's + (alpha^2/2) s'G s.",
            (("alpha * gs + alpha**2 / 2 * sGs", "alpha * gs"),),
        ),
        Wrong(
            "one half left out of the prediction",
            "The quadratic term of the model is (1/2) alpha^2 s'G s, as in a Taylor series.",
            (("alpha**2 / 2 * sGs", "alpha**2 * sGs"),),
        ),
        Wrong(
            "prediction of the full step",
            "prered is for the step that was taken, alpha s: g's comes with alpha, and s'G s with "
            "alpha^2.",
            (("alpha * gs + alpha**2 / 2 * sGs", "gs + sGs / 2"),),
        ),
        Wrong(
            "alpha not squared",
            "The quadratic term of the model goes with alpha^2, for it has the step twice.",
            (("alpha**2 / 2", "alpha / 2"),),
        ),
        Wrong(
            "drop and boost swapped",
            "Where the model was right, rho >= 3/4, lambda becomes smaller, so that the next step "
            "is nearer to Newton's.",
            (("if rho < 1 / 4", "if rho >= 3 / 4"), ("elif rho >= 3 / 4", "elif rho < 1 / 4")),
        ),
        Wrong(
            "lambda never left as it is",
            "Between 1/4 and 3/4 the model was neither good nor bad, and lambda stays.",
            (("elif rho >= 3 / 4:", "else:"),),
        ),
        Wrong(
            "rho upside down",
            "rho = actred / prered: what came true, over what was promised.",
            (("actred / prered", "prered / actred"),),
        ),
        Wrong(
            "any decrease is enough",
            "The rule asks for a decrease of eta alpha |g's| at least, not only for f to fall.",
            (("> eta * alpha * gs", "> 0"),),
        ),
        Wrong(
            "alpha left out of the rule",
            "The decrease that is asked for shrinks with the step: eta alpha g's, not eta g's.",
            (("> eta * alpha * gs", "> eta * gs"),),
        ),
        Wrong(
            "full step taken",
            "The line search found alpha: the new theta is theta + alpha s.",
            (("theta = theta + alpha * s", "theta = theta + s"),),
        ),
        Wrong(
            "no line search",
            "Where the quadratic model is poor, s is too long: alpha is halved until f falls "
            "enough.",
            (("while fun(theta + alpha * s) - f > eta * alpha * gs", "while False"),),
        ),
    ),
    uses=("cg",),
    tolerance=1e-7,
)
