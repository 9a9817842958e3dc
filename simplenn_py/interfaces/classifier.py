"""``CNNClassifier``: training and prediction as an estimator of scikit-learn.

No other module imports this one, because scikit-learn comes only with the extra ``sklearn``.
"""

from __future__ import annotations

import math
import os
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..cnn.operators.loss import CrossEntropy
from ..datasets.dataset import Dataset, Images
from ..errors import DataError, OptionError
from ..labels import as_labels, match_labels, note_unknown
from ..layout import Array, from_nhwc, from_rows
from ..model.model import Model
from ..network.config import NetConfig
from ..network.presets import PRESETS
from ..pixels import FIRST_REMEDY, as_pixels, channels_first, sizes
from ..runtime.arguments import expect_array, expect_path
from ..runtime.threads import limit_threads, usable_threads
from ..training.options import TrainOptions
from ..training.results import History
from ..training.training import train

try:  # it has no types, and the type checks also run without it
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.metrics import accuracy_score
    from sklearn.utils import check_random_state
    from sklearn.utils.metaestimators import available_if
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "CNNClassifier needs scikit-learn 1.6 or newer, which cannot be imported "
        f'({error}); install it: pip install "simplenn-py[sklearn]"'
    ) from error

Shape = tuple[int, int, int]

_SGD_RATE = 0.1  # larger than the solver's 0.01, because small data sets give few updates
_LEAST_SIDE = 8  # pixels; a smaller image is too small for two convolutions and poolings
_HIDDEN = 64


def _has_probabilities(estimator: CNNClassifier) -> bool:
    fitted: Any = getattr(estimator, "model_", estimator)
    loss = fitted.loss
    if loss != "cross-entropy":
        raise AttributeError(
            f"predict_proba needs the loss cross-entropy, but this classifier has loss {loss!r}; "
            "use decision_function, or fit with loss='cross-entropy'"
        )
    return True


class CNNClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A network trained by :func:`simplenn_py.train`, for pipelines and searches.

    Parameters
    ----------
    config : NetConfig, preset name or path of a ``.config`` file, optional
        The network.  By default a small network for the data: the preset "digits" for images
        of 8x8 pixels or more, else one fully connected hidden layer of 64 neurons.
    solver : {"sgd", "adam", "newton"}
    image_shape : (a, b, d), optional
        Height, width and channels of the image in a row of a table X.  By default the image
        shape of `config` if it has one; otherwise a row is not an image, but a list of features.
    input_format : {"row", "column"}
        Order of an image's pixels in a row of a table; see :func:`simplenn_py.layout.from_rows`.
    epochs, batch_size, momentum, schedule, decay, augment : as in TrainOptions
        Options of the solvers sgd and adam.
    lr : float
        Peak learning rate; 0: 0.1 for sgd, the solver's default for adam.
    C : float
        Regularisation: ``theta'theta/(2C)`` is added to the summed loss, as in scikit-learn's
        LogisticRegression; inf: none.
    GNsize, iter_max, xi, CGmax : as in TrainOptions
        Options of the solver newton.
    loss, dtype, engine, threads, validation : as in TrainOptions
        A network for a small table trains faster with ``threads=1``.  If a process has fewer
        cores than `threads`, as in a search with ``n_jobs``, it uses all that it has.
    random_state : int, RandomState or None
        An int is the ``seed`` of TrainOptions; the same int gives bit-identical results.

    Attributes
    ----------
    classes_ : ndarray, shape (nL,)
        The labels, sorted.
    model_ : Model
        Its ``classes`` are `classes_` if these are integers or strings, else 0, 1, ...
    history_ : History
    n_iter_ : int
        Number of records in the history: epochs, or iterations of newton.
    n_features_in_ : int
        Number of columns of the table, or ``a*b*d``.
    feature_names_in_ : ndarray of str
        Names of the columns, if X was a data frame with column names.

    Notes
    -----
    X is a table ``(l, features)``, or images ``(l, a, b)`` or ``(l, a, b, d)``, in any memory
    order and any real dtype.  The network scales its input by ONE factor and subtracts the
    mean image, both measured in `fit`.  If features have different units, put a StandardScaler
    before it.

    Ctrl-C while fitting raises KeyboardInterrupt after the current update.  The estimator is
    then fitted with the weights so far.
    """

    classes_: Array
    model_: Model
    history_: History
    n_iter_: int
    n_features_in_: int

    def __init__(
        self,
        config: NetConfig | str | os.PathLike[str] | None = None,
        solver: str = "sgd",
        *,
        image_shape: Shape | None = None,
        input_format: str = "row",
        epochs: int = 50,
        batch_size: int = 32,
        lr: float = 0.0,
        momentum: float = 0.9,
        schedule: str = "one-cycle",
        decay: float = 0.0,
        augment: str = "none",
        C: float = 10.0,
        GNsize: int = 0,
        iter_max: int = 100,
        xi: float = 0.1,
        CGmax: int = 250,
        loss: str = "cross-entropy",
        dtype: str = "float32",
        engine: str = "direct",
        threads: int = 0,
        validation: float = 0.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.config = config
        self.solver = solver
        self.image_shape = image_shape
        self.input_format = input_format
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.momentum = momentum
        self.schedule = schedule
        self.decay = decay
        self.augment = augment
        self.C = C
        self.GNsize = GNsize
        self.iter_max = iter_max
        self.xi = xi
        self.CGmax = CGmax
        self.loss = loss
        self.dtype = dtype
        self.engine = engine
        self.threads = threads
        self.validation = validation
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new network.

        Parameters
        ----------
        X : array-like, shape (l, features), (l, a, b) or (l, a, b, d)
        y : array-like, shape (l,)
            Labels of any type that can be sorted; two classes or more.

        Returns
        -------
        CNNClassifier
            The fitted estimator itself.

        Raises
        ------
        ValueError
            If X or y is not finite, is sparse or empty, or has the wrong shape, as everywhere in
            scikit-learn; also its subclasses OptionError, ConfigError, DataError and
            DivergedError, as in :func:`simplenn_py.train`.
        """
        X, y, own = self._validated(X, y)
        check_classification_targets(y)
        classes, indices = np.unique(y, return_inverse=True)
        if classes.size == 1:
            label = classes.tolist()[0]
            raise DataError(f"y holds only one class, {label!r}; a classifier needs two or more")
        shape = self._image_shape(X.shape[1], own)
        config = self.config
        if config is None:
            config = _small_network(shape, classes.size)
        images = Images(self._stored(X, own, shape), indices, *shape[:2])
        data = Dataset("X", images, None, "given to CNNClassifier.fit")
        model, history = train(data, config, self._options(), progress=False)
        model.classes = _model_labels(classes)
        # Set together and last: if training fails, an earlier fit stays consistent.
        self.classes_, self.model_, self.history_ = classes, model, history
        self.n_iter_ = len(history.records)
        if history.interrupted:
            # train() has returned early; without this a search would continue with the next fit.
            raise KeyboardInterrupt
        return self

    def predict(self, X: Any) -> Array:
        """Return the predicted labels: those of the largest decision values.

        Parameters
        ----------
        X : array-like
            As in :meth:`fit`, with the same number of features.

        Returns
        -------
        ndarray, shape (l,)
            Labels, with the dtype of `classes_`.
        """
        chosen = self._decision_values(X).argmax(axis=0)
        return self.classes_[chosen]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy on labelled images.

        Parameters
        ----------
        X : array-like
            As in :meth:`fit`, with the same number of features.
        y : array-like, shape (l,)
            True labels, compared with `classes_` as in :meth:`simplenn_py.Model.score`: the
            number 7 is the text "7", and a label that is no class counts as a mistake.
        sample_weight : array-like, shape (l,), optional
            Weight of each image.

        Returns
        -------
        float
        """
        check_is_fitted(self, "model_")
        try:
            classes = as_labels(self.classes_, "classes_")
            index, unknown = match_labels(y, classes)
        except DataError:  # labels of another type, such as 0.5
            return float(super().score(X, y, sample_weight))
        if np.unique(classes).size < classes.size:
            return float(super().score(X, y, sample_weight))
        chosen = self._decision_values(X).argmax(axis=0)
        note_unknown(unknown)
        return float(accuracy_score(index, chosen, sample_weight=sample_weight))

    def decision_function(self, X: Any) -> Array:
        """Compute the network's outputs ``z^{L+1}``.

        Parameters
        ----------
        X : array-like
            As in :meth:`fit`, with the same number of features.

        Returns
        -------
        ndarray of float64, shape (l, nL)
            For two classes, the second output minus the first, shape (l,).
        """
        z = self._decision_values(X)
        return z[1] - z[0] if self.classes_.size == 2 else np.ascontiguousarray(z.T)

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Return the softmax of the outputs; only for the loss cross-entropy.

        Parameters
        ----------
        X : array-like
            As in :meth:`fit`, with the same number of features.

        Returns
        -------
        ndarray of float64, shape (l, nL)

        Raises
        ------
        AttributeError
            If the loss is not cross-entropy.
        """
        return np.ascontiguousarray(CrossEntropy.softmax(self._decision_values(X)).T)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _decision_values(self, X: Any) -> Array:
        """Return ``z^{L+1}``, shape (nL, l), float64."""
        check_is_fitted(self, "model_")
        X, _, own = self._validated(X)
        shape = self.model_.config.image_shape
        if own not in (None, shape):
            raise DataError(
                f"X holds images of {_text(own)}, read as (l, height, width, channels), but the "
                f"network takes {_text(shape)}; give images of that size"
                + (f"; {FIRST_REMEDY}" if (*own[1:], own[0]) == shape else "")
            )
        with limit_threads(usable_threads(int(self.threads))):
            Z = self._stored(X, own, shape)
            z = self.model_.decision_values(Z, self.engine, layout="storage")
        return z.astype(np.float64)

    def _validated(self, X: Any, *y: Any) -> tuple[Array, Any, Shape | None]:
        """Check X, and y if it is given; return X as a table, y, and the shape of images."""
        own = None
        if isinstance(X, list | tuple):
            X = np.asarray(X)
        if np.ma.is_masked(X):
            X = as_pixels(X, "X")  # refuses it
        if getattr(X, "ndim", 2) in (3, 4):
            X = np.asarray(X)
            a, b, d = own = (*X.shape[1:], 1)[:3]
            X = X.reshape(X.shape[0], a * b * d)
        if y:
            X, labels = validate_data(self, X, y[0], dtype="numeric")
        else:
            X, labels = validate_data(self, X, dtype="numeric", reset=False), None
        return as_pixels(X, "X"), labels, own

    def _stored(self, X: Array, own: Shape | None, shape: Shape) -> Array:
        """Return the table X, of rows or of images, as ``(d, a*b*l)`` in Fortran order."""
        if own is not None:
            return from_nhwc(X.reshape(-1, *own))
        return from_rows(X, *shape, self.input_format)

    def _image_shape(self, features: int, own: Shape | None) -> Shape:
        """Return height, width and channels of the images, or of the image in a table's row."""
        config = self.config
        if not isinstance(config, NetConfig | None):
            expect_path(
                "config", config, "a NetConfig, a preset's name, or the path of a .config file"
            )
        shape: Shape
        if self.image_shape is not None:
            sides = expect_array("image_shape", self.image_shape, "(a, b, d), three whole numbers")
            shape, source = tuple(sides.ravel().tolist()), "image_shape"
        elif own is not None:
            fitted = config is None or (isinstance(config, str) and config in PRESETS)
            if fitted and channels_first((1, *own)):
                raise DataError(
                    f"X was read as (l, height, width, channels), {sizes((1, *own))}; "
                    f"{FIRST_REMEDY}, otherwise give image_shape={own}"
                )
            return own
        elif config is None:
            return features, 1, 1
        elif not isinstance(config, NetConfig) and config in PRESETS:
            raise OptionError(
                f"config is {config!r}, a network for images, but X is a table; "
                "give image_shape=(a, b, d), the shape of the image in each row"
            )
        else:
            known = config if isinstance(config, NetConfig) else NetConfig.read(Path(config))
            shape, source = known.image_shape, "the image shape of config"
        if not _fits(shape, features) or own not in (None, shape):
            found = f"images of {_text(own)}" if own else f"a table of {features} columns"
            first = own is not None and (*own[1:], own[0]) == shape
            raise OptionError(
                f"{source} is {shape}, but X is {found}; give three whole numbers, height, width "
                f"and channels, whose product is {features}{'; ' + FIRST_REMEDY if first else ''}"
            )
        return shape

    def _options(self) -> TrainOptions:
        # A search over a NumPy range sets NumPy numbers.
        plain = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in self.get_params(deep=False).items()
            if name in TrainOptions.__dataclass_fields__
        }
        if str(plain["solver"]) == "sgd" and plain["lr"] == 0:
            plain["lr"] = _SGD_RATE
        if type(plain["threads"]) is int:
            plain["threads"] = usable_threads(plain["threads"])
        rng = check_random_state(self.random_state)
        if isinstance(self.random_state, Integral):
            return TrainOptions(**plain, seed=int(self.random_state))
        return TrainOptions(**plain, seed=int(rng.randint(2**31 - 1)))


def _fits(shape: tuple[Any, ...], features: int) -> bool:
    whole = all(type(side) is int and side > 0 for side in shape)
    return whole and len(shape) == 3 and math.prod(shape) == features


def _small_network(shape: Shape, classes: int) -> NetConfig:
    a, b, d = shape
    if min(a, b) >= _LEAST_SIDE:
        return NetConfig.preset("digits", a, b, d, classes)
    return NetConfig.build((a, b, d), full=[_HIDDEN, classes])


def _model_labels(classes: Array) -> Array:
    """Return labels that a model file can hold: integers or strings."""
    numbers = np.arange(classes.size)
    if classes.dtype.kind in "fb":
        return numbers
    try:
        labels = as_labels(classes)
    except DataError:
        return numbers
    return labels if np.unique(labels).size == classes.size else numbers


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))
