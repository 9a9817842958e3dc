"""train() with Adam and with Newton's method: the same promises as with SGD."""

import csv
import json
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from networks import STRIPES, fit, stripes, without_times

from simplenn_py import Dataset, TrainOptions, default_options
from simplenn_py.cnn.jacobian import stored_bytes
from simplenn_py.engines import make_engine
from simplenn_py.errors import DataError, OptionError
from simplenn_py.opt.hooks import Hook
from simplenn_py.training import training

ADAM = TrainOptions(solver="adam", epochs=3, batch_size=16, lr=0.01, C=1.0)
NEWTON = TrainOptions(solver="newton", iter_max=5, GNsize=20, C=1.0)


@pytest.fixture(scope="module")
def data():
    return Dataset("stripes", stripes(90, 1), stripes(45, 2), "made by the test")


class InterruptAt(Hook):
    """Sends the process a real SIGINT after some batch, or CG step."""

    def __init__(self, number):
        self.left = number

    def on_batch(self, state):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("engine", ["direct", "lecture"])
def test_newton_learns_and_reports(data, tmp_path, engine):
    options = TrainOptions(solver="newton", iter_max=12, GNsize=30, C=1.0, engine=engine)
    model, history = fit(data, options, out=tmp_path / "run")
    report = history.report
    assert report["test_accuracy"] > 0.95
    assert report["test_accuracy"] == model.score(data.test.Z, data.test.y)
    assert report["iterations"] == len(history.records) == 12
    assert report["stopped_because"] == "iter_max, 12 iterations"
    assert report["cg_steps"] == sum(r["cg_steps"] for r in history.records)
    f = [r["f"] for r in history.records]
    assert f == sorted(f, reverse=True)
    assert all(len(r["cg_residuals"]) == r["cg_steps"] + 1 for r in history.records)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        *("checkpoint.npz", "confusion.png", "curves.png", "filters.png", "history.csv"),
        *("model.npz", "newton.png", "run.json"),
    ]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["options"]["solver"] == "newton"
    with (tmp_path / "run" / "history.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert "cg_residuals" not in lines[0]
    assert [float(line["f"]) for line in lines] == f


@pytest.mark.parametrize("validation", [0.0, 0.2])
@pytest.mark.parametrize("number", [1, 9, 30])
@pytest.mark.parametrize("options", [ADAM, NEWTON], ids=["adam", "newton"])
def test_interrupted_and_resumed_is_bit_identical(data, tmp_path, options, number, validation):
    options = TrainOptions(**{**vars(options), "validation": validation})
    whole, whole_history = fit(data, options, out=tmp_path / "whole")
    _, history = fit(data, options, out=tmp_path / "parts", hooks=[InterruptAt(number)])
    if not history.interrupted:
        assert number == 30
        return
    resumed, history = fit(data, None, config=None, resume=tmp_path / "parts")
    assert np.array_equal(resumed.theta, whole.theta)
    assert without_times(history.records) == without_times(whole_history.records)
    models = [(tmp_path / run / "model.npz").read_bytes() for run in ("parts", "whole")]
    assert models[0] == models[1]


def test_more_iterations_go_on_where_fewer_ended(data, tmp_path):
    longer = TrainOptions(**{**vars(NEWTON), "iter_max": 8})
    whole, _ = fit(data, longer)
    fit(data, NEWTON, out=tmp_path / "run")
    model, _ = fit(data, longer, config=None, resume=tmp_path / "run")
    assert np.array_equal(model.theta, whole.theta)
    fewer = TrainOptions(**{**vars(NEWTON), "iter_max": 3})
    with pytest.raises(OptionError, match=r"iter_max is 3, .* has already begun iteration 8"):
        fit(data, fewer, config=None, resume=tmp_path / "run")
    epochs = TrainOptions(**{**vars(longer), "epochs": 7})
    with pytest.raises(OptionError, match=r"epochs 7 cannot be chosen.*only iter_max and"):
        fit(data, epochs, config=None, resume=tmp_path / "run")


@pytest.mark.parametrize("options", [ADAM, NEWTON], ids=["adam", "newton"])
def test_a_seed_gives_the_same_bits_and_another_others(data, options):
    first, again = fit(data, options)[0], fit(data, options)[0]
    assert np.array_equal(first.theta, again.theta)
    other = TrainOptions(**{**vars(options), "seed": 1})
    assert not np.array_equal(first.theta, fit(data, other)[0].theta)


def test_the_stored_jacobian_changes_nothing(data):
    def run(Jacobian):
        return fit(data, TrainOptions(**{
            **vars(NEWTON), "engine": "lecture", "dtype": "float64", "Jacobian": Jacobian,
        }))[0].theta  # fmt: skip

    np.testing.assert_allclose(run("yes"), run("no"), rtol=1e-8, atol=1e-11)


def test_a_jacobian_that_does_not_fit_is_refused_with_its_size(data, monkeypatch):
    options = TrainOptions(**{**vars(NEWTON), "engine": "lecture", "Jacobian": "yes"})
    needed = stored_bytes(STRIPES, 20, 4)

    def memory():
        return SimpleNamespace(available=needed)

    monkeypatch.setattr("psutil.virtual_memory", memory)
    monkeypatch.setattr(  # which looks at the memory as well
        training, "_engine",
        lambda job, operators: make_engine(job.options.engine, STRIPES, 90, np.float32),
    )  # fmt: skip
    with pytest.raises(OptionError, match=rf"needs {needed:,} bytes, and {needed:,} are free"):
        fit(data, options)
    direct = TrainOptions(**{**vars(options), "engine": "direct"})
    with pytest.raises(OptionError, match="the direct engine does not store it"):
        fit(data, direct)


def test_a_checkpoint_of_another_solver_is_refused(data, tmp_path):
    fit(data, ADAM, out=tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.npz"
    with np.load(path) as file:
        arrays = dict(file)
    about = json.loads(str(arrays["checkpoint"][()]))
    about["options"]["solver"] = "newton"
    arrays["checkpoint"] = np.array(json.dumps(about))
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=r"checkpoint\.npz is not a checkpoint"):
        fit(data, None, config=None, resume=tmp_path / "run")


class TestOptions:
    def test_defaults_of_each_solver(self):
        assert default_options("digits", solver="adam").lr == 0
        assert default_options("digits", solver="adam").C == 1.0
        assert default_options("cifar10", solver="adam").augment == "flip"
        assert default_options("mnist", solver="newton").schedule == "decay"
        assert default_options("mnist", solver="newton").iter_max == 30

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"solver": "newton", "lr": 0.1}, "lr is given, but the newton solver does not use it"),
            ({"solver": "adam", "momentum": 0.5}, "momentum is given.*choose the solver sgd"),
            ({"xi": 0.5}, "xi is given, but the sgd solver.*choose the solver newton"),
            ({"lambda_": 0.5}, "lambda is given"),
        ],
    )
    def test_options_of_another_solver_are_refused(self, given, message):
        with pytest.raises(OptionError, match=message):
            default_options("digits", **given)
