"""Training of networks written in NumPy, with derivatives from the tape.

A new activation, layer or loss is a few lines of NumPy.  :class:`TapeObjective` turns them into an
objective for the solvers of ``opt``, and :func:`fit` runs a solver.  Import this module by its own
name: ``from simplenn_py.autodiff.tape_training import TapeObjective, fit``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import OptionError, closest
from ..layout import Array, vec
from ..opt.adam import AdamState, adam
from ..opt.hooks import Hook
from ..opt.minibatch import GradientObjective, Record
from ..opt.sgd import SGDState, sgd
from ..pixels import as_pixels
from ..training.options import DEFAULT_LR, TrainOptions
from .box import Value, plain
from .tape import GradientTape, Variable

Network = Callable[..., Value]
Loss = Callable[[Value, Array], Value]

SOLVERS = ("sgd", "adam")


class TapeObjective(GradientObjective):
    """The objective of a network written in NumPy, estimated from mini-batches.

        f(theta) = theta'theta/(2C) + (1/l) sum_i xi_i

    Parameters
    ----------
    network : callable
        Network: ``network(Z, *parameters)`` returns ``z``, shape (nL, n), one column per
        instance; `Z` has the n images of a batch.  It may call NumPy functions that have a
        derivative rule, and the functions of ``rules_cnn.py``.
    loss : callable
        Loss: ``loss(z, y)`` returns one loss per instance, shape (n,); `y` has the labels of the
        batch.
    parameters : sequence of array_like, any shapes, all float32 or all float64
        Initial values of the parameters; they are copied.
    images : ndarray, shape (d, a*b*l), Fortran order, any real dtype
        Images of the training set, scaled as the network needs them; every batch is converted to
        the parameters' dtype.
    labels : ndarray of integers, shape (l,)
        Index of each instance's class, from 0 to ``nL - 1``.
    C : float
        The lecture's ``C``, above 0; ``inf`` switches regularisation off.

    Attributes
    ----------
    theta : ndarray, shape (n_parameters,)
        All parameters in one vector: the ``vec`` of each, its columns one after the other.
    parameters : list of ndarray
        Views of `theta` in the given shapes, in Fortran order.

    Raises
    ------
    OptionError
        If `C` is not above 0.
    ValueError
        If dtypes or shapes do not fit together, or a label is negative.

    Notes
    -----
    Section A of the lecture.  :func:`~simplenn_py.opt.sgd.sgd` and
    :func:`~simplenn_py.opt.adam.adam` use it as they use
    :class:`~simplenn_py.cnn.objective.BatchObjective`, the objective of the engines.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        parameters: Sequence[Any],
        images: Array,
        labels: Array,
        C: float = np.inf,
    ) -> None:
        if not C > 0:
            raise OptionError(f"C is {C}; it must be above 0, inf for no regularisation")
        self._network, self._loss, self._C = network, loss, C
        starts = [np.asarray(x) for x in parameters]
        self.theta = np.concatenate([vec(x) for x in starts]) if starts else np.empty(0)
        if len({x.dtype for x in starts}) != 1 or self.theta.dtype not in (np.float32, np.float64):
            found = ", ".join(str(x.dtype) for x in starts) or "none"
            raise ValueError(
                f"the parameters' dtypes are {found}; all must be float32, or all float64"
            )
        self.parameters = [
            part.reshape(x.shape, order="F")
            for part, x in zip(self._split(self.theta, starts), starts, strict=True)
        ]
        labels = np.asarray(labels)
        if labels.ndim != 1 or labels.size == 0 or labels.dtype.kind not in "iu":
            raise ValueError(
                f"labels has shape {labels.shape} and dtype {labels.dtype}; it must have one class "
                "index, a whole number from 0, per instance"
            )
        if labels.min() < 0:
            raise ValueError(
                f"labels has {labels.min()}; class indices start at 0, so number the classes "
                "0, 1, 2, ..."
            )
        self._images, self._labels = _by_instance(images, labels.size), labels

    @property
    def l(self) -> int:
        """Number of instances."""
        return int(self._labels.size)

    def start_epoch(self, epoch: int) -> None:
        """Do nothing: there is nothing to draw again in a new epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.
        """

    def grad(self, indices: Array, out: Array) -> tuple[float, int]:
        """Write the estimate ``theta/C + mean of dxi_i/dtheta`` over a batch into `out`.

        Parameters
        ----------
        indices : ndarray of int64, shape (n,)
            Indices of the batch's instances.
        out : ndarray, the shape and dtype of `theta`
            Array for the result.

        Returns
        -------
        loss : float
            Sum of the batch's losses, without regularisation.
        correct : int
            Number of instances that the network classifies correctly.

        Raises
        ------
        ValueError
            If the network or the loss returns a wrong shape, the loss does not depend on the
            parameters, or a label is not less than the number of outputs.
        """
        with GradientTape() as tape:
            watched = [tape.watch(x) for x in self.parameters]
            z, total = self._forward(indices, watched)
        if not (isinstance(total, Variable) and total.trace is tape):
            raise ValueError(
                "the loss does not depend on any parameter; network must use its parameters"
            )
        found = tape.gradient(total, watched)
        for part, gradient in zip(self._split(out, self.parameters), found, strict=True):
            part[:] = vec(gradient)
        out /= indices.size
        if np.isfinite(self._C):
            out += self.theta * out.dtype.type(1 / self._C)
        correct = np.count_nonzero(plain(z).argmax(axis=0) == self._labels[indices])
        return float(plain(total)), int(correct)

    def fun(self, indices: Array | None = None) -> float:
        """Return f over some instances, in one batch.

        Parameters
        ----------
        indices : ndarray of int64, shape (n,), optional
            Indices of the instances; all if omitted.

        Returns
        -------
        float
            ``theta'theta/(2C)`` plus the mean loss.
        """
        indices = np.arange(self.l) if indices is None else indices
        total = float(self._forward(indices, self.parameters)[1])
        return float(self.theta @ self.theta) / (2 * self._C) + total / indices.size

    def predict(self, images: Array, batch_size: int = 256) -> Array:
        """Return the index of the largest output for each image.

        Parameters
        ----------
        images : ndarray, shape (d, a*b*n), Fortran order
            Images of the same size and scaling as the training set.
        batch_size : int
            Number of images per batch, 1 or more.

        Returns
        -------
        ndarray of int64, shape (n,)
            Index of each image's class.

        Raises
        ------
        ValueError
            If there is no image, or the images have another size.
        OptionError
            If `batch_size` is less than 1.
        """
        batch_size = _checked(batch_size=batch_size).batch_size
        images, (_, each, d) = as_pixels(images, "images"), self._images.shape
        if images.ndim != 2 or images.size == 0 or images.shape[0] != d or images.shape[1] % each:
            raise ValueError(
                f"images has shape {images.shape}; it must be ({d}, {each}*n), one column per "
                "pixel, with 1 image or more"
            )
        parts = _by_instance(images, images.shape[1] // each)
        return np.concatenate(
            [
                self._network(self._storage(parts[k : k + batch_size]), *self.parameters).argmax(0)
                for k in range(0, len(parts), batch_size)
            ]
        )

    def _forward(self, indices: Array, parameters: Sequence[Value]) -> tuple[Value, Value]:
        """Compute the network's outputs for some instances, and the sum of their losses."""
        n = indices.size
        z = self._network(self._storage(self._images[indices]), *parameters)
        if len(np.shape(z)) != 2 or np.shape(z)[1] != n:
            raise ValueError(
                f"network returned shape {np.shape(z)} for {n} instances; it must be (nL, {n}), "
                "one column per instance"
            )
        largest = self._labels[indices].max()
        if largest >= np.shape(z)[0]:
            raise ValueError(
                f"labels has {largest} and network returns {np.shape(z)[0]} outputs per instance; "
                f"it must return {largest + 1} or more, since labels start at 0"
            )
        xi = self._loss(z, self._labels[indices])
        if np.shape(xi) != (n,):
            raise ValueError(
                f"loss returned shape {np.shape(xi)} for {n} instances; it must be ({n},), one "
                "loss per instance"
            )
        return z, np.sum(xi)

    def _storage(self, images: Array) -> Array:
        """Store images (n, a*b, d) as (d, a*b*n), Fortran order, in the parameters' dtype."""
        return images.astype(self.theta.dtype, copy=False).reshape(-1, images.shape[2]).T

    @staticmethod
    def _split(vector: Array, shapes: Sequence[Array]) -> list[Array]:
        return np.split(vector, np.cumsum([x.size for x in shapes])[:-1])


def _by_instance(images: Array, l: int) -> Array:
    """View (d, a*b*l) storage as (l, a*b, d)."""
    images = as_pixels(images, "images")
    if images.ndim != 2 or l == 0 or images.shape[1] % l:
        raise ValueError(
            f"images has shape {images.shape} for {l} labels; it must be (d, a*b*{l}), one column "
            "per pixel"
        )
    return np.ascontiguousarray(images.T).reshape(l, -1, images.shape[0])


def fit(
    objective: TapeObjective,
    solver: str = "sgd",
    *,
    epochs: int = 10,
    batch_size: int = 64,
    lr: float | None = None,
    momentum: float = 0.9,
    decay: float = 0.0,
    schedule: str = "one-cycle",
    seed: int = 0,
    hook: Hook | None = None,
) -> list[Record]:
    """Train: change the objective's parameters in place.

    Parameters
    ----------
    objective : TapeObjective
        Network, loss, and training set.
    solver : {"sgd", "adam"}
        Name of the solver.
    epochs, batch_size : int
        Number of epochs, and number of images per update.
    lr : float, optional
        Learning rate; if omitted or 0, 0.01 for SGD and 0.001 for Adam.
    momentum : float
        Momentum of SGD; Adam ignores it.
    decay, schedule
        Decay and schedule of the learning rate, see
        :func:`~simplenn_py.opt.minibatch.learning_rate`.
    seed : int
        Seed of the permutations; equal seeds give equal results.
    hook : Hook, optional
        Object that is called after every update and epoch, and that may stop the run.

    Returns
    -------
    list of dict
        One record per epoch: ``loss``, ``train_accuracy``, ``seconds`` and more.

    Raises
    ------
    OptionError
        If `solver` is unknown, or an option is not allowed by
        :class:`~simplenn_py.training.options.TrainOptions`.
    DivergedError
        If the loss of a batch is not finite.
    """
    if solver not in SOLVERS:
        raise OptionError(
            f"solver is {solver!r}; it must be one of {', '.join(SOLVERS)}"
            + closest(solver, list(SOLVERS))
        )
    given = _checked(
        epochs=epochs, batch_size=batch_size, lr=0.0 if lr is None else lr, momentum=momentum,
        decay=decay, schedule=schedule, seed=seed,
    )  # fmt: skip
    options: dict[str, Any] = {
        "epochs": given.epochs,
        "batch_size": given.batch_size,
        "lr": given.lr or DEFAULT_LR[solver],
        "decay": given.decay,
        "schedule": given.schedule,
    }
    rng, theta = np.random.default_rng(given.seed), objective.theta
    with np.errstate(over="ignore", invalid="ignore"):  # the solver checks the loss
        if solver == "adam":
            state = AdamState(rng=rng, m=np.zeros_like(theta), v=np.zeros_like(theta))
            adam(objective, state, hook or Hook(), **options)
            return state.history
        descent = SGDState(rng=rng, v=np.zeros_like(theta))
        sgd(objective, descent, hook or Hook(), momentum=given.momentum, **options)
        return descent.history


def _checked(**options: Any) -> TrainOptions:
    """Check options by the rules of ``train``; NumPy's numbers are converted to Python's."""
    numbers = {k: v.item() if isinstance(v, np.generic) else v for k, v in options.items()}
    return TrainOptions(**numbers)


def squared(z: Value, y: Array) -> Value:
    """Compute ``||z - e_y||^2`` for every column of `z`.

    Parameters
    ----------
    z : ndarray or Box, shape (nL, n)
        Outputs of the network.
    y : ndarray of integers, shape (n,)
        Class indices.

    Returns
    -------
    ndarray or Box, shape (n,)
        One loss per instance.

    Notes
    -----
    The squared loss of section A of the lecture.
    """
    residual = z - _one_hot(z, y)
    return np.sum(residual * residual, axis=0)


def cross_entropy(z: Value, y: Array) -> Value:
    """Compute ``-log p_y`` for every column of `z`, where `p` is its softmax.

    Parameters
    ----------
    z : ndarray or Box, shape (nL, n)
        Outputs of the network.
    y : ndarray of integers, shape (n,)
        Class indices.

    Returns
    -------
    ndarray or Box, shape (n,)
        One loss per instance.
    """
    shifted = z - plain(z).max(axis=0)  # p stays the same, and nothing overflows
    return np.log(np.sum(np.exp(shifted), axis=0)) - np.sum(shifted * _one_hot(z, y), axis=0)


def _one_hot(z: Value, y: Array) -> Array:
    return np.eye(np.shape(z)[0], dtype=z.dtype)[:, y]
