"""A network with its weights, its labels and the scaling of its input."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import ConfigError, DataError, OptionError
from ..io.stored import Mismatch
from ..labels import as_labels, match_labels, note_unknown
from ..layout import Array, FullGeometry
from ..network.config import NetConfig
from ..network.normalisation import Normalisation
from ..network.weights import Weights, initial_theta
from ..pixels import as_storage
from ..runtime.arguments import expect, expect_path, expect_whole
from ..runtime.memory import free_bytes
from ..runtime.units import human_bytes
from .stored import FORMAT, read_parts


class Model(Weights):
    """A network with its weights, its labels and the scaling of its input.

    Parameters
    ----------
    config : NetConfig
        The network.
    theta : ndarray, shape (config.n_parameters,), float32 or float64
        Weights and biases; see ``network.weights.Weights``, the base class, which also describes
        the attributes ``W`` and ``bias``.
    classes : array_like, shape (nL,)
        Labels, integers or strings, all different: output k of the network stands for
        ``classes[k]``.  They are kept as int64 or as strings.
    normalisation : Normalisation, optional
        Scaling of the input; none if omitted.
    loss : {"squared", "cross-entropy"}
        Loss that the network was trained with.

    Raises
    ------
    ConfigError
        If the number of parameters or of classes does not fit the network, two classes have the
        same label, or the normalisation has no scale that the precision of `theta` can hold.
    DataError
        If a label is neither a whole number nor a text.

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
        classes = as_labels(classes, "classes")
        if classes.shape != (config.nL,):
            raise ConfigError(
                f"there are {classes.size} classes but the last layer has {config.nL} outputs; "
                "make the last entry of full_neurons the number of classes"
            )
        if np.unique(classes).size < classes.size:
            raise ConfigError("two classes have the same label; give each its own")
        self.classes = classes
        a, b, d = config.image_shape
        self.normalisation = normalisation or Normalisation.none(a * b * d)
        problem = self.normalisation.problem(theta.dtype)
        if problem:
            raise ConfigError(f"{problem}; scale the images so that their values are near 1")
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

    def decision_values(
        self, images: Any, engine: str = "", batch_size: int = 256, layout: str = ""
    ) -> Array:
        """Compute ``z^{L+1}``, the output of the network.

        Parameters
        ----------
        images : array_like, shape (l, a, b, d) or (d, a*b*l)
            Images of any real dtype and memory order, on the scale of the training images;
            (l, a, b) if they have one channel.  An array with two dimensions is the storage of the
            lecture.
        engine : {"", "lecture", "direct"}
            Name of the engine; "" chooses the default.
        batch_size : int
            Maximum number of images per batch.
        layout : {"", "storage", "table"}
            What an array with two dimensions is: the storage, or a table with one image per row,
            the same as ``reshape(l, a, b, d)``.  It is needed if the shape allows both.

        Returns
        -------
        ndarray, shape (nL, l), Fortran order, the dtype of `theta`
            One column per image.

        Raises
        ------
        DataError
            If the size of the images is not that of the network's input, a pixel is not a finite
            real number, or the shape allows two layouts.
        OptionError
            If `batch_size` is below 1, or there is no such engine or layout.

        Notes
        -----
        If the images seem to have another scale than the training images, 0 to 255 in place of 0
        to 1 for instance, a message of the logger ``simplenn_py`` says so; Python shows it on
        stderr by default.
        """
        Z = as_storage(images, self.config.image_shape, layout)
        self._doubt_scale(Z)
        l = Z.shape[1] // (self.config.ht_input * self.config.wd_input)
        values = np.empty((self.config.nL, l), self.theta.dtype, order="F")
        for start, z in self._batches(Z, engine, batch_size):
            values[:, start : start + z.shape[1]] = z
        return values

    def layer_inputs(self, images: Any, layout: str = "") -> list[Array]:
        """Return the input ``Z^m`` of every layer.

        Parameters
        ----------
        images, layout
            See :meth:`decision_values`; all images run as one batch.

        Returns
        -------
        list of ndarray, float64, Fortran order
            Shape ``(d, a*b*l)`` for a convolutional layer, ``(n_in, l)`` for a fully connected
            one.  A factored layer has two entries, one per stage.

        Raises
        ------
        DataError
            If the size of the images is not that of the network's input, or a number is not finite.
        """
        from ..cnn.feedforward import feedforward
        from ..engines import make_engine

        Z = as_storage(images, self.config.image_shape, layout)
        l = Z.shape[1] // (self.config.ht_input * self.config.wd_input)
        wide = Weights(self.config, self.theta.astype(np.float64))
        self._require_memory("lecture", l, np.float64)
        engine = make_engine("lecture", self.config, l, np.float64, training=False)
        engine.load(Z, np.arange(l), self.normalisation.scale, self.normalisation.offset)
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            feedforward(engine, wide)
        inputs = []
        for m, g in enumerate(self.config.stages.geometries):
            Z = engine.Z(m)
            shape = (g.n_in, l) if isinstance(g, FullGeometry) else Z.shape
            inputs.append(Z.reshape(shape, order="F").copy(order="F"))
            if not np.isfinite(inputs[-1]).all():
                raise DataError(
                    f"the input of layer {self.config.stage_names[m]} holds numbers that are not "
                    "finite, because weights are too large; train again"
                )
        return inputs

    def predict(
        self, images: Any, engine: str = "", batch_size: int = 256, layout: str = ""
    ) -> Array:
        """Return the label of each image: the class with the largest output.

        Parameters
        ----------
        images, engine, batch_size, layout
            See :meth:`decision_values`, also for the errors.

        Returns
        -------
        ndarray, shape (l,), the dtype of `classes`
        """
        values = self.decision_values(images, engine, batch_size, layout)
        return self.classes[values.argmax(axis=0)]

    def score(
        self, images: Any, y: Array, engine: str = "", batch_size: int = 256, layout: str = ""
    ) -> float:
        """Return the accuracy on labelled images.

        Parameters
        ----------
        images, engine, batch_size, layout
            See :meth:`decision_values`, also for the other errors.
        y : array_like, shape (l,)
            True label of each image.  The number 7 and the text "7" are the same label.  An image
            whose label is not in `classes` counts as a mistake; a message of the logger
            ``simplenn_py``, which Python shows on stderr by default, tells how many there are.

        Returns
        -------
        float
            Fraction of the images that are classified correctly.

        Raises
        ------
        DataError
            If the number of labels is not the number of images.
        """
        index, unknown = match_labels(y, self.classes)
        predicted = self.decision_values(images, engine, batch_size, layout).argmax(axis=0)
        if index.shape != predicted.shape:
            raise DataError(f"there are {index.size} labels for {predicted.size} images")
        note_unknown(unknown)
        return float(np.mean(predicted == index))

    def _doubt_scale(self, Z: Array) -> None:
        """Log that images seem to have another scale; a table of features is not judged."""
        if self.config.wd_input > 1 and not self.normalisation.is_none:
            doubt = self.normalisation.doubt(Z)
            if doubt:
                logging.getLogger("simplenn_py").warning("%s", doubt)

    def _batches(self, Z: Array, engine: str, batch_size: int) -> Iterator[tuple[int, Array]]:
        from ..cnn.feedforward import feedforward
        from ..engines import DEFAULT, make_engine

        l = Z.shape[1] // (self.config.ht_input * self.config.wd_input)
        expect("engine", engine, (str, type(None)), "'lecture', 'direct' or ''")
        expect_whole("batch_size", batch_size, 1, OptionError)
        name, most = engine or DEFAULT, min(batch_size, l)
        self._require_memory(name, most, self.theta.dtype)
        runner = make_engine(name, self.config, most, self.theta.dtype, training=False)
        for start in range(0, l, batch_size):
            indices = np.arange(start, min(start + batch_size, l))
            runner.load(Z, indices, self.normalisation.scale, self.normalisation.offset)
            with np.errstate(over="ignore", invalid="ignore"):  # as in training
                z = feedforward(runner, self)
            yield start, z

    def _require_memory(self, engine: str, batch: int, dtype: DTypeLike) -> None:
        """Raise OptionError if the buffers of an engine do not fit into the free memory."""
        from ..engines import engine_class

        sizes = engine_class(engine).forecast(self.config, batch, dtype, training=False)
        needed, free = sum(sizes.values()), free_bytes()
        if needed > free:
            raise OptionError(
                f"a batch of {batch} images needs {human_bytes(needed)} in this network, but "
                f"{human_bytes(free)} of memory are free; give a smaller batch, or look for layers "
                "that are too large with 'simplenn summary'"
            )

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
            return cls(*read_parts(arrays))
        except (Mismatch, ConfigError, DataError) as fault:
            raise DataError(
                f"{path} is not a model of simplenn_py that can be used: {fault}; give the "
                "model.npz of a run folder, use another copy, or train again"
            ) from None
