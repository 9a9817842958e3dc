"""Fixtures that all tests share."""

from __future__ import annotations

import golden  # beside this file, as naive and derivatives are: pytest puts it on the path
import numpy as np
import pytest

from simplenn_py.engines import ENGINES


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture(params=golden.NAMES)
def gold(request: pytest.FixtureRequest) -> golden.Golden:
    """One of the networks that MATLAB simpleNN computed."""
    return golden.load(request.param)


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    return request.param
