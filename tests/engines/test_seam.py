"""What the seam offers beyond a training step, the same from both engines."""

import numpy as np
import pytest

from simplenn_py import Model, NetConfig, make_engine


@pytest.mark.parametrize("training", [True, False])
def test_a_layer_without_its_pool_or_activation_and_then_with_them_again(rng, training):
    config = NetConfig.preset("layer4", 14, 13, 3)
    model = Model.initialise(config, np.arange(10), rng, np.float64)
    Z = np.asfortranarray(rng.standard_normal((3, 14 * 13 * 9)))
    results = []
    for name in ("lecture", "direct"):
        engine = make_engine(name, config, 9, np.float64, training)
        engine.load(Z, np.arange(9), 1.0, np.zeros(14 * 13 * 3))
        engine.forward(0, model.W[0], model.bias[0])
        engine.forward(1, model.W[1], model.bias[1], activate=False, pool=False)
        S = engine.Z(2).copy()
        engine.forward(1, model.W[1], model.bias[1])
        engine.forward(2, model.W[2], model.bias[2])
        results.append((S, engine.Z(2).copy(), engine.Z(3).copy()))
    assert results[0][0].shape == (64, 7 * 6 * 9)
    assert results[0][0].min() < 0
    for lecture, direct in zip(*results, strict=True):
        np.testing.assert_allclose(direct, lecture, rtol=1e-12, atol=1e-12)
