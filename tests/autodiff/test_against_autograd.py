"""Gradients of random expressions against another library: HIPS autograd, where it is installed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

from simplenn_py.autodiff import RULES, GradientTape, gradient, hvp

autograd = pytest.importorskip("autograd")
theirs = pytest.importorskip("autograd.numpy")

# Each takes the module of NumPy's functions, and keeps values of moderate size: within [-3, 3].
ONE = [
    lambda m, x: m.tanh(x),
    lambda m, x: m.sin(x),
    lambda m, x: m.cos(2 * x),
    lambda m, x: m.exp(-x * x),
    lambda m, x: m.log(1.5 + m.square(x)),
    lambda m, x: m.sqrt(1 + x**2) - 1,
    lambda m, x: m.arctan(x),
    lambda m, x: m.logaddexp(0.0, x),
    lambda m, x: -m.abs(x + 0.123),
    lambda m, x: m.where(x > 0.05, x, 0.3 * x),
    lambda m, x: m.clip(x, -1.01, 0.99),
    lambda m, x: m.transpose(x),
    lambda m, x: x[::-1, 1:2] + x,
    lambda m, x: m.reshape(m.reshape(x, (-1,), order="F"), (3, 3)),
    lambda m, x: x - m.mean(x, axis=0, keepdims=True),
    lambda m, x: x / m.sqrt(0.5 + m.var(x, axis=1, keepdims=True)),
    lambda m, x: m.tanh(m.sum(x, axis=1))[:, None] + 0 * x,
    lambda m, x: m.max(x, axis=0) * m.ones((3, 1)),
    lambda m, x: m.concatenate([x[1:], x[:1]], axis=0),
]
TWO = [
    lambda m, x, y: (x + y) / 2,
    lambda m, x, y: x - 0.5 * y,
    lambda m, x, y: m.tanh(x * y),
    lambda m, x, y: x / (1.5 + y * y),
    lambda m, x, y: x @ y / 3,
    lambda m, x, y: m.maximum(x, y + 0.017),
    lambda m, x, y: m.minimum(x, y[0] + 0.017),
    lambda m, x, y: (1.2 + m.cos(x)) ** m.sin(y),
    lambda m, x, y: m.dot(x, y[:, 0])[:, None] / 3 + y,
    lambda m, x, y: m.stack([x, y], axis=1)[:, 0] + m.outer(x[0], y[1]) / 3,
]


def random_expression(seed, operations=12):
    """Return ``f(m, x, y)``: a graph of random operations, of which values are used again."""
    rng = np.random.default_rng(seed)
    steps = []
    for k in range(operations):
        kind = ONE if rng.random() < 0.5 else TWO
        inputs = rng.integers(0, 2 + k, 1 if kind is ONE else 2)
        steps.append((kind[rng.integers(len(kind))], inputs))

    def f(m, x, y):
        values = [x, y]
        for function, inputs in steps:
            values.append(function(m, *(values[k] for k in inputs)))
        return m.sum(values[-1]) + m.sum(values[-2] * values[-1]) + m.sum(m.sin(x))

    return f


@pytest.mark.parametrize("seed", range(60))
def test_gradients_of_random_expressions(seed):
    f = random_expression(seed)
    x, y = np.random.default_rng([seed, 1]).uniform(-1.5, 1.5, (2, 3, 3))
    with GradientTape() as tape:
        u, v = tape.watch(x, y)
        value = f(np, u, v)
    assert_allclose(value.value, f(np, x, y), rtol=1e-13)
    ours = tape.gradient(value, [u, v])
    expected = autograd.grad(lambda x, y: f(theirs, x, y), (0, 1))(x, y)
    for mine, other in zip(ours, expected, strict=True):
        assert_allclose(mine, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", range(60, 80))
def test_hessian_products_of_random_expressions(seed):
    f = random_expression(seed, operations=6)
    x, y, v = np.random.default_rng([seed, 1]).uniform(-1.5, 1.5, (3, 3, 3))
    ours = hvp(lambda x: f(np, x, y))(x, v)
    expected = autograd.hessian_vector_product(lambda x: f(theirs, x, y))(x, v)
    assert_allclose(ours, expected, rtol=1e-8, atol=1e-11)


def pair(function, seed):
    """Our gradient and theirs of one operation, its entries weighted differently."""
    x, y = np.random.default_rng(seed).uniform(-1.5, 1.5, (2, 3, 3))
    weights = np.arange(1.0, 10).reshape(3, 3)
    more = (y,) if function in TWO else ()
    return (
        gradient(lambda x: np.sum(weights * function(np, x, *more)))(x),
        autograd.grad(lambda x: theirs.sum(weights * function(theirs, x, *more)))(x),
    )


@pytest.mark.parametrize("place", range(len(ONE) + len(TWO)))
def test_every_operation_alone(place):
    ours, expected = pair([*ONE, *TWO][place], place)  # the draws may leave one out
    assert_allclose(ours, expected, rtol=1e-10, atol=1e-13)


def test_a_rule_wrong_by_a_thousandth_is_seen(monkeypatch):
    rule = RULES["tanh"]
    wrong = dataclasses.replace(rule, vjp=lambda *args, **o: rule.vjp(*args, **o) * 1.001)
    monkeypatch.setitem(RULES, "tanh", wrong)
    ours, expected = pair(ONE[0], 0)
    with pytest.raises(AssertionError):
        assert_allclose(ours, expected, rtol=1e-10, atol=1e-13)
