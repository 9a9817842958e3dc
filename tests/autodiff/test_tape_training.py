"""Layers, activations and losses written as NumPy lines: their derivatives, and training them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from derivatives import check_derivative
from numpy.testing import assert_allclose, assert_array_equal

import simplenn_py as nn
from simplenn_py.autodiff.rules_cnn import conv, maxpool, network
from simplenn_py.autodiff.tape_training import TapeObjective, cross_entropy, fit, squared
from simplenn_py.cnn.objective import BatchObjective
from simplenn_py.errors import DivergedError, OptionError
from simplenn_py.layout import ConvGeometry
from simplenn_py.network.config import NetConfig
from simplenn_py.opt.hooks import Hook

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/autodiff.md").read_text(encoding="utf-8")


def sigmoid(S):
    return 0.5 + 0.5 * np.tanh(0.5 * S)


ACTIVATIONS = {
    "softplus": lambda S: np.logaddexp(0, S),
    "swish": lambda S: S * sigmoid(S),
    "clipped": lambda S: np.clip(S, -1, 1),
}


def standardised(Z, W, bias, V, v, g):
    """Every channel of the batch to mean 0 and variance 1, then a slope and a shift of its own."""
    S = conv(Z, W, bias, g)
    aside = S - np.mean(S, axis=1, keepdims=True)
    return aside / np.sqrt(np.var(S, axis=1, keepdims=True) + 1e-3) * (1 + V[:, :1]) + v[:, None]


def gated(Z, W, bias, V, v, g):
    return conv(Z, W, bias, g) * sigmoid(conv(Z, V, v, g))


LAYERS = {
    "plain": lambda Z, W, bias, V, v, g: conv(Z, W, bias, g),
    "standardised": standardised,
    "gated": gated,
}


def hinge(z, y):
    columns = np.arange(y.size)
    margins = np.maximum(0, 1 + z - z[y, columns])  # the class itself has 1
    return np.sum(margins, axis=0) - 1


def smoothed(z, y):
    target = np.full(z.shape, 0.1 / z.shape[0], z.dtype)
    target[y, np.arange(y.size)] += 0.9
    shifted = z - np.max(z, axis=0)
    return np.sum(target * (np.log(np.sum(np.exp(shifted), axis=0)) - shifted), axis=0)


LOSSES = {
    "squared": squared, "cross-entropy": cross_entropy, "hinge": hinge, "smoothed": smoothed,
}  # fmt: skip
NEW = [  # activation, layer, loss: each new one once
    ("softplus", "standardised", "smoothed"),
    ("swish", "gated", "cross-entropy"),
    ("clipped", "plain", "hinge"),
]


def objective_of(activation, layer, loss, Z, y, g, dtype, seed=0):
    def net(Z, W, bias, V, v, U, u):
        S = LAYERS[layer](Z, W, bias, V, v, g)
        z = np.reshape(maxpool(ACTIVATIONS[activation](S), g), (U.shape[1], -1), order="F")
        return U @ z + u[:, None]

    rng = np.random.default_rng(seed)
    entries = g.d_next * g.a_next * g.b_next
    shapes = [(g.d_next, g.hhd), (g.d_next,), (g.d_next, g.hhd), (g.d_next,), (10, entries), (10,)]
    parameters = []
    for shape in shapes:
        start = np.sqrt(2 / shape[-1]) * rng.standard_normal(shape)
        parameters.append((start if len(shape) == 2 else 0.1 * np.ones(shape)).astype(dtype))
    return TapeObjective(net, LOSSES[loss], parameters, Z, y)


@pytest.mark.parametrize(("activation", "layer", "loss"), NEW)
def test_the_gradient_is_that_of_differences(activation, layer, loss, rng):
    g = ConvGeometry(a=5, b=6, d=2, p=1, h=3, s=1, d_next=3, h_pool=2)
    Z = np.asfortranarray(rng.standard_normal((2, 30 * 4)))
    y = rng.integers(0, 10, 4)
    objective = objective_of(activation, layer, loss, Z, y, g, np.float64)
    theta = objective.theta.copy()
    out = np.empty_like(theta)
    total, correct = objective.grad(np.arange(4), out)
    assert total == pytest.approx(4 * objective.fun(), rel=1e-14)
    assert correct == np.count_nonzero(objective.predict(Z) == y)

    def f(x):
        objective.theta[:] = x
        return np.asarray(objective.fun())

    check_derivative(f, lambda v: out @ v, theta, rng)


@pytest.mark.parametrize(("activation", "layer", "loss"), NEW)
def test_it_trains_on_the_digits(activation, layer, loss):
    data = nn.load_dataset("digits")
    g = ConvGeometry(a=8, b=8, d=1, p=1, h=3, s=1, d_next=16, h_pool=2)
    objective = objective_of(
        activation, layer, loss, data.train.Z / 16 - 0.5, data.train.y, g, np.float32
    )
    history = fit(objective, "adam", epochs=6, lr=0.01)
    assert objective.theta.dtype == np.float32
    assert [record["epoch"] for record in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert np.mean(objective.predict(data.test.Z / 16 - 0.5) == data.test.y) > 0.9


@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
@pytest.mark.parametrize("C", [np.inf, 3.0])
def test_the_lectures_network_has_the_engines_gradient(loss, C, rng):
    config = NetConfig.preset("digits", 9, 7, 2, 4)
    l, (a, b, d) = 6, config.image_shape
    images = np.asfortranarray(rng.standard_normal((d, a * b * l)))
    y = rng.integers(0, 4, l)
    model = nn.Model.initialise(config, np.arange(4), rng, np.float64)
    problem = nn.Problem(images, y, nn.SquaredLoss() if loss == "squared" else nn.CrossEntropy(),
                         C, 1.0, np.zeros(a * b * d))  # fmt: skip
    engine = nn.make_engine("lecture", config, l, np.float64)
    theirs, ours = np.empty_like(model.theta), np.empty_like(model.theta)
    batch = np.array([4, 1, 1, 5])
    expected = BatchObjective(engine, model, problem, np.arange(l)).grad(batch, theirs)

    def net(Z, *parameters):
        return network(Z, parameters[::2], parameters[1::2], config.conv_layers)

    parameters = [x for pair in zip(model.W, model.bias, strict=True) for x in pair]
    objective = TapeObjective(net, LOSSES[loss], parameters, images, y, C)
    assert_array_equal(objective.theta, model.theta)
    got = objective.grad(batch, ours)
    assert got == (pytest.approx(expected[0], rel=1e-13), expected[1])
    assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def linear(Z, W):
    return W @ np.reshape(Z, (W.shape[1], -1), order="F")


def small(rng, dtype=np.float64, **changes):
    Z = np.asfortranarray(rng.standard_normal((1, 4 * 10)))
    given = {
        "network": linear, "loss": squared, "parameters": [np.zeros((3, 4), dtype)],
        "images": Z, "labels": np.arange(10) % 3,
    }  # fmt: skip
    return TapeObjective(**(given | changes))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_both_solvers_reach_the_least_squares(solver, rng):
    objective = small(rng)
    fit(objective, solver, epochs=400, batch_size=10, lr=0.05, schedule="decay")
    X = objective._images.reshape(10, 4)
    best = np.linalg.lstsq(X, np.eye(3)[objective._labels], rcond=None)[0].T
    assert_allclose(objective.parameters[0], best, atol=1e-3)


def test_equal_seeds_give_equal_bits_and_a_hook_stops(rng):
    class Stop(Hook):
        def on_batch(self, state):
            state.stop = state.updates == 3

    Z = np.asfortranarray(rng.standard_normal((1, 40)))
    one, two, other = (small(rng, images=Z) for _ in range(3))
    histories = [
        fit(x, epochs=3, batch_size=4, seed=s) for x, s in ((one, 5), (two, 5), (other, 6))
    ]
    assert_array_equal(one.theta, two.theta)
    assert not np.array_equal(one.theta, other.theta)
    assert [r["updates"] for r in histories[0]] == [3, 6, 9]
    assert fit(one, epochs=9, batch_size=10, hook=Stop())[-1]["updates"] == 3


def test_parameters_are_copied_and_are_views_of_theta(rng):
    start = rng.standard_normal((3, 4))
    objective = small(rng, parameters=[start])
    objective.theta[:] = np.arange(12)
    assert_array_equal(objective.parameters[0], np.arange(12).reshape(3, 4, order="F"))
    assert not np.shares_memory(start, objective.theta)
    single = small(rng, parameters=[np.zeros((3, 4), np.float32)])
    seen = []
    single._network = lambda Z, W: seen.append(Z.dtype) or linear(Z, W)
    single.grad(np.arange(3), np.empty_like(single.theta))
    assert seen == [np.float32]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": []}, "dtypes are none"),
        ({"parameters": [np.zeros(2), np.zeros(2, np.float32)]}, "float64, float32; all must be"),
        ({"parameters": [np.zeros((3, 4), int)]}, "int64; all must be"),
        ({"labels": np.zeros(7, int)}, r"images has shape \(1, 40\) for 7 labels"),
        ({"labels": np.zeros(10)}, "labels has shape .* float64"),
        ({"labels": np.arange(10) - 1}, "labels has -1; class indices start at 0"),
        ({"C": 0}, "C is 0; it must be above 0"),
    ],
)
def test_what_cannot_be_trained(changes, message, rng):
    with pytest.raises(ValueError, match=message):
        small(rng, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": lambda Z, W: np.sum(W @ np.ones((4, 5)), axis=0)}, r"returned shape \(5,\)"),
        ({"network": lambda Z, W: np.zeros((3, 5))}, "does not depend on any parameter"),
        ({"loss": lambda z, y: np.sum(z)}, r"loss returned shape \(\) for 5"),
    ],
)
def test_what_network_and_loss_must_return(changes, message, rng):
    objective = small(rng, **changes)
    with pytest.raises(ValueError, match=message):
        objective.grad(np.arange(5), np.empty_like(objective.theta))


def test_a_label_beyond_the_outputs(rng):
    objective = small(rng, labels=np.arange(10) % 4)
    for call in (objective.fun, lambda: fit(objective)):
        with pytest.raises(ValueError, match="labels has 3 and network returns 3 outputs"):
            call()


def test_what_predict_takes(rng):
    objective = small(rng)
    Z = rng.standard_normal((1, 8))
    assert_array_equal(objective.predict(Z.tolist()), objective.predict(Z))
    assert objective.predict(Z[:, :4], np.int64(1)).shape == (1,)
    for images in (Z[0], Z[:, :0], Z[:, :6], np.zeros((2, 8)), Z.reshape(2, 4), 0.0):
        with pytest.raises(ValueError, match=r"images has shape .*; it must be \(1, 4\*n\)"):
            objective.predict(images)
    for size in (0, -3, 2.5):
        with pytest.raises(OptionError, match=f"batch_size is {size}; it must be a whole number"):
            objective.predict(Z, size)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("batch_size", -3), ("batch_size", 0), ("epochs", 2.5), ("epochs", 0), ("lr", -1),
        ("lr", np.nan), ("lr", "fast"), ("momentum", 2), ("decay", -1.0), ("schedule", "x"),
        ("seed", -1),
    ],
)  # fmt: skip
def test_options_of_fit_keep_the_rules_of_training(option, value, solver, rng):
    objective = small(rng)
    with pytest.raises(OptionError, match=f"{option} is .*; it must be"):
        fit(objective, solver, **{option: value})
    assert not objective.theta.any()


def test_options_of_fit_may_be_of_numpy_and_a_rate_of_0_is_the_solvers(rng):
    Z = rng.standard_normal((1, 40))
    one, two = small(rng, images=Z), small(rng, images=Z)
    fit(one, epochs=np.int64(2), lr=np.float64(0), seed=np.int32(3))
    fit(two, epochs=2, seed=3)
    assert one.theta.any()
    assert_array_equal(one.theta, two.theta)


def test_errors_of_fit(rng):
    with pytest.raises(OptionError, match=r"solver is 'sdg'.*did you mean 'sgd'"):
        fit(small(rng), "sdg")
    with pytest.raises(DivergedError, match=r"lr = 1e\+09 is too large"):
        fit(small(rng), lr=1e9, epochs=50)


@pytest.mark.parametrize("code", re.findall(r"^```python\n(.*?)^```", GUIDE, re.M | re.S))
def test_the_examples_of_the_guide_run(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
