"""Compressing a network: how ranks are chosen, what the factors keep, training them further."""

from __future__ import annotations

import numpy as np
import pytest
from networks import net
from numpy.testing import assert_allclose, assert_array_equal

import simplenn_py as nn
from simplenn_py.errors import ConfigError, OptionError
from simplenn_py.model.model import Model
from simplenn_py.tools.compress.plot import plot_ranks
from simplenn_py.tools.compress.ranks import (
    factor_layers,
    ranks_by_energy,
    ranks_by_size,
    ranks_given,
    roots,
)
from simplenn_py.tools.compress.report import time_passes
from simplenn_py.training.training import train

CONFIG = net(8, 8, 1, (20, 3, 1, 1, 2), (24, 3, 1, 1, 2), full=(16, 10))


def of_low_rank(seed: int = 0, rank: int = 3) -> Model:
    """A network whose W are exactly of that rank, but for the first layer's."""
    rng = np.random.default_rng(seed)
    model = Model.initialise(CONFIG, np.arange(10), rng, np.float64)
    for W in model.W[1:]:
        W[...] = rng.standard_normal((W.shape[0], rank)) @ rng.standard_normal((rank, W.shape[1]))
        W /= np.sqrt(rank * W.shape[1])
    for bias in model.bias:
        bias[:] = rng.standard_normal(bias.size)
    return model


def pictures(l: int = 60, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((l, 8, 8))


@pytest.mark.parametrize("measured", [False, True])
def test_what_is_of_low_rank_loses_nothing(measured):
    model = of_low_rank()
    measure = roots(model, pictures()) if measured else None
    layers = ranks_by_energy(model, 1 - 1e-9, measure)
    assert [layer.rank for layer in layers] == [0, 3, 3, 3]  # 20x9 of rank 9 would be no smaller
    small = factor_layers(model, layers, measure)
    assert small.config.n_parameters < model.config.n_parameters / 3
    before, after = model.decision_values(pictures()), small.decision_values(pictures())
    assert_allclose(after, before, atol=1e-8 * np.abs(before).max())


def test_the_measure_of_outputs_is_the_error_of_the_layers_products():
    """``||(W - U V) phi(pad(Z))||_F^2/n`` is the energy that was left out."""
    model = Model.initialise(CONFIG, np.arange(10), np.random.default_rng(2), np.float64)
    measure = roots(model, pictures())
    layers = ranks_given(model, (0, 5, 0, 0), measure)
    V, U = factor_layers(model, layers, measure).W[1:3]
    phiZ = nn.padding_and_phiZ(model.layer_inputs(pictures())[1], CONFIG.conv_layers[1])
    lost = np.linalg.norm((model.W[1] - U @ V) @ phiZ) ** 2 / phiZ.shape[1]
    total = np.linalg.norm(model.W[1] @ phiZ) ** 2 / phiZ.shape[1]
    # The floor under the moments adds at most a millionth of the largest to each direction.
    assert_allclose(lost, (1 - layers[1].energy) * total, rtol=1e-3)
    by_weights = factor_layers(model, ranks_given(model, (0, 5, 0, 0))).W[1:3]
    other = np.linalg.norm((model.W[1] - by_weights[1] @ by_weights[0]) @ phiZ) ** 2
    assert lost < other / phiZ.shape[1]


def test_more_energy_more_rank_and_what_does_not_pay_stays():
    model = Model.initialise(CONFIG, np.arange(10), np.random.default_rng(0))
    ranks = [[layer.rank for layer in ranks_by_energy(model, e)] for e in (0.3, 0.6)]
    assert all(0 < few <= many for few, many in zip(*ranks, strict=True))
    with pytest.raises(OptionError, match="no layer would have fewer parameters"):
        factor_layers(model, ranks_by_energy(model, 1.0))


@pytest.mark.parametrize("times", [1.5, 3.0, 8.0])
def test_ranks_by_size_reach_it_and_not_much_more(times):
    model = of_low_rank(rank=10)
    small = factor_layers(model, ranks_by_size(model, times))
    ratio = model.config.n_parameters / small.config.n_parameters
    assert times <= ratio < 1.3 * times


def test_ranks_by_size_spare_a_layer_with_few_parameters():
    model = Model.initialise(CONFIG, np.arange(10), np.random.default_rng(0))
    assert ranks_by_size(model, 2)[0].rank == 0


def test_sizes_that_cannot_be():
    model = of_low_rank()
    with pytest.raises(OptionError, match=r"smaller is 0\.5; it must be above 1"):
        ranks_by_size(model, 0.5)
    with pytest.raises(OptionError, match="smaller is 1000, but ranks of 1 make this network"):
        ranks_by_size(model, 1000)


@pytest.mark.parametrize(
    ("ranks", "error", "message"),
    [
        ((2, 3), OptionError, "rank has 2 entries, but the network has 4 layers"),
        ((0,), OptionError, "rank is 0; it must be 1 or more"),
        ((0, 25, 0, 0), ConfigError, "layer 2: rank is 25"),
        ((0, 0, 0, 0), OptionError, "no layer would have fewer parameters"),
    ],
)
def test_ranks_that_cannot_be(ranks, error, message):
    with pytest.raises(error, match=message):
        ranks_given(of_low_rank(), ranks)


def test_one_rank_for_all_spares_the_small_layers():
    assert [x.rank for x in ranks_given(of_low_rank(), (9,))] == [0, 9, 9, 0]


def test_a_factored_network_is_compressed_further():
    model = of_low_rank()
    first = factor_layers(model, ranks_given(model, (5,)))
    again = factor_layers(first, ranks_given(first, (3,)))
    assert again.config.rank == (3, 3, 3, 3)
    by_one_step = factor_layers(model, ranks_given(model, (3,)))
    assert_allclose(again.multiplied_out().theta, by_one_step.multiplied_out().theta, atol=1e-10)


@pytest.mark.parametrize("engine", ["direct", "lecture"])
def test_training_goes_on_from_the_factors(engine):
    data = nn.load_dataset("digits")
    options = nn.TrainOptions(epochs=3, engine=engine, limit=400, lr=0.05)
    model, _ = train(data, "digits", options, progress=False)
    measure = roots(model, data.train.Z[:, : 64 * 200])
    small = factor_layers(model, ranks_by_size(model, 6, measure), measure)
    theta = small.theta.copy()
    tuned, history = train(data, None, options, start=small, progress=False)
    assert tuned.config == small.config
    assert_array_equal(tuned.normalisation.mean, model.normalisation.mean)
    assert_array_equal(small.theta, theta)  # what one starts from stays
    assert history.records[-1]["loss"] < history.records[0]["loss"]
    score = [m.score(data.train.Z, data.train.y) for m in (small, tuned)]
    assert score[1] > score[0]


def test_smaller_is_counted_from_the_model_that_is_given():
    model = of_low_rank(rank=10)
    first = factor_layers(model, ranks_by_size(model, 2))
    again = factor_layers(first, ranks_by_size(first, 2))
    assert 2 * again.config.n_parameters <= first.config.n_parameters
    assert [r.R.shape for r in roots(first, pictures())] == [
        r.R.shape for r in roots(model, pictures())
    ]


def test_a_layer_of_zeros_loses_nothing():
    model = of_low_rank()
    model.W[1][...] = 0
    layers = ranks_by_size(model, 3)
    assert layers[1].rank == 1
    assert np.isfinite(factor_layers(model, layers).theta).all()
    plot_ranks(layers)


def test_what_a_start_must_be():
    data = nn.load_dataset("digits")
    model = Model.initialise(CONFIG, np.arange(10), np.random.default_rng(0))
    with pytest.raises(OptionError, match="leave config out"):
        train(data, "digits", start=model)
    with pytest.raises(OptionError, match="loss is 'cross-entropy', but the model to start from"):
        train(data, options=nn.TrainOptions(loss="cross-entropy"), start=model)
    model.classes = np.arange(1, 11)
    with pytest.raises(ConfigError, match=r"knows the classes 1, 2, 3, 4, 5, \.\.\. \(10\)"):
        train(data, options=nn.TrainOptions(), start=model)
    with pytest.raises(OptionError, match="leave config, out and start out"):
        train(data, start=model, resume="somewhere")


def test_both_are_timed():
    model = of_low_rank()
    found = time_passes(model, factor_layers(model, ranks_given(model, (2,))))
    assert {what: len(both) for what, both in found.items()} == {"predict": 2, "step": 2}
    assert all(ms > 0 for both in found.values() for ms in both)


def test_figure():
    left, right = plot_ranks(ranks_given(of_low_rank(), (2,)), name="a $net", of="outputs")
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert labels[0] == "layer 1, 20x9: rank 2 of 9"
    assert "outputs, a $net" in left.get_title()
    assert len(right.patches) == 8
