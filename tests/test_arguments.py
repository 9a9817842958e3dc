"""Every public call with arguments of a wrong kind: one line that says what is expected.

The table holds one right call of each public name, and which of its arguments take what.  Each is
called with every value of a wrong kind; none may end in an error of our insides.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simplenn_py as nn
from simplenn_py.errors import UserError
from simplenn_py.opt.newton import NewtonState
from simplenn_py.runtime.arguments import described
from simplenn_py.training.checkpoint import Checkpoint

CONFIG = nn.NetConfig.build((4, 4, 1), [nn.Conv(2, 3, pad=1, pool=2)], [2])
G = CONFIG.conv_layers[0]


class Thing:
    """An object of a kind that nothing takes."""


#: Values of a wrong kind, by the kinds that they belong to.
WRONG: dict[str, tuple[Any, set[str]]] = {
    "None": (None, {"none"}),
    "number": (123, {"number", "whole"}),
    "negative": (-1, {"number", "negative"}),
    "fraction": (0.5, {"number"}),
    "True": (True, {"bool", "number"}),
    "text": ("nonsense", {"text", "path"}),
    "empty text": ("", {"text", "empty"}),
    "NUL": ("a\0b", {"text"}),
    "bytes": (b"nonsense", set()),
    "list": ([1, "a"], {"list"}),
    "dict": ({"a": 1}, {"dict"}),
    "tuple": ((np.zeros((3, 2)), np.zeros(3)), {"list"}),
    "set": ({1}, set()),
    "function": (print, {"callable"}),
    "class": (Thing, {"callable"}),
    "object": (Thing(), set()),
    "array": (np.zeros((2, 3)), {"array"}),
    "path": (Path("nonsense"), {"path"}),
}


@dataclass
class Call:
    """A call, its right arguments, and for each that is tried the kinds that it takes."""

    function: Callable[..., Any]
    right: dict[str, Any]
    tried: dict[str, set[str]] = field(default_factory=dict)


def setting() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    model = nn.Model.initialise(CONFIG, np.arange(2), rng, np.float64)
    engine = nn.make_engine("lecture", CONFIG, 3, np.float64)
    images = np.asfortranarray(rng.standard_normal((1, 48)))
    problem = nn.Problem(images, np.array([0, 1, 0]), nn.SquaredLoss(), 1.0, 1.0, np.zeros(16))
    nn.lossgrad_subset(engine, model, problem, np.arange(3))
    return {"engine": engine, "model": model, "problem": problem}


def calls(tmp_path) -> Iterator[Call]:
    own = setting()
    passes = {"engine": own["engine"], "model": own["model"]}
    no = {name: set() for name in passes}
    no_problem = no | {"problem": set()}
    theta, z = own["model"].theta, np.zeros((2, 3))
    with_problem = passes | {"problem": own["problem"]}
    data = nn.load_dataset("digits")
    quick = {"data": data, "options": nn.TrainOptions(limit=20, epochs=1), "progress": False}
    yield Call(
        nn.train,
        quick,
        {
            "data": set(), "config": {"none"}, "options": {"none"}, "out": {"none", "path"},
            "resume": {"none"}, "start": {"none"}, "operators": {"none"}, "hooks": {"none"},
            "console": {"none"}, "progress": {"bool", "number"},
        },
    )  # fmt: skip
    path = {"name": "digits"}
    none = {"none"}
    yield Call(
        nn.load_dataset,
        path,
        {"name": set(), "data_dir": {"none", "path"}, "test": none, "shape": none,
         "input_format": set()},
    )  # fmt: skip
    yield Call(nn.default_options, {"dataset": "digits"}, {"solver": set(), "epochs": {"whole"}})
    yield Call(nn.TrainOptions, {}, {"solver": set(), "lr": {"number"}, "seed": {"whole"}})
    yield Call(
        nn.make_engine,
        {"name": "lecture", "config": CONFIG, "batch_size": 3, "dtype": np.float64},
        {"name": set(), "config": set(), "batch_size": {"whole"}, "dtype": none},
    )
    yield Call(nn.feedforward, passes, no)
    yield Call(nn.JTv, passes | {"V": z}, no | {"V": {"array"}})
    yield Call(nn.Jv, passes | {"v": theta}, no | {"v": set()})
    yield Call(nn.jacobian, passes, no)
    yield Call(nn.lossgrad_subset, with_problem | {"indices": np.arange(3)}, no_problem)
    yield Call(nn.fungrad_minibatch, with_problem, no_problem)
    G_args = with_problem | {"subset": np.arange(3)}
    yield Call(nn.GaussNewton, G_args, no_problem | {"subset": set()})
    yield Call(nn.Gv, G_args | {"v": theta}, no_problem | {"subset": set()})
    yield Call(
        nn.Problem,
        vars(own["problem"]),
        {"images": {"array"}, "y": {"array"}, "loss": set(), "C": {"number", "whole"},
         "scale": {"number", "whole"}, "offset": {"array"}},
    )  # fmt: skip
    A = np.diag([1.0, 2.0])
    yield Call(
        nn.CG,
        {"product": lambda v: A @ v, "gradient": np.ones(2)},
        {"product": {"callable"}, "gradient": set()},
    )
    yield Call(
        nn.newton,
        {"objective": Quadratic(), "state": NewtonState(1.0, 0), "hook": Start(), "GNsize": 1},
        {"objective": set(), "state": set(), "hook": set()},
    )
    yield Call(
        nn.Model,
        {"config": CONFIG, "theta": theta, "classes": np.arange(2)},
        {"config": set(), "theta": set()},
    )
    yield Call(
        nn.Model.initialise,
        {"config": CONFIG, "classes": np.arange(2), "rng": np.random.default_rng(0)},
        {"config": set(), "rng": set(), "dtype": none},
    )
    own["model"].save(tmp_path / "model.npz")
    yield Call(nn.Model.load, {"path": tmp_path / "model.npz"}, {"path": set()})
    yield Call(own["model"].save, {"path": tmp_path / "model.npz"}, {"path": {"path"}})
    predicted = {"images": np.zeros((3, 4, 4, 1))}
    yield Call(
        own["model"].predict, predicted, {"engine": {"none", "empty"}, "batch_size": {"whole"}}
    )
    (tmp_path / "run").mkdir()
    yield Call(Checkpoint.read, {"folder": run_folder(tmp_path)}, {"folder": set()})
    build = {"image": (4, 4, 1), "conv": [nn.Conv(2, 3)], "full": [2]}
    yield Call(nn.NetConfig.build, build, {"image": set(), "conv": set(), "full": set()})
    yield Call(nn.NetConfig.preset, {"name": "digits", "a": 8, "b": 8}, {"name": set()})
    yield Call(nn.NetConfig.parse, {"text": CONFIG.text()}, {"text": set()})
    CONFIG.write(tmp_path / "own.config")
    yield Call(nn.NetConfig.read, {"path": tmp_path / "own.config"}, {"path": set()})
    yield Call(CONFIG.write, {"path": tmp_path / "own.config"}, {"path": {"path"}})
    matlab = {"y": [1, 2, 1], "Z": np.eye(3, 16), "y_v": None, "Z_v": None, "config_file": CONFIG}
    matlab |= {"options": "-s 1 -epoch_max 1", "progress": False}
    yield Call(
        nn.cnn_train,
        matlab,
        {"config_file": set(), "options": {"empty"}, "seed": {"none", "whole"}},
    )
    predict = {"y": None, "Z": np.eye(3, 16), "model": own["model"]}
    yield Call(nn.cnn_predict, predict, {"model": set(), "options": {"empty"}})
    whole = {name: {"whole", "bool", "negative"} for name in ("a", "d", "p", "h_pool")}
    yield Call(nn.ConvGeometry, vars(G).copy(), whole)
    S, idx = np.zeros((2, 48)), np.zeros((8, 3), int)
    yield Call(nn.padding, {"Z": np.zeros((1, 48)), "g": G}, {"g": set()})
    yield Call(nn.unpad, {"V": np.zeros((1, 108)), "g": G}, {"g": set()})
    yield Call(nn.find_index_phiZ, {"g": G}, {"g": set()})
    yield Call(nn.padding_and_phiZ, {"Z": np.zeros((1, 48)), "g": G}, {"g": set()})
    yield Call(nn.vTP_phi, {"V": np.zeros((9, 48)), "g": G}, {"g": set()})
    yield Call(nn.maxpooling, {"S": S, "g": G}, {"g": set()})
    yield Call(nn.vTP_pool, {"V": np.zeros((2, 12)), "idx_pool": idx, "g": G},
               {"idx_pool": set(), "g": set()})  # fmt: skip
    yield Call(nn.P_pool, {"V": S, "idx_pool": idx, "g": G}, {"idx_pool": set(), "g": set()})
    if importlib.util.find_spec("sklearn"):
        X, y = np.random.default_rng(0).random((6, 16)), [0, 1] * 3
        yield Call(
            lambda **parameters: nn.CNNClassifier(epochs=1, **parameters).fit(X, y),
            {},
            {"config": {"none"}, "solver": set(), "image_shape": none, "input_format": TABLE},
        )


#: An argument that is not looked at in this call.
TABLE = set().union(*(kinds for _, kinds in WRONG.values()), {"any"})
#: Public names without a call: types that hold what they are given, and functions of one array.
SIMPLE = {
    "Conv", "CrossEntropy", "Dataset", "History", "Images", "NetConfig", "SquaredLoss", "indicator",
    "relu",
}  # fmt: skip


class Start:
    """A hook with one method."""

    def on_start(self, state):
        pass


class Quadratic:
    """The objective ``theta'theta/2`` of Newton's method."""

    l = 1

    def __init__(self):
        self.theta = np.ones(2)

    def fun(self):
        return float(self.theta @ self.theta / 2)

    def fungrad(self, out):
        out[:] = self.theta
        return self.fun(), {}

    def gauss_newton(self, subset, products):
        return lambda v: v


def run_folder(tmp_path):
    options = nn.TrainOptions(limit=20, epochs=1, batch_size=10)
    nn.train("digits", options=options, out=tmp_path / "run", progress=False)
    return tmp_path / "run"


def test_each_call_says_what_it_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    covered = set()
    for call in calls(tmp_path):
        name = getattr(call.function, "__qualname__", "CNNClassifier")
        covered.add(name.split(".")[0])
        call.function(**call.right)
        for argument, takes in call.tried.items():
            for what, (value, kinds) in WRONG.items():
                if kinds & takes or "any" in takes:
                    continue
                case = f"{name}({argument}={what})"
                try:
                    call.function(**call.right | {argument: value})
                except UserError as error:
                    text = str(error)
                except ValueError as error:  # of the operators, about shapes and indices
                    assert name in ("vTP_pool", "P_pool", "Gv"), case
                    text = str(error)
                else:
                    pytest.fail(f"{case} was taken")
                assert "\n" not in text, case
                assert len(text) > 20, case
    assert set(nn.__all__) - covered - SIMPLE == set()


def test_functions_of_one_array_take_lists():
    z, y = [[1.0, 3.0], [2.0, 1.0]], [0, 1]
    for loss in (nn.SquaredLoss(), nn.CrossEntropy()):
        assert loss.value(z, y) == loss.value(np.array(z), np.array(y))
        np.testing.assert_array_equal(loss.gradient(z, y), loss.gradient(np.array(z), np.array(y)))
    assert nn.indicator([-1.0, 2.0]).tolist() == [False, True]
    assert nn.relu([-1.0, 2.0]).tolist() == [0.0, 2.0]


class Counting:
    def __init__(self):
        self.epochs = []

    def on_epoch(self, state):
        self.epochs.append(state.epoch)


QUICK = {"limit": 20, "epochs": 2, "batch_size": 10}


def test_what_is_natural_is_taken(tmp_path, rng):
    data, hook = nn.load_dataset("digits"), Counting()
    wanted, _ = nn.train(
        data, options=nn.default_options("digits", **QUICK), hooks=[hook], progress=False
    )
    assert hook.epochs == [1, 2]
    # A name, a dict, and one hook that is no Hook.
    model, history = nn.train("digits", options=QUICK, hooks=hook, out=tmp_path / "run")
    np.testing.assert_array_equal(model.theta, wanted.theta)
    assert hook.epochs == [1, 2, 1, 2]
    assert history.report["options"]["batch_size"] == 10
    # Images alone have no test set; a path names the model to start from.
    _, history = nn.train(data.train, "digits", QUICK, start=None, hooks=None, progress=False)
    assert history.report["test_accuracy"] is None
    nn.train("digits", options=QUICK, start=tmp_path / "run", progress=False)
    # A dict that resumes a run changes only what it names.
    _, history = nn.train("digits", options={"epochs": 3}, resume=tmp_path / "run", progress=False)
    assert [record["epoch"] for record in history.records] == [1, 2, 3]
    # A dict of routines.
    lecture = QUICK | {"engine": "lecture"}
    nn.train(
        "digits", options=lecture, operators={"mask": lambda V, Z: V * (Z > 0)}, progress=False
    )


class WrongMethod:
    on_epoch = 3


class WrongArguments:
    def on_epoch(self, state, more):
        pass


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data": 5}, "data is 5; it must be a Dataset, the name or path of one, or Images"),
        ({"data": (np.zeros(3), np.zeros(3))}, "data is a tuple; it must be a Dataset"),
        ({"data": "digit"}, "data set 'digit' is unknown.*did you mean 'digits'"),
        ({"data": nn.Dataset("x", np.zeros(3), None, "")}, r"data.train is a ndarray.*Images\(Z"),
        ({"options": "-s 2"}, "options is '-s 2'; it must be TrainOptions"),
        ({"options": nn.TrainOptions}, "options is the class TrainOptions; it must be"),
        ({"options": {"epoch": 2}}, "there is no option 'epoch'; did you mean 'epochs'"),
        ({"options": {2: 2}}, "there is no option 2"),
        ({"options": {"epochs": "2"}}, "epochs is '2'; it must be a whole number"),
        ({"config": {"LC": 1}}, "config is a dict; it must be a NetConfig, a preset's name, or"),
        ({"out": 123}, "out is 123; it must be the path of the run folder"),
        ({"resume": True, "config": None}, "resume is True; it must be the run folder of the run"),
        (
            {"start": {"a": 1}},
            "start is a dict; it must be a Model, or the path of a model.npz or of a run",
        ),
        ({"console": print}, "console is the function print; it must be a rich.console.Console"),
        ({"operators": "mine.py"}, "operators is 'mine.py'; it must be Operators.*load_all"),
        ({"operators": {"vTP": print}}, "no operator 'vTP'"),
        ({"hooks": Counting}, r"a hook is the class Counting; it must be an object of it: Count"),
        ({"hooks": [Thing()]}, "a hook is a Thing; it must be an object with a method on_start, "),
        ({"hooks": print}, "a hook is the function print; it must be an object with a method"),
        ({"hooks": WrongMethod()}, "on_epoch of a hook is 3; it must be a method"),
        (
            {"hooks": WrongArguments()},
            r"on_epoch of a hook takes \(state, more\); it must take one",
        ),
        ({"progress": "no"}, "progress is 'no'; it must be True or False"),
    ],
)
def test_train_says_what_it_takes(given, message):
    right = {"data": "digits", "config": "digits", "options": QUICK, "progress": False}
    with pytest.raises(UserError, match=message):
        nn.train(**right | given)


def test_values_are_described_in_a_few_words():
    assert described("x" * 1000).startswith("'xxx")
    assert len(described("x" * 1000)) == 60
    assert described(np.float32(0.5)) == "0.5"
    assert described(np.zeros((2, 3))) == "a ndarray of shape (2, 3)"
    assert described(Path("a")) == "'a'"
    assert described(Thing().__init__) == "the function __init__"
