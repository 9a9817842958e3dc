"""Newton's method as in simpleNN: the Gauss-Newton matrix of a subsample, with CG."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..errors import DivergedError
from ..layout import Array
from ..runtime.arguments import expect, expect_methods
from .cg import CG, CGResult, dot
from .hooks import Hook, as_hook
from .minibatch import Record

#: Maximum number of halvings in the line search, after which alpha is 1e-9.
MOST_HALVINGS = 30
#: The run ends when the gradient, relative to the first one, or the step, relative to theta, is
#: smaller than this many units of the precision.
_SMALL = 10.0
_OBJECTIVE = ("theta", "l", "fun", "fungrad", "gauss_newton")


class NewtonObjective(Protocol):
    """The methods that an objective must have for Newton's method."""

    @property
    def l(self) -> int:
        """Number of instances."""
        ...

    @property
    def theta(self) -> Array:
        """The parameter vector, changed in place."""
        ...

    def fun(self) -> float:
        """Return f at ``theta``."""
        ...

    def fungrad(self, out: Array) -> tuple[float, Record]:
        """Return f at ``theta``, and write its gradient into `out`.

        Parameters
        ----------
        out : ndarray, shape (n_parameters,)
            Array for the gradient.

        Returns
        -------
        f : float
        record : dict
            Further entries for the history's record, such as the accuracy.
        """
        ...

    def gauss_newton(self, subset: Array, products: int) -> Callable[[Array], Array]:
        """Return the product with the Gauss-Newton matrix at ``theta``.

        Parameters
        ----------
        subset : ndarray of int64, shape (n,)
            Index of each instance of the subsample.
        products : int
            Expected number of products.

        Returns
        -------
        callable
            ``v -> G v`` for v of shape (n_parameters,).
        """
        ...


@dataclass
class NewtonState:
    """The state of a run between two iterations: everything that is needed to resume it.

    Parameters
    ----------
    lambda_ : float
        Damping (lambda of Levenberg-Marquardt) of the next iteration.
    seed : int
        Seed of the subsamples.  A resumed run draws the same ones as an uninterrupted run.
    iteration : int
        Number of completed iterations.
    first_norm : float
        ``||grad f||`` at the start.
    history : list of dict
        One record per iteration: ``iteration``, ``f``, ``gradient_norm``, ``alpha``, ``ratio``,
        ``lambda``, ``cg_steps``, ``actred``, ``prered``, the objective's own entries,
        ``seconds``, ``cg_residuals``.  f, gradient and lambda are those after the step, as in
        simpleNN.
    reason : str
        Why the solver ended the run; empty if it reached `iter_max` or a hook stopped it.
    cg_steps : int
        Number of CG steps so far in the current iteration.
    stop : bool
        Set by a hook to end the run; the current iteration is then discarded.
    """

    lambda_: float
    seed: int
    iteration: int = 0
    first_norm: float = 0.0
    history: list[Record] = field(default_factory=list)
    reason: str = ""
    cg_steps: int = 0
    stop: bool = False

    @property
    def epoch(self) -> int:
        """Number of completed iterations, under the name that hooks use."""
        return self.iteration


def subsample(seed: int, k: int, size: int, l: int) -> Array:
    """Return the subsample of one iteration: the next `size` instances of a permutation.

    Each permutation is used until every instance has been in a subsample; then another one is
    drawn.  If the last part of a permutation is too small, its beginning completes the subsample.

    Parameters
    ----------
    seed : int
    k : int
        Number of the iteration, from 0.
    size : int
        Number of instances in the subsample.
    l : int
        Number of all instances.

    Returns
    -------
    ndarray of int64, shape (size,)
        Index of each instance, in ascending order.
    """
    parts = -(-l // size)
    order = np.random.default_rng([seed, k // parts]).permutation(l)
    order = np.concatenate([order, order[:size]])
    start = k % parts * size
    return np.sort(order[start : start + size])


def newton(
    objective: NewtonObjective,
    state: NewtonState,
    hook: Hook,
    *,
    GNsize: int,
    iter_max: int = 100,
    cg_tol: float = 0.1,
    CGmax: int = 250,
    drop: float = 2 / 3,
    boost: float = 3 / 2,
    eta: float = 1e-4,
    subsets: Callable[[int], Array] | None = None,
) -> None:
    """Minimise f by Newton's method until `iter_max`, a small gradient or a small step.

    Each iteration

    1. draws a subsample S, on which G is taken;
    2. solves ``(G + lambda I) step = -grad f`` by conjugate gradients (:func:`~.cg.CG`);
    3. halves alpha from 1 until ``f(theta + alpha step) - f(theta) <= eta alpha grad'step``;
    4. compares the decrease with the one that the quadratic model predicted, and changes lambda.

    Parameters
    ----------
    objective : NewtonObjective
        Its ``theta`` is changed in place.
    state : NewtonState
        State to start from; changed in place, so that it can be saved after any iteration.
    hook : Hook
        Its ``on_batch`` is called after every CG step, its ``on_epoch`` after every iteration.
    GNsize : int
        Number of instances in S.
    iter_max : int
        Maximum number of iterations.
    cg_tol : float
        Tolerance of CG, the option ``xi``.
    CGmax : int
        Maximum number of CG steps per iteration.
    drop, boost : float
        Factors by which the damping lambda is multiplied after a good step (ratio of 3/4 or more)
        and after a poor step (ratio below 1/4).
    eta : float
        Fraction of the decrease predicted by the slope, ``alpha grad'step``, that the line search
        requires.
    subsets : callable, optional
        ``k -> S``, the subsample of iteration k, to replace :func:`subsample`.

    Raises
    ------
    DivergedError
        If f or its gradient is not finite at the start.
    UserError
        If `objective`, `state` or `hook` is of another kind.

    Notes
    -----
    Section B of the lecture; simpleNN's ``newton``, whose line search has no limit on the number of
    halvings.
    """
    what = f"an objective, an object with {', '.join(_OBJECTIVE[:-1])} and {_OBJECTIVE[-1]}"
    expect_methods("objective", objective, _OBJECTIVE, what)
    expect("state", state, NewtonState, "a NewtonState, such as NewtonState(lambda_=1.0, seed=0)")
    hook = as_hook(hook)
    theta, l = objective.theta, objective.l
    subsets = subsets or (lambda k: subsample(state.seed, k, min(GNsize, l), l))
    gradient = np.empty_like(theta)
    hook.on_start(state)
    try:
        f, _ = objective.fungrad(gradient)
        norm = _norm(gradient)
        if not math.isfinite(f) or not math.isfinite(norm):
            raise DivergedError(
                f"f is {f} and |grad f| is {norm} at the start; look for values that are too "
                "large in the images or in the weights"
            )
        state.first_norm = state.first_norm or norm
        _look_at_gradient(state, norm, theta)
        while state.iteration < iter_max and not state.reason and not state.stop:
            began = time.perf_counter()
            cg = _direction(
                objective, state, hook, gradient, subsets(state.iteration), cg_tol, CGmax
            )
            if state.stop:  # discarded: a resumed run draws the same subsample again
                break
            g_step = dot(gradient, cg.step)
            curvature = dot(cg.step, cg.G_step) - state.lambda_ * dot(cg.step, cg.step)
            likely = not state.history or state.history[-1]["alpha"] == 1
            before = f
            f, alpha, more = _line_search(objective, f, gradient, cg.step, g_step, eta, likely)
            norm = _norm(gradient)
            actred, prered = f - before, alpha * g_step + alpha**2 / 2 * curvature
            ratio = actred / prered if prered < 0 else 0.0
            state.lambda_ *= boost if ratio < 1 / 4 else drop if ratio >= 3 / 4 else 1.0
            state.iteration += 1
            state.history.append(
                {
                    "iteration": state.iteration,
                    "f": f,
                    "gradient_norm": norm,
                    "alpha": alpha,
                    "ratio": ratio,
                    "lambda": state.lambda_,
                    "cg_steps": cg.steps,
                    "actred": actred,
                    "prered": prered,
                    **more,
                    "seconds": time.perf_counter() - began,
                    "cg_residuals": cg.residuals,
                }
            )
            _look_at_gradient(state, norm, theta)
            _look_at_step(state, alpha, cg.step, theta)
            hook.on_epoch(state)
    finally:
        hook.on_stop(state)


def _direction(
    objective: NewtonObjective,
    state: NewtonState,
    hook: Hook,
    gradient: Array,
    subset: Array,
    cg_tol: float,
    CGmax: int,
) -> CGResult:
    """Solve ``(G + lambda I) step = -grad f``."""
    last = state.history[-1]["cg_steps"] if state.history else 0
    G = objective.gauss_newton(subset, last)
    lambda_ = gradient.dtype.type(state.lambda_)
    state.cg_steps = 0

    def stop() -> bool:
        state.cg_steps += 1
        hook.on_batch(state)
        return state.stop

    return CG(lambda v: G(v) + lambda_ * v, gradient, cg_tol=cg_tol, CGmax=CGmax, stop=stop)


def _line_search(
    objective: NewtonObjective,
    f: float,
    gradient: Array,
    step: Array,
    g_step: float,
    eta: float,
    likely: bool,
) -> tuple[float, float, Record]:
    """Move ``theta`` along `step`, and update `gradient`.

    Returns the new f, alpha, and a record.  If alpha 1 is likely, its trial computes the gradient
    together with f.  If no alpha lowers f enough, ``theta`` stays as it was, and alpha is 0.
    """
    theta, start = objective.theta, objective.theta.copy()
    trial = np.empty_like(gradient)
    alpha = 1.0
    for halvings in range(MOST_HALVINGS + 1):
        theta[:] = start + theta.dtype.type(alpha) * step
        eager = likely and halvings == 0
        f_new, more = objective.fungrad(trial) if eager else (objective.fun(), {})
        if f_new - f <= eta * alpha * g_step:  # False for NaN
            if not eager:
                more = objective.fungrad(trial)[1]
            gradient[:] = trial
            return f_new, alpha, more
        alpha /= 2
    theta[:] = start
    return f, 0.0, objective.fungrad(gradient)[1]


def _norm(x: Array) -> float:
    return math.sqrt(dot(x, x))


def _look_at_gradient(state: NewtonState, norm: float, theta: Array) -> None:
    smallest = _SMALL * float(np.finfo(theta.dtype).eps) * state.first_norm
    if norm <= smallest:
        state.reason = f"|grad f| is {norm:.2g}, at most {smallest:.2g}: no further progress"


def _look_at_step(state: NewtonState, alpha: float, step: Array, theta: Array) -> None:
    length, smallest = alpha * _norm(step), _SMALL * float(np.finfo(theta.dtype).eps) * _norm(theta)
    if alpha == 0:
        state.reason = "no step along the direction lowers f: the precision is exhausted"
    elif length <= smallest:
        state.reason = f"the step is {length:.2g}, at most {smallest:.2g}: no further progress"
