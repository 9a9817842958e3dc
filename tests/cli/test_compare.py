"""``simplenn compare``, and the reader of run folders behind it."""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from outcome import outcome
from PIL import Image

from simplenn_py.cli import compare
from simplenn_py.errors import DataError
from simplenn_py.network.config import NetConfig
from simplenn_py.training.run_reader import Run, read_run


def call(*words: object) -> int:
    parser = argparse.ArgumentParser()
    compare.add_parser(parser.add_subparsers())
    args = parser.parse_args(["compare", *map(str, words)])
    return int(args.run(args))


def as_json(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    assert call(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def network(preset: str = "digits") -> dict[str, Any]:
    config = NetConfig.preset(preset, 8, 8, 1)
    return {name: getattr(config, name) for name in NetConfig.__dataclass_fields__}


def a_report(**changed: Any) -> dict[str, Any]:
    return {
        "dataset": {"name": "digits", "training_images": 1442},
        "network": network(),
        "options": {"loss": "cross-entropy", "C": "inf", "solver": "sgd"},
        "status": "finished",
        "train_loss": 0.005,
        "train_accuracy": 1.0,
        "test_loss": "inf",
        "test_accuracy": 0.9915,
        **changed,
    }


def epochs(count: int, **more: float) -> list[dict[str, Any]]:
    return [
        {"epoch": k, "updates": 46 * k, "lr": 0.05, "loss": 0.9 / k,
         "train_accuracy": 1 - 0.3 / k, "seconds": 0.25, **more}
        for k in range(1, count + 1)
    ]  # fmt: skip


def iterations(count: int) -> list[dict[str, Any]]:
    return [
        {"iteration": k, "f": 1 / k, "gradient_norm": 0.1, "alpha": 1.0, "ratio": "-inf",
         "lambda": 1.0, "cg_steps": 7, "actred": -0.1, "prered": -0.1, "loss": 0.8 / k,
         "train_accuracy": 1 - 0.4 / k, "seconds": 2.0}
        for k in range(1, count + 1)
    ]  # fmt: skip


def write_run(
    folder: Path, records: list[dict[str, Any]] | None, report: dict[str, Any] | None = None
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(a_report() if report is None else report))
    if records is not None:
        with open(folder / "history.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, list(records[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(records)
    return folder


def newton_report(**changed: Any) -> dict[str, Any]:
    return a_report(options={"loss": "cross-entropy", "solver": "newton"}, **changed)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sgd(tmp_path: Path) -> Path:
    return write_run(tmp_path / "sgd-1", epochs(3))


@pytest.fixture
def newton(tmp_path: Path) -> Path:
    return write_run(tmp_path / "newton-1", iterations(5), newton_report(test_accuracy=None))


class TestTable:
    def test_text(self, sgd: Path, newton: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert call(sgd, newton) == 0
        text = capsys.readouterr().out
        lines = [line.split() for line in text.splitlines()]
        row = "sgd-1 sgd digits digits 3 epochs 0.8 s 0.005 100.00 % - 99.15 %"
        assert row.split() in lines
        row = "newton-1 newton digits digits 5 iterations 10.0 s 0.005 100.00 % - -"
        assert row.split() in lines
        assert "written: compare.png" in text
        assert "warning" not in text
        assert "\x1b" not in text
        assert max(map(len, text.splitlines())) <= 120
        with Image.open("compare.png") as picture:
            assert picture.format == "PNG"

    def test_json(self, sgd: Path, newton: Path, capsys: pytest.CaptureFixture[str]) -> None:
        report = as_json(capsys, sgd, newton, "--out", "both.png")
        first, second = report["runs"]
        assert first == {
            "run": str(sgd), "status": "finished", "solver": "sgd", "network": "digits",
            "dataset": "digits", "training_images": 1442, "objective": "cross-entropy",
            "epochs": 3, "seconds": 0.75, "loss": 0.005, "train_accuracy": 1.0,
            "validation_accuracy": None, "test_accuracy": 0.9915,
        }  # fmt: skip
        assert (second["iterations"], second["seconds"]) == (5, 10.0)
        assert second["test_accuracy"] is None
        assert report["warnings"] == []
        assert Path(report["figure"]).is_file()

    def test_the_validation_accuracy_is_that_of_the_weights_kept(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        records = epochs(3)
        for entry, accuracy in zip(records, (0.5, 0.75, 0.6), strict=True):
            entry |= {"validation_loss": "inf", "validation_accuracy": accuracy}
        write_run(tmp_path / "held", records)
        assert as_json(capsys, "held")["runs"][0]["validation_accuracy"] == 0.75

    @pytest.mark.parametrize("status", ["interrupted", "running", "diverged"])
    def test_a_run_that_did_not_finish(
        self, status: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        report = a_report(status=status, train_loss=None, train_accuracy=None, test_accuracy=None)
        write_run(tmp_path / "early", epochs(2), report)
        row = as_json(capsys, "early")["runs"][0]
        assert (row["loss"], row["train_accuracy"], row["test_accuracy"]) == (0.45, 0.85, None)
        assert call("early") == 0
        assert (
            f"early is {status}: loss and accuracies are from its history"
            in capsys.readouterr().out
        )

    def test_an_older_report_names_no_solver(self, tmp_path: Path) -> None:
        run = read_run(
            write_run(tmp_path / "old", epochs(1), a_report(options={"loss": "squared"}))
        )
        assert (run.solver, run.step, run.objective) == ("sgd", "epoch", "squared")

    def test_runs_of_one_name_are_told_apart_by_their_paths(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for parent in ("a", "b"):
            write_run(tmp_path / parent / "run", epochs(2))
        assert call("a/run", "b/run") == 0
        text = capsys.readouterr().out
        assert "a/run " in text
        assert "b/run " in text

    def test_a_folder_may_be_the_current_one(
        self, sgd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(sgd)
        assert call(".", "--out", "../here.png") == 0
        assert "sgd-1 " in capsys.readouterr().out

    def test_names_cannot_steer_the_terminal(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        named = {"name": "[red]\x1b[31mx", "training_images": 3}
        write_run(tmp_path / "odd", epochs(1), a_report(dataset=named))
        assert call("odd") == 0
        text = capsys.readouterr().out
        assert "\x1b" not in text
        assert "[red]" in text

    @pytest.mark.parametrize(
        ("changed", "warning"),
        [
            ({"dataset": {"name": "mnist", "training_images": 60000}},
             "warning: these runs have different data sets (digits, mnist): "
             "their losses are not comparable"),
            ({"options": {"loss": "squared"}},
             "warning: these runs have different loss functions (cross-entropy, squared): "
             "their losses are not comparable"),
            ({"dataset": {"name": "digits", "training_images": 100}},
             "warning: these runs used different numbers of training images (100, 1,442)"),
        ],
    )  # fmt: skip
    def test_warnings(
        self, changed: dict, warning: str, sgd: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        write_run(tmp_path / "other", epochs(2), a_report(**changed))
        assert call(sgd, "other") == 0
        assert warning in capsys.readouterr().out.splitlines()
        assert as_json(capsys, sgd, "other")["warnings"] == [warning.removeprefix("warning: ")]

    def test_an_older_figure_is_replaced(self, sgd: Path, tmp_path: Path) -> None:
        (tmp_path / "compare.png").write_text("old")
        assert call(sgd) == 0
        with Image.open(tmp_path / "compare.png") as picture:
            assert picture.format == "PNG"


class TestNetwork:
    def test_presets_and_others(self, tmp_path: Path) -> None:
        fields = network("layer4")
        own = fields | {"ch_input": (1, 8, 16, 16)}
        flat = {"LC": 0, "LF": 2, "ht_input": 8, "wd_input": 8, "ch_input": [1],
                "full_neurons": [20, 10]}  # fmt: skip
        names = [
            read_run(write_run(tmp_path / "run", epochs(1), a_report(network=fields))).network
            for fields in (fields, own, flat)
        ]
        assert names == ["layer4", "conv 8-16-16, full 10", "full 20-10"]


def one_line(path: Path) -> str:
    run, message = outcome(read_run, path)
    assert run is None
    assert "\n" not in message
    return message


class TestDamage:
    def test_no_run(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        (tmp_path / "empty").mkdir()
        assert "nowhere does not exist; give a run folder" in one_line(tmp_path / "nowhere")
        assert "is a file; give a run folder" in one_line(tmp_path / "file")
        assert "holds no run.json; give a run folder" in one_line(tmp_path / "empty")

    def test_not_one_epoch(self, tmp_path: Path) -> None:
        folder = write_run(tmp_path / "run", None, newton_report(status="interrupted"))
        message = one_line(folder)
        assert "no history.csv, because no iteration was completed" in message
        assert f"--resume {folder}" in message

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "run.json is damaged: it is not valid JSON in line 1; copy the folder again"),
            ('{"status":\n', "not valid JSON in line 2"),
            ("[" * 100_000, "it is not valid JSON"),
            ("1" * 10_000, "it is not valid JSON"),
            ("[]", "is not the report of a run: its content is a list of length 0"),
            ('{"status": "finished"}', "dataset is missing"),
            (json.dumps(a_report(dataset={"name": 3, "training_images": 2})),
             "dataset.name is 3; it must be a text"),
            (json.dumps(a_report(options={})), "options.loss is missing"),
            (json.dumps(a_report(options={"loss": "squared", "solver": ["sgd"]})),
             "options.solver is a list of length 1; it must be sgd or adam or newton"),
            (json.dumps(a_report(network={"LC": 1})), "its network cannot be built"),
            (json.dumps(a_report(network=network() | {"LC": 7})), "its network cannot be built"),
            (json.dumps(a_report(test_accuracy=99.2)),
             "test_accuracy is 99.2; it must be a number from 0 to 1"),
            (json.dumps(a_report(test_accuracy="nan")), "test_accuracy is 'nan'; it must be"),
            (json.dumps(a_report(train_loss=[1])), "train_loss is a list of length 1; it must be"),
            (json.dumps(a_report(train_loss=10**400)), "train_loss is 1000"),
        ],
    )  # fmt: skip
    def test_report(self, text: str, message: str, sgd: Path) -> None:
        (sgd / "run.json").write_text(text)
        assert message in one_line(sgd)
        assert str(sgd / "run.json") in one_line(sgd)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("", "", "has no column epoch, loss, train_accuracy, seconds"),
            ("epoch,", "iteration,", "has no column epoch, but the run in its run.json writes it"),
            ("0.9,", "nan,", "line 2: loss is 'nan'; it must be finite; copy the folder again"),
            ("0.9,", "x,", "line 2: loss is 'x'; it must be a number"),
            ("0.7,", "70,", "line 2: train_accuracy is '70'; it must be a number from 0 to 1"),
            ("0.25\n", "inf\n", "seconds is 'inf'; it must be finite"),
            ("0.25\n", "-1\n", "seconds is '-1'; it must be 0 or more"),
            ("0.25\n", "\n", "seconds is ''; it must be a number"),
            ("\n2,", "\n1,", "line 3: epoch is '1'; it must be larger than in the previous line"),
            ("\n2,", "\n1.5,", "epoch is '1.5'; it must be a whole number"),
            ("\n2,92,", "\n2,", "a line is not complete"),
            ("\n1,", '\n"1,', "history.csv is damaged: unexpected end of data"),
            ("\n1,", "\n\x00,", "history.csv: line 2 holds the byte 0x00"),
        ],
    )
    def test_history(self, old: str, new: str, message: str, sgd: Path) -> None:
        path = sgd / "history.csv"
        path.write_text(path.read_text().replace(old, new, 1) if old else "")
        assert message in one_line(sgd)
        assert str(path) in one_line(sgd)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"status": "x" * 10_000}, "status is 'xxxx"),
            ({"status": "\ud800"}, r"status is '\ud800'; it must be valid Unicode"),
            ({"dataset": {"name": "x", "training_images": -1}}, "dataset.training_images is -1"),
            ({"dataset": {"name": "x", "training_images": 10**400}}, "training_images is 1000"),
            ({"options": {"loss": "hinge"}}, "options.loss is 'hinge'; it must be squared or"),
            ({"network": {"LC": "x" * 10_000}}, "its network cannot be built"),
            ({"train_loss": "0.5"}, "train_loss is '0.5'; it must be a number"),
            ({"more": json.loads("[" * 50 + "]" * 50)}, "it is nested more than 32 deep"),
        ],
    )  # fmt: skip
    def test_values_of_the_report(
        self, changed: dict[str, Any], message: str, tmp_path: Path
    ) -> None:
        found = one_line(write_run(tmp_path / "run", epochs(1), a_report(**changed)))
        assert message in found
        assert len(found) < 400

    def test_what_a_hook_recorded_is_left_out(self, tmp_path: Path) -> None:
        records = [entry | {"a note": "of a hook"} for entry in epochs(2)]
        assert read_run(write_run(tmp_path / "run", records)).records[1]["epoch"] == 2

    def test_a_header_alone(self, sgd: Path) -> None:
        path = sgd / "history.csv"
        path.write_text(path.read_text().splitlines(keepends=True)[0])
        assert "no line after the header; train for at least one epoch" in one_line(sgd)

    def test_no_text(self, sgd: Path) -> None:
        for name in ("history.csv", "run.json"):
            (sgd / name).write_bytes(b"\xff\xfe\x00")
            assert f"{name}: line 1 holds the byte 0xff, so it is not a text" in one_line(sgd)

    @pytest.mark.parametrize("name", ["history.csv", "run.json"])
    def test_every_truncation_is_found_out(self, name: str, sgd: Path) -> None:
        path = sgd / name
        whole = path.read_bytes().rstrip() + (b"\n" if name.endswith("csv") else b"")
        lines = {whole.find(b"\n", k) + 1 for k in range(len(whole))}
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            run, message = outcome(read_run, sgd)
            if name.endswith("csv") and length in lines and length > whole.find(b"\n") + 1:
                assert isinstance(run, Run)  # as an epoch earlier
            else:
                assert str(path) in message

    @pytest.mark.parametrize("name", ["history.csv", "run.json"])
    def test_any_byte_gives_a_run_or_one_line(self, name: str, sgd: Path) -> None:
        path = sgd / name
        whole = path.read_bytes()
        for place in range(0, len(whole), 3):
            for byte in b'\x00\n",-9[\xff':
                path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
                run, message = outcome(read_run, sgd)
                assert (run is None) == bool(message)
                assert "\n" not in message
                if run is not None:
                    run.results()
                    assert run.seconds[-1] >= 0

    def test_an_unknown_figure_format_is_refused_first(self) -> None:
        with pytest.raises(DataError, match=r"the name of a PNG figure must end in \.png"):
            call("nowhere", "--out", "figure.pdf")

    def test_a_folder_for_the_figure_that_is_not_there(self, sgd: Path) -> None:
        with pytest.raises(DataError, match="cannot be written"):
            call(sgd, "--out", "missing/figure.png")


def test_a_run_of_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from simplenn_py import load_dataset, train
    from simplenn_py.training.options import default_options

    options = default_options("digits", epochs=2, limit=100, validation=0.2)
    _, history = train(load_dataset("digits"), None, options, out=tmp_path / "run", progress=False)
    row = as_json(capsys, "run")["runs"][0]
    assert (row["network"], row["dataset"], row["epochs"]) == ("digits", "digits", 2)
    for key in ("train_accuracy", "test_accuracy"):
        assert row[key] == history.report[key]
    assert row["loss"] == history.report["train_loss"]
    assert row["seconds"] == pytest.approx(history.report["timings"]["train_seconds"])
    best = history.records[history.report["best_epoch"] - 1]
    assert row["validation_accuracy"] == best["validation_accuracy"]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import argparse, sys\n"
        "from simplenn_py.cli import compare\n"
        "parser = argparse.ArgumentParser()\n"
        "compare.add_parser(parser.add_subparsers())\n"
        "try: parser.parse_args(['compare', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'matplotlib', 'rich', 'numba'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout
