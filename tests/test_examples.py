"""The examples in docstrings compute what they print."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1] / "simplenn_py"
#: Every module with an example; a student's skeletons have theirs checked by the exercises.
MODULES = [
    ".".join(["simplenn_py", *path.relative_to(ROOT).with_suffix("").parts])
    for path in sorted(ROOT.rglob("*.py"))
    if ">>> " in path.read_text("utf-8") and "exercises" not in path.parts
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    with np.printoptions(legacy=False):
        result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted, f"the examples of {name} are not found"
    assert not result.failed
