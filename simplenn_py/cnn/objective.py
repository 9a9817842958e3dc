"""The objective f(theta) over a training set, and its estimates from mini-batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..layout import Array
from ..runtime.arguments import expect
from .engine import Engine, check_pass
from .gauss_newton import GaussNewton
from .gradient import lossgrad_subset
from .jacobian import stored_bytes
from .problem import Problem

if TYPE_CHECKING:
    from ..network.weights import Weights


#: Forming a stored Jacobian takes the time of about 18 products; each product is then a quarter
#: faster (layer4 on 100 images of MNIST, lecture engine).  The limit in bytes applies if
#: the user has not chosen.  It does not depend on the free memory, because the same seed must give
#: the same bits.
_STORED_PAYS = 20
_STORED_BYTES = 1 << 30


def fungrad_minibatch(
    engine: Engine, model: Weights, problem: Problem, gradient: Array | None = None
) -> float:
    """Compute f, and its gradient, over all instances, ``engine.batch_size`` at a time.

        f(theta) = theta'theta/(2C) + (1/l) sum_i xi_i

    Parameters
    ----------
    engine : Engine
    model : Weights
        Weights and biases, such as a Model.
    problem : Problem
    gradient : ndarray, shape (n_parameters,), optional
        Array for ``theta/C + (1/l) sum_i dxi_i/dtheta``; not computed if omitted.

    Returns
    -------
    float
        f(theta), accumulated in float64.

    Notes
    -----
    Section A of the lecture; simpleNN's ``fungrad_minibatch``.
    """
    check_pass(engine, model)
    expect("problem", problem, Problem, "a Problem")
    objective = FullObjective(engine, model, problem, np.arange(problem.l))
    return objective.fun() if gradient is None else objective.fungrad(gradient)[0]


def regularisation(theta: Array, C: float) -> float:
    """Return the regularisation term ``theta'theta/(2C)``.

    Parameters
    ----------
    theta : ndarray, shape (n_parameters,)
        Weights and biases: the biases are regularised too.
    C : float
        The lecture's ``C``; ``inf`` means no regularisation.

    Returns
    -------
    float
        The term, computed in float64.

    Notes
    -----
    Section A of the lecture.
    """
    wide = theta.astype(np.float64)
    return float(np.sum(wide * wide)) / (2 * C)


def evaluate(
    engine: Engine, model: Weights, problem: Problem, indices: Array
) -> tuple[float, Array]:
    """Run the network forward over chosen instances, ``engine.batch_size`` at a time.

    Parameters
    ----------
    engine : Engine
    model : Weights
        Weights and biases, such as a Model.
    problem : Problem
    indices : ndarray of int64, shape (n,)
        Index of each chosen instance.

    Returns
    -------
    loss : float
        Mean loss, without regularisation.
    predicted : ndarray of int64, shape (n,)
        Index of the class with the largest output, for each chosen instance.
    """
    loss = 0.0
    predicted = np.empty(indices.size, np.int64)
    for start in range(0, indices.size, engine.batch_size):
        part = indices[start : start + engine.batch_size]
        loss += lossgrad_subset(engine, model, problem, part)
        predicted[start : start + part.size] = engine.Z(model.config.stages.L).argmax(axis=0)
    return loss / indices.size, predicted


class _Objective:
    """Base class of both objectives: a network, and the instances to train it on."""

    def __init__(self, engine: Engine, model: Weights, problem: Problem, subset: Array) -> None:
        self._engine, self._model = engine, model
        self._problem, self._subset = problem, subset

    @property
    def l(self) -> int:
        """Number of instances to train on."""
        return int(self._subset.size)

    @property
    def theta(self) -> Array:
        """The flat parameter vector; a solver changes it in place."""
        return self._model.theta


class BatchObjective(_Objective):
    """The objective f, estimated from mini-batches, for SGD and Adam.

    Parameters
    ----------
    engine : Engine
    model : Weights
        Weights and biases, such as a Model.  Its ``theta`` is the point of evaluation.
    problem : Problem
    subset : ndarray of int64, shape (l,)
        Index of each instance to train on; the others may be held out.
    flip_seed : int, optional
        Seed that chooses the half of the images to mirror left to right in each epoch; no image
        is mirrored if omitted.

    Notes
    -----
    Section A of the lecture.  Implements ``opt.minibatch.StochasticObjective``.
    """

    def __init__(
        self,
        engine: Engine,
        model: Weights,
        problem: Problem,
        subset: Array,
        flip_seed: int | None = None,
    ) -> None:
        super().__init__(engine, model, problem, subset)
        self._flip_seed = flip_seed
        self._flips: Array | None = None
        self._gradient = np.empty_like(model.theta)

    def start_epoch(self, epoch: int) -> None:
        """Choose the images to mirror.

        The choice depends only on the seed and the number of the epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.
        """
        if self._flip_seed is not None:
            rng = np.random.default_rng([self._flip_seed, epoch])
            self._flips = rng.random(self.l) < 0.5

    def grad(self, indices: Array, out: Array) -> tuple[float, int]:
        """Estimate the gradient: ``theta/C`` plus the mean of ``dxi_i/dtheta`` over a batch.

        Parameters
        ----------
        indices : ndarray of int64, shape (n,)
            Positions of the batch's instances in the subset.
        out : ndarray, shape (n_parameters,)
            Array for the estimate.

        Returns
        -------
        loss : float
            Summed loss of the batch, without regularisation.
        correct : int
            Number of instances of the batch that the network classifies correctly.
        """
        loss, correct = self._total(indices, out)
        out /= indices.size
        if np.isfinite(self._problem.C):
            out += self.theta * out.dtype.type(1 / self._problem.C)
        return loss, correct

    def step(self, indices: Array, rule: Any, lr_t: float) -> tuple[float, int]:
        """Estimate the gradient from a batch, and apply the rule to it in the same pass.

        Parameters
        ----------
        indices : ndarray of int64, shape (n,)
            Positions of the batch's instances in the subset.
        rule : opt.minibatch.Rule
            The solver's formula.
        lr_t : float
            Learning rate of this update.

        Returns
        -------
        loss, correct
            As for :meth:`grad`.  If the loss is not finite, ``theta`` stays.
        """
        loss, correct = self._total(indices, self._gradient)
        if np.isfinite(loss):
            rule.update(self.theta, self._gradient, indices.size, 1 / self._problem.C, lr_t)
        return loss, correct

    def _total(self, indices: Array, out: Array) -> tuple[float, int]:
        """Sum the loss and its gradient over a batch; return the loss and the correct ones."""
        chosen = self._subset[indices]
        flips = None if self._flips is None else self._flips[indices]
        loss = lossgrad_subset(self._engine, self._model, self._problem, chosen, out, flips)
        z = self._engine.Z(self._model.config.stages.L)
        correct = np.count_nonzero(z.argmax(axis=0) == self._problem.y[chosen])
        return loss, int(correct)


class FullObjective(_Objective):
    """The objective f, its gradient, and its Gauss-Newton matrix, for Newton's method.

    f and the gradient are taken over all training instances, the matrix over a subsample.

    Parameters
    ----------
    engine : Engine
    model : Weights
        Weights and biases, such as a Model.  Its ``theta`` is the point of evaluation.
    problem : Problem
    subset : ndarray of int64, shape (l,)
        Index of each instance to train on; the others may be held out.
    stored : bool or None
        Whether to keep the Jacobian of the subsample in memory; None: if it is likely to save
        time.

    Notes
    -----
    Sections A and B of the lecture.  Implements ``opt.newton.NewtonObjective``.
    """

    def __init__(
        self,
        engine: Engine,
        model: Weights,
        problem: Problem,
        subset: Array,
        stored: bool | None = False,
    ) -> None:
        super().__init__(engine, model, problem, subset)
        self._stored = stored
        self._part = np.empty_like(model.theta)

    def fun(self) -> float:
        """Return f at ``theta``, without its gradient."""
        return self._evaluate(None)[0]

    def fungrad(self, out: Array) -> tuple[float, dict[str, Any]]:
        """Return f, and write its gradient into `out`.

        Parameters
        ----------
        out : ndarray, shape (n_parameters,)
            Array for the gradient.

        Returns
        -------
        f : float
        record : dict
            ``"loss"``, the mean loss, and ``"train_accuracy"``.
        """
        f, loss, correct = self._evaluate(out)
        return f, {"loss": loss, "train_accuracy": correct / self.l}

    def gauss_newton(self, subset: Array, products: int = 0) -> Callable[[Array], Array]:
        """Return the product with the Gauss-Newton matrix of a subsample.

        Parameters
        ----------
        subset : ndarray of int64, shape (n,)
            Positions of the subsample's instances among the training instances.
        products : int
            Expected number of products.  If `stored` is None, the Jacobian is kept only if there
            are enough of them to save time.

        Returns
        -------
        callable
            ``v -> G v`` for v of shape (n_parameters,).
        """
        chosen, stored = self._subset[subset], self._stored
        if stored is None:
            needed = stored_bytes(self._model.config, chosen.size, self.theta.itemsize)
            stored = products >= _STORED_PAYS and needed <= _STORED_BYTES
        return GaussNewton(self._engine, self._model, self._problem, chosen, stored).product

    def _evaluate(self, gradient: Array | None) -> tuple[float, float, int]:
        engine, theta, problem = self._engine, self.theta, self._problem
        part = None if gradient is None else self._part
        total = np.zeros(theta.shape)
        loss, correct = 0.0, 0
        for start in range(0, self.l, engine.batch_size):
            chosen = self._subset[start : start + engine.batch_size]
            loss += lossgrad_subset(engine, self._model, problem, chosen, part)
            if part is not None:
                total += part
            predicted = engine.Z(self._model.config.stages.L).argmax(axis=0)
            correct += int(np.count_nonzero(predicted == problem.y[chosen]))
        if gradient is not None:
            gradient[:] = theta / problem.C + total / self.l
        return regularisation(theta, problem.C) + loss / self.l, loss / self.l, correct
