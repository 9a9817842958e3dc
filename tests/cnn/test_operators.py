"""Every operator against the loops of naive.py, over awkward shapes."""

from __future__ import annotations

import naive
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from simplenn_py.cnn.operators.padding import padding, unpad
from simplenn_py.cnn.operators.phi import find_index_phiZ, padding_and_phiZ, vTP_phi
from simplenn_py.cnn.operators.pooling import P_pool, maxpooling, vTP_pool
from simplenn_py.cnn.operators.relu import bias_relu, indicator, mask, relu
from simplenn_py.kernels.elementwise import gather_input
from simplenn_py.layout import ConvGeometry

# a, b, d, p, h, s, d_next, h_pool; then the number of instances
SHAPES = {
    "plain": (ConvGeometry(6, 6, 2, 1, 3, 1, 3, 2), 2),
    "stride 2": (ConvGeometry(7, 7, 3, 1, 3, 2, 2, 2), 3),
    "stride 3 beyond the filter": (ConvGeometry(8, 11, 2, 0, 2, 3, 2, 1), 2),
    "even filter": (ConvGeometry(5, 7, 2, 1, 4, 1, 3, 2), 2),
    "ragged pool of 3": (ConvGeometry(9, 11, 1, 0, 2, 1, 4, 3), 2),
    "ragged stride": (ConvGeometry(8, 6, 2, 0, 3, 2, 3, 2), 2),
    "much padding": (ConvGeometry(3, 4, 2, 5, 3, 2, 2, 2), 2),
    "tall": (ConvGeometry(12, 3, 2, 1, 3, 1, 2, 3), 2),
    "wide": (ConvGeometry(3, 12, 2, 1, 3, 2, 2, 2), 2),
    "one channel, one instance": (ConvGeometry(5, 4, 1, 1, 3, 1, 1, 2), 1),
    "many channels": (ConvGeometry(3, 4, 19, 1, 2, 1, 23, 2), 2),
    "1x1 filter": (ConvGeometry(4, 5, 3, 0, 1, 1, 5, 1), 2),
    "1x1 filter with stride": (ConvGeometry(5, 4, 3, 1, 1, 2, 2, 1), 2),
    "filter of the whole image": (ConvGeometry(3, 3, 2, 1, 5, 1, 4, 1), 3),
    "one pixel": (ConvGeometry(1, 1, 1, 0, 1, 1, 1, 1), 1),
    "pool of everything": (ConvGeometry(5, 5, 2, 1, 3, 1, 2, 5), 2),
}
DTYPES = [pytest.param(np.float64, id="float64"), pytest.param(np.float32, id="float32")]

every_shape = pytest.mark.parametrize(("g", "l"), SHAPES.values(), ids=SHAPES)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def storage(rng, rows, columns, dtype=np.float64):
    return np.asfortranarray(rng.standard_normal((rows, columns)).astype(dtype))


def integers(rng, rows, columns, dtype=np.float64):
    """Small whole numbers: sums are exact in any order, and maxima tie."""
    return np.asfortranarray(rng.integers(-3, 4, (rows, columns)).astype(dtype))


def check_against_naive(g, l, rng, dtype):
    """Compare all operators on one geometry; integers make every comparison exact."""
    Z = integers(rng, g.d, g.a * g.b * l, dtype)
    assert_array_equal(padding(Z, g), naive.pad(Z, g))
    assert_array_equal(padding_and_phiZ(Z, g), naive.phi(Z, g))
    assert_array_equal(find_index_phiZ(g), naive.index_phi(g))

    V = integers(rng, g.hhd, g.a_conv * g.b_conv * l, dtype)
    sums = vTP_phi(V, g)
    assert_array_equal(sums, naive.vTP_phi(V, g))
    assert_array_equal(unpad(sums, g), naive.unpad(sums, g))

    S = integers(rng, g.d_next, g.a_conv * g.b_conv * l, dtype)
    pooled, index = maxpooling(S, g)
    wanted, wanted_index = naive.maxpool(S, g)
    assert_array_equal(pooled, wanted)
    assert_array_equal(index, wanted_index)

    U = integers(rng, g.d_next, g.a_next * g.b_next * l, dtype)
    assert_array_equal(vTP_pool(U, index, g), naive.vTP_pool(U, index, g))
    V = integers(rng, *S.shape, dtype)
    assert_array_equal(P_pool(V, index, g), naive.P_pool(V, index, g))

    bias = rng.integers(-3, 4, g.d_next).astype(dtype)
    wanted = naive.relu(S + bias[:, None])
    assert_array_equal(relu(S + bias[:, None]), wanted)
    linear = bias_relu(S.copy(order="F"), bias, activate=False)
    assert_array_equal(linear, S + bias[:, None])
    assert_array_equal(bias_relu(S, bias), wanted)
    assert_array_equal(mask(V.copy(order="F"), S), np.where(wanted > 0, V, 0))
    assert_array_equal(indicator(S), wanted > 0)
    return [sums, pooled, linear]


@every_dtype
@every_shape
def test_all_operators_equal_the_loops(g, l, rng, dtype):
    for result in check_against_naive(g, l, rng, dtype):
        assert result.dtype == dtype
        assert result.flags.f_contiguous


@st.composite
def geometries(draw):
    h, s, p, h_pool = (draw(st.integers(low, 3)) for low in (1, 1, 0, 1))
    a, b = (draw(st.integers(max(1, h + s * (h_pool - 1) - 2 * p), 9)) for _ in "ab")
    d, d_next = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return ConvGeometry(a, b, d, p, h, s, d_next, h_pool)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(geometries(), st.integers(1, 3), st.integers(0, 2**32))
def test_all_operators_equal_the_loops_on_any_geometry(g, l, seed):
    check_against_naive(g, l, np.random.default_rng(seed), np.float64)


@every_shape
def test_product_with_phi_is_the_convolution(g, l, rng):
    Z, W = storage(rng, g.d, g.a * g.b * l), storage(rng, g.d_next, g.hhd)
    bias = rng.standard_normal(g.d_next)
    S = np.asfortranarray(W @ padding_and_phiZ(Z, g))
    assert_allclose(bias_relu(S, bias, activate=False), naive.conv(Z, W, bias, g), atol=1e-12)


@every_dtype
@every_shape
def test_adjoints(g, l, rng, dtype):
    """``<A x, y> = <x, A' y>`` for pad, phi and pool."""
    tolerance = {"rtol": 0, "atol": 1e-11 if dtype == np.float64 else 1e-3}
    Z = storage(rng, g.d, g.a * g.b * l, dtype)
    V = storage(rng, g.d, g.a_pad * g.b_pad * l, dtype)
    assert_allclose(np.vdot(padding(Z, g), V), np.vdot(Z, unpad(V, g)), **tolerance)
    V = storage(rng, g.hhd, g.a_conv * g.b_conv * l, dtype)
    backwards = unpad(vTP_phi(V, g), g)
    assert_allclose(np.vdot(padding_and_phiZ(Z, g), V), np.vdot(Z, backwards), **tolerance)
    S = storage(rng, g.d_next, g.a_conv * g.b_conv * l, dtype)
    pooled, index = maxpooling(S, g)
    V = storage(rng, *pooled.shape, dtype)
    assert_allclose(np.vdot(pooled, V), np.vdot(S, vTP_pool(V, index, g)), **tolerance)
    assert_array_equal(P_pool(S, index, g), pooled)


def test_vTP_pool_with_many_gradient_columns(rng):
    g, l, columns = ConvGeometry(5, 7, 1, 0, 2, 1, 3, 2), 2, 4
    _, index = maxpooling(integers(rng, 3, g.a_conv * g.b_conv * l), g)
    V = storage(rng, 3, g.a_next * g.b_next * l * columns)
    wanted = naive.vTP_pool(V, np.repeat(index, columns, axis=1), g)
    assert_array_equal(vTP_pool(V, index, g), wanted)


def test_mask_with_many_gradient_columns(rng):
    V, Z = storage(rng, 5, 6), integers(rng, 5, 2)
    wanted = np.where(np.repeat(Z, 3, axis=1) > 0, V, 0)
    assert_array_equal(mask(V, Z, columns=3), wanted)


def test_pooling_by_hand():
    """One channel, 4 x 5 pixels, windows of 2: the last column belongs to no window."""
    image = np.array(
        [
            [1.0, 7, 0, 0, 9],
            [7.0, 1, 0, 0, 9],
            [2.0, 5, 3, 4, 9],
            [5.0, 5, 4, 4, 9],
        ]
    )
    g = ConvGeometry(4, 5, 1, 0, 1, 1, 1, 2)
    S = image.reshape(1, -1, order="F")
    Z, index = maxpooling(S, g)
    # Windows down the first pair of columns, then down the second.  Within a window the
    # order is (0,0), (1,0), (0,1), (1,1): of the two 7s the lower left comes first.
    assert_array_equal(Z, [[7, 5, 0, 4]])
    assert_array_equal(index[:, 0], [1, 3, 8, 11])
    back = vTP_pool(np.array([[10.0, 20, 30, 40]]), index, g)
    assert_array_equal(
        back.reshape(4, 5, order="F"),
        [[0, 0, 30, 0, 0], [10, 0, 0, 0, 0], [0, 0, 0, 0, 0], [20, 0, 40, 0, 0]],
    )


def test_phi_by_hand():
    """One channel, 3 x 3 pixels, filter 2, stride 1: the patches of 1..9 down the columns."""
    g = ConvGeometry(3, 3, 1, 0, 2, 1, 1, 1)
    Z = np.arange(1.0, 10).reshape(1, 9)
    assert_array_equal(
        padding_and_phiZ(Z, g), [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]]
    )
    assert_array_equal(vTP_phi(np.ones((4, 4)), g), [[1, 2, 1, 2, 4, 2, 1, 2, 1]])


def calls(rng, g, l):
    """Every operator on random operands: name -> (call, shape and dtype of its out)."""
    Z = storage(rng, g.d, g.a * g.b * l)
    P = storage(rng, g.d, g.a_pad * g.b_pad * l)
    V = storage(rng, g.hhd, g.a_conv * g.b_conv * l)
    S = storage(rng, g.d_next, g.a_conv * g.b_conv * l)
    U = storage(rng, g.d_next, g.a_next * g.b_next * l)
    index = maxpooling(S, g)[1]
    return {
        "padding": (padding, (Z, g), P.shape),
        "unpad": (unpad, (P, g), Z.shape),
        "padding_and_phiZ": (padding_and_phiZ, (Z, g), V.shape),
        "vTP_phi": (vTP_phi, (V, g), P.shape),
        "maxpooling": (lambda *args, **more: maxpooling(*args, **more)[0], (S, g), U.shape),
        "vTP_pool": (vTP_pool, (U, index, g), S.shape),
        "P_pool": (P_pool, (S, index, g), U.shape),
    }


OPERATORS = ["padding", "unpad", "padding_and_phiZ", "vTP_phi", "maxpooling", "vTP_pool", "P_pool"]
every_operator = pytest.mark.parametrize("name", OPERATORS)
RAGGED = ConvGeometry(7, 10, 3, 1, 3, 2, 5, 2)


@every_operator
def test_out_is_written_and_returned(name, rng):
    call, args, shape = calls(rng, RAGGED, 2)[name]
    out = np.full(shape, np.nan, order="F")
    assert call(*args, out=out) is out
    assert_array_equal(out, call(*args))


@every_operator
def test_wrong_shapes_are_named(name, rng):
    call, args, shape = calls(rng, RAGGED, 2)[name]
    first, *others = args
    with pytest.raises(ValueError, match=r"[ZVS] has shape \(\d+, \d+\); it must be"):
        call(first[:-1], *others)
    with pytest.raises(ValueError, match=r"[ZVS] has shape"):
        call(first[:, :-1], *others)
    for wrong in (
        np.empty((shape[0], shape[1] + 1), order="F"),
        np.empty(shape, np.float32, order="F"),
        np.empty(shape, order="C"),
    ):
        with pytest.raises(ValueError, match=r"out has shape .* in Fortran order"):
            call(*args, out=wrong)


@pytest.mark.parametrize("operator", [vTP_pool, P_pool])
def test_wrong_idx_pool_is_named(operator, rng):
    call, (V, index, g), _ = calls(rng, RAGGED, 4)[operator.__name__]
    for wrong in (index[:-1], index[:, :3], index[:, :0]):
        with pytest.raises(ValueError, match="idx_pool has shape"):
            call(V, wrong, g)


def test_in_place_operators_name_wrong_operands(rng):
    S = storage(rng, 4, 6)
    with pytest.raises(ValueError, match="one row per entry of bias"):
        bias_relu(S, np.zeros(3))
    with pytest.raises(ValueError, match="S must be in Fortran order"):
        bias_relu(np.ascontiguousarray(S), np.zeros(4))
    with pytest.raises(ValueError, match=r"V must be \(4, 12\)"):
        mask(S, S, columns=2)
    with pytest.raises(ValueError, match="both in Fortran order"):
        mask(S, np.ascontiguousarray(S))


@every_operator
def test_memory_order_of_operands_does_not_matter(name, rng):
    call, args, _ = calls(rng, RAGGED, 2)[name]
    others = [np.ascontiguousarray(A) if isinstance(A, np.ndarray) else A for A in args]
    assert not others[0].flags.f_contiguous
    assert_array_equal(call(*others), call(*args))
    spread = np.full((args[0].shape[0] * 2, args[0].shape[1]), np.nan)
    spread[::2] = args[0]
    assert_array_equal(call(spread[::2], *args[1:]), call(*args))


@every_dtype
def test_nan_survives_the_relu(dtype):
    S = np.array([[np.nan, -1, 2]], dtype, order="F")
    assert_array_equal(bias_relu(S.copy(order="F"), np.zeros(1, dtype)), [[np.nan, 0, 2]])
    assert_array_equal(bias_relu(S, np.full(1, np.nan, dtype)), [[np.nan] * 3])


@every_operator
def test_threads_do_not_change_a_bit(name, rng):
    call, args, _ = calls(rng, ConvGeometry(12, 14, 5, 1, 3, 2, 6, 2), 9)[name]
    before = numba.get_num_threads()
    results = []
    try:
        for threads in [1, min(2, numba.config.NUMBA_NUM_THREADS)] + 4 * [before]:
            numba.set_num_threads(threads)
            results.append(call(*args).tobytes())
    finally:
        numba.set_num_threads(before)
    assert len(set(results)) == 1


SENTINEL = -12345.0


def guarded(A):
    """Copy `A` into the middle of a larger buffer; return the copy and the buffer."""
    buffer = np.full(A.size + 64, SENTINEL).astype(A.dtype)
    inside = buffer[32 : 32 + A.size].reshape(A.shape, order="F")
    inside[...] = A
    return inside, buffer


@every_operator
@every_shape
def test_nothing_outside_the_arrays_is_touched(name, g, l, rng):
    call, args, shape = calls(rng, g, l)[name]
    wanted = call(*args)
    pairs = [guarded(A) if isinstance(A, np.ndarray) else (A, None) for A in args]
    before = [None if buffer is None else buffer.copy() for _, buffer in pairs]
    out, out_buffer = guarded(np.empty(shape))
    call(*(A for A, _ in pairs), out=out)
    assert_array_equal(out, wanted)
    assert np.all(out_buffer[:32] == SENTINEL)
    assert np.all(out_buffer[-32:] == SENTINEL)
    for (_, buffer), copy in zip(pairs, before, strict=True):
        if buffer is not None:  # operands and their surroundings are as they were
            assert_array_equal(buffer, copy)


@every_dtype
def test_in_place_operators_touch_nothing_else(dtype, rng):
    S, bias = integers(rng, 3, 35, dtype), np.ones(3, dtype)
    inside, buffer = guarded(S)
    bias_relu(inside, bias)
    mask(inside, S)
    assert np.all(buffer[:32] == dtype(SENTINEL))
    assert np.all(buffer[-32:] == dtype(SENTINEL))


@pytest.mark.parametrize("image_dtype", [np.uint8, np.float64])
def test_gather_input_scales_and_centres(image_dtype, rng):
    images = rng.integers(0, 256, (6, 10)).astype(image_dtype)
    offset, indices = rng.standard_normal(10), np.array([4, 0, 4])
    out, buffer = guarded(np.empty((10, 3)))
    gather_input(
        images, indices, np.zeros(indices.size, bool), images.shape[1], 0.25, offset, out.T
    )
    assert_allclose(out.T, images[[4, 0, 4]] * 0.25 - offset, rtol=1e-15, atol=1e-15)
    assert np.all(buffer[:32] == SENTINEL)
    assert np.all(buffer[-32:] == SENTINEL)


def test_nan_survives_the_pooling_wherever_it_stands():
    g = ConvGeometry(a=2, b=2, d=1, p=0, h=1, s=1, d_next=1, h_pool=2)
    for place in range(4):
        S = np.array([[1.0, 2.0, 3.0, 4.0]], order="F")
        S[0, place] = np.nan
        Z, idx_pool = maxpooling(S, g)
        assert np.isnan(Z[0, 0])
        assert idx_pool[0, 0] == place
