"""Results come before figures: whatever happens to a figure, the results are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import simplenn_py as nn
from simplenn_py.cli import main

TINY = ["--epochs", "1", "--limit", "60"]


class Broken:
    """Takes the place of the function that writes figures; keeps what was printed until then."""

    def __init__(self, capfd: pytest.CaptureFixture[str], error: BaseException) -> None:
        self.capfd, self.error = capfd, error
        self.before = ""

    def __call__(self, *_: object) -> str:
        self.before += self.capfd.readouterr().out
        raise self.error


@pytest.fixture
def broken(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Broken:
    monkeypatch.chdir(tmp_path)
    made = Broken(capfd, RuntimeError("latex\ncould not be found"))
    monkeypatch.setattr("simplenn_py.plots.beside.write_png", made)
    return made


@pytest.mark.parametrize("interrupted", [False, True])
def test_training_ends_with_its_report(broken: Broken, interrupted: bool) -> None:
    if interrupted:
        broken.error = KeyboardInterrupt()
    assert main(["train", "digits", *TINY, "--out=run"]) == 0
    out, err = broken.capfd.readouterr()
    assert "test accuracy" in out
    (note,) = err.splitlines()
    assert note.startswith("note: curves.png, confusion.png, filters.png were not drawn: ")
    assert note.endswith("interrupted" if interrupted else r"latex\ncould not be found")
    report = json.loads(Path("run/run.json").read_text())
    assert report["status"] == "finished"
    assert report["test_accuracy"] > 0
    assert [f"note: {text}" for text in report["notes"]] == [note]
    broken.before = ""
    assert main(["train", "digits", "--resume=run", "--json"]) == 0
    out, err = broken.capfd.readouterr()
    assert json.loads(broken.before + out)["notes"] == report["notes"]
    assert err.splitlines()[-1] == note


def test_the_report_is_complete_when_the_first_figure_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> str:
        report = json.loads((tmp_path / "run" / "run.json").read_text())
        assert report["status"] == "finished"
        assert report["test_accuracy"] is not None
        assert report["timings"]["total_seconds"] > 0
        assert (tmp_path / "run" / "history.csv").is_file()
        raise SystemExit  # nothing catches it, as little as a kill

    monkeypatch.setattr("simplenn_py.plots.beside.write_png", killed)
    options = nn.TrainOptions(epochs=1, limit=60)
    with pytest.raises(SystemExit):
        nn.train(nn.load_dataset("digits"), options=options, out=tmp_path / "run", progress=False)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "digits-1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simplenn_py.plots.beside.write_png", lambda *_: "")
        options = nn.TrainOptions(epochs=1, limit=60)
        nn.train(nn.load_dataset("digits"), options=options, out=folder, progress=False)
    return folder


BESIDE = {  # command: words in its results
    "compare RUN": "solver",
    "compress RUN --rank 4 --data none --out thin": "parameters",
    "gradcheck digits --images 1": "all derivatives are correct",
    "gemm --sizes 8": "GFLOP/s",
    "im2col --size 4x4x1 --batch-size 1": "gather",
    "roofline digits --batch-size 1": "balance",
    "profile digits --batch-size 1 --repeat 1 --out p.png": "forward",
}


@pytest.mark.parametrize(
    "command",
    [pytest.param(c, marks=[pytest.mark.slow] * c.startswith(("r", "gr"))) for c in BESIDE],
)
def test_results_are_printed_before_the_figure(
    command: str, broken: Broken, run_folder: Path
) -> None:
    words = [str(run_folder) if word == "RUN" else word for word in command.split()]
    assert main(words) == 0
    out, err = broken.capfd.readouterr()
    assert BESIDE[command] in broken.before
    note = err.splitlines()[-1]
    assert note.startswith("note: ")
    assert note.endswith(r"was not drawn: latex\ncould not be found")
    assert ".png" not in out


def test_json_stays_json(broken: Broken, run_folder: Path) -> None:
    assert main(["compare", str(run_folder), "--json"]) == 0
    out, err = broken.capfd.readouterr()
    assert json.loads(broken.before + out)["figure"] is None
    assert err.startswith("note: ")


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("missing/x.png", "cannot be written (there is no folder missing)"),
        ("x.png", "cannot be written (it is a folder)"),
        ("x.pdf", "must end in .png"),
    ],
)
def test_a_name_that_cannot_be_is_refused_before_the_work(
    out: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.png").mkdir()
    monkeypatch.setattr("simplenn_py.linalg.ladder.measure_ladder", None)  # not reached
    assert main(["gemm", "--out", out]) == 2
    assert message in capsys.readouterr().err
