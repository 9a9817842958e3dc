"""``simplenn compress`` from the command line."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest

import simplenn_py as nn
from simplenn_py.cli import compress, main
from simplenn_py.errors import DataError
from simplenn_py.model.model import Model


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits-1"
    options = nn.TrainOptions(epochs=3, limit=400)
    nn.train(nn.load_dataset("digits"), options=options, out=folder, progress=False)
    return folder


def test_a_run_is_compressed_and_tuned(run_folder, tmp_path, capsys):
    out = tmp_path / "thin"
    command = ["compress", str(run_folder), "--smaller", "3", "--finetune", "2", "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "singular values of each layer's outputs" in printed
    assert "before" in printed
    assert "fine-tuned" in printed
    report = json.loads((out / "compress.json").read_text())
    assert report["parameters"][0] >= 3 * report["parameters"][1]
    assert set(report["accuracy"]) == {"before", "factored", "fine-tuned"}
    assert (out / "singular-values.png").read_bytes().startswith(b"\x89PNG")
    model = Model.load(out / "model.npz")
    assert model.config.n_parameters == report["parameters"][1]
    assert json.loads((out / "run.json").read_text())["network"]["rank"] == list(model.config.rank)
    assert main(["predict", str(out), "digits"]) == 0
    assert main(["summary", str(out)]) == 0
    assert "2 V" in capsys.readouterr().out
    assert main(["train", "digits", "--resume", str(out), "--epochs", "3", "--quiet"]) == 0


def test_without_the_data_the_weights_are_measured(run_folder, tmp_path, capsys):
    model = run_folder / "model.npz"
    out = tmp_path / "thin"
    assert main(["compress", str(model), "--rank", "0,4,5", "--out", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["measure"] == "weights"
    assert report["accuracy"] == {}
    assert [layer["rank"] for layer in report["layers"]] == [0, 4, 5]
    assert Model.load(out / "model.npz").config.rank == (0, 4, 5)


def test_the_folder_is_named_after_the_model(run_folder, capsys):
    for k, expected in enumerate(("digits-1-compressed", "digits-1-compressed-2")):
        assert main(["compress", str(run_folder), "--energy", f"0.{8 - k}", "--data", "none"]) == 0
        assert (run_folder.parent / expected / "model.npz").is_file()
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--finetune", "-1"], "--finetune is -1; it must be 0 or more"),
        (["--seed", "-1"], "--seed is -1; it must be 0 or more"),
        (["--lr", "0.1"], "--lr is for --finetune"),
        (["--finetune", "1", "--lr", "nan"], "lr is nan"),
        (["--smaller", "1"], "smaller is 1.0; it must be above 1"),
        (["--finetune", "1", "--data", "none"], "--finetune needs the images"),
        (["--measure", "outputs", "--data", "none"], "--measure needs the images"),
        (["--rank", "4,x"], "--rank is '4,x'; it must be one whole number"),
        (["--rank", "4,4"], "rank has 2 entries, but the network has 3 layers"),
        (["--energy", "1.5"], "energy is 1.5; it must be above 0"),
        (["--energy", "0.5", "--rank", "3"], "not allowed with"),
    ],
)
def test_one_line_for_a_mistake(run_folder, tmp_path, capsys, options, message):
    out = tmp_path / "thin"
    with pytest.raises(SystemExit) as stopped:
        raise SystemExit(main(["compress", str(run_folder), "--out", str(out), *options]))
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_an_interrupted_tuning_can_go_on(run_folder, tmp_path, capsys, monkeypatch):
    from simplenn_py.training import training

    def interrupted(*args, **options):
        model, history = untouched(*args, **options)
        history.interrupted = True
        return model, history

    untouched = training.train
    monkeypatch.setattr(training, "train", interrupted)
    out = tmp_path / "a folder"
    command = ["compress", str(run_folder), "--rank", "4", "--finetune", "1", "--out", str(out)]
    assert main([*command, "--json"]) == 130
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"simplenn train digits --resume '{out}'" in printed.err
    assert json.loads((out / "compress.json").read_text())["accuracy"]["factored"] > 0


def test_a_damaged_report_is_no_reason_to_fail(run_folder, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "model.npz").write_bytes((run_folder / "model.npz").read_bytes())
    (folder / "run.json").write_text("[" * 200_000)
    assert main(["compress", str(folder), "--rank", "4"]) == 0
    assert "of each layer's weights" in capsys.readouterr().out


def test_a_folder_that_another_command_has_just_made(tmp_path):
    model = tmp_path / "run"
    taken = compress._free_name(model)
    taken.mkdir()  # after the name was found to be free
    default = argparse.Namespace(out=None, model=str(model))
    made = compress._make_folder(default, taken, is_new=True)
    assert made == tmp_path / "run-compressed-2"
    assert made.is_dir()
    with pytest.raises(DataError, match="choose another --out"):
        compress._make_folder(argparse.Namespace(out=str(taken)), taken, is_new=True)


def test_nothing_is_overwritten(run_folder, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["compress", str(run_folder), "--out", str(tmp_path / "file")]) == 2
    assert "is a file; name a folder" in capsys.readouterr().err
    assert main(["compress", str(run_folder), "--out", str(run_folder)]) == 2
    assert "already holds a model" in capsys.readouterr().err


def test_a_model_without_normalisation_is_asked_for_one(tmp_path, capsys):
    config = nn.NetConfig.preset("digits", 8, 8)
    model = Model.initialise(config, np.arange(10), np.random.default_rng(0))
    model.save(tmp_path / "model.npz")
    assert main(["compress", str(tmp_path / "model.npz")]) == 2
    assert "--normalise" in capsys.readouterr().err
