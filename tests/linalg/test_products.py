"""Every step of the matrix product against NumPy's, in all shapes and memory orders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from simplenn_py.errors import DataError, OptionError
from simplenn_py.linalg import ladder as ladders
from simplenn_py.linalg import products
from simplenn_py.linalg.ladder import measure_ladder
from simplenn_py.linalg.plots import plot_ladder
from simplenn_py.linalg.products import STEPS, packed_tile, partitioned

every_step = pytest.mark.parametrize("step", STEPS)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPES = [(1, 1, 1), (1, 5, 1), (3, 1, 40), (5, 7, 3), (14, 16, 32), (15, 17, 33), (64, 64, 64),
          (150, 70, 31), (33, 300, 65)]  # fmt: skip


def operands(m, k, n, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)


def assert_product(C, A, B):
    exact = A.astype(np.longdouble) @ B.astype(np.longdouble)
    size = np.abs(A).astype(np.longdouble) @ np.abs(B) + np.finfo(A.dtype).tiny
    assert C.shape == exact.shape
    assert C.dtype == A.dtype
    assert C.flags.c_contiguous
    assert np.max(np.abs(C - exact) / size) < (A.shape[1] + 2) * np.finfo(A.dtype).eps


@every_step
@every_dtype
@pytest.mark.parametrize("shape", SHAPES)
def test_every_step_multiplies(step, dtype, shape):
    A, B = operands(*shape, dtype)
    assert_product(STEPS[step](A, B), A, B)


@every_step
@every_dtype
def test_every_memory_order(step, dtype):
    A, B = operands(37, 29, 41, dtype)
    for left in (A, np.asfortranarray(A), np.ascontiguousarray(A.T).T):
        for right in (B, np.asfortranarray(B), np.repeat(B, 2, axis=1)[:, ::2]):
            assert_product(STEPS[step](left, right), A, B)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(1, 90), st.integers(0, 90), st.integers(1, 90),
    st.sampled_from([np.float32, np.float64]), st.booleans(), st.booleans(),
)  # fmt: skip
def test_the_tile_on_any_shape_and_small_blocks(m, k, n, dtype, turned_A, turned_B):
    A, B = operands(m, k, n, dtype, seed=m + k + n)
    A = np.asfortranarray(A) if turned_A else A
    B = np.asfortranarray(B) if turned_B else B
    with pytest.MonkeyPatch.context() as patch:  # several blocks of each kind, and their edges
        patch.setattr(products, "M_C", 23)
        patch.setattr(products, "K_C", 17)
        patch.setattr(products, "N_C", 64)
        assert_product(packed_tile(A, B), A, B)


def test_nan_and_infinity_pass_through():
    A, B = operands(20, 30, 40, np.float64)
    A[3, 4], B[5, 6] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        wanted = A @ B
    for step in STEPS.values():
        np.testing.assert_array_equal(np.isnan(step(A, B)), np.isnan(wanted))


@pytest.mark.parametrize("cuts", [([], [], []), ([3], [2, 9], [1]), ([0, 4, 4], [11], [5, 6])])
def test_partitioned_products_are_products(cuts):
    A, B = operands(7, 11, 8, np.float64)
    np.testing.assert_allclose(partitioned(A, B, *cuts), A @ B, rtol=1e-12, atol=1e-12)


def test_operands_that_do_not_fit():
    A, B = operands(3, 4, 5, np.float32)
    with pytest.raises(DataError, match=r"A is \(4, 3\) and B is \(4, 5\)"):
        packed_tile(A.T, B)
    with pytest.raises(DataError, match="A is float32 and B is float64; both must be"):
        packed_tile(A, B.astype(np.float64))
    with pytest.raises(DataError, match="A is int64"):
        packed_tile(np.ones((2, 2), np.int64), np.ones((2, 2), np.int64))
    with pytest.raises(DataError, match=r"the cuts are \[9\]; they must rise from 0 to 3"):
        partitioned(A, B, [9], [], [])


class TestLadder:
    def test_measures_and_draws(self, monkeypatch):
        monkeypatch.setattr(ladders, "foreign_blas", lambda n, dtype: {"Old": 1e9})
        ladder = measure_ladder([8, 16, 16], "float64", repeat=2)
        assert ladder.sizes == [8, 16]
        assert list(ladder.rates) == list(STEPS)
        assert all(0 < r < ladder.peak * 2 for rates in ladder.rates.values() for r in rates)
        axes = plot_ladder(ladder)
        labels = axes.get_legend_handles_labels()[1]
        assert labels[: len(STEPS)] == list(STEPS)
        assert "blas with its kernels for Old" in labels

    def test_what_takes_too_long_is_left_out(self, monkeypatch):
        monkeypatch.setattr(ladders, "_LONGEST", 1e-12)
        monkeypatch.setattr(ladders, "foreign_blas", lambda n, dtype: {})
        ladder = measure_ladder([8, 16], steps=["reordered"], repeat=2)
        assert ladder.rates["reordered"][0] is not None
        assert ladder.rates["reordered"][1] is None
        plot_ladder(ladder)

    def test_mistakes(self):
        with pytest.raises(OptionError, match="sizes has 0"):
            measure_ladder([4, 0])
        with pytest.raises(OptionError, match="dtype is 'float16'"):
            measure_ladder([4], "float16")


@pytest.mark.parametrize("shape", [(30, 40, 50), (300, 40, 50), (300, 40, 900)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_operands_may_be_read_only(shape, order):
    m, k, n = shape
    A, B = np.ones((m, k), order=order), np.ones((k, n), order=order)
    A.flags.writeable = B.flags.writeable = False
    np.testing.assert_array_equal(products.packed_tile(A, B), np.full((m, n), float(k)))


@pytest.mark.parametrize("step", sorted(STEPS))
def test_only_arrays_are_multiplied(step: str) -> None:
    for other in ([[1.0]], sparse.eye_array(1)):
        with pytest.raises(DataError, match=r"it must be an ndarray; convert it with"):
            STEPS[step](np.eye(1), other)  # type: ignore[arg-type]
