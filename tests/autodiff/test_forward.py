"""Forward mode and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from simplenn_py.autodiff import GradientTape, derivative, finite_difference, jvp


def test_closed_forms():
    assert derivative(np.sin, 0.3) == np.cos(0.3)
    assert derivative(lambda x: x**3, 2) == 12
    assert derivative(lambda x: derivative(np.exp, x) * x, 1.0) == pytest.approx(2 * np.e)
    assert_allclose(derivative(lambda t: np.stack([np.cos(t), np.sin(t)]), 0.0), [0, 1])
    assert derivative(lambda x: 7.0, 1.0) == 0


def test_value_comes_with_the_tangent():
    value, tangent = jvp(lambda x, y: x * y, (2.0, 5.0), (1.0, 10.0))
    assert (value, tangent) == (10, 25)


def test_reverse_over_forward():
    # the gradient of a directional derivative
    v = np.array([1.0, -2.0])
    with GradientTape() as tape:
        x = tape.watch(np.array([0.5, 2.0]))
        slope = jvp(lambda x: np.sum(x**3), x, v)[1]
    assert_allclose(tape.gradient(slope, x), 6 * np.array([0.5, 2.0]) * v)


def test_errors():
    with pytest.raises(ValueError, match=r"v has shape \(3,\).*\(2,\)"):
        jvp(np.sin, np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="x has 2 parts but v has 1"):
        jvp(np.multiply, (1.0, 2.0), (1.0,))
    with pytest.raises(ValueError, match="must be a number"):
        derivative(np.sum, np.ones(2))
    with pytest.raises(TypeError, match="must be real"):
        jvp(np.sin, 1j, 1.0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_differences_reach_eps_to_two_thirds(dtype, scale):
    x = np.array([0.7, -1.3, 2.9], dtype) * dtype(scale)

    def f(x):
        return np.sum(np.sin(x / dtype(max(scale, 1))) * dtype(max(scale, 1)))

    exact = np.cos(x.astype(float) / max(scale, 1))
    allowed = 10 * float(np.finfo(dtype).eps) ** (2 / 3)
    assert_allclose(finite_difference(f, x), exact, atol=allowed)
    v = np.array([1.0, -2.0, 0.5], dtype)
    assert_allclose(finite_difference(f, x, v), exact @ v, atol=10 * allowed)


def test_the_default_step_beats_much_smaller_and_much_larger():
    x, exact = np.array([0.7]), np.cos(0.7)

    def error(step):
        return abs(finite_difference(np.sin, x, step=step).item() - exact)

    assert error(None) < min(error(1e-11), error(1e-2)) / 10


def test_differences_shapes_and_errors(rng):
    x = rng.standard_normal((2, 3))
    assert finite_difference(np.sin, x).shape == (2, 3, 2, 3)
    assert finite_difference(np.sum, x).shape == (2, 3)
    assert np.ndim(finite_difference(np.sin, 1.0)) == 0
    assert_array_equal(finite_difference(np.sin, x, np.zeros((2, 3))), np.zeros((2, 3)))
    assert finite_difference(np.sin, np.zeros(0)).shape == (0, 0)
    with pytest.raises(ValueError, match="must be that of x"):
        finite_difference(np.sin, x, np.ones(2))
    for step in (-1.0, 0.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="positive and finite"):
            finite_difference(np.sin, x, step=step)
