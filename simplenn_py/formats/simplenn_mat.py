"""simpleNN's trained networks: the struct ``model`` of its ``cnn_predict``, as a ``.mat`` file.

simpleNN stores the network under the names of its configuration files, as columns, with all
sizes that follow from them.  Weights and biases are cell arrays with one cell per layer, in our
shapes and our order.  simpleNN has no normalisation: its user scales the images.  We write ours
as additional fields (``simplenn_py_*``), which simpleNN ignores; :func:`matlab_lines` returns
the MATLAB lines that apply it.
"""

from __future__ import annotations

import io
import json
import os
from typing import Any

import numpy as np

from ..errors import ConfigError, DataError
from ..io.atomic import atomic_write_bytes
from ..io.mat5 import load_mat
from ..io.stored import told
from ..io.strict_json import from_json
from ..layout import Array, from_rows, to_rows
from ..model.model import Model
from ..network.config import NetConfig
from ..network.normalisation import Normalisation

Path = str | os.PathLike[str]

_PREFIX = "simplenn_py_"
_OURS = tuple(_PREFIX + name for name in ("shift", "scale", "mean", "classes", "loss"))
_LISTS = ("ch_input", "wd_pad_added", "wd_filter", "strides", "wd_subimage_pool", "full_neurons")
_LOSSES = ("squared", "cross-entropy")
_MOST_BYTES = 2**31 - 1  # of one variable in MATLAB's versions 5 to 7
_SAVE = "in MATLAB save what cnn_train returned: save('-v7', 'model.mat', 'model')"


def write_simplenn(path: Path, model: Model) -> None:
    """Write `model` as the variable ``model`` of a ``.mat`` file (version 5), atomically.

    Parameters
    ----------
    path : path
        File to write; no suffix is added.
    model : Model
        Trained network.  float32 becomes MATLAB's single, float64 its double.  Integer classes
        become simpleNN's ``labels``; text classes become the numbers 1 to nL there.

    Raises
    ------
    DataError
        If the file cannot be written, a weight is not finite, or the network is too large for
        the format.

    Notes
    -----
    The fields are those of simpleNN's ``init_model`` and ``train``.  For images that are not
    square see :func:`not_square`.
    """
    from scipy.io import savemat

    model = model.multiplied_out()  # simpleNN has no factored layers
    if not np.isfinite(model.theta).all():
        raise DataError(
            f"{os.fspath(path)}: the model holds weights that are not finite; train it again"
        )
    if model.theta.nbytes > _MOST_BYTES - 2**20:
        raise DataError(
            f"{os.fspath(path)}: the weights have {model.theta.nbytes} bytes, but a .mat file "
            "holds 2**31 at most; convert to float32, or use a smaller network"
        )
    stream = io.BytesIO()
    savemat(stream, {"model": _struct(model)}, format="5", oned_as="column")
    content = stream.getvalue()
    # SciPy's 116 bytes of text contain the time; without it equal models give equal bytes.
    text = b"MATLAB 5.0 MAT-file, a model for simpleNN, written by simplenn_py".ljust(116)
    atomic_write_bytes(path, text + content[116:])


def read_simplenn(path: Path) -> Model:
    """Read the variable ``model`` that simpleNN trained, or that :func:`write_simplenn` wrote.

    Parameters
    ----------
    path : path
        A ``.mat`` file of MATLAB's versions 5 to 7, from MATLAB or Octave.

    Returns
    -------
    Model
        Trained network: float32 if simpleNN worked in single, otherwise float64.  A model that
        simpleNN trained has the squared loss and no normalisation
        (``model.normalisation.is_none``).

    Raises
    ------
    DataError
        If the file is missing, damaged or of version 7.3, or its fields do not match.
    """
    where = f"{os.fspath(path)}: model"
    try:
        variables = load_mat(path, ("model",))
    except DataError as error:
        if "is of class 17:" not in str(error):
            raise
        raise DataError(
            f"{where} holds objects, probably gpuArrays, which only MATLAB can read; there run "
            "model.weight = cellfun(@gather, model.weight, 'un', 0), the same for model.bias, and "
            "model = rmfield(model, 'like'), and save it again with save('-v7', ...)"
        ) from None
    if "model" not in variables:
        raise DataError(f"{os.fspath(path)}: has no variable model; {_SAVE}")
    fields = _Fields(variables["model"], where)
    config = _config(fields)
    dtype = np.float32 if fields.get_text("float_type") == "single" else np.float64
    if config.n_parameters > _MOST_BYTES:
        raise DataError(
            f"{where} describes {config.n_parameters} weights, which is too many; {_SAVE}"
        )
    weight, bias = fields.cells("weight", config.L), fields.cells("bias", config.L)
    parts = []
    for m, (rows, columns) in enumerate(config.weight_shapes):
        for name, value, shape in (
            (f"weight{{{m + 1}}}", weight[m], (rows, columns)),
            (f"bias{{{m + 1}}}", bias[m], (rows, 1)),
        ):
            parts.append(fields.matrix(name, value, shape, dtype).ravel(order="F"))
    theta = np.concatenate(parts)
    if not any(name in fields for name in _OURS):
        return Model(config, theta, _labels(fields, config.nL))
    loss = fields.get_text(_PREFIX + "loss")
    if loss not in _LOSSES:
        raise DataError(f"{where}.{_PREFIX}loss is {told(loss)}; it must be {' or '.join(_LOSSES)}")
    classes = _classes(fields, config.nL)
    return Model(config, theta, classes, _normalisation(fields, config, dtype), loss)


def not_square(config: NetConfig) -> bool:
    """Return whether the padded images of a convolutional layer are not square.

    For such a layer some revisions of simpleNN do not compute a convolution: their ``init_net``
    passes width and height in the wrong order when it builds the indices of phi.

    Parameters
    ----------
    config : NetConfig
        Network.

    Returns
    -------
    bool
        True if ``a_pad`` differs from ``b_pad`` in at least one convolutional layer.
    """
    return any(g.a_pad != g.b_pad for g in config.conv_layers)


def matlab_lines(model: Model) -> tuple[str, str]:
    """Return the two lines of MATLAB that prepare raw images for ``cnn_predict``.

    In MATLAB ``Z``, ``(l, a*b*d)``, holds one image per row.

    Parameters
    ----------
    model : Model
        Trained network.

    Returns
    -------
    reorder : str
        Line for images in the order "row" of :func:`simplenn_py.layout.from_rows`; to be left
        out for the order "column".
    normalise : str
        Line that applies the normalisation; always required.
    """
    a, b, d = model.config.image_shape
    swapped = f"permute(reshape(full(Z), [], {b}, {a}, {d}), [1 3 2 4])"
    fields = [f"model.{_PREFIX}{name}" for name in ("shift", "scale", "mean")]
    return (
        f"Z = reshape({swapped}, [], {a * b * d});",
        "Z = (double(full(Z)) - {})*{} - {};".format(*fields),
    )


# -- writing


def _struct(model: Model) -> dict[str, Any]:
    config, n = model.config, model.normalisation
    a, b, d = config.image_shape
    layers = config.conv_layers
    text = model.classes.dtype.kind == "U"
    labels = np.arange(1, config.nL + 1) if text else model.classes
    sizes = [rows * columns + rows for rows, columns in config.weight_shapes]
    empty = np.zeros((0, 0))
    rows = {name: np.array([getattr(config, name)], float) for name in _LISTS}
    return {
        "net_config": {
            **{name: float(getattr(config, name)) for name in ("L", "LC", "LF")},
            **{"wd_input": float(b), "ht_input": float(a)},
            **{name: row if row.size else empty for name, row in rows.items()},
            "nL": float(config.nL),
        },
        "gpu_use": False,
        "float_type": "single" if model.theta.dtype == np.float32 else "double",
        "like": np.zeros((1, 1), model.theta.dtype),
        **{name: float(getattr(config, name)) for name in ("LC", "L", "nL")},
        "ht_input": _column([a, *(g.a_next for g in layers)]),
        "wd_input": _column([b, *(g.b_next for g in layers)]),
        **{name: row.T for name, row in rows.items()},
        "ht_pad": _column([g.a_pad for g in layers]),
        "wd_pad": _column([g.b_pad for g in layers]),
        "ht_conv": _column([g.a_conv for g in layers]),
        "wd_conv": _column([g.b_conv for g in layers]),
        "weight": _cells(model.W),
        "bias": _cells([bias[:, np.newaxis] for bias in model.bias]),
        "var_ptr": _column([1, *(np.cumsum(sizes) + 1)]),
        "labels": _column(labels),
        _PREFIX + "shift": n.shift,
        _PREFIX + "scale": n.scale,
        # One row, in the order of the pixels that cnn_predict expects.
        _PREFIX + "mean": to_rows(n.mean.reshape(d, a * b, order="F"), a, b, "column"),
        _PREFIX + "classes": json.dumps(model.classes.tolist()),
        _PREFIX + "loss": model.loss,
    }


def _column(values: Any) -> Array:
    return np.array(values, float).reshape(-1, 1)


def _cells(values: list[Array]) -> Array:
    cells = np.empty((len(values), 1), object)
    for m, value in enumerate(values):
        cells[m, 0] = value
    return cells


# -- reading


class _Fields:
    """The fields of a struct from an untrusted file, checked as they are read."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, np.ndarray) or value.dtype.names is None or value.size != 1:
            raise DataError(f"{where} is not a struct with one element; {_SAVE}")
        self._record, self.where = value.reshape(-1)[0], where
        self._names = value.dtype.names

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def _get(self, name: str) -> Any:
        if name not in self._names:
            raise DataError(f"{self.where} has no field {name}; {_SAVE}")
        return self._record[name]

    def get_text(self, name: str) -> str:
        """Return a field that is a row of text; "" if it is missing or not text."""
        value = self._get(name) if name in self._names else None
        if isinstance(value, np.ndarray) and value.dtype.kind == "U" and value.size == 1:
            return str(value.reshape(-1)[0])
        return ""

    def integers(self, name: str) -> tuple[int, ...]:
        """Return a field of whole numbers, in MATLAB's order."""
        values = self._numbers(name, self._get(name)).astype(np.float64).ravel(order="F")
        whole = np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2**53)
        if not whole.all():
            wrong = values[~whole][0]
            raise DataError(f"{self.where}.{name} holds {wrong}; whole numbers only; {_SAVE}")
        return tuple(int(value) for value in values)

    def cells(self, name: str, count: int) -> list[Any]:
        """Return the contents of a cell array of `count` cells, in MATLAB's order."""
        value = self._get(name)
        if not isinstance(value, np.ndarray) or value.dtype != object or value.size != count:
            raise DataError(
                f"{self.where}.{name} must be a cell array of L = {count} cells; {_SAVE}"
            )
        return list(value.ravel(order="F"))

    def matrix(self, name: str, value: Any, shape: tuple[int, int], dtype: Any) -> Array:
        """Return `value` as an array of `dtype`; check its shape and that it is finite."""
        numbers = self._numbers(name, value)
        if numbers.shape != shape:
            raise DataError(
                f"{self.where}.{name} is {_by(numbers.shape)}; its network needs {_by(shape)}; "
                f"{_SAVE}"
            )
        with np.errstate(over="ignore"):
            numbers = numbers.astype(dtype)
        if not np.isfinite(numbers).all():
            raise DataError(
                f"{self.where}.{name} holds numbers that are not finite; train again, for "
                "instance with a smaller learning rate"
            )
        return numbers

    def scaling(self, name: str, shape: tuple[int, int]) -> Array:
        """Return a field of the normalisation as float64 of the given shape."""
        return self.matrix(_PREFIX + name, self._get(_PREFIX + name), shape, np.float64)

    def _numbers(self, name: str, value: Any) -> Array:
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
            raise DataError(f"{self.where}.{name} must be a full matrix of real numbers; {_SAVE}")
        return value


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _config(fields: _Fields) -> NetConfig:
    scalars = {name: fields.integers(name) for name in ("L", "LC", "ht_input", "wd_input")}
    for name, values in scalars.items():
        if not values:
            raise DataError(f"{fields.where}.{name} is empty; it must be a number; {_SAVE}")
    lists = {name: fields.integers(name) for name in _LISTS}
    L, LC, a, b = (values[0] for values in scalars.values())
    try:
        return NetConfig(LC=LC, LF=L - LC, ht_input=a, wd_input=b, **lists)
    except ConfigError as error:
        raise DataError(f"{fields.where}: {error}") from None


def _labels(fields: _Fields, nL: int) -> Array:
    """Return the labels of a model that simpleNN trained; older versions imply 1 to nL."""
    labels = fields.integers("labels") if "labels" in fields else tuple(range(1, nL + 1))
    if len(labels) != nL or len(set(labels)) != nL:
        raise DataError(
            f"{fields.where}.labels holds {len(set(labels))} labels; its network has {nL} outputs "
            f"and needs one label per output; {_SAVE}"
        )
    return np.array(labels, np.int64)


def _classes(fields: _Fields, nL: int) -> Array:
    try:
        classes = from_json(fields.get_text(_PREFIX + "classes"))
        kinds = {type(label) for label in classes} if isinstance(classes, list) else set()
        good = kinds in ({int}, {str}) and len(classes) == nL == len(set(classes))
        array = np.array(classes) if good else None
    except (ValueError, OverflowError):
        array = None
    if array is None or array.dtype.kind not in "iuU":
        raise DataError(
            f"{fields.where}.{_PREFIX}classes must be a JSON list of {nL} different labels, all "
            "numbers or all text; convert the model again"
        )
    return array


def _normalisation(fields: _Fields, config: NetConfig, dtype: Any) -> Normalisation:
    a, b, d = config.image_shape
    shift, scale = (float(fields.scaling(name, (1, 1))[0, 0]) for name in ("shift", "scale"))
    mean = from_rows(fields.scaling("mean", (1, a * b * d)), a, b, d, "column")
    normalisation = Normalisation(shift, scale, mean.ravel(order="F"))
    problem = normalisation.problem(dtype)
    if problem:
        raise DataError(f"{fields.where}: {problem}; convert the model again")
    return normalisation
