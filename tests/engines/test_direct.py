"""The direct engine against the lecture engine: awkward networks, and random ones."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import Setting, assert_agrees, assert_engines_agree, assert_identical
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import net
from numpy.testing import assert_array_equal

from simplenn_py.engines import direct_plan
from simplenn_py.engines.direct import DirectEngine
from simplenn_py.engines.direct_plan import winograd_pays
from simplenn_py.kernels import policy
from simplenn_py.network.config import NetConfig

# A convolutional layer is (filters, h, p, s, h_pool).
NETS = {
    "one channel, no padding": net(5, 7, 1, (1, 3, 0, 1, 1)),
    "1x1 filters": net(4, 3, 5, (7, 1, 0, 1, 1), (3, 1, 0, 1, 2)),
    "2x2 filters, padding 2": net(5, 4, 3, (5, 2, 2, 1, 2), (4, 2, 1, 1, 1)),
    "5x5 filters": net(8, 6, 3, (17, 5, 2, 1, 2)),
    "7x7 filters, padding 3": net(9, 8, 2, (5, 7, 3, 1, 3)),
    "more padding than filter": net(3, 4, 3, (4, 1, 2, 1, 1), (5, 2, 3, 1, 1)),
    "stride 2": net(9, 8, 3, (16, 3, 1, 2, 1), (5, 3, 1, 2, 1)),
    "stride 2, pool": net(11, 9, 3, (17, 3, 1, 2, 2), (7, 2, 0, 2, 1)),
    "stride 3": net(11, 13, 2, (5, 3, 1, 3, 1), (3, 3, 2, 3, 1)),
    "stride 3, pool 2": net(13, 14, 1, (33, 2, 0, 3, 2)),
    "stride 2, 16 channels": net(9, 7, 16, (33, 3, 1, 2, 2), full=(5, 3)),
    "pool 3, ragged": net(11, 8, 3, (7, 3, 1, 1, 3), (5, 2, 1, 1, 3)),
    "pool 4, ragged": net(11, 9, 5, (16, 3, 1, 1, 4), (3, 1, 0, 1, 2)),
    "pool 2, ragged in both": net(7, 9, 1, (5, 3, 1, 1, 2), (7, 3, 1, 1, 2)),
    "pool 3 of wide channels": net(7, 10, 17, (33, 3, 1, 1, 3)),
    "Winograd, even, no pool": net(6, 4, 16, (16, 3, 1, 1, 1)),
    "Winograd, odd, no pool": net(7, 5, 17, (32, 3, 1, 1, 1), (33, 3, 0, 1, 1)),
    "Winograd, odd, pool": net(7, 9, 32, (33, 3, 1, 1, 2), (17, 3, 1, 1, 2)),
    "Winograd, padding 0 and 3": net(8, 5, 16, (17, 3, 0, 1, 2), (16, 3, 3, 1, 1)),
    "Winograd of one pixel": net(1, 1, 16, (18, 3, 1, 1, 1), (16, 3, 1, 1, 1)),
    "Winograd of one row": net(3, 8, 33, (16, 3, 0, 1, 1)),
    "Winograd of one column": net(9, 3, 16, (33, 3, 0, 1, 1)),
    "dense, no pool": net(4, 3, 33, (128, 3, 1, 1, 1), (40, 3, 1, 1, 1)),
    "dense, 5x5": net(6, 4, 40, (33, 5, 2, 1, 1), (5, 3, 1, 1, 1)),
    "dense, stride 2": net(7, 8, 65, (64, 3, 1, 2, 1), (32, 5, 2, 3, 1)),
    "dense, one pixel": net(1, 1, 64, (65, 3, 1, 1, 1), (61, 3, 1, 1, 1)),
    "many channels behind a pool": net(5, 4, 33, (130, 3, 1, 1, 2), (5, 1, 0, 1, 1)),
    "1x1 images": net(1, 1, 7, (5, 1, 0, 1, 1), (17, 3, 1, 1, 1)),
    "one row of pixels": net(1, 9, 3, (5, 3, 1, 1, 1), (7, 1, 0, 2, 1)),
    "one column of pixels": net(9, 1, 3, (5, 3, 1, 2, 1), (7, 3, 1, 1, 1)),
    "three layers": net(12, 11, 3, (7, 5, 2, 1, 2), (16, 3, 1, 1, 1), (17, 3, 1, 1, 2)),
    "hidden full layers": net(6, 5, 2, (5, 3, 1, 1, 2), full=(33, 17, 4)),
    "wide full layers": net(4, 4, 3, (16, 3, 1, 1, 2), full=(600, 70, 10)),
    "full layers only": net(3, 2, 2, full=(6, 5, 3)),
    "one full layer": net(2, 3, 1, full=(2,)),
    "hidden layer of one number": net(1, 1, 1, full=(1, 2)),
    "factored": net(
        9,
        8,
        3,
        (16, 3, 1, 1, 2),
        (17, 5, 2, 1, 2),
        (33, 3, 1, 2, 1),
        full=(20, 4),
        rank=(5, 0, 17, 3, 1),
    ),
    "factored, Winograd": net(8, 7, 16, (33, 3, 1, 1, 2), (16, 3, 1, 1, 1), rank=(17, 16, 2)),
    "factored full layers only": net(3, 2, 2, full=(6, 5, 3), rank=(6, 1, 2)),
}
# If patches lie wholly in the padding, S has equal entries; only whole numbers keep them equal.
TIED = {
    "padding wider than filter, pool": net(3, 4, 3, (4, 1, 2, 1, 2), (5, 2, 3, 1, 3)),
    "padding as wide as Winograd's filter, pool": net(4, 3, 16, (17, 3, 3, 1, 2)),
}
every_net = pytest.mark.parametrize("name", NETS)
every_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@every_dtype
@every_net
def test_awkward_networks_agree(name, dtype):
    assert_engines_agree(Setting(NETS[name], 3, dtype))


def test_the_networks_take_every_path():
    taken = set()
    for config in NETS.values():
        engine = Setting(config, 1, np.float64).engine()
        taken |= {engine.path(m).split(" / ")[k] for m in range(config.stages.L) for k in (0, 1)}
    assert taken >= {"direct", "Winograd 4x4", "dense", "winners", "lists"}


def test_winograd_is_for_batches_with_many_pixels():
    image = NETS["Winograd, odd, pool"].conv_layers[0]  # 6 of 7 x 8 of 9 pixels are used: 4 tiles
    assert [winograd_pays(image, l) for l in (7, 8)] == [False, True]
    pixel = NETS["Winograd of one pixel"].conv_layers[0]  # 36 multiplications instead of 9
    assert not winograd_pays(pixel, 1000)


@pytest.mark.parametrize(
    ("winograd", "paths"),
    [(None, [False, True]), (True, [True, True]), (False, [False, False])],
)
def test_winograd_can_be_switched(winograd, paths):
    config = NETS["Winograd, odd, pool"]
    engines = [DirectEngine(config, l, np.float32, winograd=winograd) for l in (7, 8)]
    assert [engine.path(0).startswith("Winograd") for engine in engines] == paths
    forecasts = [DirectEngine.forecast(config, l, np.float32, winograd=winograd) for l in (7, 8)]
    for engine, forecast in zip(engines, forecasts, strict=True):
        assert forecast == {role: buffer.nbytes for role, buffer in engine.buffers.items()}


@every_dtype
@pytest.mark.parametrize(
    "name", ["Winograd, odd, no pool", "Winograd, padding 0 and 3", "dense, no pool"]
)
def test_slabs_of_tiles_agree(name, dtype, monkeypatch):
    """The backward pass of a batch in several slabs, the last one smaller."""
    setting = Setting(NETS[name], 11, dtype)
    planned = direct_plan.tile_plan

    def in_slabs(layer, batch_size, itemsize):
        return planned(layer, min(batch_size, 4), itemsize)

    monkeypatch.setattr(direct_plan, "tile_plan", in_slabs)
    assert_engines_agree(setting)


@every_dtype
@pytest.mark.parametrize("l", [1, 2, 16, 37])
@pytest.mark.parametrize("name", ["pool 2, ragged in both", "dense, 5x5", "hidden full layers"])
def test_batches_agree(name, l, dtype):
    """One instance, and more instances than (4) has parts."""
    assert_engines_agree(Setting(NETS[name], l, dtype))


@every_dtype
@every_net
def test_a_smaller_last_batch_is_a_batch_of_its_own(name, dtype):
    """What a larger batch left in the buffers changes nothing beyond the order of sums."""
    setting = Setting(NETS[name], 7, dtype)
    engine, last = setting.engine(batch_size=5), np.array([5, 6])
    setting.step(engine, np.arange(5))
    part = setting.step(engine, last)
    assert_identical(part, setting.step(setting.engine(batch_size=5), last))
    exact = setting.in_float64()
    assert_agrees(part, exact.step(exact.engine("lecture", 5), last), dtype)


@every_dtype
@every_net
def test_an_engine_for_prediction_computes_the_same(name, dtype):
    setting = Setting(NETS[name], 4, dtype)
    model, p = setting.model, setting.problem
    found = []
    for training in (True, False):
        engine = setting.engine(training=training)
        engine.load(p.images, np.arange(4), p.scale, p.offset)
        for m, (W, bias) in enumerate(zip(model.W, model.bias, strict=True)):
            engine.forward(m, W, bias, activate=m < setting.config.stages.L - 1)
        found.append(engine.Z(setting.config.stages.L).copy())
    assert_array_equal(*found)


@every_dtype
@pytest.mark.parametrize("name", [*NETS, *TIED])
def test_ties_are_decided_as_in_the_lecture(name, dtype):
    """In whole numbers both engines compute the same bits; the first of equal maxima wins.

    Not by Winograd's tiles: they have factors of 1/3.
    """
    setting = Setting((NETS | TIED)[name], 2, dtype, integers=True, winograd=False)
    exact = setting.in_float64()
    wanted = exact.everything(exact.engine("lecture"))
    assert max(np.abs(x).max(initial=0) for x in wanted.values()) < 2**22  # float32 has 24 bits
    found = setting.everything(setting.engine())
    assert_identical({k: x.astype(np.float64) for k, x in found.items()}, wanted)


@every_dtype
@pytest.mark.parametrize("constant", ["rows", "columns", "all"])
def test_winograd_leaves_equal_maxima_equal_where_an_image_does_not_change(constant, dtype):
    setting = Setting(net(10, 12, 17, (33, 3, 0, 1, 2)), 3, dtype)
    images = setting.problem.images.reshape(17, 10, 12, 3, order="F")
    if constant != "columns":
        images[...] = images[:, :1].copy()
    if constant != "rows":
        images[...] = images[:, :, :1].copy()
    setting.problem.images[:] = images.reshape(17, -1, order="F")
    engine = setting.engine()
    assert engine.path(0).startswith("Winograd")
    setting.step(engine)
    winner = engine.buffers["winner0"][: 3 * 4 * 5 * 33]
    allowed = {"rows": {-1, 0, 2}, "columns": {-1, 0, 1}, "all": {-1, 0}}[constant]
    assert set(winner.tolist()) <= allowed
    assert np.mean(winner >= 0) > 0.2


@every_dtype
@pytest.mark.parametrize("h_pool", [2, 3, 4])
def test_of_equal_maxima_the_first_wins(h_pool, dtype):
    """All entries of a window are the same: the gradient goes to the first, in every channel."""
    setting = Setting(net(h_pool, 2 * h_pool, 1, (18, 1, 0, 1, h_pool)), 2, dtype)
    setting.model.W[0][:] = 0
    setting.model.bias[0][:] = 1
    engine = setting.engine()
    setting.step(engine)
    engine.set_gradient(setting.V)
    engine.backward(1, setting.model.W[1])
    dS = engine.gradient_S(0).T.reshape(2, 2, h_pool, h_pool, 18)
    assert np.all(dS[:, :, 0, 0] != 0)
    dS[:, :, 0, 0] = 0
    assert np.all(dS == 0)


@every_dtype
@pytest.mark.parametrize("name", [n for n, c in NETS.items() if c.LC])
def test_nan_reaches_the_loss(name, dtype):
    """But only the loss of the instance that has it."""
    setting = Setting(NETS[name], 3, dtype)
    engine = setting.engine()
    clean = setting.step(engine)[f"Z{setting.config.stages.L}"]
    pixels = setting.problem.images.shape[1] // 3
    setting.problem.images[:, pixels : 2 * pixels] = np.nan
    found = setting.step(engine)
    z = found[f"Z{setting.config.stages.L}"]
    assert np.isnan(found["loss"])
    assert np.all(np.isnan(z[:, 1]))
    assert_array_equal(z[:, [0, 2]], clean[:, [0, 2]])


@every_dtype
@pytest.mark.parametrize("h_pool", [1, 2, 3])
def test_one_nan_in_a_window_beats_every_number(h_pool, dtype):
    config = net(h_pool, h_pool, 2, (5, 1, 0, 1, h_pool))
    setting = Setting(config, h_pool**2, dtype)
    images = setting.problem.images.reshape(2, h_pool**2, -1, order="F")
    for n in range(h_pool**2):  # in every place once
        images[:, n, n] = np.nan
    setting.problem.images[:] = images.reshape(2, -1, order="F")
    assert np.all(np.isnan(setting.step(setting.engine())["Z1"]))


@every_dtype
@every_net
def test_layers_without_activation(name, dtype):
    setting = Setting(NETS[name], 3, dtype)
    results = []
    for which, engine_name in ((setting, "direct"), (setting.in_float64(), "lecture")):
        engine, model, p = which.engine(engine_name), which.model, which.problem
        engine.load(p.images, np.arange(3), p.scale, p.offset)
        found = {}
        for m, (W, bias) in enumerate(zip(model.W, model.bias, strict=True)):
            engine.forward(m, W, bias, activate=False)
            found[f"Z{m + 1}"] = engine.Z(m + 1).copy()
        V, v_bias = model.split(which.v)
        for m, W in enumerate(model.W):
            found["Jv"] = engine.tangent(m, W, V[m], v_bias[m])
        found["Jv"] = found["Jv"].copy()
        engine.set_gradient(which.V)
        for m in reversed(range(len(model.W))):
            dW, dbias = np.empty_like(model.W[m]), np.empty_like(model.bias[m])
            engine.backward(m, model.W[m], dW, dbias, input_gradient=m > 0)
            found |= {f"dW{m}": dW, f"dbias{m}": dbias}
        results.append(found)
    assert_agrees(*results, dtype)


@every_dtype
@pytest.mark.parametrize("name", ["pool 3, ragged", "Winograd, odd, pool", "hidden full layers"])
def test_the_last_convolution_without_its_pool(name, dtype):
    """``pool=False`` gives sigma(S) of all pixels; the layer's next pass may pool again."""
    setting, results = Setting(NETS[name], 2, dtype), []
    for which, engine_name in ((setting, "direct"), (setting.in_float64(), "lecture")):
        engine, model, p = which.engine(engine_name), which.model, which.problem
        engine.load(p.images, np.arange(2), p.scale, p.offset)
        for m in range(which.config.LC - 1):
            engine.forward(m, model.W[m], model.bias[m])
        m, found = which.config.LC - 1, {}
        for pool in (True, False, True):
            engine.forward(m, model.W[m], model.bias[m], pool=pool)
            found[f"pool: {pool}"] = engine.Z(m + 1).copy()
        results.append(found)
    assert_agrees(*results, dtype)


@every_dtype
@pytest.mark.parametrize("name", ["pool 2, ragged in both", "dense, no pool", "hidden full layers"])
def test_each_gradient_alone(name, dtype):
    """dW and dbias are left out if they are None, independently of each other."""
    setting = Setting(NETS[name], 3, dtype)
    engine, model = setting.engine(), setting.model
    wanted = setting.step(engine)
    for only in ("dW", "dbias"):
        engine.set_gradient(
            setting.problem.loss.gradient(engine.Z(setting.config.stages.L), setting.problem.y)
        )
        for m in reversed(range(setting.config.stages.L)):
            out = np.full_like({"dW": model.W, "dbias": model.bias}[only][m], np.nan)
            engine.backward(m, model.W[m], **{only: out}, input_gradient=m > 0)
            assert_array_equal(out, wanted[f"{only}{m}"])


def specialisations():
    """How many times kernels have been compiled or loaded, each for other types."""
    return sum(len(dispatcher.signatures) for dispatcher in policy._DISPATCHERS)


@st.composite
def networks(draw):
    """Draw a network that exists, of up to three convolutional and two full layers."""
    size = st.integers(1, 9)
    # Wide ones for Winograd's tiles and for dense ways back, narrow ones for partial vectors.
    wide = draw(st.booleans())
    channels = st.sampled_from([16, 17, 32, 33, 64] if wide else [1, 2, 3, 5, 8, 15, 16, 17])
    a, b, d = draw(size), draw(size), draw(channels)
    conv, height, width = [], a, b
    for _ in range(draw(st.integers(0, 3))):
        p, s = draw(st.integers(0, 3)), draw(st.sampled_from([1, 1, 1, 2, 3]))
        h = min(draw(st.sampled_from([1, 2, 3, 3, 3, 4, 5])), min(height, width) + 2 * p)
        height, width = (height + 2 * p - h) // s + 1, (width + 2 * p - h) // s + 1
        h_pool = min(draw(st.sampled_from([1, 1, 2, 2, 3, 4])), height, width)
        if p >= h:
            h_pool = 1  # see TIED
        height, width = height // h_pool, width // h_pool
        conv.append((draw(channels), h, p, s, h_pool))
    hidden = draw(st.lists(st.integers(1, 40), max_size=1))
    return net(a, b, d, *conv, full=(*hidden, draw(st.integers(2, 20))))


@pytest.fixture(scope="module")
def compiled():
    """Everything that can be compiled is: how much that is."""
    for dtype in (np.float32, np.float64):
        for config in NETS.values():
            assert_engines_agree(Setting(config, 2, dtype))
    return specialisations(), policy.compilations()


# No example compiles anything: geometry is a run-time argument.
@given(
    config=networks(),
    batch=st.integers(1, 19),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
    integers=st.booleans(),
)
@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_random_networks_agree_and_compile_nothing(compiled, config, batch, dtype, seed, integers):
    # Whole numbers tie, but not in Winograd's tiles.
    setting = Setting(config, batch, dtype, seed, integers, winograd=not integers)
    actual = setting.everything(setting.engine())
    exact = setting.in_float64()
    assert_agrees(actual, exact.everything(exact.engine("lecture")), dtype, together=True)
    assert (specialisations(), policy.compilations()) == compiled


def test_networks_are_drawn_with_every_kind_of_layer():
    """The strategy itself: strides, pools, and layers for Winograd's tiles come up."""
    met = set()

    @given(networks())
    @settings(max_examples=400, deadline=None, derandomize=True, database=None)
    def draw(config: NetConfig) -> None:
        for g in config.conv_layers:
            met.update({("s", g.s), ("h_pool", g.h_pool), ("h", g.h), ("p", g.p)})
            if g.h == 3 and g.s == 1 and min(g.d, g.d_next) >= 16 and g.h_pool <= 2:
                met.add("Winograd")
            if g.h_pool == 1 and g.hhd * g.d_next > 1 << 15:
                met.add("dense")

    draw()
    assert met >= {
        ("s", 2),
        ("s", 3),
        ("h_pool", 3),
        ("h_pool", 4),
        ("h", 5),
        ("p", 3),
        "Winograd",
        "dense",
    }
