"""Model: one flat vector, initialisation, prediction, files."""

from __future__ import annotations

import json
import pickle
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from simplenn_py.errors import ConfigError, DataError, OptionError
from simplenn_py.io.npz import write_arrays
from simplenn_py.layout import from_nhwc
from simplenn_py.model.model import Model
from simplenn_py.network import Conv, NetConfig
from simplenn_py.network.normalisation import Normalisation

CONFIG = NetConfig.build((6, 5, 2), [Conv(3, 3, pad=1, pool=2)], [4, 3])
INTEGERS, STRINGS = np.array([2, 5, 11]), np.array(["cat", "dog", "a longer name"])


def make(rng, classes=INTEGERS, dtype=np.float64, config=CONFIG):
    a, b, d = config.image_shape
    normalisation = Normalisation(3.0, 0.25, rng.standard_normal(a * b * d))
    model = Model.initialise(config, classes, rng, dtype, normalisation, "cross-entropy")
    model.theta += rng.standard_normal(model.theta.size).astype(dtype) / 8  # biases too
    return model


def test_weights_are_views_of_theta_in_order(rng):
    model = make(rng)
    model.theta[:] = np.arange(model.theta.size)
    assert_array_equal(model.W[0], np.arange(54).reshape(3, 18, order="F"))
    assert_array_equal(model.bias[0], [54, 55, 56])
    assert_array_equal(model.W[1], 57 + np.arange(72).reshape(4, 18, order="F"))
    assert_array_equal(model.bias[2], [145, 146, 147])
    for part in (*model.W, *model.bias):
        assert np.shares_memory(part, model.theta)
        assert part.flags.f_contiguous


def test_split_makes_views_of_another_vector(rng):
    model, v = make(rng), np.zeros(148)
    W, bias = model.split(v)
    W[1][2, 3], bias[0][1] = 7, 8
    assert v[57 + 2 + 4 * 3] == 7
    assert v[55] == 8
    assert np.count_nonzero(v) == 2


def test_wrong_sizes_are_named():
    with pytest.raises(ConfigError, match=r"theta has shape \(147,\); this network has 148 param"):
        Model(CONFIG, np.zeros(147), INTEGERS)
    with pytest.raises(ConfigError, match=r"there are 2 classes but the last layer has 3 outputs"):
        Model(CONFIG, np.zeros(148), INTEGERS[:2])


def test_initial_weights_have_the_variance_of_he(rng):
    config = NetConfig.build((20, 20, 10), [Conv(300, 5, stride=5)], [40])
    model = Model.initialise(config, np.arange(40), rng)
    assert model.theta.dtype == np.float32
    for W, bias, fan_in in zip(model.W, model.bias, (250, 4800), strict=True):
        assert W.shape[1] == fan_in
        assert_allclose(W.var(), 2 / fan_in, rtol=0.03)
        assert abs(W.mean()) < 5 * W.std() / np.sqrt(W.size)
        assert not bias.any()


def test_both_dtypes_start_from_the_same_point():
    single, double = (
        Model.initialise(CONFIG, INTEGERS, np.random.default_rng(3), dtype)
        for dtype in (np.float32, np.float64)
    )
    assert single.theta.dtype == np.float32
    assert_array_equal(single.theta, double.theta.astype(np.float32))
    other = Model.initialise(CONFIG, INTEGERS, np.random.default_rng(4))
    assert not np.array_equal(single.theta, other.theta)


def test_normalisation_by_hand():
    """Two images of 1 x 2 pixels are chosen of three: their range is 2 to 6."""
    images = np.array([[2, 4, 250, 0, 6, 4]], np.uint8)
    normalisation = Normalisation.of(images, np.array([0, 2]), 2)
    assert (normalisation.shift, normalisation.scale) == (2, 0.25)
    assert_array_equal(normalisation.mean, [0.5, 0.5])  # of 0, 1 and of 0.5, 0.5
    assert_array_equal(normalisation.offset, [1, 1])


def test_normalisation_of_constant_images_only_shifts():
    normalisation = Normalisation.of(np.full((1, 8), 7.0), np.arange(2), 4)
    assert normalisation.scale == 1
    assert_array_equal(7 * normalisation.scale - normalisation.offset, np.zeros(4))


def test_prediction_takes_images_as_they_come(rng, engine_name):
    model, images = make(rng), rng.integers(0, 256, (7, 6, 5, 2), dtype=np.uint8)
    values = model.decision_values(images, engine_name)
    assert values.shape == (3, 7)
    assert_array_equal(model.decision_values(from_nhwc(images), engine_name), values)
    c_order = np.ascontiguousarray(from_nhwc(images))
    assert_array_equal(model.decision_values(c_order, engine_name), values)
    assert_array_equal(model.predict(images, engine_name), INTEGERS[values.argmax(axis=0)])
    scaled = (images - 3.0) * 0.25 - model.normalisation.mean.reshape(5, 6, 2).transpose(1, 0, 2)
    plain = Model(CONFIG, model.theta, INTEGERS)
    assert_allclose(plain.decision_values(scaled, engine_name), values, rtol=1e-10, atol=1e-10)


def test_prediction_without_a_channel_axis(rng, engine_name):
    config = NetConfig.build((6, 5, 1), full=[3])
    model, images = make(rng, config=config), rng.standard_normal((4, 6, 5, 1))
    assert_array_equal(
        model.decision_values(images[..., 0], engine_name),
        model.decision_values(images, engine_name),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_prediction_whatever_the_batch(engine_name, batch_size, dtype):
    rng = np.random.default_rng(batch_size)  # no memory with another case's right numbers
    model, images = make(rng, STRINGS, dtype), rng.standard_normal((7, 6, 5, 2))
    values = model.decision_values(images, engine_name)
    assert values.dtype == dtype
    tolerance = 1e-12 if dtype == np.float64 else 1e-4
    assert_allclose(
        model.decision_values(images, engine_name, batch_size), values, tolerance, tolerance
    )
    predicted = model.predict(images, engine_name, batch_size)
    assert_array_equal(predicted, STRINGS[values.argmax(axis=0)])


@pytest.mark.parametrize(
    "shape",
    [(7, 5, 6, 2), (7, 6, 5, 3), (7, 6, 5), (0, 6, 5, 2), (2, 31), (2, 0), (3, 30), (60,), ()],
)
def test_images_of_another_size_are_named(rng, shape):
    with pytest.raises(DataError, match=r"images have shape .*; this network takes \(l, 6, 5, 2\)"):
        make(rng).predict(np.zeros(shape))


def test_unknown_engine_is_named(rng):
    with pytest.raises(OptionError, match=r"engine is 'lectur'.*did you mean 'lecture'"):
        make(rng).predict(np.zeros((1, 6, 5, 2)), "lectur")


def test_score(rng):
    model, images = make(rng, STRINGS), rng.standard_normal((4, 6, 5, 2))
    y = model.predict(images)
    assert model.score(images, y) == 1
    y[0] = "unknown"
    assert model.score(images, y) == 0.75
    with pytest.raises(DataError, match="there are 3 labels for 4 images"):
        model.score(images, y[:3])


@pytest.mark.parametrize("classes", [INTEGERS, STRINGS], ids=["integers", "strings"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_save_and_load(rng, tmp_path, classes, dtype):
    model, images = make(rng, classes, dtype), rng.standard_normal((3, 6, 5, 2))
    model.save(tmp_path / "model.npz")
    loaded = Model.load(tmp_path / "model.npz")
    assert loaded.config == model.config
    assert loaded.loss == "cross-entropy"
    assert loaded.theta.dtype == dtype
    assert_array_equal(loaded.theta, model.theta)
    assert_array_equal(loaded.classes, classes)
    assert loaded.classes.dtype == classes.dtype
    assert_array_equal(loaded.normalisation.offset, model.normalisation.offset)
    assert_array_equal(loaded.decision_values(images), model.decision_values(images))
    loaded.theta[0] += 1  # it can be trained on
    assert loaded.W[0][0, 0] == loaded.theta[0]


def about(model, **changes):
    """Return the model's description with some entries changed."""
    entries = json.loads(model.arrays()["about"][()]) | changes
    return {"about": np.array(json.dumps(entries))}


DAMAGE = {
    "no description": lambda m: {"about": np.array("")},
    "another description": lambda m: {"about": np.array("[1, 2]")},
    "no text": lambda m: {"about": np.arange(3)},
    "deep nesting": lambda m: {"about": np.array("[" * 50000)},
    "another format": lambda m: about(m, format="simplenn_py model 99"),
    "no network": lambda m: about(m, config="LC = 1;"),
    "a network of another type": lambda m: about(m, config=5),
    "an impossible network": lambda m: about(m, config=m.config.text().replace("[3]", "[99]")),
    "another network": lambda m: about(m, config=NetConfig.preset("digits", 8, 8).text()),
    "unknown loss": lambda m: about(m, loss="hinge"),
    "short theta": lambda m: {"theta": m.theta[:-1]},
    "theta of integers": lambda m: {"theta": m.theta.astype(int)},
    "theta not finite": lambda m: {"theta": m.theta * np.nan},
    "classes of floats": lambda m: {"classes": m.classes * 1.0},
    "too few classes": lambda m: {"classes": m.classes[:2]},
    "short mean": lambda m: {"mean": m.normalisation.mean[1:]},
    "mean not finite": lambda m: {"mean": m.normalisation.mean * np.inf},
    "range of one": lambda m: {"range": np.zeros(1)},
    "range of none": lambda m: {"range": np.float64(1)},
    "range of text": lambda m: {"range": np.array(["a", "b"])},
    "range not finite": lambda m: {"range": np.array([0, np.nan])},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_parts_that_do_not_fit_are_refused(rng, tmp_path, damage):
    model, path = make(rng), tmp_path / "model.npz"
    write_arrays(path, model.arrays() | damage(model))
    with pytest.raises(DataError, match=r"model\.npz") as caught:
        Model.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["about", "theta", "classes", "range", "mean"])
def test_missing_parts_are_refused(rng, tmp_path, name):
    arrays = make(rng).arrays()
    del arrays[name]
    write_arrays(tmp_path / "model.npz", arrays)
    with pytest.raises(DataError, match=r"model\.npz is not a model of simplenn_py"):
        Model.load(tmp_path / "model.npz")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"missing\.npz: there is no such file"):
        Model.load(tmp_path / "missing.npz")


def test_truncated_files_are_refused(rng, tmp_path):
    path = tmp_path / "model.npz"
    make(rng).save(path)
    data = path.read_bytes()
    for size in np.linspace(0, len(data) - 1, 40).astype(int):
        path.write_bytes(data[:size])
        with pytest.raises(DataError, match=r"model\.npz"):
            Model.load(path)


def test_flipped_bytes_never_change_a_model_in_silence(rng, tmp_path):
    path, model = tmp_path / "model.npz", make(rng)
    model.save(path)
    data, refused = path.read_bytes(), 0
    for place in rng.integers(0, len(data), 200):
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            loaded = Model.load(path)
        except DataError:
            refused += 1
        else:  # a date, an attribute
            assert_array_equal(loaded.theta, model.theta)
            assert_array_equal(loaded.classes, model.classes)
            assert_array_equal(loaded.normalisation.offset, model.normalisation.offset)
    assert refused > 150


class Exploit:
    """Unpickling it raises; nothing may get that far."""

    def __reduce__(self):
        return (pytest.fail, ("a model file was unpickled",))


def test_nothing_is_unpickled(rng, tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, **make(rng).arrays() | {"classes": np.array([Exploit()] * 3)})
    with pytest.raises(DataError, match=r"model\.npz"):
        Model.load(path)
    path.write_bytes(pickle.dumps(Exploit()))
    with pytest.raises(DataError, match=r"model\.npz"):
        Model.load(path)


@pytest.mark.parametrize("label", [0x110000, 2**32 - 5])
def test_labels_that_are_no_characters_are_refused(rng, tmp_path, label):
    """NumPy raises a SystemError when such a label is used."""
    arrays = make(rng, STRINGS).arrays()
    arrays["classes"] = STRINGS.copy()  # the model shares its array
    arrays["classes"].view("u4")[0] = label
    write_arrays(tmp_path / "model.npz", arrays)
    with pytest.raises(DataError, match=r"classes.*which is not a character"):
        Model.load(tmp_path / "model.npz")


@pytest.mark.parametrize(
    "changes",
    [
        {"range": np.array([0, 1e300])},
        {"range": np.array([1e300, 1.0])},
        {"range": np.array([1 + 2j, 3])},
        {"range": np.array([0.0, 0.0])},
        {"classes": np.array([1, 2, 1])},
        {"theta": np.zeros(148, complex)},
        {"about": np.array('{"format": "x' + "x" * 10_000 + '"}')},
        {"about": np.array('{"format": "simplenn_py model 1", "loss": "\\ud800", "config": ""}')},
        {"about": np.array('{"format": 1, "format": 2}')},
        {"about": np.array("1" * 5000)},
    ],
    ids=["scale", "shift", "complex range", "no scale", "a class twice", "complex theta",
         "long text", "surrogate", "a key twice", "digits"],
)  # fmt: skip
def test_values_out_of_range_are_refused_in_a_line(rng, tmp_path, changes):
    write_arrays(tmp_path / "model.npz", make(rng, dtype=np.float32).arrays() | changes)
    with pytest.raises(DataError, match=r"model\.npz") as caught:
        Model.load(tmp_path / "model.npz")
    assert len(str(caught.value).replace(str(tmp_path), "")) < 330


def test_a_scale_that_overflows_is_refused_from_python(rng):
    config = NetConfig.build((1, 2, 1), full=[2])
    for scaling in (Normalisation(0.0, 1e39, np.zeros(2)), Normalisation(0.0, 0.0, np.zeros(2))):
        with pytest.raises(ConfigError, match="the scale of the normalisation is"):
            Model.initialise(config, np.arange(2), rng, np.float32, scaling)
    Model.initialise(config, np.arange(2), rng, np.float64, Normalisation(0.0, 1e39, np.zeros(2)))


def test_a_network_that_needs_more_memory_than_there_is(rng):
    """A file of a few bytes can describe a padding of a million pixels."""
    wide = NetConfig.build((8, 8, 1), [Conv(2, 1, pad=10**9, pool=2 * 10**9 + 8)], [10])
    model = Model.initialise(wide, np.arange(10), rng)
    for call in (model.predict, model.layer_inputs):
        with pytest.raises(OptionError, match=r"TiB in this network, but .* of memory are free"):
            call(np.zeros((1, 8, 8)))


def test_layer_inputs_that_overflow_are_refused(rng):
    config = NetConfig.build((1, 2, 1), full=[2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    theta = np.full(config.n_parameters, 1e38, np.float32)
    with pytest.raises(DataError, match="the input of layer 10 holds numbers that are not finite"):
        Model(config, theta, np.arange(2)).layer_inputs(np.ones((1, 1, 2)))


def test_a_batch_of_nothing_is_refused(rng):
    config = NetConfig.preset("digits", 8, 8, 1)
    model = Model.initialise(config, np.arange(10), rng)
    with pytest.raises(OptionError, match="batch_size is 0; it must be 1 or more"):
        model.predict(np.zeros((2, 8, 8)), batch_size=0)


@pytest.mark.parametrize(
    ("shift", "high", "images", "message"),
    [
        (0, 1, np.array([0, 255], np.uint8), "the images reach 255, .* range from 0 to 1;"),
        (-1, 1, np.array([3, 200], np.int64), "the images reach 200, .* range from -1 to 1;"),
        (0, 16, np.array([0, 255], np.uint8), "the images reach 255, .* range from 0 to 16;"),
        (0, 255, np.array([0, 0.5]), "the images reach only 0.5, .* range from 0 to 255;"),
        (0, 16, np.array([0.25, 1], np.float16), "the images reach only 1, .* from 0 to 16;"),
        (0, 255, np.array([0, 1], np.uint8), ""),
        (0, 255, np.zeros(2), ""),
        (0, 1, np.array([0, 1], np.uint8), ""),
        (0, 1, np.array([-3.5, 9]), ""),
        (0, 255, np.array([0.5, 20]), ""),
    ],
)
def test_another_scale_is_said(caplog, shift, high, images, message):
    config = NetConfig.build((1, 2, 1), full=[2])
    scaling = Normalisation(shift, 1 / (high - shift), np.full(2, 0.5))
    Model(config, np.zeros(6), np.arange(2), scaling).predict(images.reshape(1, 1, 2))
    assert len(caplog.messages) == bool(message)
    assert re.search(message, caplog.text)
    caplog.clear()
    Model(config, np.zeros(6), np.arange(2)).predict(images.reshape(1, 1, 2))  # not normalised
    assert not caplog.messages
