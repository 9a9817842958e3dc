"""The tape differentiates the whole network, as the lecture's pass back does."""

from __future__ import annotations

import dataclasses

import naive
import numpy as np
import pytest
from derivatives import check_derivative
from networks import FULL, RAGGED
from numpy.testing import assert_allclose, assert_array_equal

from simplenn_py.autodiff import GradientTape, gradient, hvp, jvp, rules_cnn
from simplenn_py.autodiff.rules_cnn import conv, maxpool, network, phi, relu, vTP
from simplenn_py.cnn.gradient import lossgrad_subset
from simplenn_py.cnn.jv import Jv
from simplenn_py.cnn.operators.loss import LOSSES, get_loss
from simplenn_py.cnn.problem import Problem
from simplenn_py.engines import make_engine
from simplenn_py.layout import ConvGeometry
from simplenn_py.model.model import Model
from simplenn_py.network.config import NetConfig

GEOMETRIES = {
    "stride 2": ConvGeometry(a=7, b=6, d=2, p=1, h=3, s=2, d_next=3, h_pool=1),
    "ragged pool": ConvGeometry(a=8, b=7, d=2, p=1, h=3, s=1, d_next=3, h_pool=3),
    "one channel, no pad": ConvGeometry(a=5, b=4, d=1, p=0, h=2, s=1, d_next=1, h_pool=2),
}
every_geometry = pytest.mark.parametrize("g", GEOMETRIES.values(), ids=GEOMETRIES)
NETS = {"ragged": RAGGED, "full layers only": FULL}
l = 3


def operands(g, rng, dtype=np.float64):
    """Z, W and bias such that no entry of S is near 0 or a tie (checked where it matters)."""
    Z = np.asfortranarray(rng.standard_normal((g.d, g.a * g.b * l)).astype(dtype))
    W = np.asfortranarray(rng.standard_normal((g.d_next, g.hhd)).astype(dtype))
    return Z, W, rng.standard_normal(g.d_next).astype(dtype)


def layer(Z, W, bias, g):
    return maxpool(relu(conv(Z, W, bias, g)), g)


def loss(name, z, y):
    """The losses in NumPy's functions."""
    at = (y, np.arange(y.size))
    if name == "squared":
        return np.sum(z**2) - 2 * np.sum(z[at]) + y.size
    shifted = z - np.max(z, axis=0)
    return np.sum(np.log(np.sum(np.exp(shifted), axis=0)) - shifted[at])


@every_geometry
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_are_the_lectures(g, dtype, rng):
    Z, W, bias = operands(g, rng, dtype)
    S = conv(Z, W, bias, g)
    tolerance = 50 * np.finfo(dtype).eps
    assert_allclose(S, W @ naive.phi(Z, g) + bias[:, None], rtol=tolerance, atol=tolerance)
    assert S.flags.f_contiguous
    assert S.dtype == dtype
    pooled = maxpool(S, g)
    assert pooled.flags.f_contiguous
    with GradientTape() as tape:
        assert_array_equal(maxpool(conv(*tape.watch(Z, W, bias), g), g).value, pooled)


@every_geometry
def test_equations_3_to_5_by_hand(g, rng):
    Z, W, bias = operands(g, rng)
    with GradientTape() as tape:
        watched = tape.watch(Z, W, bias)
        S = conv(*watched, g)
    dS = rng.standard_normal(S.shape)
    dZ, dW, dbias = tape.gradient(S, watched, delta=dS)
    assert_allclose(dW, dS @ naive.phi(Z, g).T, rtol=1e-12, atol=1e-12)  # (4)
    assert_allclose(dbias, dS.sum(axis=1), rtol=1e-12)
    # (5), as the adjoint of a phi that is plain loops: <dZ, V> = <W' dS, phi(pad(V))>
    V = rng.standard_normal(Z.shape)
    assert_allclose(np.vdot(dZ, V), np.vdot(W.T @ dS, naive.phi(V, g)), rtol=1e-11)


def smooth(g, rng):
    """Draw until no ReLU and no maximum is within 1e-4 of changing."""
    while True:
        Z, W, bias = operands(g, rng)
        S = conv(Z, W, bias, g)
        if np.abs(S).min() > 1e-4 and np.diff(np.sort(S, axis=None)).min() > 1e-5:
            return Z, W, bias


@every_geometry
@pytest.mark.parametrize("k", [0, 1, 2], ids=["Z", "W", "bias"])
def test_layer_to_the_second_derivative(g, k, rng):
    arguments = smooth(g, rng)
    u = rng.standard_normal((g.d_next, g.a_next * g.b_next * l))

    def f(x):
        return layer(*arguments[:k], x, *arguments[k + 1 :], g)

    x = arguments[k]
    check_derivative(f, lambda v: jvp(f, x, v)[1], x, rng)
    with GradientTape() as tape:
        watched = tape.watch(x)
        Z = f(watched)
    v = rng.standard_normal(x.shape)
    back = tape.gradient(Z, watched, delta=u)
    assert_allclose(np.vdot(back, v), np.vdot(u, jvp(f, x, v)[1]), rtol=1e-11)

    def scalar(x):
        return np.sum(np.sin(f(x)) * u)

    check_derivative(gradient(scalar), lambda v: hvp(scalar)(x, v), x, rng, directions=2)
    w = rng.standard_normal(x.shape)
    assert_allclose(
        np.vdot(w, hvp(scalar)(x, v)), np.vdot(v, hvp(scalar)(x, w)), rtol=1e-9, atol=1e-9
    )


@every_geometry
def test_mixed_second_derivative(g, rng):
    # in Z and W at once: the Hessian of a bilinear form is its polarisation
    Z, W, bias = operands(g, rng)
    V, U = rng.standard_normal(Z.shape), rng.standard_normal(W.shape)
    delta = rng.standard_normal((g.d_next, g.a_conv * g.b_conv * l))

    def in_W(Z):
        return np.sum(gradient(lambda W: np.sum(conv(Z, W, bias, g) * delta))(W) * U)

    assert_allclose(np.vdot(gradient(in_W)(Z), V), np.vdot(delta, U @ naive.phi(V, g)), rtol=1e-10)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("net", NETS)
def test_the_network_agrees_with_lossgrad_subset(name, net, rng, engine_name):
    config = NETS[net]
    a, b, d = config.image_shape
    images = np.asfortranarray(rng.standard_normal((d, a * b * l)))
    y = rng.integers(0, config.nL, l)
    model = Model.initialise(config, np.arange(config.nL), rng, np.float64)
    model.theta += 0.1 * rng.standard_normal(model.theta.size)  # biases other than 0
    problem = Problem(images, y, get_loss(name), np.inf, 1.0, np.zeros(d * a * b))
    expected = np.empty_like(model.theta)
    engine = make_engine(engine_name, config, l, np.float64)
    value = lossgrad_subset(engine, model, problem, np.arange(l), expected)

    def parts(theta):
        start, W, bias = 0, [], []
        for rows, columns in config.weight_shapes:
            size = rows * columns
            W.append(np.reshape(theta[start : start + size], (rows, columns), order="F"))
            bias.append(theta[start + size : start + size + rows])
            start += size + rows
        return W, bias

    def output(theta):
        return network(images, *parts(theta), config.conv_layers)

    with GradientTape() as tape:
        theta = tape.watch(model.theta)
        f = loss(name, output(theta), y)
    found = tape.gradient(f, theta)
    scale = np.abs(expected).max()
    assert scale > 0
    assert_allclose(f.value, value, rtol=1e-12)
    assert_allclose(found, expected, rtol=1e-11, atol=1e-13 * scale)
    v = rng.standard_normal(model.theta.size)  # and forward mode with section B's J v
    tangent = Jv(engine, model, v)
    assert_allclose(jvp(output, model.theta, v)[1], tangent, rtol=1e-11, atol=1e-12)


def test_ties_go_to_the_first_and_relu_is_strict():
    g = ConvGeometry(a=2, b=2, d=1, p=0, h=1, s=1, d_next=1, h_pool=2)
    S = np.ones((1, 4), order="F")
    assert_array_equal(gradient(lambda S: np.sum(maxpool(S, g)))(S), [[1, 0, 0, 0]])
    assert_array_equal(gradient(lambda S: np.sum(relu(S)))(np.array([-1.0, 0.0, 2.0])), [0, 0, 1])


def test_float32_stays_float32(rng):
    g = GEOMETRIES["ragged pool"]
    arguments = operands(g, rng, np.float32)
    for found in gradient(lambda *x: np.sum(layer(*x, g)), (0, 1, 2))(*arguments):
        assert found.dtype == np.float32


@every_geometry
def test_phi_and_vTP_are_adjoint(g, rng):
    Z = rng.standard_normal((g.d, g.a * g.b * l))
    V = rng.standard_normal((g.hhd, g.a_conv * g.b_conv * l))
    assert_allclose(np.vdot(phi(Z, g), V), np.vdot(Z, vTP(V, g)), rtol=1e-11)


@pytest.mark.parametrize("name", ["_PHI", "_VTP", "_CONV", "_SELECT", "_SCATTER", "_RELU"])
def test_a_rule_wrong_by_a_thousandth_fails(name, rng, monkeypatch):
    g = GEOMETRIES["ragged pool"]
    Z, W, bias = smooth(g, rng)

    def f(Z, W=W):
        return np.sum(np.sin(layer(Z, W, bias, g)))

    def mixed(Z):  # phi is differentiated only where (4) is
        return np.sum(gradient(f, 1)(Z, W) * W)

    def check():
        v = rng.standard_normal(Z.shape)
        v /= np.linalg.norm(v)
        check_derivative(f, lambda v: np.vdot(gradient(f)(Z), v), Z, rng)
        check_derivative(gradient(f), lambda v: hvp(f)(Z, v), Z, rng)
        check_derivative(mixed, lambda v: np.vdot(gradient(mixed)(Z), v), Z, rng)
        H = gradient(lambda x: np.sum(gradient(f)(x) * v))(Z)
        assert_allclose(H, hvp(f)(Z, v), rtol=1e-9, atol=1e-9)

    check()
    rule = getattr(rules_cnn, name)
    wrong = dataclasses.replace(rule, vjp=lambda *a, **o: rule.vjp(*a, **o) * 1.001)
    monkeypatch.setattr(rules_cnn, name, wrong)
    with pytest.raises(AssertionError):
        check()


def test_errors(rng):
    g = GEOMETRIES["stride 2"]
    Z, W, bias = operands(g, rng)
    with pytest.raises(ValueError, match=r"W has shape \(2, 18\).*\(3, 18\)"):
        conv(Z, W[:2], bias, g)
    with pytest.raises(ValueError, match="Z has shape"):
        conv(Z[:1], W, bias, g)
    with pytest.raises(TypeError, match="dtype int64"):
        conv(Z.astype(np.int64), W, bias, g)
    with pytest.raises(ValueError, match="S has shape"):
        maxpool(np.ones((2, 5)), g)
    with pytest.raises(ValueError, match="at least one fully connected layer"):
        network(Z, [W], [bias], [g])


def test_a_factored_layer_is_the_product_of_its_factors(rng):
    config = NetConfig.preset("digits", 8, 8, 2, 3)
    config = dataclasses.replace(config, rank=(4, 0, 2))
    Z = np.asfortranarray(rng.standard_normal((2, 64 * 3)))
    V1, U1, W2, V3, U3 = (rng.standard_normal(shape) for shape in config.weight_shapes)
    b1, b2, b3 = rng.standard_normal(32), rng.standard_normal(64), rng.standard_normal(3)
    none = np.empty(0)
    factored = network(Z, [V1, U1, W2, V3, U3], [none, b1, b2, none, b3], config.stages.conv_layers)
    whole = network(Z, [U1 @ V1, W2, U3 @ V3], [b1, b2, b3], config.conv_layers)
    assert_allclose(factored, whole, rtol=1e-10, atol=1e-10)
