"""Adam: its textbook steps, and that its state is all it needs."""

import numpy as np
import pytest
from networks import Quadratic

from simplenn_py.opt.adam import BETA1, BETA2, EPSILON, AdamState, adam
from simplenn_py.opt.hooks import Hook


def new_state(seed=0):
    return AdamState(np.zeros(1), np.zeros(1), rng=np.random.default_rng(seed))


def run(objective, state, **options):
    adam(objective, state, Hook(), **{"epochs": 1, "batch_size": 4, "lr": 0.1, **options})


def test_the_first_step_has_the_length_of_the_learning_rate():
    """The bias correction makes it so, whatever the gradient's size."""
    for scale in (1e-3, 1.0, 1e3):
        objective = Quadratic(np.full(4, scale))
        run(objective, new_state(), lr=0.01)
        assert objective.theta[0] == pytest.approx(0.01, rel=1e-4)


def test_updates_by_hand():
    objective, state = Quadratic(np.array([1.0, 3.0])), new_state()
    run(objective, state, epochs=3, batch_size=2, lr=0.1, decay=1.0)
    theta = m = v = 0.0
    for t in range(1, 4):  # updates, not epochs, count in the correction
        g = theta - 2
        m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
        corrected = m / (1 - BETA1**t), v / (1 - BETA2**t)
        theta -= 0.1 / t * corrected[0] / (np.sqrt(corrected[1]) + EPSILON)
    assert objective.theta[0] == pytest.approx(theta, rel=1e-13)


def test_going_on_from_the_state_changes_nothing():
    whole, parts = Quadratic(np.arange(10.0)), Quadratic(np.arange(10.0))
    run(whole, new_state(), epochs=4)
    state = new_state()
    run(parts, state, epochs=2)
    run(parts, state, epochs=4)
    assert parts.theta[0] == whole.theta[0]
