"""The operators' tests once more with bounds checks compiled in.

Compiled indexing outside an array otherwise returns garbage, or writes it, in silence.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

OUTSIDE = """
import numpy as np
from simplenn_py.kernels.pooling import P_pool

try:
    P_pool(np.ones((1, 4)), np.array([[0, 7]]), np.zeros((1, 2)))
except (IndexError, SystemError) as error:  # out of a parallel loop Numba wraps the IndexError
    print(type(error.__cause__ or error).__name__)
"""


def run(*arguments):
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_an_index_out_of_range_is_an_error():
    assert run("-c", OUTSIDE).strip() == "IndexError"


def test_no_operator_leaves_its_arrays():
    operators = Path(__file__).with_name("test_operators.py")
    # In one dtype: the indices are the same in both, and each is compiled again here.
    output = run(
        "-m", "pytest", "-q", "-k", "not float32", "-p", "no:cacheprovider", str(operators)
    )
    assert " passed" in output
    assert "failed" not in output
