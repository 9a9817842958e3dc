"""The lecture engine: its workspace, its batches, its table of operators."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from networks import FULL, RAGGED
from numpy.testing import assert_allclose, assert_array_equal

from simplenn_py.cnn.feedforward import feedforward
from simplenn_py.cnn.gradient import JTv, lossgrad_subset
from simplenn_py.cnn.jacobian import jacobian
from simplenn_py.cnn.jv import Jv
from simplenn_py.cnn.operators.loss import get_loss
from simplenn_py.cnn.problem import Problem
from simplenn_py.engines import engine_class, make_engine
from simplenn_py.engines.lecture import LectureEngine
from simplenn_py.engines.operator_table import Operators
from simplenn_py.errors import OptionError, UserError
from simplenn_py.model.model import Model
from simplenn_py.network import Conv, NetConfig

N = 7  # instances

NETS = pytest.mark.parametrize("config", [RAGGED, FULL], ids=["ragged", "full layers only"])


def setting(config, rng, dtype=np.float64):
    a, b, d = config.image_shape
    images = np.asfortranarray(rng.standard_normal((d, a * b * N)).astype(dtype))
    y = rng.integers(0, config.nL, N)
    model = Model.initialise(config, np.arange(config.nL), rng, dtype)
    return model, Problem(images, y, get_loss("squared"), np.inf, 1.0, np.zeros(d * a * b))


def step(engine, model, problem, indices):
    gradient = np.empty_like(model.theta)
    loss = lossgrad_subset(engine, model, problem, indices, gradient)
    return loss, gradient, engine.Z(model.config.L).copy()


@NETS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("training", [True, False])
def test_forecast_is_what_is_allocated(config, dtype, training, rng):
    engine = LectureEngine(config, 3, dtype, training)
    forecast = LectureEngine.forecast(config, 3, dtype, training)
    assert forecast == {role: buffer.nbytes for role, buffer in engine.buffers.items()}
    model, problem = setting(config, rng, dtype)
    if training:
        step(engine, model, problem, np.arange(3))
    else:
        lossgrad_subset(engine, model, problem, np.arange(3))
    assert forecast == {role: buffer.nbytes for role, buffer in engine.buffers.items()}


@NETS
def test_forecast_grows_with_the_batch(config):
    small, large = (LectureEngine.forecast(config, n, np.float32) for n in (2, 6))
    assert {role: 3 * size for role, size in small.items()} == large


def places(engine):
    return {role: (b.ctypes.data, b.nbytes) for role, b in engine.buffers.items()}


def test_buffers_can_be_read_but_not_changed(engine_name):
    engine = make_engine(engine_name, RAGGED, 3, np.float32)
    assert "Z0" in engine.buffers
    with pytest.raises(ValueError, match="read-only"):
        engine.buffers["Z0"][:] = 1
    with pytest.raises(TypeError, match="does not support item assignment"):
        engine.buffers["Z0"] = np.zeros(1)
    assert np.all(engine.buffers["Z0"] != 1)


@NETS
def test_a_second_step_allocates_nothing(config, rng):
    """Not even after a tangent and a stored Jacobian, which take more once."""
    engine = LectureEngine(config, N, np.float64)
    model, problem = setting(config, rng)
    v, everything = rng.standard_normal(model.theta.size), np.arange(N)

    def all_passes():
        step(engine, model, problem, everything)
        Jv(engine, model, v)
        jacobian(engine, model)

    all_passes()
    before = places(engine)
    all_passes()
    assert places(engine) == before


def test_buffers_start_on_a_cache_line():
    engine = LectureEngine(RAGGED, 3, np.float32)
    assert all(buffer.ctypes.data % 64 == 0 for buffer in engine.buffers.values() if buffer.size)


@NETS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_smaller_last_batch_is_a_batch_of_its_own(config, dtype, rng, engine_name):
    """What a larger batch left in the buffers changes nothing."""
    model, problem = setting(config, rng, dtype)
    engine = make_engine(engine_name, config, 5, np.dtype(dtype))
    step(engine, model, problem, np.arange(5))
    part = step(engine, model, problem, np.array([5, 6]))
    own = step(make_engine(engine_name, config, 2, dtype), model, problem, np.array([5, 6]))
    for result, wanted in zip(part, own, strict=True):
        assert_array_equal(result, wanted)


@NETS
def test_batches_add_up(config, rng, engine_name):
    model, problem = setting(config, rng)
    engine = make_engine(engine_name, config, N, np.float64)
    loss, gradient, z = step(engine, model, problem, np.arange(N))
    parts = [step(engine, model, problem, part) for part in np.split(np.arange(N), [3, 4])]
    assert_allclose(sum(part[0] for part in parts), loss, rtol=1e-12)
    assert_allclose(sum(part[1] for part in parts), gradient, rtol=1e-11, atol=1e-12)
    assert_allclose(np.hstack([part[2] for part in parts]), z, rtol=1e-11, atol=1e-12)


def test_instances_are_gathered_in_the_order_asked_for(rng, engine_name):
    model, problem = setting(RAGGED, rng)
    engine = make_engine(engine_name, RAGGED, N, np.float64)
    _, _, z = step(engine, model, problem, np.arange(N))
    order = np.array([6, 0, 0, 3])
    _, _, chosen = step(engine, model, problem, order)
    assert_allclose(chosen, z[:, order], rtol=1e-11, atol=1e-12)
    assert engine.l == 4


def test_images_are_scaled_and_centred_as_they_are_gathered(rng, engine_name):
    engine = make_engine(engine_name, RAGGED, 3, np.float64)
    images = rng.integers(0, 256, (2, 72 * 4)).astype(np.uint8, order="F")
    offset = rng.standard_normal(144)
    engine.load(images, np.array([3, 1]), 1 / 255, offset)
    for place, n in enumerate([3, 1]):
        wanted = images[:, 72 * n : 72 * (n + 1)] / 255 - offset.reshape(2, 72, order="F")
        assert_allclose(engine.Z(0)[:, 72 * place : 72 * (place + 1)], wanted, atol=1e-14)


def test_the_same_step_twice_gives_the_same_bits(rng, engine_name):
    model, problem = setting(RAGGED, rng, np.float32)
    engine = make_engine(engine_name, RAGGED, N, np.float32)
    first = step(engine, model, problem, np.arange(N))
    for _ in range(3):
        for result, wanted in zip(step(engine, model, problem, np.arange(N)), first, strict=True):
            assert_array_equal(result, wanted)


def test_a_layer_without_its_activation_and_pool(rng, engine_name):
    config = NetConfig.build((9, 8, 2), [Conv(3, 3, pad=1, pool=2)], [4])
    model, problem = setting(config, rng)
    engine, g = make_engine(engine_name, config, N, np.float64), config.conv_layers[0]
    engine.load(problem.images, np.arange(N), 1.0, problem.offset)
    bias = rng.standard_normal(3)
    S = naive.conv(problem.images, model.W[0], bias, g)
    wanted = {
        (True, True): naive.maxpool(naive.relu(S), g)[0],
        (False, True): naive.maxpool(S, g)[0],
        (True, False): naive.relu(S),
        (False, False): S,
    }
    for (activate, pool), Z in wanted.items():
        engine.forward(0, model.W[0], bias, activate=activate, pool=pool)
        assert_allclose(engine.Z(1), Z, rtol=1e-12, atol=1e-12)


def test_the_pass_back_remembers_a_missing_activation(rng, engine_name):
    """Two full layers without the ReLU between: ``z = W2 (W1 x + b1) + b2``."""
    model, problem = setting(FULL, rng)
    engine = make_engine(engine_name, FULL, N, np.float64)
    engine.load(problem.images, np.arange(N), 1.0, problem.offset)
    for m in range(2):
        engine.forward(m, model.W[m], model.bias[m], activate=False)
    x, V = problem.images.reshape(-1, N, order="F"), rng.standard_normal((3, N))
    hidden = model.W[0] @ x + model.bias[0][:, None]
    dW, dbias = model.split(JTv(engine, model, V))
    assert_allclose(dW[0], model.W[1].T @ V @ x.T, rtol=1e-11, atol=1e-12)
    assert_allclose(dW[1], V @ hidden.T, rtol=1e-11, atol=1e-12)
    assert_allclose(dbias[0], (model.W[1].T @ V).sum(axis=1), rtol=1e-11, atol=1e-12)
    v = rng.standard_normal(model.theta.size)
    RW, Rbias = model.split(v)
    wanted = RW[1] @ hidden + model.W[1] @ (RW[0] @ x + Rbias[0][:, None]) + Rbias[1][:, None]
    assert_allclose(Jv(engine, model, v), wanted, rtol=1e-11, atol=1e-12)


def student_bias_relu(S, bias, activate=True):
    S = S + bias[:, None]
    return naive.relu(S) if activate else S


def student_mask(V, Z, columns=1):
    return V * np.repeat(Z > 0, columns, axis=1)


STUDENT = {
    "padding_and_phiZ": naive.phi,
    "vTP_phi": naive.vTP_phi,
    "unpad": naive.unpad,
    "maxpooling": naive.maxpool,
    "vTP_pool": naive.vTP_pool,
    "bias_relu": student_bias_relu,
    "mask": student_mask,
}


def counted(routine, calls):
    def call(*args):
        calls.append(routine)
        return routine(*args)

    return call


@pytest.mark.parametrize("name", [*STUDENT, "all"])
def test_a_students_routine_is_called(name, rng):
    model, problem = setting(RAGGED, rng)
    wanted = step(LectureEngine(RAGGED, 3, np.float64), model, problem, np.arange(3))
    calls, chosen = [], STUDENT if name == "all" else {name: STUDENT[name]}
    operators = Operators().replace(**{n: counted(r, calls) for n, r in chosen.items()})
    engine = LectureEngine(RAGGED, 3, np.float64, operators=operators)
    for result, target in zip(step(engine, model, problem, np.arange(3)), wanted, strict=True):
        assert_allclose(result, target, rtol=1e-11, atol=1e-12)
    assert set(calls) == set(chosen.values())


def test_a_wrong_routine_changes_the_result(rng):
    model, problem = setting(RAGGED, rng)
    operators = Operators().replace(vTP_phi=lambda V, g: 2 * naive.vTP_phi(V, g))
    engine = LectureEngine(RAGGED, 3, np.float64, operators=operators)
    _, wrong, _ = step(engine, model, problem, np.arange(3))
    _, right, _ = step(LectureEngine(RAGGED, 3, np.float64), model, problem, np.arange(3))
    (wrong_dW, _), (right_dW, _) = model.split(wrong), model.split(right)
    assert_allclose(wrong_dW[2], right_dW[2])  # nothing had been scattered yet
    assert_allclose(wrong_dW[1], 2 * right_dW[1])
    assert_allclose(wrong_dW[0], 4 * right_dW[0])


@pytest.mark.parametrize(
    ("name", "routine", "message"),
    [
        ("vTP_phi", lambda V, g: V, r"vTP_phi returned shape \(\d+, \d+\); it must return"),
        ("unpad", lambda V, g: None, r"unpad returned None; it must return an array"),
        ("padding_and_phiZ", lambda Z, g: Z, r"padding_and_phiZ returned"),
        ("maxpooling", lambda S, g: S, "it must return two arrays, Z and idx_pool"),
        ("maxpooling", lambda S, g: (S, S), r"maxpooling returned shape \(3, 216\); it must"),
        ("vTP_pool", lambda V, idx, g: V, r"vTP_pool returned .* \(3, 216\)"),
        ("bias_relu", lambda S, bias, activate: S.T, r"bias_relu returned"),
        ("mask", lambda V, Z: V[:, :1], r"mask returned shape \(5, 1\)"),
    ],
)
def test_a_wrong_shape_is_named(name, routine, message, rng):
    model, problem = setting(RAGGED, rng)
    operators = Operators().replace(**{name: routine})
    engine = LectureEngine(RAGGED, 3, np.float64, operators=operators)
    with pytest.raises(UserError, match=message):
        step(engine, model, problem, np.arange(3))


def test_an_unknown_operator_is_named():
    with pytest.raises(UserError, match=r"no operator 'vTP_phy'.*did you mean 'vTP_phi'"):
        Operators().replace(vTP_phy=naive.vTP_phi)


def test_replacing_leaves_the_table_as_it_was():
    table = Operators()
    changed = table.replace(vTP_phi=naive.vTP_phi)
    assert table == Operators()
    assert changed.vTP_phi is not table.vTP_phi
    assert changed.vTP_pool is table.vTP_pool


def test_unknown_engine_is_named():
    with pytest.raises(OptionError, match=r"engine is 'lectures'.*did you mean 'lecture'"):
        engine_class("lectures")
    assert engine_class("lecture") is LectureEngine


def test_an_engine_for_prediction_keeps_less(rng):
    training = sum(LectureEngine.forecast(RAGGED, 8, np.float32).values())
    prediction = sum(LectureEngine.forecast(RAGGED, 8, np.float32, training=False).values())
    assert prediction < training
    model, problem = setting(RAGGED, rng)
    values = []
    for keep in (True, False):
        engine = LectureEngine(RAGGED, N, np.float64, training=keep)
        engine.load(problem.images, np.arange(N), 1.0, problem.offset)
        values.append(feedforward(engine, model).copy())
    assert_array_equal(*values)
