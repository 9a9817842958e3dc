"""Random subsets keep the classes' shares."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simplenn_py.training.sampling import stratified


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.data())
def test_counts_and_shares(sizes, data):
    y = np.repeat(np.arange(len(sizes)), sizes)
    count = data.draw(st.integers(0, y.size))
    chosen = stratified(y, count, np.random.default_rng(0))
    assert chosen.size == count
    assert np.all(np.diff(chosen) > 0)
    got = np.bincount(y[chosen], minlength=len(sizes))
    assert np.all(np.abs(got - np.array(sizes) * count / y.size) < 1)


def test_same_seed_same_subset():
    y = np.repeat([0, 1], 50)
    draws = [stratified(y, 10, np.random.default_rng(s)) for s in (1, 1, 2)]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
