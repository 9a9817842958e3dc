"""The update in one pass: SGD and Adam entry by entry, the same bits for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from simplenn_py.kernels.update import adam_step, momentum_step
from simplenn_py.runtime.threads import available, limit_threads

SIZES = [1, 7, 1 << 16, (1 << 16) + 1, (1 << 17) - 1, 1 << 17, 150_001]
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def vectors(size, dtype, count):
    rng = np.random.default_rng(size)
    return [rng.standard_normal(size).astype(dtype) for _ in range(count)]


@every_dtype
@pytest.mark.parametrize("size", SIZES)
def test_momentum_has_the_bits_of_numpy(size, dtype):
    theta, v, total = vectors(size, dtype, 3)
    number = dtype
    g = total / number(3) + theta * number(0.25)
    expected_v = v * number(0.9) - g * number(0.1)
    expected = theta + expected_v
    before = total.copy()
    momentum_step(theta, v, total, number(3), number(0.25), number(0.9), number(0.1))
    np.testing.assert_array_equal(v, expected_v)
    np.testing.assert_array_equal(theta, expected)
    np.testing.assert_array_equal(total, before)


@every_dtype
@pytest.mark.parametrize("size", SIZES)
def test_adam_has_the_bits_of_numpy(size, dtype):
    theta, m, v, total = vectors(size, dtype, 4)
    v = v * v
    beta1, rest1, beta2, rest2 = means = np.array([0.9, 0.1, 0.999, 0.001], dtype)
    step, scale, epsilon = steps = np.array([0.003, 1.5, 1e-8], dtype)
    g = total / dtype(3) + theta * dtype(0.25)
    expected_m = m * beta1 + g * rest1
    expected_v = v * beta2 + g * g * rest2
    expected = theta - step * expected_m / (np.sqrt(expected_v) * scale + epsilon)
    adam_step(theta, m, v, total, dtype(3), dtype(0.25), means, steps)
    np.testing.assert_array_equal(m, expected_m)
    np.testing.assert_array_equal(v, expected_v)
    np.testing.assert_array_equal(theta, expected)


@pytest.mark.skipif(available() < 2, reason="one core")
def test_any_number_of_threads_gives_the_same_bits():
    results = []
    for threads in (1, 2):
        theta, v, total = vectors(100_003, np.float32, 3)
        with limit_threads(threads):
            momentum_step(theta, v, total, *map(np.float32, (7, 0, 0.9, 0.1)))
        results.append(theta)
    np.testing.assert_array_equal(*results)


def test_an_update_keeps_theta_if_the_loss_is_not_finite():
    from networks import Quadratic

    from simplenn_py.opt.sgd import Momentum

    objective = Quadratic(np.array([np.inf, 1.0]))
    loss, _ = objective.step(np.array([0, 1]), Momentum(np.zeros(1), 0.9), 0.1)
    assert loss == np.inf
    assert objective.theta[0] == 0
