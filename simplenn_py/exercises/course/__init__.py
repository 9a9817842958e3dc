"""The exercises of the course, one module per exercise."""

from __future__ import annotations

import difflib
import importlib

from ...errors import UserError
from ..exercise import Exercise

#: Names in the order of the course; each is a module of this package with an ``EXERCISE``.
EXERCISES = (
    "find_index_phiZ",
    "padding_and_phiZ",
    "vTP_phi_loop",
    "vTP_phi_bincount",
    "vTP_phi_numba",
    "maxpooling",
    "layer_forward",
    "vTP_pool",
    "gradient_W_bias",
    "gradient_Z",
    "JTv",
    "sgd_momentum",
    "Jv",
    "cg",
    "newton_step",
    "blocked_product",
    "randomized_svd",
    "tape",
    "gradient_check",
)


def exercise_named(name: str) -> Exercise:
    """Return the exercise called `name`.

    Raises
    ------
    UserError
        If there is no such exercise.
    """
    if name not in EXERCISES:
        raise UserError(f"there is no exercise {name!r}; {_near(name)}")
    exercise: Exercise = importlib.import_module(f".{name}", __name__).EXERCISE
    return exercise


def _near(word: str) -> str:
    """Suggest exercises with a similar name; name all exercises if there are none."""
    small = {name.lower(): name for name in EXERCISES}
    near = [name for key, name in small.items() if len(word) >= 3 and word.lower() in key]
    near = near or [small[key] for key in difflib.get_close_matches(word.lower(), small)]
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"the exercises are {', '.join(EXERCISES)}"
