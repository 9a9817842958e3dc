"""Every rule of the table, over random shapes and broadcasting, to the second derivative."""

from __future__ import annotations

import dataclasses
import operator

import numpy as np
import pytest
from derivatives import check_derivative
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from simplenn_py.autodiff import RULES, GradientTape, gradient, hvp, jvp, rules

UNARY = {  # the domain, away from kinks and poles
    "negative": (np.negative, -2, 2),
    "positive": (np.positive, -2, 2),
    "square": (np.square, -2, 2),
    "exp": (np.exp, -2, 2),
    "expm1": (np.expm1, -2, 2),
    "log": (np.log, 0.5, 3),
    "log1p": (np.log1p, -0.5, 3),
    "sin": (np.sin, -2, 2),
    "cos": (np.cos, -2, 2),
    "tan": (np.tan, -1, 1),
    "arctan": (np.arctan, -2, 2),
    "sinh": (np.sinh, -2, 2),
    "cosh": (np.cosh, -2, 2),
    "tanh": (np.tanh, -2, 2),
    "sqrt": (np.sqrt, 0.5, 3),
    "absolute": (np.abs, 0.1, 2),
}
BINARY = {
    "add": (operator.add, -2, 2),
    "subtract": (operator.sub, -2, 2),
    "multiply": (operator.mul, -2, 2),
    "divide": (operator.truediv, 0.5, 2),
    "power": (operator.pow, 0.5, 2),
    "logaddexp": (np.logaddexp, -2, 2),
    "maximum": (np.maximum, -2, 2),
    "minimum": (np.minimum, -2, 2),
    "where": (lambda x, y: np.where(np.shape(x) == (), x, y) + x * y, -2, 2),
}
CONDITION = np.array([[True], [False], [True]])
OTHERS = {  # function, shapes of the arguments
    "where": (lambda x, y: np.where(CONDITION, x, y), [(3, 4), (4,)]),
    "sum": (lambda x: np.sum(x**2, axis=(0, -1)), [(2, 3, 4)]),
    "mean": (lambda x: np.mean(x**2, axis=-2, keepdims=True), [(2, 3, 4)]),
    "max": (lambda x: np.max(x, axis=(0, 2)) ** 2, [(2, 3, 4)]),
    "min": (lambda x: np.amin(x, axis=1, keepdims=True) ** 2, [(3, 4)]),
    "reshape": (lambda x: np.reshape(x**2, (4, -1), order="F"), [(2, 3, 4)]),
    "transpose": (lambda x: np.transpose(x**2, (2, 0, -2)), [(2, 3, 4)]),
    "broadcast_to": (lambda x: np.broadcast_to(x**2, (2, 3, 4)), [(3, 1)]),
    "matmul": (np.matmul, [(2, 1, 3, 4), (5, 4, 2)]),
    "matmul, vectors": (np.matmul, [(4,), (4,)]),
    "matmul, vector left": (np.matmul, [(4,), (3, 4, 2)]),
    "matmul, vector right": (np.matmul, [(3, 2, 4), (4,)]),
    "getitem": (lambda x: x[1:, ::-2] ** 2, [(3, 4)]),
    "getitem, integers twice": (lambda x: x[[0, 2, 0], np.array([1, 1, 1])] ** 2, [(3, 4)]),
    "getitem, booleans": (lambda x: x[CONDITION[:, 0], ..., None] ** 2, [(3, 4)]),
    "concatenate": (lambda x, y, z: np.concatenate((x, y, z), axis=-1) ** 2, [(2, 1), (2, 3)] * 2),
    "stack": (lambda x, y: np.stack([x, y * y], axis=-1) ** 2, [(2, 3), (2, 3)]),
    "dot": (np.dot, [(3, 2, 4), (4, 3)]),
    "dot, a number": (np.dot, [(), (3,)]),
    "outer": (np.outer, [(2, 2), (3,)]),
    "clip": (lambda x: np.clip(x**2, None, np.max(x)) + np.clip(x, -1, 1), [(3, 4)]),
    "var": (lambda x: np.var(x, axis=1, keepdims=True) * x, [(3, 4)]),
    "std": (lambda x: np.std(x, axis=(0, 2)), [(2, 3, 4)]),
    "ravel": (lambda x: np.ravel(x**2, order="F"), [(2, 3)]),
}
OTHERS["concatenate"][1].pop()
quick = settings(deadline=None, max_examples=12)
seeds = st.integers(0, 2**32 - 1)


def spaced(rng, shapes, low=-2.0, high=2.0):
    """Random arrays of which no two entries are close, so that no maximum is near a tie."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    n = sum(sizes)
    gap = (high - low) / (n + 1)
    values = rng.permutation(low + gap * (np.arange(n) + rng.uniform(0.2, 0.8, n)))
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def check(f, arrays, rng):
    """Check both modes against differences, against each other, and the second derivative."""
    shapes = [x.shape for x in arrays]
    cuts = np.cumsum([x.size for x in arrays])[:-1]

    def split(v):
        return [p.reshape(s) for p, s in zip(np.split(v, cuts), shapes, strict=True)]

    x = np.concatenate([a.ravel() for a in arrays])
    out = np.shape(f(*arrays))

    def tangent(v):
        return jvp(f, tuple(arrays), tuple(split(v)))[1]

    check_derivative(lambda x: f(*split(x)), tangent, x, rng)
    with GradientTape(persistent=True) as tape:
        watched = [tape.watch(a) for a in arrays]
        result = f(*watched)
    for _ in range(2):  # <u, Jv> = <J'u, v>
        u, v = rng.standard_normal(out), rng.standard_normal(x.size)
        back = tape.gradient(result, watched, delta=u)
        assert [g.shape for g in back] == shapes
        flat = np.concatenate([g.ravel() for g in back])
        assert_allclose(flat @ v, np.vdot(u, tangent(v)), rtol=1e-9, atol=1e-11)

    def scalar(x):  # of one flat array, and with curvature whatever f is
        parts, start = [], 0
        for shape in shapes:
            size = int(np.prod(shape))
            parts.append(np.reshape(x[start : start + size], shape))
            start += size
        return np.sum(np.sin(f(*parts)) * u)

    check_derivative(gradient(scalar), lambda v: hvp(scalar)(x, v), x, rng)
    v, w = rng.standard_normal((2, x.size))
    Hv = hvp(scalar)(x, v)
    assert_allclose(Hv @ w, hvp(scalar)(x, w) @ v, rtol=1e-9, atol=1e-10)
    reverse = gradient(lambda x: gradient(scalar)(x) @ v)(x)
    assert_allclose(reverse, Hv, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", UNARY)
@quick
@given(shape=hnp.array_shapes(min_dims=0, max_dims=3, max_side=3), seed=seeds)
def test_unary(name, shape, seed):
    f, low, high = UNARY[name]
    rng = np.random.default_rng(seed)
    check(f, spaced(rng, [shape], low, high), rng)


@pytest.mark.parametrize("name", BINARY)
@quick
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), seed=seeds)
def test_binary_with_broadcasting(name, shapes, seed):
    f, low, high = BINARY[name]
    rng = np.random.default_rng(seed)
    check(f, spaced(rng, shapes.input_shapes, low, high), rng)


@pytest.mark.parametrize("name", OTHERS)
def test_others(name, rng):
    f, shapes = OTHERS[name]
    check(f, spaced(rng, shapes), rng)


@quick
@given(data=st.data(), shape=hnp.array_shapes(max_dims=3, max_side=4), seed=seeds)
def test_indexing_of_any_kind(data, shape, seed):
    key = data.draw(hnp.basic_indices(shape) | hnp.integer_array_indices(shape))
    rng = np.random.default_rng(seed)
    (x,) = spaced(rng, [shape])
    if x[key].size:
        check(lambda x: x[key] ** 2, [x], rng)


@quick
@given(
    shapes=hnp.mutually_broadcastable_shapes(
        signature="(m?,n),(n,p?)->(m?,p?)", max_dims=2, max_side=3
    ),
    seed=seeds,
)
def test_matmul_of_any_shapes(shapes, seed):
    rng = np.random.default_rng(seed)
    check(np.matmul, spaced(rng, shapes.input_shapes), rng)


@pytest.mark.parametrize("reduce", [np.sum, np.mean, np.max, np.min])
@quick
@given(data=st.data(), shape=hnp.array_shapes(max_dims=3, max_side=3), seed=seeds)
def test_reductions_over_any_axes(reduce, data, shape, seed):
    axis = data.draw(st.none() | hnp.valid_tuple_axes(len(shape), min_size=1))
    keepdims = data.draw(st.booleans())
    rng = np.random.default_rng(seed)
    check(lambda x: reduce(x, axis=axis, keepdims=keepdims) ** 2, spaced(rng, [shape], 1, 2), rng)


def test_every_rule_is_tested():
    cnn = {"phi(pad)", "vTP", "conv", "maxpool", "vTP_pool", "relu"}  # in test_rules_cnn.py
    assert set(RULES) - cnn == {*UNARY, *BINARY, *OTHERS, "put"} & set(RULES)
    assert {*UNARY, *BINARY} < set(RULES)


@pytest.mark.parametrize("mode", ["vjp", "jvp"])
@pytest.mark.parametrize("name", [n for n in RULES if n in {*UNARY, *BINARY, *OTHERS}])
def test_a_rule_wrong_by_a_thousandth_fails(name, mode, rng, monkeypatch):
    rule = RULES[name]
    product = getattr(rule, mode)

    def wrong(*args, **options):
        return product(*args, **options) * 1.001

    if name in OTHERS:
        f, shapes = OTHERS[name]
        arrays = spaced(rng, shapes)
    else:
        f, low, high = UNARY.get(name) or BINARY[name]
        arrays = spaced(rng, [(2, 3)] * (1 if name in UNARY else 2), low, high)
    check(f, arrays, rng)
    monkeypatch.setitem(RULES, name, dataclasses.replace(rule, **{mode: wrong}))
    with pytest.raises(AssertionError):
        check(f, arrays, rng)


def test_ties_are_split():
    x, y = np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 0.0])
    for function in (np.maximum, np.minimum):
        dx, dy = gradient(lambda x, y, f=function: np.sum(f(x, y)), (0, 1))(x, y)
        assert_array_equal(dx[:2], [0.5, 0.5])
        assert_array_equal(dx + dy, np.ones(3))
    assert_array_equal(gradient(np.max)(x), [0, 0.5, 0.5])
    assert_array_equal(gradient(lambda x: -np.min(-x))(x), [0, 0.5, 0.5])


def test_values_at_the_edges():
    with np.errstate(all="raise"):
        assert gradient(lambda x: x**2)(0.0) == 0
        assert gradient(gradient(lambda x: x**2))(0.0) == 2
        assert gradient(lambda x: x**0)(0.0) == 0
        assert gradient(lambda y: np.power(0.0, y))(2.0) == 0
        assert gradient(lambda x: x**3)(-2.0) == 12
        assert gradient(lambda x: np.sum(x ** np.array([0.0, 1.0])))(0.0) == 1
    assert gradient(np.abs)(0.0) == 0
    assert_array_equal(gradient(np.sum)(np.zeros((0, 3))), np.zeros((0, 3)))


def test_functions_without_derivative_are_plain():
    with GradientTape() as tape:
        x = tape.watch(np.array([-1.5, 2.0]))
        for f in (np.sign, np.floor, np.argmax, np.isfinite, np.zeros_like):
            assert_array_equal(f(x), f(x.value))


def test_errors():
    with GradientTape() as tape:
        x = tape.watch(np.ones((2, 2)))
        with pytest.raises(ValueError, match="order is 'A'"):
            np.reshape(x, 4, order="A")
        with pytest.raises(ValueError, match="axis is None"):
            np.concatenate([x, x], axis=None)
        with pytest.raises(ValueError, match=r"np\.matmul"):
            np.dot(x, np.ones((2, 2, 2)))
        with pytest.raises(TypeError, match=r"sum on a watched array got .*'dtype'; leave"):
            np.sum(x, dtype=np.float32)


def test_the_rule_of_put_is_the_adjoint_of_indexing(rng, monkeypatch):
    f, shapes = OTHERS["getitem, integers twice"]
    rule = rules._put_rule
    monkeypatch.setattr(
        rules, "_put_rule", dataclasses.replace(rule, vjp=lambda *a, **o: 1.001 * rule.vjp(*a, **o))
    )
    with pytest.raises(AssertionError):
        check(f, spaced(rng, shapes), rng)
