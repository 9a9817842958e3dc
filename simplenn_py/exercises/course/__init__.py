"""The course: its exercises in order, one module each."""

from __future__ import annotations

import importlib

from ...errors import UserError, closest
from ..form import Exercise

#: In the order of the course; each is a module of this package with an ``EXERCISE``.
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
    """Return an exercise.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    if name not in EXERCISES:
        raise UserError(
            f"there is no exercise {name!r}{closest(name, list(EXERCISES))}; "
            "see 'simplenn exercise list'"
        )
    exercise: Exercise = importlib.import_module(f".{name}", __name__).EXERCISE
    return exercise
