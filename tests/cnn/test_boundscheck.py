"""The operators' and the direct engine's tests once more with bounds checks compiled in.

Compiled indexing outside an array otherwise returns garbage, or writes it, in silence.  What the
direct engine's intrinsics do is not seen here: ``kernels/test_tiles.py`` has guard zones for it.
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


def run_tests(path, chosen):
    """In one dtype: the indices are the same in both, and each is compiled again here."""
    file = Path(__file__).parents[1] / path
    output = run(
        "-m", "pytest", "-q", "-k", f"{chosen} and not float32", "-p", "no:cacheprovider", str(file)
    )
    assert " passed" in output
    assert "failed" not in output


def test_no_operator_leaves_its_arrays():
    run_tests("cnn/test_operators.py", "test")


def test_the_direct_engine_does_not_leave_its_arrays():
    """On networks that take every path."""
    run_tests("engines/test_direct.py", "(test_ties_are_decided or (test_awkward and Winograd))")
