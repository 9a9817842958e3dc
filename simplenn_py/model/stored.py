"""What the file of a model holds, and the check of it."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError
from ..io.stored import Mismatch, anything, array, json_array, one_of, record, text
from ..layout import Array
from ..network.config import NetConfig
from ..network.normalisation import Normalisation

FORMAT = "simplenn_py model 1"

_FORMAT = record({"format": one_of(FORMAT)}, others=anything)
_ABOUT = record(
    {"format": text(), "loss": one_of("squared", "cross-entropy"), "config": text(2**20)}
)
_ARRAYS = record(
    dict.fromkeys(("about", "theta", "classes", "range", "mean"), anything), others=anything
)


def read_parts(arrays: dict[str, Array]) -> tuple[NetConfig, Array, Array, Normalisation, str]:
    """Check the arrays of a model's file, and return the arguments of ``Model``.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Content of the file; arrays of other names are ignored.

    Returns
    -------
    config : NetConfig
    theta : ndarray, shape (n_parameters,), float32 or float64
        A copy.
    classes : ndarray, shape (nL,)
    normalisation : Normalisation
    loss : str

    Raises
    ------
    Mismatch
        If something is missing or has another type, size or range.
    """
    _ARRAYS(arrays, "")
    found = json_array(arrays["about"], "about")
    _FORMAT(found, "about")
    about = _ABOUT(found, "about")
    try:
        config = NetConfig.parse(about["config"])
    except ConfigError as error:
        raise Mismatch(str(error)) from None
    a, b, d = config.image_shape
    needed = {
        "theta": array([np.float32, np.float64], (config.n_parameters,)),
        "classes": array(["integers", "text"], (config.nL,)),
        "range": array([np.float64], (2,)),
        "mean": array([np.float64], (a * b * d,)),
    }
    theta, classes, range_, mean = (rule(arrays[name], name) for name, rule in needed.items())
    if np.unique(classes).size < classes.size:
        raise Mismatch("classes holds a label twice")
    normalisation = Normalisation(float(range_[0]), float(range_[1]), mean)
    problem = normalisation.problem(theta.dtype)
    if problem:
        raise Mismatch(problem)
    return config, theta.copy(), classes, normalisation, about["loss"]
