"""Factored layers W = U V: their stages, their model, all passes, and what is written of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from agreement import Setting
from networks import net
from numpy.testing import assert_allclose, assert_array_equal

from simplenn_py.cnn.gauss_newton import GaussNewton
from simplenn_py.cnn.gradient import lossgrad_subset
from simplenn_py.errors import ConfigError
from simplenn_py.model.model import Model
from simplenn_py.network.config import NetConfig
from simplenn_py.tools.gradcheck.check import check_derivatives

PLAIN = net(8, 7, 2, (6, 3, 1, 1, 2), (5, 2, 0, 2, 1), full=(7, 3))
FACTORED = replace(PLAIN, rank=(4, 0, 0, 2))
every_engine = pytest.mark.parametrize("engine", ["lecture", "direct"])


def test_stages_of_a_convolution_and_of_a_full_layer():
    stages = FACTORED.stages
    assert (stages.LC, stages.LF, stages.rank) == (3, 3, ())
    first, second, third = stages.conv_layers
    assert (first.d_next, first.h, first.p, first.s, first.h_pool) == (4, 3, 1, 1, 1)
    assert (second.d, second.d_next, second.h, second.p, second.h_pool) == (4, 6, 1, 0, 2)
    assert third == PLAIN.conv_layers[1]
    assert stages.full_neurons == (7, 2, 3)
    assert FACTORED.is_V == (True, False, False, False, True, False)
    assert FACTORED.stage_names == ("1 V", "1 U", "2", "3", "4 V", "4 U")


def test_a_network_without_factors_is_its_own_stages():
    assert PLAIN.stages is PLAIN
    assert replace(PLAIN, rank=(0, 0, 0, 0)) == PLAIN


def test_parameters_are_those_of_the_factors():
    conv = 4 * 18 + 6 * 4 + 6 + PLAIN.conv_layers[1].hhd * 5 + 5
    n_in = PLAIN.full_layers[0].n_in
    assert FACTORED.n_parameters == conv + n_in * 7 + 7 + 2 * 7 + 3 * 2 + 3


@pytest.mark.parametrize(
    ("rank", "message"),
    [
        ((1, 2), "rank has 2 entries; it needs L = 4"),
        ((7, 0, 0, 0), r"layer 1: rank is 7; for its 6x18 matrix W it must be from 1 to 6"),
        ((0, 0, 0, -1), "layer 4: rank is -1"),
        ((0, 0.5, 0, 0), "rank is .* a list of integers"),
    ],
)
def test_impossible_ranks(rank, message):
    with pytest.raises(ConfigError, match=message):
        replace(PLAIN, rank=rank)


def test_the_rank_is_part_of_the_text():
    assert "rank" not in PLAIN.text()
    assert "rank = [4,0,0,2];" in FACTORED.text()
    assert NetConfig.parse(FACTORED.text()) == FACTORED


def test_initial_weights_keep_the_size_of_the_layers_input():
    config = NetConfig.build((30, 30, 1), full=[800], rank=(600,))
    V, U = Model.initialise(config, np.arange(800), np.random.default_rng(0), np.float64).W
    assert_allclose(np.var(U @ V), 2 / 900, rtol=0.02)


@every_engine
def test_it_computes_what_the_product_of_its_factors_does(engine):
    setting = Setting(FACTORED, 5, np.float64)
    whole = setting.model.multiplied_out()
    assert whole.config == PLAIN
    assert_allclose(
        setting.model.decision_values(setting.problem.images, engine),
        whole.decision_values(setting.problem.images, engine),
        atol=1e-12,
    )


@every_engine
def test_gradients_of_the_factors_follow_from_that_of_their_product(engine):
    """``dxi/dU = dxi/dW V'`` and ``dxi/dV = U' dxi/dW``."""
    setting = Setting(FACTORED, 4, np.float64)
    gradients = []
    for model in (setting.model, setting.model.multiplied_out()):
        gradient = np.empty_like(model.theta)
        runner = setting.engine(engine) if model is setting.model else _engine(engine, model, 4)
        lossgrad_subset(runner, model, setting.problem, np.arange(4), gradient)
        gradients.append(model.split(gradient))
    (thin, thin_bias), (whole, whole_bias) = gradients
    W = setting.model.W
    for k, m in ((0, 0), (4, 3)):
        assert_allclose(thin[k], W[k + 1].T @ whole[m], atol=1e-10)
        assert_allclose(thin[k + 1], whole[m] @ W[k].T, atol=1e-10)
        assert thin_bias[k].size == 0
        assert_allclose(thin_bias[k + 1], whole_bias[m], atol=1e-10)
    assert_allclose(thin[2], whole[1], atol=1e-10)


@every_engine
@pytest.mark.parametrize("stored", [False, True])
def test_gauss_newton_products_are_symmetric(engine, stored):
    setting = Setting(FACTORED, 6, np.float64)
    runner = setting.engine(engine)
    G = GaussNewton(runner, setting.model, replace(setting.problem, C=3.0), np.arange(6), stored)
    rng = np.random.default_rng(1)
    u, v = rng.standard_normal((2, setting.model.theta.size))
    assert_allclose(u @ G.product(v), v @ G.product(u), rtol=1e-10)
    other = GaussNewton(
        _engine("lecture", setting.model, 6), setting.model,
        replace(setting.problem, C=3.0), np.arange(6),
    )  # fmt: skip
    assert_allclose(G.product(v), other.product(v), atol=1e-9)


@every_engine
def test_its_derivatives_pass_the_check(engine):
    assert check_derivatives(FACTORED, engine=engine, images=3).ok


def test_save_and_load(tmp_path):
    model = Model.initialise(FACTORED, np.arange(3), np.random.default_rng(2))
    model.save(tmp_path / "model.npz")
    again = Model.load(tmp_path / "model.npz")
    assert again.config == FACTORED
    assert_array_equal(again.theta, model.theta)


def test_onnx_has_two_nodes_of_a_factored_layer():
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from simplenn_py.formats.onnx import build_onnx

    setting = Setting(FACTORED, 5, np.float32)
    proto = build_onnx(setting.model)
    operators = [node.op_type for node in proto.graph.node]
    assert [operators.count(name) for name in ("Conv", "Gemm", "Relu")] == [3, 3, 3]
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    images = np.ascontiguousarray(
        setting.problem.images.T.reshape(5, 7, 8, 2).transpose(0, 2, 1, 3)
    )
    (values,) = session.run(["values"], {"images": images})
    expected = setting.model.decision_values(setting.problem.images)
    assert_allclose(values.T, expected, atol=1e-5 * np.abs(expected).max())


def test_simplenn_files_hold_the_product(tmp_path):
    from simplenn_py.formats.simplenn_mat import read_simplenn, write_simplenn

    model = Setting(FACTORED, 1, np.float64).model
    write_simplenn(tmp_path / "model.mat", model)
    again = read_simplenn(tmp_path / "model.mat")
    assert again.config == PLAIN
    assert_allclose(again.W[0], model.W[1] @ model.W[0], rtol=1e-14)


def _engine(name, model, l):
    from simplenn_py.engines import make_engine

    return make_engine(name, model.config, l, model.theta.dtype)
