"""Every conversion of storage against its explicit index."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from simplenn_py import layout

l, a, b, d = 3, 4, 5, 2


@pytest.fixture
def images():
    """Every entry tells its place: instance, row, column, channel as digits."""
    n, i, j, c = np.indices((l, a, b, d))
    return 1000 * n + 100 * i + 10 * j + c


@pytest.fixture
def Z(images):
    """Storage (1), written out: pixel (i, j) of instance n is column i + a*j + a*b*n."""
    Z = np.empty((d, a * b * l), int, order="F")
    for n in range(l):
        for j in range(b):
            for i in range(a):
                Z[:, i + a * j + a * b * n] = images[n, i, j]
    return Z


def test_storage_runs_channel_row_column_instance(Z):
    memory = layout.vec(Z)
    assert_array_equal(memory[:4], [0, 1, 100, 101])
    assert memory[d * a] == 10  # the next column begins
    assert memory[d * a * b] == 1000  # the next instance begins
    assert np.shares_memory(memory, Z)


def test_vec_stacks_columns():
    assert_array_equal(layout.vec(np.array([[1, 2], [3, 4]])), [1, 3, 2, 4])


def test_pixels_is_a_view_by_instance_column_row_channel(Z, images):
    view = layout.pixels(Z, a, b)
    assert view.shape == (l, b, a, d)
    assert view.flags.c_contiguous
    assert np.shares_memory(view, Z)
    assert_array_equal(view, images.transpose(0, 2, 1, 3))
    assert_array_equal(layout.storage(view), Z)
    assert np.shares_memory(layout.storage(view), Z)


def test_nhwc(Z, images):
    stored = layout.from_nhwc(images)
    assert_array_equal(stored, Z)
    assert stored.flags.f_contiguous
    assert_array_equal(layout.to_nhwc(Z, a, b), images)
    assert np.shares_memory(layout.to_nhwc(Z, a, b), Z)


def test_nhwc_without_channels(Z, images):
    assert_array_equal(layout.from_nhwc(images[..., 0]), Z[:1])


def test_nchw(Z, images):
    nchw = images.transpose(0, 3, 1, 2)
    stored = layout.from_nchw(nchw)
    assert_array_equal(stored, Z)
    assert stored.flags.f_contiguous
    assert_array_equal(layout.to_nchw(Z, a, b), nchw)
    assert np.shares_memory(layout.to_nchw(Z, a, b), Z)


@pytest.mark.parametrize("input_format", ["column", "row"])
def test_rows(Z, images, input_format):
    """One image a row, channel after channel, each by columns or by rows."""
    X = np.empty((l, d * a * b), int)
    for n in range(l):
        for c in range(d):
            for i in range(a):
                for j in range(b):
                    within = i + a * j if input_format == "column" else j + b * i
                    X[n, within + a * b * c] = images[n, i, j, c]
    stored = layout.from_rows(X, a, b, d, input_format)
    assert_array_equal(stored, Z)
    assert stored.flags.f_contiguous
    rows = layout.to_rows(Z, a, b, input_format)
    assert_array_equal(rows, X)
    assert not np.shares_memory(rows, Z)


def test_unknown_input_format_is_named(Z):
    for convert in (
        lambda: layout.from_rows(np.zeros((1, 4)), 2, 2, 1, "rows"),
        lambda: layout.to_rows(Z, a, b, "rows"),
    ):
        with pytest.raises(ValueError, match="input_format is 'rows'; it must be 'column' or"):
            convert()


def test_patches_is_a_view_by_offset():
    g = layout.ConvGeometry(a=4, b=5, d=2, p=0, h=3, s=1, d_next=1, h_pool=1)
    phiZ = np.arange(g.hhd * g.a_conv * g.b_conv * 2).reshape(g.hhd, -1, order="F")
    view = layout.patches(phiZ, g)
    assert np.shares_memory(view, phiZ)
    for n, j, i, c, w, u in np.ndindex(view.shape):
        row, column = u + 3 * w + 9 * c, i + 2 * j + 6 * n
        assert view[n, j, i, c, w, u] == phiZ[row, column]


def test_geometry_by_hand():
    g = layout.ConvGeometry(a=11, b=9, d=2, p=2, h=5, s=2, d_next=4, h_pool=4)
    assert (g.a_pad, g.b_pad) == (15, 13)
    assert (g.a_conv, g.b_conv) == (6, 5)  # offsets 0, 2, ... 10 and 0, 2, ... 8
    assert (g.a_next, g.b_next) == (1, 1)
    assert g.hhd == 50


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (0, 4), (7,)])
def test_aligned_empty(shape, dtype):
    A = layout.aligned_empty(shape, dtype)
    assert (A.shape, A.dtype) == (shape, dtype)
    assert A.flags.f_contiguous
    assert A.flags.writeable
    assert A.size == 0 or A.ctypes.data % 64 == 0


def test_check_storage_counts_instances(Z):
    same, count = layout.check_storage(Z, d, a * b, "Z")
    assert same is Z
    assert count == l
    copied, _ = layout.check_storage(np.ascontiguousarray(Z), d, a * b, "Z")
    assert copied.flags.f_contiguous
    for wrong in (Z[:1], Z[:, 1:], layout.vec(Z)):
        with pytest.raises(ValueError, match=r"Z has shape .*; it must be \(2, l\*20\)"):
            layout.check_storage(wrong, d, a * b, "Z")
