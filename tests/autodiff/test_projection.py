"""Back-propagation on tensors by the scalar <S, delta>."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from simplenn_py.autodiff import (
    GradientTape,
    finite_difference,
    jacobian,
    jacobian_experiment,
    jacobian_memory,
    projection_gradient,
)


def test_the_last_linear_layer(rng):
    X, W, delta = (rng.standard_normal(shape) for shape in ((5, 4), (3, 4), (5, 3)))
    dX, dW = projection_gradient(lambda X, W: X @ W.T, delta, X, W)
    assert_allclose(dW, delta.T @ X, rtol=1e-14)
    assert_allclose(dX, delta @ W, rtol=1e-14)
    # what the explicit Jacobian would give
    J = jacobian(lambda W: X @ W.T)(W)
    assert J.shape == (5, 3, 3, 4)
    assert_allclose(np.einsum("nk,nkcm->cm", delta, J), dW, rtol=1e-13)
    assert_allclose(finite_difference(lambda W: np.sum(X @ W.T * delta), W), dW, rtol=1e-7)


def test_delta_is_held_fixed(rng):
    x = rng.standard_normal(3)
    with GradientTape() as tape:
        watched = tape.watch(x)
        (d,) = projection_gradient(np.sin, watched * 2, x)
    assert type(d) is np.ndarray
    assert_allclose(d, 2 * x * np.cos(x))


def test_a_layer_that_does_not_depend():
    dx, dy = projection_gradient(lambda x, y: 2 * x, np.ones(2), np.ones(2), np.ones(3))
    assert_array_equal(dx, [2, 2])
    assert_array_equal(dy, np.zeros(3))
    (dx,) = projection_gradient(lambda x: np.ones(2), np.ones(2), np.ones(4))
    assert_array_equal(dx, np.zeros(4))


def test_delta_of_another_shape():
    with pytest.raises(ValueError, match=r"delta has shape \(2,\).*\(3,\)"):
        projection_gradient(np.sin, np.ones(2), np.ones(3))


def test_the_memory_of_section_E():
    N, m, K = 100, 4096, 1000
    memory = jacobian_memory((N, K), (K, m))
    assert memory.gradient_entries == 4_096_000
    assert memory.gradient_bytes == 16_384_000
    assert memory.jacobian_entries == 409_600_000_000
    assert memory.jacobian_bytes == 1_638_400_000_000
    assert str(memory) == ("dL/dW: 4.1e+06 numbers, 16.4 MB; dS/dW: 4.1e+11 numbers, 1.64 TB")
    assert jacobian_memory((2,), (3,), np.float64).jacobian_bytes == 48
    with pytest.raises(ValueError, match="negative"):
        jacobian_memory((-1,), (2,))


def test_the_experiment_grows_as_it_must():
    small, large = jacobian_experiment([(4, 16, 8), (8, 32, 16)])
    assert (small.N, small.m, small.K) == (4, 16, 8)
    assert small.jacobian_bytes == 8 * (4 * 8) * (8 * 16)
    assert small.projection_bytes == 8 * 8 * 16
    assert large.jacobian_bytes == 16 * small.jacobian_bytes
    assert large.projection_bytes == 4 * small.projection_bytes
    for cost in (small, large):
        assert cost.difference < 1e-13
        assert cost.projection_seconds > 0
    assert large.jacobian_seconds > large.projection_seconds
    (single,) = jacobian_experiment([(3, 4, 2)], np.float32)
    assert single.jacobian_bytes == 4 * 6 * 8
    with pytest.raises(ValueError, match=r"100, 4096, 1000 has 1.64 TB.* at most 1 GB"):
        jacobian_experiment([(3, 4, 2), (100, 4096, 1000)], np.float32)
