"""im2col in three layouts against plain loops, and all conversions among them, both ways."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from simplenn_py.cnn.operators.phi import padding_and_phiZ
from simplenn_py.errors import DataError, OptionError
from simplenn_py.layout import Array, ConvGeometry, from_nhwc
from simplenn_py.linalg import (
    LAYOUTS,
    convert,
    im2col_nchw,
    im2col_nhwc,
    im2col_phi,
    permutation,
)
from simplenn_py.linalg.im2col import IMAGES, addresses, images_of, run_length
from simplenn_py.linalg.im2col_costs import measure_layouts

# l, a, b, d, h, s, p
CASES = [
    (3, 6, 5, 2, 3, 1, 0),
    (2, 7, 6, 3, 3, 2, 1),
    (1, 5, 8, 1, 2, 2, 0),
    (1, 4, 4, 4, 1, 1, 0),
    (2, 3, 9, 1, 5, 3, 2),
    (2, 8, 3, 2, 3, 2, 0),
    (1, 2, 3, 2, 4, 1, 1),
]
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: "x".join(map(str, case)))
FORMERS: dict[str, Callable[..., Array]] = {
    "phi": im2col_phi,
    "nhwc": im2col_nhwc,
    "nchw": lambda images, h, s, p: im2col_nchw(images.transpose(0, 3, 1, 2), h, s, p),
}


def images_of_case(case: tuple[int, ...], dtype: type = np.float64) -> Array:
    l, a, b, d = case[:4]
    return np.random.default_rng(1).permutation(l * a * b * d).reshape(l, a, b, d).astype(dtype) + 1


def grid(case: tuple[int, ...]) -> tuple[int, int]:
    _, a, b, _, h, s, p = case
    return (a + 2 * p - h) // s + 1, (b + 2 * p - h) // s + 1


def by_loops(case: tuple[int, ...], layout: str) -> Array:
    """Write every entry where the layout's index formula says."""
    l, a, b, d, h, s, p = case
    a_conv, b_conv = grid(case)
    images = images_of_case(case)
    shape = {
        "phi": (h * h * d, a_conv * b_conv * l),
        "nhwc": (l * a_conv * b_conv, h * h * d),
        "nchw": (l, d * h * h, a_conv * b_conv),
    }[layout]
    P = np.full(shape, np.nan)
    for n, i, j, u, w, c in product(*map(range, (l, a_conv, b_conv, h, h, d))):
        row, column = i * s + u - p, j * s + w - p
        inside = 0 <= row < a and 0 <= column < b
        value = images[n, row, column, c] if inside else 0.0
        if layout == "phi":
            P[u + h * w + h * h * c, i + a_conv * j + a_conv * b_conv * n] = value
        elif layout == "nhwc":
            P[(n * a_conv + i) * b_conv + j, (u * h + w) * d + c] = value
        else:
            P[n, (c * h + u) * h + w, i * b_conv + j] = value
    return P


@cases
@pytest.mark.parametrize("layout", LAYOUTS)
def test_against_loops(case: tuple[int, ...], layout: str) -> None:
    P = FORMERS[layout](images_of_case(case), *case[4:])
    np.testing.assert_array_equal(P, by_loops(case, layout))
    assert P.flags.f_contiguous if layout == "phi" else P.flags.c_contiguous


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_phi_is_the_operator_of_the_layers(case: tuple[int, ...], dtype: type) -> None:
    _, a, b, d, h, s, p = case
    images = images_of_case(case, dtype)
    g = ConvGeometry(a, b, d, p, h, s, 1, 1)
    P = im2col_phi(images, h, s, p)
    assert P.dtype == dtype
    np.testing.assert_array_equal(P, padding_and_phiZ(from_nhwc(images), g))


@cases
@pytest.mark.parametrize(("source", "target"), list(product(LAYOUTS, LAYOUTS)))
def test_conversions(case: tuple[int, ...], source: str, target: str) -> None:
    l, d, h = case[0], case[3], case[4]
    a_conv, b_conv = grid(case)
    sizes = {"h": h, "d": d, "a_conv": a_conv, "b_conv": b_conv}
    given, wanted = by_loops(case, source), by_loops(case, target)
    found = convert(given, source, target, **sizes)
    np.testing.assert_array_equal(found, wanted)
    assert found.flags.f_contiguous if target == "phi" else found.flags.c_contiguous
    assert not np.shares_memory(found, given)
    np.testing.assert_array_equal(convert(found, target, source, **sizes), given)

    def memory(P: Array, layout: str) -> Array:
        return P.reshape(-1, order="F" if layout == "phi" else "C")

    index = permutation(source, target, **sizes, l=l)
    back = permutation(target, source, **sizes, l=l)
    np.testing.assert_array_equal(memory(given, source)[index], memory(wanted, target))
    np.testing.assert_array_equal(index[back], np.arange(given.size))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_promised_index_runs_fastest(layout: str) -> None:
    case = CASES[1]
    P = FORMERS[layout](images_of_case(case), *case[4:])
    step = P.itemsize
    axis = {"phi": 0, "nhwc": 1, "nchw": 2}[layout]
    assert P.strides[axis] == step


def test_products_agree(rng: np.random.Generator) -> None:
    # The same convolution as one product of each kind.
    case = CASES[1]
    l, _, _, d, h, s, p = case
    a_conv, b_conv = grid(case)
    images = images_of_case(case)
    W = rng.standard_normal((4, d, h, h))  # filter, channel, u, w
    S_nchw = W.reshape(4, -1) @ FORMERS["nchw"](images, h, s, p)
    S_nhwc = im2col_nhwc(images, h, s, p) @ W.transpose(2, 3, 1, 0).reshape(-1, 4)
    S_phi = W.transpose(0, 1, 3, 2).reshape(4, -1) @ im2col_phi(images, h, s, p)
    reference = S_nchw.reshape(l, 4, a_conv, b_conv)
    np.testing.assert_allclose(
        S_nhwc.reshape(l, a_conv, b_conv, 4), reference.transpose(0, 2, 3, 1), rtol=1e-12
    )
    np.testing.assert_allclose(
        S_phi.reshape((4, a_conv, b_conv, l), order="F"),
        reference.transpose(1, 2, 3, 0),
        rtol=1e-12,
    )


def test_strided_images_and_source_untouched() -> None:
    case = CASES[0]
    images = images_of_case(case)
    doubled = np.repeat(images, 2, axis=2)
    before = doubled.copy()
    P = im2col_nhwc(doubled[:, :, ::2], 3)
    np.testing.assert_array_equal(P, by_loops(case, "nhwc"))
    P[:] = -1
    np.testing.assert_array_equal(doubled, before)


def test_errors() -> None:
    images = np.zeros((1, 4, 4, 2))
    with pytest.raises(DataError, match=r"shape \(4, 4\).*\(l, a, b, d\)"):
        im2col_phi(images[0, ..., 0], 3)
    with pytest.raises(DataError, match=r"\(l, d, a, b\)"):
        im2col_nchw(images[0], 3)
    with pytest.raises(DataError, match="too small for filters of width 5"):
        im2col_nhwc(images, 5)
    for name in ("h", "s"):
        with pytest.raises(OptionError, match=f"{name} is 0; .*1 or more"):
            im2col_phi(images, **{"h": 3, name: 0})
    with pytest.raises(OptionError, match=r"p is -1; .*0 or more"):
        im2col_phi(images, 3, p=-1)
    sizes = {"h": 3, "d": 2, "a_conv": 2, "b_conv": 2}
    P = im2col_nhwc(images, 3)
    with pytest.raises(OptionError, match=r"layout is 'nwhc'.*did you mean 'nhwc'"):
        convert(P, "nwhc", "phi", **sizes)
    with pytest.raises(OptionError, match="layout is 'hwc'"):
        convert(P, "nhwc", "hwc", **sizes)
    with pytest.raises(DataError, match=r"shape \(4, 18\); 'phi' patches .*\(18, l\*4\)"):
        convert(P, "phi", "nhwc", **sizes)
    with pytest.raises(DataError, match=r"'nhwc' patches .*\(l\*4, 50\)"):
        convert(P, "nhwc", "phi", **sizes | {"h": 5})


@cases
@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_in_a_layouts_own_order_give_the_same_patches(
    case: tuple[int, ...], layout: str
) -> None:
    images, (h, s, p) = images_of_case(case), case[4:]
    own = images_of(layout, images)
    former = im2col_nchw if layout == "nchw" else FORMERS[layout]
    np.testing.assert_array_equal(former(own, h, s, p), by_loops(case, layout))
    memory = images.transpose(["nabd".index(axis) for axis in IMAGES[layout]])
    start = own.ravel(order="K")
    np.testing.assert_array_equal(start, memory.reshape(-1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_addresses_are_places_in_memory(layout: str) -> None:
    a, b, d = 3, 4, 2
    numbers = addresses(layout, a, b, d)
    assert numbers.shape == (1, a, b, d)
    image = np.arange(24).reshape(1, a, b, d)
    np.testing.assert_array_equal(images_of(layout, image).ravel(order="K")[numbers], image)
    last = {"phi": (1, 2, 6), "nhwc": (1, 8, 2), "nchw": (12, 4, 1)}[layout]
    assert (numbers[0, 0, 0, 1], numbers[0, 1, 0, 0], numbers[0, 0, 1, 0]) == last


@cases
@pytest.mark.parametrize("layout", LAYOUTS)
def test_run_length_by_looking(case: tuple[int, ...], layout: str) -> None:
    _, a, b, d, h, s, p = case
    g = ConvGeometry(a, b, d, p, h, s, 1, 1)
    padded = addresses(layout, g.a_pad, g.b_pad, d)
    former = FORMERS[layout]  # takes (l, a, b, d)
    P = former(padded, h, s, 0)
    sources = P.reshape(-1, order="F" if layout == "phi" else "C")
    breaks = np.flatnonzero(np.diff(sources) != 1) + 1
    pieces = np.diff(np.concatenate([[0], breaks, [sources.size]]))
    run = run_length(layout, g)
    assert all(piece % run == 0 for piece in pieces)
    if min(g.a_conv, g.b_conv) > 1 and s < h:  # then no two runs meet by chance
        assert run == pieces.min()


def test_run_lengths_of_a_layer() -> None:
    g = ConvGeometry(a=28, b=30, d=32, p=1, h=3, s=1, d_next=64, h_pool=2)
    assert [run_length(layout, g) for layout in LAYOUTS] == [1, 96, 30]
    g = ConvGeometry(a=28, b=28, d=1, p=0, h=5, s=2, d_next=64, h_pool=2)
    assert [run_length(layout, g) for layout in LAYOUTS] == [5, 5, 1]


def test_costs() -> None:
    g = ConvGeometry(a=6, b=5, d=2, p=1, h=3, s=1, d_next=4, h_pool=1)
    costs = measure_layouts(g, 3, "float64", repeat=1)
    assert [cost.layout for cost in costs] == list(LAYOUTS)
    for cost in costs:
        assert cost.bytes == 8 * 18 * 30 * 3
        assert cost.form_seconds > 0
        assert cost.product_seconds > 0
        assert cost.run == run_length(cost.layout, g)
    with pytest.raises(OptionError, match="dtype is 'int8'"):
        measure_layouts(g, 3, "int8")
    with pytest.raises(OptionError, match="l is 0"):
        measure_layouts(g, 0)
    with pytest.raises(OptionError, match=r"need \d+ MiB .* take fewer images"):
        measure_layouts(g, 10**9)
    with pytest.raises(OptionError, match=r"layout is 'nhcw'; .* did you mean 'nhwc'"):
        images_of("nhcw", np.zeros((1, 2, 2, 1)))
