"""Files with sound checksums and changed contents: a result or one line, and never a hang."""

from __future__ import annotations

import csv
import io
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from changed_files import changed_array, changed_arrays, changed_json, time_limit, write
from networks import net, stripes
from rich.console import Console
from scipy.io import loadmat, savemat

from simplenn_py import Dataset, Model, TrainOptions, train
from simplenn_py.cli import main
from simplenn_py.errors import UserError
from simplenn_py.exercises.gradebook import NAME, load_gradebook
from simplenn_py.formats.simplenn_mat import read_simplenn, write_simplenn
from simplenn_py.io.npz import read_arrays
from simplenn_py.opt.hooks import Hook
from simplenn_py.training.checkpoint import Checkpoint
from simplenn_py.training.run_data import find_data
from simplenn_py.training.run_folder import RunFolder
from simplenn_py.training.run_reader import read_run

#: The stripes' network, its layers factored.
NETWORK = net(6, 5, 1, (4, 3, 1, 1, 2), full=(3,), rank=(2, 2))
RUNS = {
    "sgd": TrainOptions(
        epochs=4, batch_size=8, lr=0.05, schedule="one-cycle", augment="flip", validation=0.2
    ),
    "adam": TrainOptions(solver="adam", epochs=4, batch_size=8, validation=0.2, dtype="float64"),
    "newton": TrainOptions(solver="newton", iter_max=4, GNsize=8, CGmax=6, validation=0.2),
}
SECONDS = 20


class StopAfter(Hook):
    """Ends a run after some batches, or CG steps."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def on_batch(self, state: Any) -> None:
        self.left -= 1
        state.stop |= self.left <= 0


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Dataset("stripes", stripes(30, 1), stripes(9, 2), "made by the test")


@pytest.fixture(scope="module")
def runs(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each solver, stopped within its third epoch or iteration."""
    folder = tmp_path_factory.mktemp("runs")
    for name, options in RUNS.items():
        stop = StopAfter(7 if name != "newton" else 15)
        train(data, NETWORK, options, out=folder / name, hooks=[stop], console=Console(quiet=True))
    return {name: folder / name for name in RUNS}


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take a second each; one test below draws them."""
    monkeypatch.setattr(RunFolder, "save_figures", lambda *_: [])


def check_message(error: UserError) -> None:
    message = str(error)
    assert "\n" not in message
    assert len(message) < 600, message
    message.encode()


def resume(data: Dataset, folder: Path) -> bool:
    """Read the checkpoint and continue for some batches; return whether it was accepted."""
    with time_limit(SECONDS), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            console = Console(file=io.StringIO())
            train(data, resume=folder, hooks=[StopAfter(16)], console=console)
        except UserError as error:
            check_message(error)
            return False
        if (folder / "checkpoint.npz").is_file():
            Checkpoint.read(folder)  # a checkpoint that was written can be read
    return True


def fuzz_checkpoints(data: Dataset, run: Path, folder: Path, seed: int, count: int) -> int:
    """Resume from changed checkpoints; return how many were accepted."""
    arrays, accepted = read_arrays(run / "checkpoint.npz"), 0
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        texts = ("checkpoint", "checkpoint", "checkpoint", "model_about")
        write(folder / "checkpoint.npz", changed_arrays(rng, arrays, texts))
        try:
            accepted += resume(data, folder)
        except BaseException as error:
            error.add_note(f"checkpoint {k} of seed {seed}, {run.name}")
            raise
    return accepted


@pytest.mark.parametrize("solver", RUNS)
def test_changed_checkpoints(
    solver: str, data: Dataset, runs: dict[str, Path], tmp_path: Path
) -> None:
    assert resume(data, shutil.copytree(runs[solver], tmp_path / "whole"))
    fuzz_checkpoints(data, runs[solver], tmp_path / "run", 1, 40)


@pytest.mark.slow
@pytest.mark.parametrize("solver", RUNS)
def test_many_changed_checkpoints(
    solver: str, data: Dataset, runs: dict[str, Path], tmp_path: Path
) -> None:
    accepted = fuzz_checkpoints(data, runs[solver], tmp_path / "run", 2, 1000)
    assert 10 < accepted < 500


def use(model: Model, data: Dataset, folder: Path) -> None:
    """Do with a model what the commands do."""
    images = data.train.Z[:, :60]
    for engine in ("direct", "lecture"):
        assert model.predict(images, engine=engine).shape == (2,)
    model.save(folder / "again.npz")
    assert Model.load(folder / "again.npz").loss == model.loss
    write_simplenn(folder / "again.mat", model)
    read_simplenn(folder / "again.mat")


def fuzz_models(data: Dataset, model: Model, folder: Path, seed: int, count: int) -> int:
    """Use changed models, every fifth of simpleNN's format; return how many were accepted."""
    arrays, accepted = model.arrays(), 0
    write_simplenn(folder / "whole.mat", model)
    struct = loadmat(folder / "whole.mat")["model"]
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        try:
            if k % 5:
                write(folder / "model.npz", changed_arrays(rng, arrays, ("about",)))
            else:
                change_struct(rng, struct, folder / "model.mat")
            with time_limit(SECONDS), warnings.catch_warnings():
                warnings.simplefilter("error")
                read = Model.load if k % 5 else read_simplenn
                use(read(folder / ("model.npz" if k % 5 else "model.mat")), data, folder)
            accepted += 1
        except UserError as error:
            check_message(error)
        except BaseException as error:
            error.add_note(f"model {k} of seed {seed}")
            raise
    return accepted


def run_commands(path: Path, data: Path) -> None:
    """Give a model to every command that takes one."""
    folder, table = path.parent, str(path.parent / "labels.csv")
    shutil.rmtree(folder / "small", ignore_errors=True)
    for arguments in (
        ["summary", str(path)],
        ["predict", str(path), str(data), "--normalise", "none", "--out", table, "--force"],
        ["convert", str(path), str(folder / "other.mat"), "--force"],
        ["convert", str(path), str(folder / "other.onnx"), "--force"],
        ["explain", str(path), "--dataset", str(data), "--out", str(folder / "x.html"), "--force"],
        ["compress", str(path), "--rank", "1", "--data", str(data), "--normalise", "none",
         "--out", str(folder / "small")],
    ):  # fmt: skip
        try:
            assert main(arguments) in (0, 1, 2)
        except SystemExit as stop:
            raise AssertionError(f"{arguments}: the arguments are wrong") from stop


#: Models whose parts have the right types and sizes, and surprising values.
SURPRISING: dict[str, dict[str, Any]] = {
    "texts": {"classes": np.array(["\udce9", "\x1b[31m[red]", "=1+1"])},
    "long texts": {"classes": np.array(["x" * 10_000, "", "\u202e"])},
    "surrogates": {"classes": np.array(["\ud800", "\ude00", "x"])},
    "small and large labels": {"classes": np.array([-(2**63), 0, 2**63 - 1])},
    "labels beyond int64": {"classes": np.array([1, 2, 2**64 - 1], np.uint64)},
    "labels of another size": {"classes": np.array([3, 1, 2], np.int8)},
    "huge weights": {"theta": np.float32(3e38)},
    "tiny weights": {"theta": np.float32(1e-45)},
    "no weights": {"theta": np.float32(0)},
    "huge mean": {"mean": np.float64(1e38)},
    "tiny scale": {"range": np.array([1e5, 1e-300])},
    "huge scale": {"range": np.array([1e-30, 1e38])},
    "negative scale": {"range": np.array([1.0, -1.0])},
}


@pytest.fixture
def images(data: Dataset, tmp_path: Path) -> Path:
    """The stripes as a file."""
    X = np.moveaxis(data.train.Z.reshape(5, 6, 30, order="F"), 2, 0)
    np.savez(tmp_path / "stripes.npz", X=X.transpose(0, 2, 1), y=data.train.y)
    return tmp_path / "stripes.npz"


@pytest.mark.slow
@pytest.mark.parametrize("changes", SURPRISING.values(), ids=SURPRISING)
def test_commands_with_surprising_models(
    changes: dict[str, Any], data: Dataset, images: Path, tmp_path: Path
) -> None:
    arrays = a_model(data).arrays()
    for name, value in changes.items():
        full = np.broadcast_to(value, arrays[name].shape)
        arrays[name] = full.astype(arrays[name].dtype) if name != "classes" else value
    write(tmp_path / "model.npz", arrays)
    with time_limit(60):
        run_commands(tmp_path / "model.npz", images)


@pytest.mark.slow
def test_commands_with_changed_models(
    data: Dataset, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = a_model(data)
    model.save(tmp_path / "model.npz")
    run_commands(tmp_path / "model.npz", images)
    assert "error" not in capsys.readouterr().err
    used = 0
    for k in range(300):
        rng = np.random.default_rng([3, k])
        write(tmp_path / "model.npz", changed_arrays(rng, model.arrays(), ("about",)))
        try:
            Model.load(tmp_path / "model.npz")
        except UserError:
            continue
        used += 1
        with time_limit(60):
            run_commands(tmp_path / "model.npz", images)
        assert all(len(line) < 1100 for line in capsys.readouterr().err.splitlines())
    assert used > 8


def change_struct(rng: np.random.Generator, struct: np.ndarray, path: Path) -> None:
    """Write simpleNN's struct with one field changed or lost."""
    fields = {name: struct[name][0, 0] for name in struct.dtype.names}
    name = str(rng.choice(list(fields)))
    value = fields[name]
    if rng.random() < 0.1:
        del fields[name]
    elif value.dtype == object:
        value = fields[name] = value.copy()
        value[0, 0] = changed_array(rng, value[0, 0])
    elif value.dtype.kind == "U" and value.size == 1 and "[" in str(value[0]):
        fields[name] = changed_json(rng, json.loads(str(value[0])))
    elif value.dtype.kind in "iuf" and value.size:
        fields[name] = changed_array(rng, value)
    else:
        fields[name] = str(rng.choice(["", "x" * 10_000, "single", "[1e400]", '["a","a"]']))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            savemat(path, {"model": fields}, oned_as="column")
        except (ValueError, TypeError, SystemError):  # not to be written in this format
            savemat(path, {"model": {"L": 1.0}})


def a_model(data: Dataset) -> Model:
    rng = np.random.default_rng(5)
    return Model.initialise(NETWORK, np.unique(data.train.y), rng)


def test_changed_models(data: Dataset, tmp_path: Path) -> None:
    model = a_model(data)
    use(model, data, tmp_path)
    fuzz_models(data, model, tmp_path, 1, 150)


@pytest.mark.slow
def test_many_changed_models(data: Dataset, tmp_path: Path) -> None:
    assert 100 < fuzz_models(data, a_model(data), tmp_path, 2, 3000) < 1500


OLDER = Path(__file__).parent / "older"


def changed_history(rng: np.random.Generator, text: str) -> str:
    """Return history.csv with a cell, a column or a line changed."""
    lines = list(csv.reader(text.splitlines()))
    row, column = int(rng.integers(len(lines))), int(rng.integers(len(lines[0])))
    cells = ("", "nan", "inf", "-1", "1e300", "1e-320", "1e400", "x", "1_0", "0.5", "9" * 5000,
             "True", "\x1b[31m", "\u0661", "=1+1", "1e9", "2", "y" * 10_000)  # fmt: skip
    kind = int(rng.integers(5))
    if kind == 0:
        del lines[row]
    elif kind == 1:
        for line in lines:
            del line[column]
    elif kind == 2:
        lines.append(lines[row])
    else:
        lines[row][column] = cells[int(rng.integers(len(cells)))]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue()


def fuzz_reports(folder: Path, seed: int, count: int, drawn: int) -> int:
    """Compare changed reports and histories; draw every `drawn`-th; return how many were good."""
    accepted, shown = 0, folder / "compare.png"
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        run = OLDER / str(rng.choice(["sgd", "adam", "newton"]))
        report, history = (run / "run.json").read_text(), (run / "history.csv").read_text()
        if rng.random() < 0.5:
            report = changed_json(rng, json.loads(report))
        if rng.random() < 0.6:
            history = changed_history(rng, history)
        (folder / "run").mkdir(exist_ok=True)
        (folder / "run" / "run.json").write_text(report)
        (folder / "run" / "history.csv").write_text(history)
        try:
            with time_limit(SECONDS):
                read = read_run(folder / "run")
                read.results()
                assert read.seconds[-1] >= 0
                accepted += 1
                if accepted % drawn == 0:
                    arguments = ["compare", str(folder / "run"), str(run), "--out", str(shown)]
                    assert main([*arguments, "--json"]) in (0, 2)
                    assert main(arguments) in (0, 2)
        except UserError as error:
            check_message(error)
        except BaseException as error:
            error.add_note(f"report {k} of seed {seed}")
            raise
    return accepted


def fuzz_identities(folder: Path, seed: int, count: int) -> None:
    """Look for the data of runs whose report names them in changed words."""
    report = json.loads((OLDER / "sgd" / "run.json").read_text())
    origin = {
        "name": "digits", "in_catalogue": True, "data_dir": None, "test": None, "shape": None,
        "input_format": "row",
    }  # fmt: skip
    report = {"dataset": report["dataset"] | {"origin": origin, "fingerprint": "x"}}
    for k in range(count):
        text = changed_json(np.random.default_rng([seed, k]), report)
        (folder / "run.json").write_text(text)
        with time_limit(SECONDS):
            try:
                found, reason = find_data(folder, NETWORK)
            except BaseException as error:
                error.add_note(f"report {k} of seed {seed}: {text[:500]}")
                raise
        assert found is None
        assert len(reason) < 1100


def test_changed_identities(tmp_path: Path) -> None:
    fuzz_identities(tmp_path, 1, 60)


@pytest.mark.slow
def test_many_changed_identities(tmp_path: Path) -> None:
    fuzz_identities(tmp_path, 2, 600)


def test_changed_reports_and_histories(tmp_path: Path) -> None:
    assert fuzz_reports(tmp_path, 1, 200, 10**6) > 20


@pytest.mark.slow
def test_many_changed_reports_and_histories(tmp_path: Path) -> None:
    assert 100 < fuzz_reports(tmp_path, 2, 1000, 20) < 900


def test_changed_progress_files(tmp_path: Path) -> None:
    entry = {
        "points": 9, "best": 12, "passed": True, "file": "maxpooling.py", "sha256": "0" * 64,
        "checked": "2026-01-01T00:00:00+00:00", "hints": 2,
    }  # fmt: skip
    content = {"format": 1, "exercises": {"maxpooling": entry, "relu": entry}}
    path = tmp_path / NAME
    path.write_text(json.dumps(content))
    assert load_gradebook(tmp_path).entries["maxpooling"].best == 12
    for k in range(300):
        path.write_text(changed_json(np.random.default_rng([1, k]), content))
        try:
            entries = load_gradebook(tmp_path).entries
        except UserError as error:
            check_message(error)
        else:
            for found in entries.values():
                assert type(found.points) is int
                assert type(found.passed) is bool


def test_figures_of_a_changed_checkpoint(
    runs: dict[str, Path], data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers that are allowed, infinities among them, can be drawn."""
    monkeypatch.undo()
    folder = tmp_path / "run"
    shutil.copytree(runs["newton"], folder)
    arrays = read_arrays(folder / "checkpoint.npz")
    about = json.loads(str(arrays["checkpoint"][()]))
    first = about["state"]["history"][0]
    first |= dict.fromkeys(("ratio", "gradient_norm", "validation_loss"), float("inf"))
    first |= {"f": 1e30, "note of a hook": "text", "cg_residuals": []}
    write(folder / "checkpoint.npz", arrays | {"checkpoint": np.array(json.dumps(about))})
    train(data, resume=folder, progress=False)
    assert (folder / "newton.png").is_file()
