"""A student's routines in the lecture engine: found, watched, compared; mistakes said in a line."""

from __future__ import annotations

import json
from collections import Counter
from importlib import resources
from typing import Any

import numpy as np
import pytest

import simplenn_py as nn
from simplenn_py import kernels
from simplenn_py.cli import main
from simplenn_py.engines.operator_table import Operators
from simplenn_py.errors import DataError, OptionError, UserError
from simplenn_py.interfaces.student_routines import Watched, load_all, load_routines, operators_of
from simplenn_py.training.training import train

GOOD = '''
import numpy as np


def find_index_phiZ(g):
    """Stands for an exercise that is not done."""
    raise NotImplementedError("copy yours here")


def vTP_phi(V, g):
    index, size = find_index_phiZ(g), g.d * g.a_pad * g.b_pad
    rows = V.reshape(index.size, -1, order="F").T
    out = [np.bincount(index.ravel(order="F"), row, size) for row in rows]
    return np.array(out).reshape(-1, g.d).T.astype(V.dtype)


def helper():
    return 1
'''


def written(folder, text: str):
    path = folder / "mine.py"
    path.write_text(text)
    return path


def small_run(path, **options):
    own = load_routines(path)
    data = nn.load_dataset("digits")
    chosen = {"engine": "lecture", "epochs": 1, "limit": 60, "batch_size": 30} | options
    result = train(
        data, "digits", nn.TrainOptions(**chosen), operators=operators_of(own), progress=False
    )
    return own, result


def test_what_is_not_written_is_ours_and_the_rest_is_used(tmp_path):
    (own,), (model, _) = small_run(written(tmp_path, GOOD), dtype="float64")
    assert (own.name, own.agrees) == ("vTP_phi", True)
    assert own.calls == 1 + 2  # once to compile, then a batch; layer 1 needs none
    assert own.ratio > 0
    plain = nn.TrainOptions(engine="lecture", epochs=1, limit=60, batch_size=30, dtype="float64")
    other, _ = train(nn.load_dataset("digits"), "digits", plain, progress=False)
    np.testing.assert_allclose(model.theta, other.theta, atol=1e-12)


def test_wrong_values_are_said(tmp_path):
    text = GOOD.replace(".astype(V.dtype)", ".astype(V.dtype) * 1.01")
    (own,), _ = small_run(written(tmp_path, text))
    assert not own.agrees
    assert own.error == pytest.approx(0.01, rel=1e-3)
    assert "returns wrong values; the largest error is 0.01 times the" in own.summary()


def test_two_results_are_both_compared(tmp_path):
    text = (
        "import simplenn_py\n"
        "def maxpooling(S, g):\n    Z, idx = simplenn_py.maxpooling(S, g)\n    return Z, idx + 1\n"
    )
    with pytest.raises(UserError):  # of the indices: they leave the array, or hit other entries
        (own,), _ = small_run(written(tmp_path, text.replace("idx + 1", "idx[:1]")))
    (own,), _ = small_run(written(tmp_path, text.replace("idx + 1", "idx")))
    assert own.agrees


def test_a_routine_that_works_in_place_is_compared_with_what_it_was_given(tmp_path):
    text = "def mask(V, Z, columns=1):\n    V *= Z > 0\n    return V\n"
    (own,), _ = small_run(written(tmp_path, text))
    assert own.agrees


def test_its_own_line_is_named_where_it_fails(tmp_path):
    path = written(tmp_path, GOOD.replace("np.bincount(index", "np.nothing(index"))
    with pytest.raises(
        DataError, match=r"mine\.py, line 13, in vTP_phi: AttributeError: .*nothing"
    ):
        small_run(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def vTP_phi(V, g):\nreturn V\n", r"mine\.py, line 2 is not valid Python"),
        ("x = 1 / 0\n", r"mine\.py, line 1: ZeroDivisionError"),
        ("def vTP(V, g):\n    return V\n", r"no routine of the lecture engine; write .*vTP_phi"),
        ("def vTP_phi(V, g):\n    raise NotImplementedError\n", "vTP_phi is not written yet"),
        ("a\0b", "mine.py: line 1 holds the byte 0x00, .*save it as UTF-8"),
        ("x = " + "-" * 100_000 + "1", "is not valid Python"),
        ("import sys\nsys.exit(3)\n", r"line 2: SystemExit: 3"),
        ("raise ValueError('one\\ntwo')\n", r"line 1: ValueError: one$"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        load_routines(written(tmp_path, text))


def test_the_result_that_differs_is_named_at_once(tmp_path):
    text = (
        "import simplenn_py\n"
        "def maxpooling(S, g):\n    Z, idx = simplenn_py.maxpooling(S, g)\n    return Z, idx * 0\n"
    )
    own = load_routines(written(tmp_path, text))
    told: list[str] = []
    own[0].say = told.append
    data, options = nn.load_dataset("digits"), {"engine": "lecture", "epochs": 1, "limit": 60}
    train(data, "digits", nn.TrainOptions(**options), operators=operators_of(own), progress=False)
    (said,) = told
    assert "returns a wrong idx_pool; the largest error is" in said
    assert "among equal maxima the first counts" in said


def test_one_wrong_index_is_enough(tmp_path):
    right = np.ones((1, 2)), np.array([[100_000], [7]])
    wrong = right[0], right[1] - 1
    own = Watched("maxpooling", lambda: wrong, lambda: right, tmp_path / "mine.py")
    own()
    assert not own.agrees  # though it is off by 1e-5 of the largest
    assert "idx_pool" in own.difference()


def test_a_folder_gives_all_its_routines(tmp_path):
    written(tmp_path, GOOD)
    (tmp_path / "other.py").write_text("def mask(V, Z, columns=1):\n    return V * (Z > 0)\n")
    (tmp_path / "empty.py").write_text("def vTP_pool(V, idx, g):\n    raise NotImplementedError\n")
    assert {watched.name for watched in load_all([tmp_path])} == {"vTP_phi", "mask"}
    (tmp_path / "again.py").write_text(GOOD)
    with pytest.raises(DataError, match=r"again\.py and .*mine\.py both define vTP_phi"):
        load_all([tmp_path])
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    with pytest.raises(DataError, match="holds no Python file with a routine"):
        load_all([nothing])


def test_a_routine_that_fails_at_once_leaves_no_folder(tmp_path, capsys):
    path = written(tmp_path, "def vTP_phi(V, g):\n    return 1 / 0\n")
    assert main(["train", "digits", "--with", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "line 2, in vTP_phi: ZeroDivisionError" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_file_named_like_a_module_takes_nobodys_place(tmp_path):
    import sys

    (tmp_path / "json.py").write_text(GOOD)
    load_routines(tmp_path / "json.py")
    assert sys.modules["json"] is json


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        load_routines(tmp_path / "none.py")


def test_another_engine_has_no_such_routines(tmp_path):
    with pytest.raises(OptionError, match="your own routines need the engine 'lecture'"):
        small_run(written(tmp_path, GOOD), engine="direct")


def test_from_the_command_line(tmp_path, capsys):
    path, out = written(tmp_path, GOOD), tmp_path / "run"
    command = ["train", "digits", "--with", str(path), "--epochs", "1", "--limit", "100"]
    command += ["--batch-size", "50"]
    assert main([*command, "--out", str(out)]) == 0
    assert "vTP_phi of mine.py: 3 calls" in capsys.readouterr().out
    assert json.loads((out / "run.json").read_text())["options"]["engine"] == "lecture"
    assert main([*command, "--out", str(tmp_path / "other"), "--json"]) == 0
    (watched,) = json.loads(capsys.readouterr().out)["student_routines"]
    assert watched["calls"] == 3
    (stored,) = json.loads((tmp_path / "other" / "run.json").read_text())["student_routines"]
    assert stored == watched


def in_numpy():
    """All entries of the table in NumPy alone: the course's solutions, and the rest here."""
    folder = resources.files("simplenn_py.exercises") / "solutions"
    found: dict[str, Any] = {}
    for name in ("find_index_phiZ", "padding_and_phiZ", "vTP_phi_bincount", "maxpooling"):
        own: dict[str, Any] = {}
        exec((folder / f"{name}.py").read_text("utf-8"), own)
        found |= {k: v for k, v in own.items() if callable(v)}
        if name == "find_index_phiZ":
            find_index_phiZ = own[name]
    found["vTP_phi"].__globals__["find_index_phiZ"] = find_index_phiZ
    exec((folder / "vTP_pool.py").read_text("utf-8"), found)

    def unpad(V, g):
        padded = V.T.reshape(-1, g.b_pad, g.a_pad, g.d)
        return padded[:, g.p : g.p + g.b, g.p : g.p + g.a].reshape(-1, g.d).T

    def P_pool(V, idx_pool, g):
        by_instance = V.T.reshape(idx_pool.shape[1], -1)
        return np.take_along_axis(by_instance, idx_pool.T, 1).reshape(-1, g.d_next).T

    def bias_relu(S, bias, activate=True):
        S = S + bias[:, None]
        return np.where(S > 0, S, 0) if activate else S

    found |= {"unpad": unpad, "P_pool": P_pool, "bias_relu": bias_relu}
    found["mask"] = lambda V, Z: V * (Z > 0)
    return {name: found[name] for name in Operators.names()}


@pytest.mark.parametrize(
    ("solver", "unused"),
    [
        ({"epochs": 1}, {"P_pool"}),
        ({"solver": "newton", "iter_max": 2, "Jacobian": "no"}, set()),
        ({"solver": "newton", "iter_max": 1, "Jacobian": "yes"}, set()),
    ],
)
def test_every_pass_goes_through_the_table(monkeypatch, solver, unused):
    calls: Counter[str] = Counter()

    def counted(name, routine):
        def call(*args):
            calls[name] += 1
            return routine(*args)

        return call

    def forbidden(*args):
        raise AssertionError("a compiled operator was called beside the table")

    table = Operators().replace(**{name: counted(name, f) for name, f in in_numpy().items()})
    # The same network and data by our own operators, in float64.
    data = nn.load_dataset("digits")
    config = nn.NetConfig.build((8, 8, 1), [nn.Conv(3, 3, pad=1, pool=2), nn.Conv(2, 3)], [10])
    options = nn.TrainOptions(
        engine="lecture", dtype="float64", limit=40, batch_size=20, loss="squared", **solver
    )
    wanted, _ = train(data, config, options, progress=False)
    for module in (kernels.phi, kernels.pooling, kernels.elementwise):
        for name, value in vars(module).copy().items():
            if callable(value) and name not in ("gather_input", "compiled", "prange"):
                monkeypatch.setattr(module, name, forbidden)
    model, history = train(data, config, options, operators=table, progress=False)
    assert {name for name in Operators.names() if not calls[name]} == unused
    np.testing.assert_allclose(model.theta, wanted.theta, rtol=1e-9, atol=1e-12)
    assert history.report["student_routines"] == []  # they say nothing of themselves
