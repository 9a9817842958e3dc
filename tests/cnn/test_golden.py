"""Every number that MATLAB simpleNN recorded, computed again here."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from simplenn_py.cnn.gradient import JTv, lossgrad_subset
from simplenn_py.cnn.jacobian import jacobian
from simplenn_py.cnn.jv import Jv
from simplenn_py.cnn.objective import fungrad_minibatch
from simplenn_py.cnn.operators.phi import find_index_phiZ, padding_and_phiZ, vTP_phi
from simplenn_py.cnn.operators.pooling import maxpooling, vTP_pool
from simplenn_py.cnn.operators.relu import bias_relu
from simplenn_py.engines import make_engine
from simplenn_py.opt.cg import CG

DTYPES = [pytest.param(np.float64, id="float64"), pytest.param(np.float32, id="float32")]


def assert_agrees(actual, recorded, dtype=np.float64):
    """1e-10 in float64; in float32 1e-4 of the array's largest entry."""
    actual, recorded = np.asarray(actual), np.asarray(recorded)
    if dtype == np.float64:
        assert_allclose(actual, recorded, rtol=1e-10, atol=1e-10)
    else:
        assert actual.dtype == np.float32 or actual.ndim == 0
        assert_allclose(actual, recorded, rtol=1e-4, atol=1e-4 * np.abs(recorded).max())


def pooling_layers(gold):
    return [(m, g) for m, g in enumerate(gold.config.conv_layers) if g.h_pool > 1]


def test_geometry(gold):
    sizes = [
        (g.a, g.b, g.a_pad, g.b_pad, g.a_conv, g.b_conv, g.a_next, g.b_next)
        for g in gold.config.conv_layers
    ]
    assert_array_equal(sizes, gold.geometry)


def test_var_ptr(gold):
    model = gold.model()
    starts = [(W.ctypes.data - model.theta.ctypes.data) // 8 for W in model.W]
    assert_array_equal([*starts, model.theta.size], gold.var_ptr.ravel() - 1)
    assert_array_equal(model.theta, gold.flat(gold.weight, gold.bias))


@pytest.mark.parametrize("dtype", DTYPES)
def test_Z(gold, engine_name, dtype):
    engine, _ = gold.forward(engine_name, dtype)
    assert len(gold.Z) == gold.config.L + 1
    for m, Z in enumerate(gold.Z):
        assert_agrees(engine.Z(m).reshape(Z.shape, order="F"), Z, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_phiZ(gold, dtype):
    for g, Z, phiZ in zip(gold.config.conv_layers, gold.Z, gold.phiZ, strict=False):
        assert_array_equal(padding_and_phiZ(Z.astype(dtype), g), phiZ.astype(dtype))


def test_idx_phiZ(gold):
    for g, index in zip(gold.config.conv_layers, gold.idx_phiZ, strict=True):
        assert_array_equal(find_index_phiZ(g), index.ravel() - 1)


def test_idx_pool(gold):
    for m, g in pooling_layers(gold):
        S = np.asfortranarray(gold.weight[m] @ gold.phiZ[m])
        Z, idx_pool = maxpooling(bias_relu(S, gold.bias[m].ravel()), g)
        assert_array_equal(idx_pool, gold.idx_pool[m] - 1)
        assert_agrees(Z.reshape(gold.Z[m + 1].shape, order="F"), gold.Z[m + 1])


def test_vTP_phi(gold):
    for g, V, sums in zip(gold.config.conv_layers, gold.vTP_phi_v, gold.vTP_phi, strict=True):
        assert_agrees(vTP_phi(V, g).reshape(sums.shape, order="F"), sums)


def test_vTP_pool(gold):
    for m, g in pooling_layers(gold):
        idx_pool = gold.idx_pool[m].astype(np.int64) - 1
        V = gold.vTP_pool_v[m].reshape(g.d_next, -1, order="F")
        recorded = gold.vTP_pool[m]
        assert_agrees(vTP_pool(V, idx_pool, g).reshape(recorded.shape, order="F"), recorded)


@pytest.mark.parametrize("dtype", DTYPES)
def test_loss_and_its_gradient(gold, engine_name, dtype):
    engine, model = gold.forward(engine_name, dtype)
    gradient = np.empty_like(model.theta)
    everything = np.arange(gold.l)
    loss = lossgrad_subset(engine, model, gold.problem(dtype=dtype), everything, gradient)
    assert_agrees(loss, gold.loss_sum, dtype)
    assert_agrees(gradient, gold.flat(gold.dlossdW, gold.dlossdb), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_objective_whatever_the_batch(gold, engine_name, batch_size, dtype):
    engine = make_engine(engine_name, gold.config, batch_size, dtype)
    model, problem = gold.model(dtype), gold.problem(dtype=dtype)
    gradient = np.empty_like(model.theta)
    f = fungrad_minibatch(engine, model, problem, gradient)
    assert_agrees(f, gold.f, dtype)
    assert_agrees(gradient, gold.flat(gold.dfdW, gold.dfdb), dtype)
    assert fungrad_minibatch(engine, model, problem) == f


@pytest.mark.parametrize("dtype", DTYPES)
def test_Jv_and_JTu(gold, engine_name, dtype):
    engine, model = gold.forward(engine_name, dtype)
    assert_agrees(Jv(engine, model, gold.v.ravel().astype(dtype)), gold.Jv, dtype)
    assert_agrees(JTv(engine, model, gold.u.astype(dtype)), gold.JTu.ravel(), dtype)


def Gv_sum(gold, engine, model, v):
    """``sum_i J_i' B_i J_i v``, of the public pieces."""
    loss = gold.problem().loss
    return JTv(engine, model, loss.hessian_product(gold.Z[-1], Jv(engine, model, v)))


def test_Gv(gold, engine_name):
    engine, model = gold.forward(engine_name)
    assert_agrees(Gv_sum(gold, engine, model, gold.v.ravel()), gold.Gv.ravel())


@pytest.mark.parametrize("dtype", DTYPES)
def test_stored_jacobian(gold, engine_name, dtype):
    engine, model = gold.forward(engine_name, dtype)
    for dzdS, recorded in zip(jacobian(engine, model), gold.dzdS, strict=True):
        assert_agrees(dzdS, recorded, dtype)


def test_conjugate_gradients(gold, engine_name):
    """The recorded step solves ``(G + lambda I) s = -g`` as exactly as simpleNN asks."""
    engine, model = gold.forward(engine_name)
    g, s = gold.flat(gold.dfdW, gold.dfdb), gold.cg_s.ravel()

    def G(v):
        return v / gold.C + Gv_sum(gold, engine, model, v) / gold.l

    residual = -g - G(s) - gold.cg_lambda * s
    assert np.linalg.norm(residual) <= 0.1 * np.linalg.norm(g)
    assert_allclose(g @ s, gold.cg_gs, rtol=1e-8)
    assert_allclose(s @ G(s), gold.cg_sGs, rtol=1e-8)

    result = CG(lambda v: G(v) + gold.cg_lambda * v, g, cg_tol=0.1)
    assert (result.steps, result.reason) == (int(gold.cg_iter), "tolerance")
    assert_allclose(result.step, s, rtol=1e-8, atol=1e-10)
    assert_allclose(result.G_step, G(s) + gold.cg_lambda * s, rtol=1e-8, atol=1e-10)
