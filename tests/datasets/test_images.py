"""Pictures for training and for prediction: position, colour, orientation, damage."""

from __future__ import annotations

import itertools
import os
import struct

import numpy as np
import pytest
from PIL import Image

from simplenn_py.datasets.images import inspect, read_images
from simplenn_py.errors import DataError
from simplenn_py.layout import to_nhwc

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (4, 3, 3), dtype=np.uint8)  # a = 4, b = 3
GREY = COLOUR[..., 0]


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def test_pixels_lie_where_the_lecture_wants_them(tmp_path):
    paths = [save(tmp_path / f"{n}.png", COLOUR // (n + 1)) for n in range(2)]
    Z = read_images(paths, 4, 3, 3)
    assert Z.shape == (3, 24)
    assert Z.dtype == np.uint8
    assert Z.flags.f_contiguous
    assert Z[2, 3 + 4 * 1 + 12 * 1] == COLOUR[3, 1, 2] // 2
    assert np.array_equal(to_nhwc(Z, 4, 3)[0], COLOUR)
    for one in (paths[0], str(paths[0])):
        assert np.array_equal(read_images(one, 4, 3, 3), Z[:, :12])


def test_grey_becomes_rgb_and_rgb_grey(tmp_path):
    grey, colour = save(tmp_path / "g.png", GREY), save(tmp_path / "c.png", COLOUR)
    as_rgb = to_nhwc(read_images([grey], 4, 3, 3), 4, 3)[0]
    assert all(np.array_equal(as_rgb[..., c], GREY) for c in range(3))
    as_grey = to_nhwc(read_images([colour], 4, 3, 1), 4, 3)[0, ..., 0]
    weighted = COLOUR @ np.array([0.299, 0.587, 0.114])  # ITU-R 601, as Pillow
    assert np.abs(as_grey - weighted).max() <= 1


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    path = save(tmp_path / "w.png", np.array([[0, 257], [40000, 65535]], np.uint16))
    assert read_images([path], 2, 2, 1)[0].tolist() == [0, 156, 1, 255]
    assert inspect(path) == (2, 2, 1)


def sixteen_bit_tiff(pixels) -> bytes:
    """Return a TIFF file in big-endian byte order, which Pillow cannot write."""
    height, width = pixels.shape
    data = pixels.astype(">u2").tobytes()
    tags = {256: width, 257: height, 258: 16, 259: 1, 262: 1, 273: 122, 277: 1, 278: height}
    tags[279] = len(data)
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"MM\0*" + struct.pack(">IH", 8, len(tags)) + entries + bytes(4) + data


SIXTEEN = np.array([[0, 257, 128], [40000, 65535, 129]], np.uint16)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.png", {}),
        ("w.tif", {}),
        ("w.tif", {"compression": "tiff_lzw"}),
        ("w.tif", sixteen_bit_tiff(SIXTEEN)),
        ("w.pgm", b"P5 3 2 65535\n" + SIXTEEN.astype(">u2").tobytes()),
    ],
)
def test_sixteen_bits_are_the_same_in_every_format(tmp_path, name, content):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save(path, SIXTEEN, **content)
    assert inspect(path) == (2, 3, 1)
    assert to_nhwc(read_images([path], 2, 3, 1), 2, 3)[0, ..., 0].tolist() == [
        [0, 1, 0],
        [156, 255, 1],
    ]


def test_transparent_becomes_white(tmp_path):
    array = np.zeros((2, 2, 4), np.uint8)
    array[0, 0] = (10, 20, 30, 255)
    path = save(tmp_path / "a.png", array)
    images = to_nhwc(read_images([path], 2, 2, 3), 2, 2)[0]
    assert images[0, 0].tolist() == [10, 20, 30]
    assert images[1, 1].tolist() == [255] * 3
    grey_alpha = Image.fromarray(np.zeros((2, 2), np.uint8)).convert("LA")
    grey_alpha.putalpha(0)
    grey_alpha.save(tmp_path / "la.png")
    assert (read_images([tmp_path / "la.png"], 2, 2, 1) == 255).all()
    assert inspect(tmp_path / "la.png") == (2, 2, 1)


def test_exif_orientation_turns_the_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees to stand upright
    arrays = (COLOUR, GREY.astype(np.uint16) * 257)
    for array, name in itertools.product(arrays, ("o.png", "o.tif")):
        path = save(tmp_path / name, array, exif=exif)
        d = 3 if array is COLOUR else 1
        assert inspect(path) == (3, 4, d)
        expected = np.rot90(COLOUR if d == 3 else COLOUR[..., :1], k=-1)
        assert np.array_equal(to_nhwc(read_images([path], 3, 4, d), 3, 4)[0], expected)


def test_resizing_averages(tmp_path):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 200  # without antialiasing: all 0 or all 200
    Z = read_images([save(tmp_path / "s.png", stripes)], 8, 8, 1)
    assert np.abs(Z.astype(int) - 100).max() <= 5


def test_wide_pixels_are_refused(tmp_path):
    path = tmp_path / "f.tif"
    Image.fromarray(np.zeros((2, 2), np.float32)).save(path)
    with pytest.raises(DataError, match=r"f.tif: has 32 bits per pixel"):
        read_images([path], 2, 2, 1)


def test_refuses_other_channels_and_nothing(tmp_path):
    path = save(tmp_path / "g.png", GREY)
    with pytest.raises(DataError, match=r"1 channel .* or 3 .*, not 2 as requested"):
        read_images([path], 4, 3, 2)
    with pytest.raises(DataError, match=r"no picture file is given"):
        read_images([], 4, 3, 1)


def test_refuses_what_is_no_picture(tmp_path):
    path = tmp_path / "x.png"
    with pytest.raises(DataError, match=r"x.png: there is no such file"):
        read_images([path], 2, 2, 1)
    path.write_text("not a picture")
    with pytest.raises(DataError, match=r"x.png: cannot be read as an image"):
        read_images([path], 2, 2, 1)
    big = save(tmp_path / "y.png", RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = big.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:40], whole[:60] + b"\xff" * 400 + whole[460:]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"x.png: .*remove it, or save it again") as caught:
            read_images([path], 2, 2, 1)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_does_not_wait_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "p.png")
    with pytest.raises(DataError, match=r"p.png: is a pipe or a device"):
        read_images([tmp_path / "p.png"], 2, 2, 1)


def test_refuses_a_decompression_bomb(tmp_path, monkeypatch):
    path = save(tmp_path / "b.png", np.zeros((40, 40), np.uint8))
    for limit in (1000, 100):  # Pillow warns from the limit on, and raises from twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=r"b.png: cannot be read as an image .*bomb"):
            read_images([path], 2, 2, 1)
