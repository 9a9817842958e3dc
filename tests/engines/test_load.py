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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((1, 50), np.float16)}, "images has dtype float16"),
        ({"images": np.zeros((1, 50), ">f4")}, "images has dtype >f4"),
        ({"images": np.zeros((1, 49))}, r"images has shape \(1, 49\); .* with 25 entries"),
        ({"images": np.zeros((2, 5, 5))}, r"images has shape \(2, 5, 5\)"),
        ({"indices": np.arange(5)}, r"indices has .*shape \(5,\); .*batch size, 4"),
        ({"indices": np.array([0.0, 1.0])}, "indices has dtype float64"),
        ({"indices": np.array([0, 2])}, "indices go from 0 to 2; they must go from 0 to 1"),
        ({"indices": np.array([-1, 0])}, "indices go from -1 to 0"),
        ({"offset": np.zeros(5)}, r"offset has shape \(5,\); it must be \(25,\)"),
        ({"flips": np.zeros(1, bool)}, r"flips has shape \(1,\); it must be \(2,\)"),
    ],
)
def test_compiled_code_never_reads_outside(engine_name, change, message):
    engine = make_engine(engine_name, net(5, 5, 1, (2, 3, 1), full=(2,)), 4, np.float64)
    given = {"images": np.ones((1, 50)), "indices": np.arange(2), "offset": np.zeros(25)}
    with pytest.raises(ValueError, match=message):
        engine.load(**{**given, **change}, scale=1.0)
    engine.load(**{**given, "indices": np.array([1, 0], np.uint8)}, scale=1.0)
    assert engine.l == 2
