"""Whatever a student's routine returns or does: the right numbers, or one line that says the rule.

The tables below are run through every operator and every kind of pass.  A wrong index that reaches
compiled code ends the process.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import simplenn_py as nn
from simplenn_py.cli import main
from simplenn_py.engines.operator_table import Operators
from simplenn_py.errors import DivergedError, UserError
from simplenn_py.interfaces.student_routines import Watched, load_routines, operators_of
from simplenn_py.training.checkpoint import Checkpoint

SOLVERS = {
    "sgd": {"epochs": 1},
    "newton": {"solver": "newton", "iter_max": 1, "Jacobian": "no"},
    "stored Jacobian": {"solver": "newton", "iter_max": 1, "Jacobian": "yes"},
}
CONFIG = nn.NetConfig.build((8, 8, 1), [nn.Conv(2, 3, pad=1, pool=2), nn.Conv(2, 3)], [10])
DEFAULTS = Operators()


class ArrayOfAnotherPackage:
    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


class Unwilling(ArrayOfAnotherPackage):
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("on another device")


class Subclass(np.ndarray):
    def __array_finalize__(self, obj):
        if obj is not None and type(obj) is not np.ndarray:
            self.gone = obj.gone

    def __setitem__(self, index, value):
        raise RuntimeError("not my own")


def with_entry(A, value):
    A = A.astype(np.result_type(A.dtype, np.float64) if A.dtype.kind == "f" else A.dtype)
    A[-1, -1] = value
    return A


#: What a routine may return in place of the array A, with a part of the message.
BAD: dict[str, tuple[Any, str]] = {
    "None": (lambda A: None, "returned None.*'return' statement missing"),
    "number": (lambda A: 1.0, "returned a float"),
    "scalar": (lambda A: np.float64(1), r"returned shape \(\)"),
    "list": (lambda A: A.tolist(), "returned a list"),
    "tuple": (lambda A: (A,), "returned a tuple"),
    "three values": (lambda A: (A, A, A), "returned a tuple"),
    "text": (lambda A: "text", "returned a str"),
    "dict": (lambda A: {"Z": A}, "returned a dict"),
    "class": (lambda A: np.ndarray, "returned a type"),
    "module": (lambda A: np, "returned a module"),
    "generator": (lambda A: (a for a in A), "returned a generator"),
    "transposed": (lambda A: A.T, "returned shape"),
    "one column": (lambda A: A[:, :1], "returned shape"),
    "flat": (lambda A: A.ravel(), "returned shape"),
    "empty": (lambda A: A[:0], "returned shape"),
    "three dimensions": (lambda A: A[None], "returned shape"),
    "sparse": (lambda A: scipy.sparse.csr_matrix(A), "returned a csr_matrix"),
    "masked": (lambda A: np.ma.masked_less(A, 0), "returned an array with masked"),
    "objects": (lambda A: A.astype(object), "returned an array of dtype object"),
    "texts": (lambda A: A.astype(str), "returned an array of dtype <U"),
    "times": (lambda A: A.astype("m8[s]"), "returned an array of dtype timedelta"),
    "records": (lambda A: np.zeros(A.shape, "f4,f4"), "returned an array of dtype"),
    "complex": (lambda A: A + 0j, "of dtype complex(64|128); it must"),
    "bool": (lambda A: A > 0, "of dtype bool; it must"),
    "unwilling": (Unwilling, "returned an Unwilling"),
}
BAD_NUMBERS: dict[str, tuple[Any, str]] = {
    "half": (lambda A: A.astype(np.float16), "float16; it must have the dtype of"),
    "whole numbers": (lambda A: A.astype(int), "int64; it must have the dtype of"),
    "NaN": (lambda A: with_entry(A, np.nan), r"returned nan in entry \[\d+, \d+\], but its arg"),
    "infinite": (lambda A: with_entry(A, -np.inf), r"returned -inf in entry"),
    "too large": (lambda A: with_entry(A, 1e300), r"returned inf in entry"),
}
BAD_INDICES: dict[str, tuple[Any, str]] = {
    "through the batch": (
        lambda A: A + 128 * np.arange(A.shape[1]), "from 0 to 127; these count through all inst|own"
    ),
    "one too many": (lambda A: with_entry(A, 128), r"with entries from \d+ to 128; each must be"),
    "negative": (lambda A: with_entry(A, -1), "with entries from -1 to"),
    "least": (lambda A: with_entry(A, -(2**63)), "-9223372036854775808"),
    "largest": (lambda A: with_entry(A.astype(np.uint64), 2**64 - 1), "18446744073709551615"),
    "float": (lambda A: A.astype(float), "idx_pool of dtype float64; it must contain integers"),
}  # fmt: skip
#: What maxpooling may return in place of the pair (Z, idx_pool).
BAD_PAIRS: dict[str, tuple[Any, str]] = {
    "None": (lambda pair: None, "returned None"),
    "only Z": (lambda pair: pair[0], "returned an array of dtype float32"),
    "only Z, in a tuple": (lambda pair: pair[:1], "returned 1 value;"),
    "nothing": (lambda pair: [], "returned 0 values"),
    "three values": (lambda pair: (*pair, None), "returned 3 values"),
    "one array": (lambda pair: np.array([pair[0], pair[0]]), "returned an array"),
    "generator": (lambda pair: (r for r in pair), "returned a generator"),
    "dict": (lambda pair: dict(zip("Zi", pair, strict=True)), "returned a dict"),
    "text": (lambda pair: "Z", "returned a str"),
    "other order": (lambda pair: pair[::-1], "returned shape .*; it must return Z, an array of"),
    "the same twice": (lambda pair: (pair[0], pair[0]), "it must return idx_pool, an array of"),
}
#: What is converted without a word, because no value changes.
GOOD: dict[str, Any] = {
    "C order": np.ascontiguousarray,
    "read-only": lambda A: np.broadcast_to(A, A.shape),
    "strided": lambda A: np.repeat(A, 2, axis=1)[:, ::2],
    "backwards": lambda A: A[:, ::-1].copy()[:, ::-1],
    "another byte order": lambda A: A.astype(A.dtype.newbyteorder()),
    "matrix": lambda A: A.view(np.matrix),
    "subclass": lambda A: A.view(Subclass),
    "another package": ArrayOfAnotherPackage,
    "memory of bytes": lambda A: np.frombuffer(A.tobytes("F"), A.dtype).reshape(A.shape, order="F"),
}
GOOD_NUMBERS = {
    "double": lambda A: A.astype(np.float64),
    "long double": lambda A: A.astype(np.longdouble),
}
GOOD_INDICES = {
    "int32": lambda A: A.astype(np.int32),
    "uint8": lambda A: A.astype(np.uint8),
    "big uint16": lambda A: A.astype(">u2"),
}


def right(name, *args):
    """The package's result for a routine's arguments; the routine need not keep these."""
    return getattr(DEFAULTS, name)(*[a.copy("F") if isinstance(a, np.ndarray) else a for a in args])


def returning(name, change, k=None):
    """A watched routine that returns the right result, changed; of two, the one of number k."""

    def routine(*args):
        result = right(name, *args)
        for a in args:  # writes into its arguments, as one may in MATLAB
            if isinstance(a, np.ndarray):
                a[...] = 0
        if k is None:
            return change(result)
        return tuple(change(r) if i == k else r for i, r in enumerate(result))

    return Watched(name, routine, getattr(DEFAULTS, name), Path(__file__))


def trained(operators, solver, **more):
    options = nn.TrainOptions(
        engine="lecture", limit=12, batch_size=6, GNsize=6, threads=1, **SOLVERS[solver], **more
    )
    data = nn.load_dataset("digits")
    return nn.train(data, CONFIG, options, operators=operators, progress=False)[0].theta


def cases():
    """Yield every operator and result, with all returns that fit."""
    for name in Operators.names():
        if name != "maxpooling":
            yield name, None, BAD | BAD_NUMBERS, GOOD | GOOD_NUMBERS
    yield "maxpooling", None, BAD_PAIRS, {"list": list}
    yield "maxpooling", 0, BAD | BAD_NUMBERS, GOOD | GOOD_NUMBERS
    yield "maxpooling", 1, BAD | BAD_INDICES, GOOD | GOOD_INDICES


def run_all(solver, share=1):
    """Train with every bad and good return; with `share` 4, each operator meets a fourth."""
    wanted = trained(None, solver)
    for number, (name, k, bad, good) in enumerate(cases()):
        if solver == "sgd" and name == "P_pool":
            continue  # only the tangent calls it
        returns = [*bad.items(), *((what, (change, "")) for what, change in good.items())]
        for what, (change, message) in returns[number % share :: share]:
            table = Operators().replace(**{name: returning(name, change, k)})
            found = said(table, solver) or trained(table, solver)
            case = f"{solver}, {name}, result {k}: {what} {found}"
            if message:
                assert re.search(rf"test_student_results\.py: {name} .*{message}", found), case
            else:
                np.testing.assert_array_equal(found, wanted, case)


def said(table, solver):
    """Return the message of a run; empty if it has none."""
    try:
        trained(table, solver)
    except UserError as error:
        return str(error)
    return ""


def test_no_result_reaches_compiled_code_unchecked():
    run_all("sgd", share=4)


@pytest.mark.slow
@pytest.mark.parametrize("solver", list(SOLVERS))
def test_nor_by_any_solver(solver):
    run_all(solver)


def written(folder, text: str):
    path = folder / "mine.py"
    path.write_text(text, "utf-8")
    return path


def test_places_in_the_whole_batch_are_refused(tmp_path, capsys):
    path = written(
        tmp_path,
        "import numpy as np\nimport simplenn_py as nn\n\n\ndef maxpooling(S, g):\n"
        "    Z, idx = nn.maxpooling(S, g)\n"
        "    return Z, idx + g.d_next * g.a_conv * g.b_conv * np.arange(idx.shape[1])\n",
    )
    command = ["train", "digits", "--with", str(path), "--limit", "100", "--epochs", "1"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "mine.py: max" in line]
    assert "these count through all instances of the batch" in line
    assert not (tmp_path / "run").exists()  # nothing was trained


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    raise ValueError('one\\ntwo')", r"line 9, in vTP_phi: ValueError: one$"),
        ("    raise Strange", r"line 9, in vTP_phi: Strange: no message$"),
        ("    sys.exit('bye')", r"line 9, in vTP_phi: SystemExit: bye$"),
        ("    return vTP_phi(V, g)", r"line 9, in vTP_phi: RecursionError: maximum"),
        ("    raise KeyError('x' * 5000)", r"line 9, in vTP_phi: KeyError: 'xxx.{300,400}$"),
        ("    return V[10**6, 0]", r"line 9, in vTP_phi: IndexError: "),
        ("    return np.empty(2**50)", r"line 9, in vTP_phi: MemoryError: Unable to alloc"),
        ("    import nothing_like_this", r"line 9, in vTP_phi: ModuleNotFoundError: "),
        (
            "    return (yield V)",
            r"mine\.py: vTP_phi returned a generator; it must return an array",
        ),
        ("    print('step')", r"mine\.py: vTP_phi returned None.*'return' statement missing"),
        ("    V[...] = np.nan", r"mine\.py: vTP_phi returned None"),
    ],
)
def test_whatever_a_routine_does_is_one_line(tmp_path, capsys, body, message):
    head = "import sys\n\nimport numpy as np\n\nclass Strange(BaseException):\n"
    head += "    __str__ = None\n\ndef vTP_phi(V, g):\n"
    table = operators_of(load_routines(written(tmp_path, head + body + "\n")))
    with pytest.raises(UserError, match=message) as caught:
        trained(table, "sgd")
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""  # it is for the results


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "def vTP_phi(V):\n    return V\n",
            r"vTP_phi takes \(V\), but the engine calls vTP_phi\(V,",
        ),
        (
            "def mask(V, Z, columns):\n    return V\n",
            "the engine calls mask\\(V, Z\\): missing a req",
        ),
        ("def unpad(V, *, g):\n    return V\n", "the engine calls unpad\\(V, g\\): too many pos"),
        ("import nothing_like_this\n", "line 1: ModuleNotFoundError: No module named 'nothing"),
        ("from . import other\n", "line 1: ImportError: "),
        ("from simplenn_py import *\n", "mine.py defines no routine of the lecture engine"),
        ("return 1\n", "mine.py: SyntaxError: 'return' outside function"),
        ("class Strange(BaseException):\n    pass\nraise Strange\n", "line 3: Strange: no message"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        load_routines(written(tmp_path, text))


def test_files_that_are_not_python(tmp_path):
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\ndef vTP_phi(V, g):\n    return V\n")
    with pytest.raises(UserError, match=r"latin\.py.*save it as UTF-8"):
        load_routines(tmp_path / "latin.py")
    (tmp_path / "book.ipynb").write_text('{"cells": [], "nbformat": 4}')
    with pytest.raises(
        UserError, match=r"export it with jupyter nbconvert --to script .*book\.ipynb"
    ):
        load_routines(tmp_path / "book.ipynb")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(UserError, match=r"folder\.py"):
        load_routines(tmp_path / "folder.py")


def test_an_edited_file_is_run_and_not_an_older_one(tmp_path):
    path = written(tmp_path, "def mask(V, Z):\n    return 1\n")
    load_routines(path)
    written(tmp_path, "def mask(V, Z):\n    return 2\n")  # in the same second, of the same size
    assert load_routines(path)[0].routine(0, 0) == 2
    assert sorted(f.name for f in tmp_path.iterdir()) == ["mine.py"]


def test_what_a_file_sets_in_numpy_stays_there(tmp_path):
    before = np.geterr()
    load_routines(written(tmp_path, "import numpy\nnumpy.seterr(all='raise')\nmask = min\n"))
    assert np.geterr() == before


def test_a_routine_that_fails_late_leaves_what_was_trained(tmp_path, capsys):
    path = written(
        tmp_path,
        "import simplenn_py as nn\ncalls = []\n\ndef vTP_phi(V, g):\n    calls.append(g)\n"
        "    return nn.vTP_phi(V, g) * (float('nan') if len(calls) == 7 else 1)\n",
    )
    out = tmp_path / "run"
    command = ["train", "digits", "--with", str(path), "--limit", "40", "--batch-size", "20"]
    assert main([*command, "--epochs", "9", "--out", str(out)]) == 2
    assert "vTP_phi returned nan in entry [0, 0]" in capsys.readouterr().err
    report = json.loads((out / "run.json").read_text())
    assert report["status"] == "failed"
    assert "vTP_phi returned nan" in report["error"]
    assert Checkpoint.read(out).state.epoch == 2


def test_a_run_that_diverges_is_not_the_routines_fault():
    def multiplied(V, Z):  # 0 times infinity is NaN
        return V * (Z > 0)

    table = Operators().replace(mask=multiplied)
    with pytest.raises(DivergedError):
        trained(table, "sgd", lr=1e19)
    trained(table, "sgd", lr=1e25)  # large weights, which no batch has seen: no warning either


def test_a_routine_from_python_is_named_with_its_file():
    def vTP_phi(V, g):
        return V

    with pytest.raises(UserError, match=r"test_student_results\.py: vTP_phi returned shape"):
        trained(Operators().replace(vTP_phi=vTP_phi), "sgd")
    with pytest.raises(UserError, match=r"unpad is 3; it must be a function, unpad\(V, g\)"):
        Operators().replace(unpad=3)
    Operators().replace(mask=np.multiply)  # a function in C, whose arguments are not known


@pytest.mark.parametrize("routine", [nn.vTP_pool, nn.P_pool])
@pytest.mark.parametrize(
    ("index", "message"),
    [
        (4, "entries from 4 to 4; each must be the index in .* of its own instance, from 0 to 3"),
        (-1, "entries from -1"),
        (2**63, "entries from"),
        (1.0, "dtype float64; it must contain integers"),
    ],
)
def test_the_package_checks_the_indices_that_it_is_given(routine, index, message):
    g = nn.ConvGeometry(a=2, b=2, d=1, p=0, h=1, s=1, d_next=1, h_pool=2)
    V = np.ones((1, 1)) if routine is nn.vTP_pool else np.ones((1, 4))
    with pytest.raises(ValueError, match=message):
        routine(V, np.array([[index]]), g)
    assert routine(V, [[np.int32(3)]], g).sum() == 1
