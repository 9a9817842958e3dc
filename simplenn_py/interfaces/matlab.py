"""simpleNN's functions ``cnn_train`` and ``cnn_predict``, with its arguments and options."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..cnn.operators.loss import get_loss
from ..cnn.problem import Problem
from ..datasets.dataset import Images
from ..datasets.values import check_count
from ..errors import ConfigError, DataError, OptionError, closest
from ..labels import as_labels, in_kind_of, match_labels, note_unknown, quoted
from ..layout import Array, from_rows
from ..model.model import Model
from ..network.config import NetConfig
from ..pixels import as_pixels
from ..runtime.arguments import expect, expect_path
from ..runtime.numerals import real
from ..training.job import check_images, fresh_job
from ..training.options import TrainOptions
from ..training.training import run_job


@dataclass(frozen=True)
class _Named:
    """An option of simpleNN: its name in this package, and the values if they differ."""

    name: str
    values: dict[float, str] | None = None


_OPTIONS = {
    "-s": _Named("solver", {1: "newton", 2: "sgd", 3: "adam"}),
    "-C": _Named("C"),
    "-bsize": _Named("batch_size"),
    "-GNsize": _Named("GNsize"),
    "-iter_max": _Named("iter_max"),
    "-xi": _Named("xi"),
    "-CGmax": _Named("CGmax"),
    "-lambda": _Named("lambda_"),
    "-drop": _Named("drop"),
    "-boost": _Named("boost"),
    "-eta": _Named("eta"),
    "-lr": _Named("lr"),
    "-decay": _Named("decay"),
    "-momentum": _Named("momentum"),
    "-epoch_max": _Named("epochs"),
    "-Jacobian": _Named("Jacobian", {0: "no", 1: "yes"}),
    "-ftype": _Named("dtype", {0: "float32", 1: "float64"}),
    "-gpu_use": _Named("", {0: ""}),
}
_DEFAULTS: dict[str, Any] = {
    "solver": "newton",
    "C": 0.01,
    "epochs": 500,
    "momentum": 0.0,
    "loss": "squared",
    "dtype": "float64",
}


def parse_options(options: str) -> TrainOptions:
    """Read simpleNN's option string, ``'-s 2 -C 0.01 -bsize 128'``.

    Other options get simpleNN's defaults: Newton's method, double precision, C 0.01, ``bsize``
    1024 for Newton and 128 otherwise, 500 epochs, no momentum, the squared loss.  Two defaults
    are our own: ``-Jacobian`` is automatic, and Adam's ``-lr`` is 0.001.

    Parameters
    ----------
    options : str
        Names and values, separated by spaces.

    Returns
    -------
    TrainOptions

    Raises
    ------
    OptionError
        If an option is unknown, has no value, or breaks its rule.
    """
    expect("options", options, str, "the option string of simpleNN, such as '-s 2 -C 0.01'")
    words = options.split()
    given: dict[str, Any] = {}
    for name, text in zip(words[::2], [*words[1::2], None], strict=False):
        if name not in _OPTIONS:
            raise OptionError(
                f"{name} is not an option of simpleNN; use one of {', '.join(_OPTIONS)}"
                f"{closest(name, list(_OPTIONS))}"
            )
        if text is None:
            raise OptionError(f"{name} has no value; give a value after each name")
        given |= _read(name, text)
    solver = given.get("solver", "newton")
    batch = {"batch_size": 1024 if solver == "newton" else 128}
    return TrainOptions(**{**_DEFAULTS, **batch, **given})


def _read(name: str, text: str) -> dict[str, Any]:
    option = _OPTIONS[name]
    try:
        value = real(text)
    except ValueError:
        raise OptionError(f"{name} is {text!r}; it must be a number") from None
    if option.values is not None:
        if value not in option.values:
            known = ", ".join(f"{k:g} ({v or 'no GPU'})" for k, v in option.values.items())
            raise OptionError(f"{name} is {text}; it must be one of {known}")
        return {option.name: option.values[value]} if option.name else {}
    whole = TrainOptions.__dataclass_fields__[option.name].type == "int"
    return {option.name: int(value) if whole and value.is_integer() else value}


def cnn_train(
    y: ArrayLike,
    Z: Any,
    y_v: ArrayLike | None,
    Z_v: Any,
    config_file: str | os.PathLike[str] | NetConfig,
    options: str = "",
    seed: int | None = None,
    *,
    progress: bool = True,
) -> Model:
    """Train a network like simpleNN's function of that name.

    Parameters
    ----------
    y : array_like, shape (l,)
        Labels, integers or strings.
    Z : array_like or scipy.sparse matrix, shape (l, a*b*d)
        One image per row, column by column: ``vec`` of its a x b x d array.  It is not normalised;
        the caller does that, as in simpleNN.
    y_v, Z_v : array_like, optional
        Validation set; the model with the best accuracy on it is returned.  None or empty: the
        last model is returned.
    config_file : path or NetConfig
    options : str
        Option string of simpleNN, see :func:`parse_options`.
    seed : int, optional
        The same seed gives the same model; by default each call uses another one.
    progress : bool
        Whether to print one line per iteration or epoch.

    Returns
    -------
    Model
        A model without normalisation: :func:`cnn_predict` needs data that are normalised like Z.

    Raises
    ------
    ConfigError, DataError, OptionError
        If the network, the data or an option is not valid; raised before any work.

    Notes
    -----
    This is simpleNN's ``cnn_train``.  Ctrl-C ends the training after the current update and
    returns the model so far.
    """
    chosen = parse_options(options)
    given = secrets.randbits(31) if seed is None else seed
    chosen = TrainOptions(**{**vars(chosen), "seed": given})
    config = config_file
    if not isinstance(config, NetConfig):
        expect_path("config_file", config, "the path of a .config file, or a NetConfig")
        config = NetConfig.read(Path(config))
    images, labels = _data(y, Z, config, "")
    check_images(images, "training")
    l = labels.size
    if y_v is not None and np.size(y_v):
        images_v, labels_v = _data(y_v, Z_v, config, "_v")
        check_images(images_v, "validation")
        labels_v = in_kind_of(labels_v, labels)
        if labels_v.dtype.kind != labels.dtype.kind:
            raise DataError(
                f"y_v holds texts, such as {quoted(labels_v[0].item())}, but y holds numbers; use "
                "the same labels in both"
            )
        both = np.concatenate([images.Z.T, images_v.Z.T]).T
        labels = np.concatenate([labels, labels_v])
        images = Images(both, labels, images.a, images.b)
    classes = _classes(labels, config)
    model = Model.initialise(
        config, classes, np.random.default_rng(given), chosen.dtype, None, chosen.loss
    )
    problem = Problem(
        images.Z, match_labels(labels, classes)[0], get_loss(chosen.loss), chosen.C * l,
        1.0, model.normalisation.offset,
    )  # fmt: skip
    job = fresh_job(model, problem, np.arange(l), np.arange(l, labels.size), chosen)
    run_job(job, progress=progress)
    return model


def cnn_predict(
    y: ArrayLike | None, Z: Any, model: Model | str | os.PathLike[str], options: str = ""
) -> tuple[Array, float]:
    """Predict labels like simpleNN's function of that name.

    Parameters
    ----------
    y : array_like, shape (l,), optional
        True labels; None or empty if they are not known.  A label that the model does not know
        counts as a mistake, and a message tells how many there are, see ``Model.score``.
    Z : array_like or scipy.sparse matrix, shape (l, a*b*d)
        See :func:`cnn_train`.
    model : Model, or path of a ``model.npz``
    options : str
        ``'-bsize N'``, the number of images per batch.

    Returns
    -------
    results : ndarray, shape (l,)
        The predicted labels.
    acc : float
        Fraction of correct labels; NaN without y.

    Raises
    ------
    DataError, OptionError
        If the data, the model or an option is not valid.

    Notes
    -----
    This is simpleNN's ``cnn_predict``, but the labels need not contain every class.
    """
    expect("options", options, str, "'-bsize N', or an empty text")
    words = options.split()
    if words and (len(words) != 2 or words[0] != "-bsize"):
        raise OptionError(f"options is {options!r}; cnn_predict has only the option -bsize N")
    batch_size = parse_options(options).batch_size if words else 128
    if not isinstance(model, Model):
        expect_path("model", model, "a Model, or the path of a model.npz")
        model = Model.load(Path(model))
    a, b, d = model.config.image_shape
    images = from_rows(_rows(Z, a * b * d, "Z"), a, b, d)
    results = model.predict(images, batch_size=batch_size, layout="storage")
    if y is None or np.size(y) == 0:
        return results, float("nan")
    labels = as_labels(y, "y")
    check_count(results.size, labels, "Z")
    index, unknown = match_labels(labels, model.classes)
    note_unknown(unknown)
    return results, float(np.mean(match_labels(results, model.classes)[0] == index))


def _data(y: ArrayLike, Z: Any, config: NetConfig, suffix: str) -> tuple[Images, Array]:
    a, b, d = config.image_shape
    labels = as_labels(y, f"y{suffix}", padded=True)
    rows = _rows(Z, a * b * d, f"Z{suffix}")
    check_count(rows.shape[0], labels, f"Z{suffix}")
    return Images(from_rows(rows, a, b, d), labels, a, b), labels


def _rows(Z: Any, abd: int, name: str) -> Array:
    rows = as_pixels(Z.toarray() if hasattr(Z, "toarray") else Z, name)
    if rows.ndim != 2 or rows.shape[1] != abd or rows.shape[0] == 0:
        raise DataError(
            f"{name} has shape {rows.shape}; it must be l x {abd}, one image per row, column by "
            "column"
        )
    return rows


def _classes(labels: Array, config: NetConfig) -> Array:
    """Return the labels of the outputs: 1..nL as in simpleNN, even if some do not occur."""
    classes, nL = np.unique(labels), config.nL
    if classes.size == nL:
        return classes
    if classes.dtype.kind in "iu":
        for first in (1, 0):
            if first <= classes[0] and classes[-1] < first + nL:
                return np.arange(first, first + nL)
    raise ConfigError(
        f"full_neurons ends with {nL}, but the labels have {classes.size} classes; make it "
        f"{classes.size}"
    )
