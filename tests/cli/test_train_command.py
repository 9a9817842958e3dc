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


def save_stripes(path, count=24, a=8, b=8):
    """Write an .npz file of two easy classes: stripes along the rows, and along the columns."""
    rng = np.random.default_rng(2)
    y = np.arange(count) % 2
    X = rng.integers(0, 40, (count, a, b), np.uint8)
    X[y == 0, ::2] += 200
    X[y == 1, :, ::2] += 200
    np.savez(path, X=X, y=y)
    return str(path)


@pytest.mark.parametrize("solver", ["sgd", "adam", "newton"])
def test_the_last_line_tells_the_validation_accuracy_of_the_best_epoch(capsys, tmp_path, solver):
    path = save_stripes(tmp_path / "stripes.npz")
    length = ["--iter-max" if solver == "newton" else "--epochs", "3"]
    _, out, _ = run_main(
        capsys, path, "--solver", solver, *length, "--config", "digits", "--validation", "0.25",
        "--quiet",
    )  # fmt: skip
    report = json.loads(Path("runs/stripes-1/run.json").read_text())
    step = "iteration" if solver == "newton" else "epoch"
    accuracy = f"{100 * report['validation_accuracy']:.2f}"
    assert f"validation accuracy {accuracy} % (best {step}: {report['best_epoch']} of 3)" in out
    assert report["validation_loss"] > 0
    assert "no images were held out" not in out


def test_the_confusion_shows_the_images_that_were_held_out(capsys, tmp_path, monkeypatch):
    from simplenn_py.training.run_folder import RunFolder

    drawn = []

    def keep(self, *args, **options):
        drawn.append(args)
        return []

    monkeypatch.setattr(RunFolder, "save_figures", keep)
    path = save_stripes(tmp_path / "stripes.npz")
    words = [path, "--epochs", "1", "--config", "digits", "--quiet"]
    run_main(capsys, *words, "--validation", "0.25")
    run_main(capsys, *words)
    run_main(capsys, "digits", *QUICK, "--quiet", "--validation", "0.25")
    parts = [next(x for x in args if isinstance(x, str) and x.endswith("images")) for args in drawn]
    counts = [next(int(x.sum()) for x in args if isinstance(x, np.ndarray)) for args in drawn]
    assert list(zip(parts, counts, strict=True)) == [
        ("validation images", 6), ("training images", 24), ("test images", 355)
    ]  # fmt: skip


def test_it_says_that_nothing_was_held_out(capsys, tmp_path):
    path = save_stripes(tmp_path / "stripes.npz")
    _, out, _ = run_main(capsys, path, "--epochs", "1", "--config", "digits", "--quiet")
    assert "no images were held out to test it (see --validation and --test)" in out


def test_a_validation_set_of_no_images_is_refused(capsys, tmp_path):
    path = save_stripes(tmp_path / "four.npz", count=4)
    status, _, err = run_main(capsys, path, "--config", "digits", "--validation", "0.1")
    assert status == 2
    assert "validation is 0.1, which holds out none of 4 images; give more than 0.125" in err
    status, _, err = run_main(capsys, "digits", "--limit", "9")
    assert status == 2
    assert "limit is 9, but there are 10 classes" in err


@pytest.mark.parametrize(
    ("words", "used"),
    [
        ([], {"lr": 0.01}),
        (["--lr", "0.03"], {"lr": 0.03}),
        (["--solver", "adam"], {"lr": 0.001}),
        (["--solver", "newton", "--iter-max", "1"], {"GNsize": 2}),
    ],
)
def test_the_report_has_the_values_that_were_used(capsys, tmp_path, words, used):
    path = save_stripes(tmp_path / "stripes.npz")
    options = [] if "newton" in words else ["--epochs", "1"]
    run_main(capsys, path, "--config", "digits", *options, *words, "--quiet")
    report = json.loads(Path("runs/stripes-1/run.json").read_text())
    assert {name: report["options"][name] for name in used} == used
    status, _, err = run_main(capsys, path, "--resume", "runs/stripes-1", "--quiet")
    assert (status, err) == (0, "")


def test_a_huge_loss_is_written_in_powers_of_ten(capsys):
    _, out, err = run_main(capsys, "digits", *QUICK, "--lr", "10", "--loss", "squared")
    assert not re.search(r"\d{7}", out + err)


def test_an_option_that_a_resumed_run_keeps(capsys):
    run_main(capsys, "digits", *QUICK, "--quiet")
    status, _, err = run_main(
        capsys, "digits", "--resume", "runs/digits-1", "--solver", "newton", "--lr", "3"
    )
    assert status == 2
    assert re.search(
        r"solver newton, lr 3\.0 cannot be chosen for a resumed run, which was started with solver "
        r"sgd, lr [.\d]+; only epochs and threads can change; leave them out, or start a new run",
        err,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tran"], "did you mean 'train'? See 'simplenn --help'"),
        (
            ["train", "digits", "--epohcs", "3"],
            "did you mean '--epochs'? See 'simplenn train --help'",
        ),
        (["train", "digits", "--learning-rate=3"], "did you mean '--lr'?"),
        (["train", "digits", "--input-format", "rwo"], "did you mean 'row'?"),
        (["exercise", "chek"], "did you mean 'check'?"),
        (["data", "fetsh"], "did you mean 'fetch'?"),
        (["train", "digits", "more"], "unrecognized arguments: more; see"),
        (["no\nsuch"], r"invalid choice: 'no\nsuch'"),
    ],
)
def test_near_words_are_offered(capsys, words, message):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.parametrize("words", [["train", "digits"], ["summary"], ["profile"]])
def test_a_preset_that_is_too_deep_names_others(capsys, words):
    option = ["--config", "vgg11"] if words[0] == "train" else ["vgg11", "--image-shape", "8x8x1"]
    assert main([*words, *option]) == 2
    err = capsys.readouterr().err
    assert "the preset vgg11 is too deep for 8x8 images" in err
    assert "32x32 or more, or choose the preset digits or layer4" in err
    assert "wd_" not in err


def test_a_folder_with_its_own_validation_set(capsys, tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 2), ("test", 2)):
        for label in ("dark", "light"):
            folder = tmp_path / "shades" / part / label
            folder.mkdir(parents=True)
            for n in range(count):
                grey = rng.integers(0, 99, (8, 8)) + 150 * (label == "light")
                Image.fromarray(grey.astype(np.uint8)).save(folder / f"{n}.png")
    (tmp_path / "shades" / "more" / "dark").mkdir(parents=True)
    words = ["shades", "--config", "digits", "--epochs", "2", "--batch-size", "4"]
    status, out, _ = run_main(capsys, *words)
    assert status == 0
    assert out.splitlines()[0] == (
        "shades: 12 training images, 4 validation images, shades; not used: more"
    )
    counts = json.loads((tmp_path / "runs/shades-1/run.json").read_text())["dataset"]
    assert (counts["training_images"], counts["validation_images"]) == (12, 4)
    status, out, err = run_main(capsys, *words, "--validation", "0.2")
    assert (status, out.count("\n")) == (2, 1)
    assert "shades has a validation set of its own, 4 images; leave validation out" in err
