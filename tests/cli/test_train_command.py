"""simplenn train as a user meets it: output, exit status, signals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from simplenn_py.cli import main
from simplenn_py.cli.train import _next_folder
from simplenn_py.model.model import Model

QUICK = ["--epochs", "2", "--limit", "200"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run_main(capsys, *words):
    status = main(["train", *words])
    return status, *capsys.readouterr()


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "simplenn_py", "train", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(process, text):
    """Read lines until one contains `text`."""
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"{text!r} was never printed: {process.stderr.read()}")


def test_plain_lines_where_there_is_no_terminal(capsys, tmp_path):
    status, out, err = run_main(capsys, "digits", *QUICK)
    assert status == 0
    assert err == ""
    assert re.search(r"^epoch 1/2  loss \d+\.\d{4}  train [ \d.]+ %  [\d.]+ s  [\d,]+ images/s$",
                     out, re.MULTILINE)  # fmt: skip
    assert re.search(r"test accuracy [\d.]+ %.*written to runs.digits-1", out)
    assert "\x1b" not in out
    assert (tmp_path / "runs" / "digits-1" / "model.npz").is_file()


def test_the_next_run_gets_the_next_folder(capsys, tmp_path):
    for _ in range(2):
        assert run_main(capsys, "digits", *QUICK, "--quiet")[0] == 0
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["digits-1", "digits-2"]


def test_runs_that_start_together_get_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(_next_folder, ["digits"] * 40))
    assert sorted(made) == sorted(Path("runs", f"digits-{n}") for n in range(1, 41))


def test_a_name_that_is_taken_by_anything_is_passed_over(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "digits-1").write_text("a file")
    if hasattr(os, "symlink"):
        (tmp_path / "runs" / "digits-2").symlink_to("nowhere")
        assert _next_folder("digits").name == "digits-3"


@pytest.mark.parametrize("words", [["--config", "layer9"], ["--limit", "5000"]])
def test_a_start_that_fails_leaves_no_folder(capsys, tmp_path, words):
    assert run_main(capsys, "digits", *words)[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_runs_that_is_a_file(capsys, tmp_path):
    (tmp_path / "runs").write_text("")
    status, _, err = run_main(capsys, "digits", *QUICK)
    assert status == 2
    assert err.startswith("simplenn: error: cannot make a folder in runs: ")
    assert "choose another --out" in err


def test_quiet_says_the_result_only(capsys):
    _, out, err = run_main(capsys, "digits", *QUICK, "--quiet")
    assert len(out.splitlines()) == 1
    assert err == ""


def test_json_is_alone_on_stdout(capsys, tmp_path):
    status, out, err = run_main(capsys, "digits", *QUICK, "--json")
    assert status == 0
    assert json.loads(out) == json.loads((tmp_path / "runs/digits-1/run.json").read_text())
    assert "epoch 2/2" in err
    assert json.loads(out)["options"]["C"] == 1.0


def test_infinite_C_is_strict_json(capsys):
    _, out, _ = run_main(capsys, "digits", *QUICK, "--json", "--C", "inf", "--quiet")
    assert json.loads(out, parse_constant=pytest.fail)["options"]["C"] == "inf"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nosuch"], "data set 'nosuch' is unknown; use one of digits, mnist"),
        (["digts"], "did you mean 'digits'"),
        (["digits", "--lr", "-1"], "lr is -1.0; it must be a number, 0 or more"),
        (["digits", "--config", "layer9"], "must be a preset .* did you mean 'layer"),
        (["digits", "--image-shape", "8x8"], "--image-shape is '8x8'; it must be height, width"),
        (["digits", "--resume", "nowhere"], r"nowhere has no checkpoint\.npz"),
        (["digits", "--resume", "x", "--config", "layer4"], "a resumed run keeps its own"),
        (["digits", "--limit", "99999"], "limit is 99999, but there are 1442 training images"),
    ],
)
def test_mistakes_cost_one_line_and_status_2(capsys, words, message):
    status, _, err = run_main(capsys, *words)
    assert status == 2
    assert re.match(rf"simplenn: error: .*{message}.*\n\Z", err)
    assert "Traceback" not in err


def test_mistakes_that_argparse_finds_are_one_line_too(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "digits", "--epochs", "many"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "simplenn: error: argument --epochs: 'many' is not a whole number; "
        "see 'simplenn train --help'\n"
    )


def test_nothing_is_left_behind_by_a_mistake(capsys, tmp_path):
    run_main(capsys, "digits", "--config", "layer9")
    run_main(capsys, "digits", "--lr", "-1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process alone")
def test_ctrl_c_saves_and_tells_how_to_go_on():
    process = start("digits", "--epochs", "100000", "--out", "run")
    wait_for(process, "epoch      2/")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    command = re.search(r"continue with: simplenn (train digits --resume run)", out)[1]
    done = json.loads(Path("run/run.json").read_text())
    assert done["status"] == "interrupted"
    more = ["--epochs", str(done["epochs"] + 2), "--quiet"]
    assert main([*command.split(), *more]) == 0
    assert main(["train", "digits", "--out", "whole", *more]) == 0
    assert np.array_equal(Model.load("run/model.npz").theta, Model.load("whole/model.npz").theta)


def test_killed_at_any_moment_loses_at_most_the_epoch_under_way(capsys):
    assert main(["train", "digits", "--epochs", "30", "--out", "whole", "--quiet"]) == 0
    rng = np.random.default_rng(0)
    process = start("digits", "--epochs", "30", "--out", "run")
    wait_for(process, "epoch  1/")
    for _ in range(3):
        time.sleep(rng.uniform(0.05, 0.4))
        process.kill()
        process.communicate()
        Model.load("run/model.npz")  # whole, whatever the moment
        process = start("digits", "--resume", "run")
        process.stdout.readline()
    process.communicate(timeout=120)
    capsys.readouterr()
    assert np.array_equal(Model.load("run/model.npz").theta, Model.load("whole/model.npz").theta)
    assert [p for p in os.listdir("run") if "tmp" in p] == []


def test_your_own_npz_and_config(capsys, tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 40)
    X = (rng.integers(0, 50, (40, 30)) + 150 * y[:, None]).astype(np.uint8)
    np.savez(tmp_path / "mine.npz", X=X, y=np.array(["dark", "light"])[y])
    (tmp_path / "mine.config").write_text(
        "LC = 1; LF = 1;\nht_input = [6]; wd_input = [5]; ch_input = [1,4];  % six by five\n"
        "wd_pad_added = [1]; wd_filter = [3]; strides = [1]; wd_subimage_pool = [2];\n"
        "full_neurons = [2];\n"
    )
    status, out, err = run_main(
        capsys, "mine.npz", "--config", "mine.config", "--epochs", "5", "--batch-size", "10"
    )
    assert status == 0, err
    assert "train accuracy 100.00 %" in out
    assert "test accuracy" not in out
    assert list(Model.load(tmp_path / "runs/mine-1/model.npz").classes) == ["dark", "light"]
    status, _, err = run_main(capsys, "mine.npz", "--epochs", "5")
    assert status == 2
    assert "--image-shape" in err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_a_reader_who_leaves_ends_the_run_quietly():
    process = start("digits", "--epochs", "100000", "--out", "run")
    wait_for(process, "epoch      1/")
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    Model.load("run/model.npz")
