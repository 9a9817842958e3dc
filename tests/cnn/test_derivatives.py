"""The passes: against naive.py, and against differences in random directions."""

from __future__ import annotations

from functools import lru_cache

import naive
import numpy as np
import pytest
from derivatives import check_derivative, check_gradient
from networks import net
from numpy.testing import assert_allclose, assert_array_equal

from simplenn_py.cnn.feedforward import feedforward
from simplenn_py.cnn.gradient import JTv
from simplenn_py.cnn.jacobian import jacobian
from simplenn_py.cnn.jv import Jv
from simplenn_py.cnn.objective import BatchObjective, evaluate, fungrad_minibatch
from simplenn_py.cnn.operators.loss import LOSSES, get_loss
from simplenn_py.cnn.operators.phi import padding_and_phiZ
from simplenn_py.cnn.problem import Problem
from simplenn_py.engines import make_engine
from simplenn_py.model.model import Model

l = 3


NETS = {
    "stride 2": net(7, 6, 2, (3, 3, 1, 2), full=(4,)),
    "no pool": net(5, 4, 1, (3, 3, 1), (2, 2)),
    "ragged pool": net(8, 7, 2, (3, 3, 1, 1, 3), (4, 3, 1, 1, 2)),
    "two full layers": net(6, 9, 1, (4, 3, 0, 1, 2), full=(5, 3)),
    "full layers only": net(3, 2, 2, full=(6, 5, 3)),
}
every_net = pytest.mark.parametrize("net", NETS)
every_loss = pytest.mark.parametrize("loss", LOSSES)


class Case:
    """A net at a point where it is smooth: no ReLU and no maximum within 1e-4 of a tie."""

    def __init__(self, name):
        self.config = NETS[name]
        a, b, d = self.config.image_shape
        for seed in range(100):
            rng = np.random.default_rng(seed)
            self.images = np.asfortranarray(rng.standard_normal((d, a * b * l)))
            self.theta = rng.standard_normal(self.config.n_parameters) * 0.5
            self.y = rng.integers(0, self.config.nL, l)
            W, bias = self.model(self.theta).split(self.theta)
            geometries = self.config.conv_layers
            self.Z, S, _ = naive.feedforward(self.images, geometries, W, bias)
            if self.margin(S) > 1e-4:
                return
        raise AssertionError("no smooth point found")

    def margin(self, S):
        """How near a pre-activation comes to 0, or two candidates for a maximum to each other."""
        nearest = min(np.abs(s).min() for s in S[:-1])
        for g, s in zip(self.config.conv_layers, S, strict=False):
            for row in s if g.h_pool > 1 else ():
                nearest = min(nearest, np.diff(np.sort(row[row > 0])).min(initial=np.inf))
        return nearest

    def model(self, theta):
        return Model(self.config, theta, np.arange(self.config.nL))

    def problem(self, loss, C=0.7):
        offset = np.zeros(self.images.size // l)
        return Problem(self.images, self.y, get_loss(loss), C, 1.0, offset)

    def forward(self, engine_name, theta):
        engine = make_engine(engine_name, self.config, l, np.float64)
        engine.load(self.images, np.arange(l), 1.0, np.zeros(self.images.size // l))
        model = self.model(theta)
        return engine, model, feedforward(engine, model)


case = lru_cache(Case)


@every_net
def test_feedforward_equals_the_loops(net, engine_name):
    c = case(net)
    engine, _, _ = c.forward(engine_name, c.theta)
    for m, Z in enumerate(c.Z):
        assert_allclose(engine.Z(m).reshape(Z.shape, order="F"), Z, rtol=1e-12, atol=1e-12)


@every_net
def test_JTv_equals_the_matrices_of_the_text(net, engine_name, rng):
    c = case(net)
    engine, model, z = c.forward(engine_name, c.theta)
    V = rng.standard_normal(z.shape)
    wanted = naive.gradient(c.images, c.config.conv_layers, model.W, model.bias, V)
    assert_allclose(JTv(engine, model, V), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("loss", "oracle"), [("squared", naive.squared_loss), ("cross-entropy", naive.cross_entropy)]
)
def test_losses_equal_the_loops(loss, oracle, rng):
    z, y = rng.standard_normal((5, 7)) * 3, rng.integers(0, 5, 7)
    value, derivative = oracle(z, y)
    assert_allclose(get_loss(loss).value(z, y), value, rtol=1e-13)
    assert_allclose(get_loss(loss).gradient(z, y), derivative, rtol=1e-12, atol=1e-14)


def test_losses_by_hand():
    z, y = np.array([[1.0, 0.0], [3.0, 0.0]]), np.array([0, 1])
    assert get_loss("squared").value(z, y) == 9 + 1
    assert_allclose(get_loss("cross-entropy").value(z, y), np.log(1 + np.exp(2)) + np.log(2))


def test_cross_entropy_of_huge_values_is_finite():
    z, y = np.array([[1e4, -1e4], [0.0, 0.0]]), np.array([0, 0])
    loss = get_loss("cross-entropy")
    assert loss.value(z, y) == 1e4
    assert_allclose(loss.gradient(z, y), [[0, -1], [0, 1]])


def test_unknown_loss_is_named():
    with pytest.raises(ValueError, match=r"loss is 'square'.*did you mean 'squared'"):
        get_loss("square")


@every_loss
def test_loss_derivatives(loss, rng):
    xi, y, z = get_loss(loss), rng.integers(0, 4, 6), rng.standard_normal((4, 6))
    check_gradient(lambda z: xi.value(z, y), xi.gradient(z, y), z, rng)
    check_derivative(lambda z: xi.gradient(z, y), lambda V: xi.hessian_product(z, V), z, rng)


@every_loss
@every_net
def test_gradient(net, loss, engine_name, rng):
    c, gradient = case(net), np.empty(NETS[net].n_parameters)
    engine = make_engine(engine_name, c.config, l, np.float64)

    def f(theta):
        return fungrad_minibatch(engine, c.model(theta), c.problem(loss))

    fungrad_minibatch(engine, c.model(c.theta), c.problem(loss), gradient)
    check_gradient(f, gradient, c.theta, rng)


def test_a_gradient_wrong_by_a_thousandth_fails(engine_name, rng):
    c, gradient = case("ragged pool"), np.empty(NETS["ragged pool"].n_parameters)
    engine = make_engine(engine_name, c.config, l, np.float64)

    def f(theta):
        return fungrad_minibatch(engine, c.model(theta), c.problem("squared"))

    fungrad_minibatch(engine, c.model(c.theta), c.problem("squared"), gradient)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_gradient(f, gradient * 1.001, c.theta, rng)
    last_bias = gradient.copy()
    last_bias[-1] *= 1.001  # and so it does in a single entry
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_gradient(f, last_bias, c.theta, rng)
    check_gradient(f, gradient, c.theta, rng)


def test_batch_objective_estimates_the_gradient(engine_name):
    """Of a batch within a subset; without C only the losses count."""
    c = case("ragged pool")
    engine, model, z = c.forward(engine_name, c.theta)
    z, problem = z.copy(), c.problem("squared")
    residual = problem.loss.gradient(z, c.y)
    residual[:, 1] = 0  # instances 2 and 0, which the subset counts as 0 and 1
    mean = JTv(engine, model, residual) / 2
    subset, batch, out = np.array([2, 0]), np.array([0, 1]), np.empty_like(mean)
    objective = BatchObjective(engine, model, problem, subset)
    loss, correct = objective.grad(batch, out)
    assert objective.l == 2
    assert_allclose(out, c.theta / problem.C + mean, rtol=1e-12, atol=1e-12)
    assert_allclose(loss, problem.loss.value(z[:, subset], c.y[subset]), rtol=1e-13)
    assert correct == sum(z[:, i].argmax() == c.y[i] for i in subset)
    BatchObjective(engine, model, c.problem("squared", np.inf), subset).grad(batch, out)
    assert_allclose(out, mean, rtol=1e-12, atol=1e-12)


@every_loss
def test_evaluate_whatever_the_batch(loss, engine_name):
    c, problem = case("ragged pool"), case("ragged pool").problem(loss)
    engine = make_engine(engine_name, c.config, 2, np.float64)
    chosen, z = np.array([2, 0, 1]), c.Z[-1]
    mean, predicted = evaluate(engine, c.model(c.theta), problem, chosen)
    assert_allclose(mean, problem.loss.value(z, c.y) / l, rtol=1e-12)
    assert_array_equal(predicted, z.argmax(axis=0)[chosen])


@every_net
def test_Jv(net, engine_name, rng):
    c = case(net)
    engine, model, _ = c.forward(engine_name, c.theta)
    check_derivative(
        lambda theta: c.forward(engine_name, theta)[2].copy(),
        lambda v: Jv(engine, model, v),
        c.theta,
        rng,
    )


@every_net
def test_Jv_and_JTv_are_adjoint(net, engine_name, rng):
    c = case(net)
    engine, model, z = c.forward(engine_name, c.theta)
    v, u = rng.standard_normal(c.theta.size), rng.standard_normal(z.shape)
    assert_allclose(np.vdot(u, Jv(engine, model, v)), JTv(engine, model, u) @ v, rtol=1e-11)


@every_loss
@every_net
def test_Gv_is_symmetric_and_positive(net, loss, engine_name, rng):
    c, xi = case(net), get_loss(loss)
    engine, model, z = c.forward(engine_name, c.theta)
    z = z.copy()

    def Gv(v):
        return JTv(engine, model, xi.hessian_product(z, Jv(engine, model, v)))

    for _ in range(3):
        v, w = rng.standard_normal((2, c.theta.size))
        assert_allclose(w @ Gv(v), v @ Gv(w), rtol=1e-10, atol=1e-10)
        assert v @ Gv(v) > 0


@every_net
def test_stored_jacobian_gives_the_same_products(net, engine_name, rng):
    """``J_i v`` and ``J_i' u`` from dz/dS and phi alone, output by output."""
    c = case(net)
    engine, model, z = c.forward(engine_name, c.theta)
    nL, v, u = c.config.nL, rng.standard_normal(c.theta.size), rng.standard_normal(z.shape)
    forwards, backwards = Jv(engine, model, v), JTv(engine, model, u)
    products, sums = np.zeros_like(z), np.zeros_like(v)
    (V, v_bias), (dW, dbias) = model.split(v), model.split(sums)
    for m, dzdS in enumerate(jacobian(engine, model)):
        full = m >= c.config.LC
        phiZ = engine.Z(m) if full else padding_and_phiZ(engine.Z(m), c.config.conv_layers[m])
        if full:
            phiZ = phiZ.reshape(-1, l, order="F")
        n = phiZ.shape[1] // l
        for i in range(l):
            phi_i = phiZ[:, i * n : (i + 1) * n]
            for k in range(nL):
                block = dzdS[:, (k + nL * i) * n :][:, :n]
                products[k, i] += np.vdot(block, V[m] @ phi_i + v_bias[m][:, None])
                dW[m] += u[k, i] * (block @ phi_i.T)
                dbias[m] += u[k, i] * block.sum(axis=1)
    assert_allclose(products, forwards, rtol=1e-11, atol=1e-12)
    assert_allclose(sums, backwards, rtol=1e-11, atol=1e-12)
