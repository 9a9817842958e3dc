"""Gathering a batch: chosen, scaled, centred, mirrored."""

import numpy as np
import pytest
from networks import net

from simplenn_py import layout, make_engine


@pytest.mark.parametrize("LC", [0, 1])
@pytest.mark.parametrize("image_dtype", [np.uint8, np.float32])
def test_mirrored_images_are_the_images_mirrored(engine_name, rng, LC, image_dtype):
    a, b, d = 4, 5, 3
    config = net(a, b, d, *[(2, 3, 1)] * LC, full=(2,))
    images = rng.integers(0, 256, (6, a, b, d)).astype(image_dtype)
    offset = rng.standard_normal(a * b * d)
    indices, flips = np.array([5, 0, 3, 3]), np.array([True, False, True, False])
    engine = make_engine(engine_name, config, 4, np.float64)
    engine.load(layout.from_nhwc(images), indices, 0.5, offset, flips)
    expected = images[indices].astype(float)
    expected[flips] = expected[flips][:, :, ::-1]
    mean = layout.to_nhwc(offset.reshape(d, -1, order="F"), a, b)
    got = layout.to_nhwc(engine.Z(0).reshape(d, -1, order="F"), a, b)
    np.testing.assert_allclose(got, expected * 0.5 - mean, rtol=1e-14, atol=1e-14)
