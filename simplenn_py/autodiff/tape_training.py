"""Training what a user wrote in NumPy: its derivatives come from the tape.

A new activation, layer or loss is a few lines of NumPy.  :class:`TapeObjective` makes of them
what the solvers of ``opt`` ask for, and :func:`fit` runs one.  Imported on its own:
``from simplenn_py.autodiff.training import TapeObjective, fit``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import OptionError, closest
from ..layout import Array, vec
from ..opt.adam import AdamState, adam
from ..opt.hooks import Hook
from ..opt.minibatch import Record
from ..opt.sgd import SGDState, sgd
from ..training.options import DEFAULT_LR, TrainOptions
from .box import Value, plain
from .tape import GradientTape, Variable

Network = Callable[..., Value]
Loss = Callable[[Value, Array], Value]

SOLVERS = ("sgd", "adam")


class TapeObjective:
    """The objective of a network written in NumPy, estimated from mini-batches.

        f(theta) = theta'theta/(2C) + (1/l) sum_i xi_i

    Parameters
    ----------
    network : callable
        ``network(Z, *parameters)`` returns ``z``, shape (nL, n), one instance a column; `Z` is
        a part of `images`.  It calls NumPy functions that have a derivative rule, and those of
        ``rules_cnn.py``.
    loss : callable
        ``loss(z, y)`` returns one loss an instance, shape (n,); `y` is a part of `labels`.
    parameters : sequence of array_like, all float32 or all float64
        If training starts: copied.
    images : ndarray, shape (d, a*b*l), Fortran order, any real dtype
        Scaled as the network wants them; a batch is given to it in the parameters' dtype.
    labels : ndarray of integers, shape (l,)
        Index of each instance's class, from 0 to below nL.
    C : float
        The lecture's ``C``; ``inf`` switches regularisation off.

    Attributes
    ----------
    theta : ndarray
        All parameters in one vector, of each ``vec``: its columns one after the other.
    parameters : list of ndarray
        Views of `theta`, in the shapes that were given, in Fortran order.

    Raises
    ------
    ValueError
        If dtypes or shapes do not go together.

    Notes
    -----
    Section A of the lecture.  It is what :func:`~simplenn_py.opt.sgd.sgd` and
    :func:`~simplenn_py.opt.adam.adam` ask of an objective, as
    :class:`~simplenn_py.cnn.objective.BatchObjective` is for the engines.
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
            raise ValueError(f"the parameters' dtypes are {found}; all must be float32, or float64")
        self.parameters = [
            part.reshape(x.shape, order="F")
            for part, x in zip(self._split(self.theta, starts), starts, strict=True)
        ]
        labels = np.asarray(labels)
        if labels.ndim != 1 or labels.size == 0 or labels.dtype.kind not in "iu":
            raise ValueError(
                f"labels has shape {labels.shape} and dtype {labels.dtype}; it must be one index "
                "of a class, a whole number from 0, for each instance"
            )
        if labels.min() < 0:
            raise ValueError(
                f"labels has {labels.min()}; an index of a class counts from 0, so number the "
                "classes 0, 1, 2, ..."
            )
        self._images, self._labels = _by_instance(images, labels.size), labels

    @property
    def l(self) -> int:
        """Number of instances."""
        return int(self._labels.size)

    def start_epoch(self, epoch: int) -> None:
        """Nothing is drawn anew from epoch to epoch."""

    def grad(self, indices: Array, out: Array) -> tuple[float, int]:
        """Write the estimate ``theta/C + mean of dxi_i/dtheta`` over a batch into `out`.

        Parameters
        ----------
        indices : ndarray of int64, shape (n,)
        out : ndarray, the shape of `theta`

        Returns
        -------
        loss : float
            The batch's summed loss, without regularisation.
        correct : int
            How many of its instances the network gets right.

        Raises
        ------
        ValueError
            If network or loss return another shape than they must, or nothing that depends
            on the parameters, and where a label is no row of the network's outputs.
        """
        with GradientTape() as tape:
            watched = [tape.watch(x) for x in self.parameters]
            z, total = self._forward(indices, watched)
        if not (isinstance(total, Variable) and total.trace is tape):
            raise ValueError(
                "the loss does not depend on any parameter; network must use those that it is given"
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
        """Return f over some instances, all if omitted, in one batch."""
        indices = np.arange(self.l) if indices is None else indices
        total = float(self._forward(indices, self.parameters)[1])
        return float(self.theta @ self.theta) / (2 * self._C) + total / indices.size

    def predict(self, images: Array, batch_size: int = 256) -> Array:
        """Return the class of the largest output for each of some images.

        Parameters
        ----------
        images : ndarray, shape (d, a*b*n), Fortran order
            Of the size of those trained on, and scaled like them.
        batch_size : int
            How many the network is given at a time.

        Returns
        -------
        ndarray of int64, shape (n,)

        Raises
        ------
        ValueError
            If there is no image, or it has another size.
        OptionError
            If `batch_size` is less than 1.
        """
        batch_size = _checked(batch_size=batch_size).batch_size
        images, (_, each, d) = np.asarray(images), self._images.shape
        if images.ndim != 2 or images.size == 0 or images.shape[0] != d or images.shape[1] % each:
            raise ValueError(
                f"images has shape {images.shape}; it must be ({d}, {each}*n), a column a pixel, "
                "for 1 image or more"
            )
        parts = _by_instance(images, images.shape[1] // each)
        return np.concatenate(
            [
                self._network(self._storage(parts[k : k + batch_size]), *self.parameters).argmax(0)
                for k in range(0, len(parts), batch_size)
            ]
        )

    def _forward(self, indices: Array, parameters: Sequence[Value]) -> tuple[Value, Value]:
        """Compute the network's outputs of some instances, and the sum of their losses."""
        n = indices.size
        z = self._network(self._storage(self._images[indices]), *parameters)
        if len(np.shape(z)) != 2 or np.shape(z)[1] != n:
            raise ValueError(
                f"network returned shape {np.shape(z)} for {n} instances; it must be (nL, {n}), "
                "one column an instance"
            )
        largest = self._labels[indices].max()
        if largest >= np.shape(z)[0]:
            raise ValueError(
                f"labels has {largest} and network returns {np.shape(z)[0]} outputs an instance; "
                f"it must return {largest + 1} or more, since labels count from 0"
            )
        xi = self._loss(z, self._labels[indices])
        if np.shape(xi) != (n,):
            raise ValueError(
                f"loss returned shape {np.shape(xi)} for {n} instances; it must be ({n},), one "
                "loss an instance"
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
    images = np.asarray(images)
    if images.ndim != 2 or l == 0 or images.shape[1] % l:
        raise ValueError(
            f"images has shape {images.shape} for {l} labels; it must be (d, a*b*{l}), a column a "
            "pixel"
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
    solver : {"sgd", "adam"}
    epochs, batch_size : int
    lr : float, optional
        If omitted, or 0: 0.01 for SGD and 0.001 for Adam.
    momentum : float
        Of SGD.
    decay, schedule
        See :func:`~simplenn_py.opt.minibatch.learning_rate`.
    seed : int
        Of the permutations; equal seeds give equal results.
    hook : Hook, optional
        Is told of every update and epoch, and may stop the run.

    Returns
    -------
    list of dict
        One record an epoch: ``loss``, ``train_accuracy``, ``seconds`` and more.

    Raises
    ------
    OptionError
        For another solver, and where an option breaks the rule of
        :class:`~simplenn_py.training.options.TrainOptions`.
    DivergedError
        When a batch's loss is not finite.
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
    with np.errstate(over="ignore", invalid="ignore"):  # the solver looks at the loss itself
        if solver == "adam":
            state = AdamState(rng=rng, m=np.zeros_like(theta), v=np.zeros_like(theta))
            adam(objective, state, hook or Hook(), **options)
            return state.history
        descent = SGDState(rng=rng, v=np.zeros_like(theta))
        sgd(objective, descent, hook or Hook(), momentum=given.momentum, **options)
        return descent.history


def _checked(**options: Any) -> TrainOptions:
    """Check options by the rules of ``train``; NumPy's numbers are taken as Python's."""
    numbers = {k: v.item() if isinstance(v, np.generic) else v for k, v in options.items()}
    return TrainOptions(**numbers)


def squared(z: Value, y: Array) -> Value:
    """Return ``||z - e_y||^2`` of every column of `z`, shape (n,)."""
    residual = z - _one_hot(z, y)
    return np.sum(residual * residual, axis=0)


def cross_entropy(z: Value, y: Array) -> Value:
    """Return ``-log p_y``, `p` the softmax of every column of `z`, shape (n,)."""
    shifted = z - plain(z).max(axis=0)  # the same p, and no overflow
    return np.log(np.sum(np.exp(shifted), axis=0)) - np.sum(shifted * _one_hot(z, y), axis=0)


def _one_hot(z: Value, y: Array) -> Array:
    return np.eye(np.shape(z)[0], dtype=z.dtype)[:, y]
