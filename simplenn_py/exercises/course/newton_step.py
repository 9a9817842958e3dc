"""Exercise: one iteration of the Gauss-Newton method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...layout import Array
from ..exercise import Args, Case, Exercise, Mistake, Points


class _Objective:
    """The objective for the package's Newton method, made from the functions of the driver."""

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
    cg_tol: float, CGmax: int, drop: float, boost: float, eta: float,
) -> tuple[Any, ...]:  # fmt: skip
    from ...opt.hooks import Hook
    from ...opt.newton import NewtonState, newton

    objective = _Objective(X, y, C, loss, theta)
    state = NewtonState(lambda_, seed=0)
    newton(
        objective, state, Hook(), GNsize=1, iter_max=1,
        cg_tol=cg_tol, CGmax=CGmax, drop=drop, boost=boost, eta=eta,
    )  # fmt: skip
    (done,) = state.history
    return objective.theta, *(np.float64(done[k]) for k in ("lambda", "alpha", "ratio"))


def _case(
    label: str, X: ArrayLike, y: ArrayLike, theta: ArrayLike, *,
    loss: str = "squared", C: float = 10.0, lambda_: float = 1.0, cg_tol: float = 1e-3,
    eta: float = 1e-4, small: bool = True,
) -> Case:  # fmt: skip
    args = {
        "X": np.array(X, float, order="F"), "y": np.array(y, float), "C": C, "loss": loss,
        "theta": np.array(theta, float), "lambda_": lambda_,
        "cg_tol": cg_tol, "CGmax": 250, "drop": 2 / 3, "boost": 3 / 2, "eta": eta,
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
    yield _case("the model predicts much too large a decrease", *far, lambda_=0.03, **root)
    yield _case("a larger eta", *far, lambda_=0.03, eta=0.05, **root)
    yield _case("half a step is too long for this eta", *far, lambda_=0.03, eta=0.3, **root)
    for k in range(6):
        l, n = (int(q) for q in rng.integers(3, 9, 2))
        X, y, theta = rng.standard_normal((l, n)), rng.standard_normal(l), rng.standard_normal(n)
        lambda_, cg_tol = float(10.0 ** rng.uniform(-3, 1)), float(10.0 ** -rng.integers(1, 4))
        eta, loss = (1e-4, 0.3)[k % 2], ("root", "root", "squared")[k % 3]
        yield _case(
            f"random: n={n}, l={l}, eta={eta:g}", X, 3 * y, 3 * theta,
            loss=loss, C=100.0, lambda_=lambda_, cg_tol=cg_tol, eta=eta, small=False,
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
    title="one Gauss-Newton iteration: CG, line search, damping",
    functions=("newton_step",),
    returns=("theta", "lambda", "alpha", "rho"),
    allows=("numpy", "math", "collections", "typing"),
    points=Points(small=3, awkward=5),
    hints=(
        "Think of the order: first f, g and s at the old theta, then the line search for alpha, "
        "then rho, and at the end lambda, which is used in the next iteration.",
        "cg takes a function: pass one that returns G v + lambda v. The products g's and s'G s are "
        "two numbers; compute each of them once. Gv(s) does not contain lambda, as required for "
        "prered.",
        "s = cg(lambda v: Gv(v) + lambda_*v, g, cg_tol, CGmax); alpha = 1.0; while fun(theta + "
        "alpha*s) - f > eta*alpha*gs: alpha /= 2. Then rho = (fun(theta + alpha*s) - f) / "
        "(alpha*gs + alpha**2/2 * sGs).",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "lambda left out of the system",
            "CG solves (G + lambda I) s = -g: the function passed to cg returns G v + lambda v.",
            (("Gv(v) + lambda_ * v", "Gv(v)"),),
        ),
        Mistake(
            "prediction with lambda",
            "lambda shortens the step, but it is not a part of the model of f: prered has the term "
            "s'G s, without lambda s's.",
            (("s @ Gv(s)", "s @ (Gv(s) + lambda_ * s)"),),
        ),
        Mistake(
            "prediction without the quadratic term",
            "The model is quadratic: prered = alpha g's + (alpha^2/2) s'G s.",
            (("alpha * gs + alpha**2 / 2 * sGs", "alpha * gs"),),
        ),
        Mistake(
            "factor 1/2 missing in the prediction",
            "The quadratic term of the model is (1/2) alpha^2 s'G s, as in a Taylor series.",
            (("alpha**2 / 2 * sGs", "alpha**2 * sGs"),),
        ),
        Mistake(
            "prediction of the full step",
            "prered is the prediction for the step alpha s that was taken: g's has the factor "
            "alpha, and s'G s has the factor alpha^2.",
            (("alpha * gs + alpha**2 / 2 * sGs", "gs + sGs / 2"),),
        ),
        Mistake(
            "alpha not squared",
            "The quadratic term of the model has the factor alpha^2, since it contains the step "
            "twice.",
            (("alpha**2 / 2", "alpha / 2"),),
        ),
        Mistake(
            "drop and boost swapped",
            "If the prediction was good, rho >= 3/4, lambda decreases, so that the next step is "
            "closer to the Newton step.",
            (("if rho < 1 / 4", "if rho >= 3 / 4"), ("elif rho >= 3 / 4", "elif rho < 1 / 4")),
        ),
        Mistake(
            "lambda always changed",
            "For rho between 1/4 and 3/4 the prediction was neither good nor bad, and lambda is "
            "not changed.",
            (("elif rho >= 3 / 4:", "else:"),),
        ),
        Mistake(
            "rho inverted",
            "rho = actred / prered: the actual change of f divided by the predicted one.",
            (("actred / prered", "prered / actred"),),
        ),
        Mistake(
            "any decrease is enough",
            "f must decrease by at least eta alpha |g's|; a smaller decrease is not enough.",
            (("> eta * alpha * gs", "> 0"),),
        ),
        Mistake(
            "alpha missing in the decrease condition",
            "The required decrease is proportional to the step: eta alpha g's, not eta g's.",
            (("> eta * alpha * gs", "> eta * gs"),),
        ),
        Mistake(
            "full step taken",
            "The new theta is theta + alpha s, with the alpha of the line search.",
            (("theta = theta + alpha * s", "theta = theta + s"),),
        ),
        Mistake(
            "no line search",
            "If the quadratic model is poor, the step s is too long: halve alpha until f decreases "
            "enough.",
            (("while fun(theta + alpha * s) - f > eta * alpha * gs", "while False"),),
        ),
    ),
    uses=("cg",),
    tolerance=1e-7,
)
