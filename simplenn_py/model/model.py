"""A network with its weights, its labels and the scaling of its input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import ConfigError, DataError, OptionError
from ..layout import Array, FullGeometry, from_nhwc
from ..network.config import NetConfig
from ..network.normalisation import Normalisation
from ..network.weights import Weights, initial_theta
from ..runtime.arguments import expect, expect_path, expect_whole

FORMAT = "simplenn_py model 1"


class Model(Weights):
    """A network with its weights, its labels and the scaling of its input.

    Parameters
    ----------
    config : NetConfig
        The network.
    theta : ndarray, shape (config.n_parameters,), float32 or float64
        Weights and biases; see ``network.weights.Weights``, the base class, which also describes
        the attributes ``W`` and ``bias``.
    classes : ndarray, shape (nL,)
        Labels, integers or strings: output k of the network stands for ``classes[k]``.
    normalisation : Normalisation, optional
        Scaling of the input; none if omitted.
    loss : {"squared", "cross-entropy"}
        Loss that the network was trained with.

    Raises
    ------
    ConfigError
        If the number of parameters or of classes does not fit the network.

    Examples
    --------
    One fully connected layer whose weights are the identity, for images of two pixels:

    >>> import numpy as np
    >>> from simplenn_py import Model, NetConfig
    >>> config = NetConfig.build((1, 2, 1), full=[2])
    >>> theta = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    >>> model = Model(config, theta, classes=np.array(["left", "right"]))
    >>> images = np.array([[[0.9, 0.1]], [[0.2, 0.8]]])
    >>> model.predict(images, engine="lecture").tolist()
    ['left', 'right']
    """

    def __init__(
        self,
        config: NetConfig,
        theta: Array,
        classes: Array,
        normalisation: Normalisation | None = None,
        loss: str = "squared",
    ) -> None:
        super().__init__(config, theta)
        if classes.shape != (config.nL,):
            raise ConfigError(
                f"there are {classes.size} classes but the last layer has {config.nL} outputs; "
                "make the last entry of full_neurons the number of classes"
            )
        self.classes = classes
        a, b, d = config.image_shape
        self.normalisation = normalisation or Normalisation.none(a * b * d)
        self.loss = loss

    @classmethod
    def initialise(
        cls,
        config: NetConfig,
        classes: Array,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
        normalisation: Normalisation | None = None,
        loss: str = "squared",
    ) -> Model:
        """Build a model with random weights; see ``network.weights.initial_theta``.

        Parameters
        ----------
        config, classes, normalisation, loss
            See the class.
        rng : numpy.random.Generator
            Source of the weights.
        dtype : {float32, float64}
            Dtype of the weights.

        Returns
        -------
        Model
        """
        return cls(config, initial_theta(config, rng, dtype), classes, normalisation, loss)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle without the views, which would become separate arrays."""
        return Model, (self.config, self.theta, self.classes, self.normalisation, self.loss)

    def multiplied_out(self) -> Model:
        """Return the same model without factored layers: every product ``W = U V`` is formed.

        Returns
        -------
        Model
            The model itself if no layer is factored.
        """
        whole = super().multiplied_out()
        if whole is self:
            return self
        return Model(whole.config, whole.theta, self.classes, self.normalisation, self.loss)

    def decision_values(self, images: Array, engine: str = "", batch_size: int = 256) -> Array:
        """Compute ``z^{L+1}``, the output of the network.

        Parameters
        ----------
        images : ndarray, shape (l, a, b, d) or (d, a*b*l)
            Images, on the scale of the training images; (l, a, b) if they have one channel.  The
            second form is the storage of the lecture, in Fortran order.
        engine : {"", "lecture", "direct"}
            Name of the engine; "" chooses the default.
        batch_size : int
            Maximum number of images per batch.

        Returns
        -------
        ndarray, shape (nL, l), Fortran order, the dtype of `theta`
            One column per image.

        Raises
        ------
        DataError
            If the size of the images is not that of the network's input.
        OptionError
            If `batch_size` is below 1, or there is no engine of that name.
        """
        Z = self._storage(images)
        l = Z.shape[1] // (self.config.ht_input * self.config.wd_input)
        values = np.empty((self.config.nL, l), self.theta.dtype, order="F")
        for start, z in self._batches(Z, engine, batch_size):
            values[:, start : start + z.shape[1]] = z
        return values

    def layer_inputs(self, images: Array) -> list[Array]:
        """Return the input ``Z^m`` of every layer.

        Parameters
        ----------
        images : ndarray
            See :meth:`decision_values`; all of them run as one batch.

        Returns
        -------
        list of ndarray, float64, Fortran order
            Shape ``(d, a*b*l)`` for a convolutional layer, ``(n_in, l)`` for a fully connected
            one.  A factored layer has two entries, one per stage.

        Raises
        ------
        DataError
            If the size of the images is not that of the network's input.
        """
        from ..cnn.feedforward import feedforward
        from ..engines import make_engine

        Z = self._storage(images)
        l = Z.shape[1] // (self.config.ht_input * self.config.wd_input)
        wide = Weights(self.config, self.theta.astype(np.float64))
        engine = make_engine("lecture", self.config, l, np.float64, training=False)
        engine.load(Z, np.arange(l), self.normalisation.scale, self.normalisation.offset)
        feedforward(engine, wide)
        inputs = []
        for m, g in enumerate(self.config.stages.geometries):
            Z = engine.Z(m)
            shape = (g.n_in, l) if isinstance(g, FullGeometry) else Z.shape
            inputs.append(Z.reshape(shape, order="F").copy(order="F"))
        return inputs

    def predict(self, images: Array, engine: str = "", batch_size: int = 256) -> Array:
        """Return the label of each image: the class with the largest output.

        Parameters
        ----------
        images, engine, batch_size
            See :meth:`decision_values`, also for the errors.

        Returns
        -------
        ndarray, shape (l,), the dtype of `classes`
        """
        return self.classes[self.decision_values(images, engine, batch_size).argmax(axis=0)]

    def score(self, images: Array, y: Array, engine: str = "", batch_size: int = 256) -> float:
        """Return the accuracy on labelled images.

        Parameters
        ----------
        images, engine, batch_size
            See :meth:`decision_values`, also for the other errors.
        y : ndarray, shape (l,)
            True label of each image; an image whose label is not in `classes` counts as a
            mistake.

        Returns
        -------
        float
            Fraction of the images that are classified correctly.

        Raises
        ------
        DataError
            If the number of labels is not the number of images.
        """
        predicted = self.predict(images, engine, batch_size)
        if y.shape != predicted.shape:
            raise DataError(f"there are {y.size} labels for {predicted.size} images")
        return float(np.mean(predicted == y))

    def _storage(self, images: Array) -> Array:
        a, b, d = self.config.image_shape
        Z = images if images.ndim == 2 else None
        if images.ndim in (3, 4) and images.shape[1:] in ((a, b, d), (a, b) if d == 1 else ()):
            Z = from_nhwc(images)
        if Z is None or Z.shape[0] != d or Z.shape[1] % (a * b) or Z.shape[1] == 0:
            raise DataError(
                f"images have shape {images.shape}; this network takes (l, {a}, {b}, {d}), or "
                f"({d}, {a * b}*l) in the lecture's storage, with l at least 1"
            )
        return np.asfortranarray(Z)

    def _batches(self, Z: Array, engine: str, batch_size: int) -> Iterator[tuple[int, Array]]:
        from ..cnn.feedforward import feedforward
        from ..engines import DEFAULT, make_engine

        l = Z.shape[1] // (self.config.ht_input * self.config.wd_input)
        expect("engine", engine, (str, type(None)), "'lecture', 'direct' or ''")
        expect_whole("batch_size", batch_size, 1, OptionError)
        runner = make_engine(
            engine or DEFAULT, self.config, min(batch_size, l), self.theta.dtype, training=False
        )
        for start in range(0, l, batch_size):
            indices = np.arange(start, min(start + batch_size, l))
            runner.load(Z, indices, self.normalisation.scale, self.normalisation.offset)
            yield start, feedforward(runner, self)

    def save(self, path: str | Path) -> None:
        """Write the model as an .npz file, for :meth:`load`.

        Parameters
        ----------
        path : str or Path
            The file.  It is replaced in one step, so that an interruption leaves the old file or
            the new one.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        from ..io.npz import write_arrays

        expect_path("path", path, "the path of the file to write")
        write_arrays(path, self.arrays())

    def arrays(self) -> dict[str, Array]:
        """Return the contents of the model's file.

        Returns
        -------
        dict of str to ndarray
            Arrays for :meth:`from_arrays`.
        """
        about = {"format": FORMAT, "loss": self.loss, "config": self.config.text()}
        return {
            "about": np.array(json.dumps(about)),
            "theta": self.theta,
            "classes": self.classes,
            "range": np.array([self.normalisation.shift, self.normalisation.scale]),
            "mean": self.normalisation.mean,
        }

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read a model that :meth:`save` wrote.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Model

        Raises
        ------
        DataError
            If the file is missing or damaged, or is not a model.

        Notes
        -----
        Nothing in the file is executed.
        """
        from ..io.npz import read_arrays

        expect_path("path", path, "the path of a model.npz")
        return cls.from_arrays(read_arrays(path), path)

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array], path: str | Path) -> Model:
        """Build a model from the result of :meth:`arrays`.

        Parameters
        ----------
        arrays : dict of str to ndarray
        path : str or Path
            Name of the file in error messages.

        Returns
        -------
        Model

        Raises
        ------
        DataError
            If the arrays are not a model.
        """
        try:
            about = json.loads(str(arrays["about"][()]))
            if about["format"] != FORMAT:
                raise DataError(
                    f"{path} has format {about['format']!r}; this version reads {FORMAT!r}"
                )
            config = NetConfig.parse(about["config"])
            theta, mean = arrays["theta"], arrays["mean"]
            shift, scale = (float(x) for x in arrays["range"])
            loss, classes = str(about["loss"]), arrays["classes"]
        except (LookupError, TypeError, AttributeError, RecursionError, json.JSONDecodeError):
            raise DataError(
                f"{path} is not a model of simplenn_py; give the model.npz of a run folder"
            ) from None
        except (ConfigError, ValueError) as error:
            raise DataError(f"{path}: {error}") from None
        _check_arrays(path, config, theta, mean, classes, (shift, scale), loss)
        return cls(config, theta.copy(), classes, Normalisation(shift, scale, mean), loss)


def _check_arrays(
    path: str | Path,
    config: NetConfig,
    theta: Array,
    mean: Array,
    classes: Array,
    range_: tuple[float, float],
    loss: str,
) -> None:
    """Raise DataError if the arrays of a model file are incompatible."""
    a, b, d = config.image_shape
    problem = ""
    if theta.dtype not in (np.float32, np.float64) or theta.shape != (config.n_parameters,):
        needed = f"float32 or float64, shape ({config.n_parameters},)"
        problem = f"theta is {theta.dtype}, shape {theta.shape}, but its network needs {needed}"
    elif mean.dtype != np.float64 or mean.shape != (a * b * d,):
        needed = f"float64, shape ({a * b * d},)"
        problem = f"mean is {mean.dtype}, shape {mean.shape}, but its network needs {needed}"
    elif classes.dtype.kind not in "iuU" or classes.shape != (config.nL,):
        needed = f"integers or strings, shape ({config.nL},)"
        problem = (
            f"classes is {classes.dtype}, shape {classes.shape}, but its network needs {needed}"
        )
    elif not (np.isfinite(theta).all() and np.isfinite(mean).all() and np.isfinite(range_).all()):
        problem = "it holds numbers that are not finite"
    elif loss not in ("squared", "cross-entropy"):
        problem = f"its loss is {loss!r}"
    if problem:
        raise DataError(
            f"{path} is not a usable model: {problem}; use another copy, or train again"
        )
