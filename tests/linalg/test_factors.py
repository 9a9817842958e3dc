"""A matrix as the product of two thin ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from simplenn_py.errors import OptionError
from simplenn_py.linalg.factors import balanced_factors, energy_rank


@pytest.mark.parametrize(("energy", "rank"), [(0.5, 1), (0.9, 1), (0.91, 2), (0.99, 2), (1.0, 3)])
def test_the_smallest_rank_that_holds_the_energy(energy, rank):
    s = np.sqrt([9.0, 0.9, 0.1])
    assert energy_rank(s, energy) == rank


def test_zeros_hold_nothing():
    assert energy_rank(np.array([2.0, 1.0, 0.0, 0.0]), 1.0) == 2


@pytest.mark.parametrize("energy", [0.0, -1.0, 1.1, np.nan])
def test_energy_out_of_range(energy):
    with pytest.raises(OptionError, match=r"energy is .* above 0 and at most 1"):
        energy_rank(np.ones(2), energy)


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_factors_are_the_best_of_their_rank_and_balanced(shape, dtype):
    W = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    U, V = balanced_factors(W, 3)
    s = np.linalg.svd(W.astype(np.float64), compute_uv=False)
    assert U.shape == (shape[0], 3)
    assert V.shape == (3, shape[1])
    assert_allclose(np.linalg.norm(W - U @ V) ** 2, np.sum(s[3:] ** 2), rtol=1e-10)
    assert_allclose(U.T @ U, V @ V.T, atol=1e-12)


@pytest.mark.parametrize("rank", [0, 5])
def test_rank_out_of_range(rank):
    with pytest.raises(OptionError, match=f"rank is {rank}; for a 4x7 matrix"):
        balanced_factors(np.ones((4, 7)), rank)
