"""train(): results, seeds, resuming bit for bit, refusals before any work."""

import json
import os
import signal
import sys
from dataclasses import replace

import numpy as np
import pytest
from networks import STRIPES, fit, stripes, without_times

import simplenn_py
from simplenn_py import Dataset, Images, NetConfig, TrainOptions, layout
from simplenn_py.errors import ConfigError, DataError, DivergedError, OptionError
from simplenn_py.opt.hooks import Hook
from simplenn_py.training.checkpoint import Checkpoint
from simplenn_py.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def data():
    return Dataset("stripes", stripes(90, 1), stripes(45, 2), "made by the test")


def files(folder):
    return sorted(p.name for p in folder.iterdir())


class InterruptAt(Hook):
    """Sends the process a real SIGINT after some update."""

    def __init__(self, update):
        self.update = update

    def on_batch(self, state):
        if state.updates == self.update:
            os.kill(os.getpid(), signal.SIGINT)


def test_it_learns_and_reports(data):
    model, history = fit(data, TrainOptions(epochs=12, batch_size=16, lr=0.05))
    report = history.report
    assert report["test_accuracy"] > 0.95
    assert report["test_accuracy"] == model.score(data.test.Z, data.test.y)
    assert report["train_accuracy"] == model.score(data.train.Z, data.train.y)
    assert set(model.predict(data.test.Z)) == {"h", "v", "x"}
    assert [r["epoch"] for r in history.records] == list(range(1, 13))
    assert history.records[-1]["loss"] < history.records[0]["loss"] / 2


def test_same_seed_same_bits_other_seed_others(data):
    first, second = fit(data)[0], fit(data)[0]
    assert np.array_equal(first.theta, second.theta)
    other = fit(data, TrainOptions(epochs=3, batch_size=16, lr=0.05, C=1.0, seed=1))[0]
    assert not np.array_equal(first.theta, other.theta)


def test_the_run_folder_holds_everything(data, tmp_path):
    model, history = fit(data, out=tmp_path / "run")
    assert files(tmp_path / "run") == [
        "checkpoint.npz", "confusion.png", "curves.png", "filters.png", "history.csv",
        "model.npz", "run.json",
    ]  # fmt: skip
    report = json.loads((tmp_path / "run" / "run.json").read_text())
    assert report["status"] == "finished"
    assert report["options"]["lr"] == 0.05
    assert report["seed"] == 0
    assert report["threads"] >= 1
    assert 0 <= report["test_accuracy"] <= 1
    assert report["test_loss"] > 0
    assert {"versions", "cpu", "blas", "environment", "timings", "network"} <= set(report)
    loaded = simplenn_py.Model.load(tmp_path / "run" / "model.npz")
    assert np.array_equal(loaded.theta, model.theta)
    lines = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert lines[0].startswith("epoch,updates,lr,loss,train_accuracy")
    assert len(lines) == 1 + len(history.records)


@pytest.mark.parametrize("update", [1, 4, 5, 10, 13])
@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_interrupted_and_resumed_is_bit_identical(data, tmp_path, update, validation):
    options = TrainOptions(epochs=3, batch_size=16, lr=0.05, C=1.0, validation=validation)
    whole, whole_history = fit(data, options, out=tmp_path / "whole")
    _, history = fit(data, options, out=tmp_path / "parts", hooks=[InterruptAt(update)])
    # The test's hook comes after the one that listens, so the next update is the last.
    assert history.interrupted == (update + 1 < whole_history.report["updates"])
    if not history.interrupted:
        return
    assert history.report["test_accuracy"] is None
    resumed, history = fit(data, None, config=None, resume=tmp_path / "parts")
    assert np.array_equal(resumed.theta, whole.theta)
    assert without_times(history.records) == without_times(whole_history.records)
    models = [(tmp_path / run / "model.npz").read_bytes() for run in ("parts", "whole")]
    assert models[0] == models[1]


def test_more_epochs_go_on_where_fewer_ended(data, tmp_path):
    long = TrainOptions(epochs=5, batch_size=16, lr=0.05, C=1.0)
    whole, _ = fit(data, long)
    fit(data, out=tmp_path / "run")
    longer, _ = fit(data, long, config=None, resume=tmp_path / "run")
    assert np.array_equal(longer.theta, whole.theta)


def test_one_cycle_and_mirrored_images_resume_bit_identically_too(data, tmp_path):
    options = TrainOptions(
        epochs=3, batch_size=16, lr=0.05, schedule="one-cycle", augment="flip", validation=0.2
    )
    whole, _ = fit(data, options)
    fit(data, options, out=tmp_path / "run", hooks=[InterruptAt(7)])
    resumed, history = fit(data, None, config=None, resume=tmp_path / "run")
    assert np.array_equal(resumed.theta, whole.theta)
    assert history.records[-1]["lr"] < history.records[0]["lr"]
    plain = TrainOptions(epochs=3, batch_size=16, lr=0.05, schedule="one-cycle", validation=0.2)
    assert not np.array_equal(fit(data, plain)[0].theta, whole.theta)
    longer = TrainOptions(
        epochs=4, batch_size=16, lr=0.05, schedule="one-cycle", augment="flip", validation=0.2
    )
    with pytest.raises(
        OptionError, match="epochs is 4, but the schedule one-cycle was planned for 3"
    ):
        fit(data, longer, config=None, resume=tmp_path / "run")


@pytest.mark.parametrize("engine", ["direct", "lecture"])
def test_both_engines_train_the_same_network(data, engine):
    options = TrainOptions(epochs=3, batch_size=16, lr=0.05, dtype="float64", engine=engine)
    model, _ = fit(data, options)
    other = fit(data, TrainOptions(epochs=3, batch_size=16, lr=0.05, dtype="float64"))[0]
    np.testing.assert_allclose(model.theta, other.theta, rtol=1e-9, atol=1e-11)


def test_a_resumed_run_keeps_its_options_and_images(data, tmp_path):
    fit(data, out=tmp_path / "run")
    changed = TrainOptions(epochs=3, batch_size=16, lr=0.1, C=1.0, seed=5)
    with pytest.raises(
        OptionError,
        match=r"lr 0\.1, seed 5 cannot be chosen.*which was started with lr 0\.05, seed 0",
    ):
        fit(data, changed, config=None, resume=tmp_path / "run")
    others = Dataset("others", stripes(90, 3), None, "made by the test")
    with pytest.raises(DataError, match="was not trained on the images of others"):
        fit(others, None, config=None, resume=tmp_path / "run")
    with pytest.raises(DataError, match=r"has no checkpoint\.npz"):
        fit(data, None, config=None, resume=tmp_path)
    with pytest.raises(OptionError, match="leave config, out and start out"):
        fit(data, None, resume=tmp_path / "run")


def test_fewer_epochs_than_were_begun_are_refused(data, tmp_path):
    fit(data, out=tmp_path / "run", hooks=[InterruptAt(8)])  # in the second epoch of six updates
    before = (tmp_path / "run" / "checkpoint.npz").read_bytes()
    fewer = TrainOptions(epochs=1, batch_size=16, lr=0.05, C=1.0)
    with pytest.raises(
        OptionError, match=r"epochs is 1, .* has already begun epoch 2; give at least 2"
    ):
        fit(data, fewer, config=None, resume=tmp_path / "run")
    assert (tmp_path / "run" / "checkpoint.npz").read_bytes() == before


def test_a_start_that_came_to_nothing_leaves_the_folder_free(data, tmp_path, monkeypatch):
    from simplenn_py.training import training

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "_compile", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit(data, out=tmp_path / "run")
    with pytest.raises(DivergedError):
        fit(data, TrainOptions(batch_size=16, lr=1e30, loss="squared"), out=tmp_path / "run")
    fit(data, out=tmp_path / "run")
    assert (tmp_path / "run" / "model.npz").is_file()


def test_validation_keeps_the_best_epoch(data, tmp_path):
    options = TrainOptions(epochs=6, batch_size=16, lr=0.05, validation=0.3)
    model, history = fit(data, options, out=tmp_path / "run")
    accuracies = [r["validation_accuracy"] for r in history.records]
    assert history.report["best_epoch"] == 1 + int(np.argmax(accuracies))
    assert history.report["dataset"]["validation_images"] == 27
    loaded = simplenn_py.Model.load(tmp_path / "run" / "model.npz")
    assert np.array_equal(loaded.theta, model.theta)


def test_held_out_images_touch_neither_weights_nor_mean(data):
    """Changing a held-out image changes nothing that is learnt."""
    from simplenn_py.training.job import subsets

    options = TrainOptions(epochs=1, batch_size=16, validation=0.3)
    y = np.unique(data.train.y, return_inverse=True)[1]
    held_out = subsets(y, options)[1]
    Z = data.train.Z.copy(order="F")
    layout.pixels(Z, 6, 5)[held_out] = 7
    changed = Dataset("stripes", Images(Z, data.train.y, 6, 5), None, "changed")
    assert np.array_equal(fit(data, options)[0].theta, fit(changed, options)[0].theta)


class TestAValidationSetOfItsOwn:
    OPTIONS = TrainOptions(epochs=6, batch_size=16, lr=0.05, augment="flip")

    @pytest.fixture
    def divided(self, data):
        return replace(data, validation=stripes(30, 3))

    @pytest.mark.parametrize("solver", ["sgd", "adam", "newton"])
    def test_it_chooses_the_best_epoch_and_teaches_nothing(self, data, divided, solver):
        """Without the choice all weights are those of a training without a validation set."""
        newton = TrainOptions(solver="newton", iter_max=3)
        options = newton if solver == "newton" else replace(self.OPTIONS, solver=solver)
        _, history = fit(divided, options)
        accuracies = [r["validation_accuracy"] for r in history.records]
        best = history.report["best_epoch"]
        assert best == 1 + int(np.argmax(accuracies))
        shorter = {"iter_max" if solver == "newton" else "epochs": best}
        same = fit(data, replace(options, **shorter))[0]
        assert np.array_equal(fit(divided, replace(options, **shorter))[0].theta, same.theta)
        assert history.report["dataset"]["validation_images"] == 30
        assert history.report["dataset"]["training_images"] == 90
        if solver != "newton":
            assert same.score(divided.validation.Z, divided.validation.y) == max(accuracies)

    def test_interrupted_and_resumed_is_bit_identical(self, divided, tmp_path):
        whole = fit(divided, self.OPTIONS)
        fit(divided, self.OPTIONS, out=tmp_path / "run", hooks=[InterruptAt(8)])
        resumed = fit(divided, None, config=None, resume=tmp_path / "run")
        assert np.array_equal(resumed[0].theta, whole[0].theta)
        assert without_times(resumed[1].records) == without_times(whole[1].records)

    def test_a_run_is_resumed_with_the_same_validation_set_only(self, data, divided, tmp_path):
        fit(divided, self.OPTIONS, out=tmp_path / "run", hooks=[InterruptAt(1)])
        for other in (data, replace(data, validation=stripes(30, 4))):
            with pytest.raises(DataError, match="was not trained on the images of stripes"):
                fit(other, None, config=None, resume=tmp_path / "run")

    def test_it_is_not_used_beside_held_out_images(self, divided):
        with pytest.raises(OptionError, match=r"validation is 0.2, but stripes has .* 30 images"):
            fit(divided, replace(self.OPTIONS, validation=0.2))

    def test_what_is_wrong_with_it_is_told_before_any_work(self, data):
        for validation, error, message in (
            (
                stripes(30, 3, ("h", "v", "?")),
                DataError,
                r"\d+ validation images have the label '\?', which the training set lacks",
            ),
            (stripes(30, 3, (1, 2, 3)), DataError, "30 validation images have labels"),
            (
                Images(np.zeros((1, 64)), np.array(["h"]), 8, 8),
                ConfigError,
                "the validation images are 8x8",
            ),
        ):
            with pytest.raises(error, match=message):
                fit(replace(data, validation=validation))

    def test_limit_is_for_the_training_images(self, divided):
        _, history = fit(divided, replace(self.OPTIONS, epochs=1, limit=30))
        sizes = history.report["dataset"]
        assert (sizes["training_images"], sizes["validation_images"]) == (30, 30)


def test_limit_takes_that_many_images_of_all_classes(data):
    _, history = fit(data, TrainOptions(epochs=1, batch_size=8, limit=30))
    assert history.report["dataset"]["training_images"] == 30
    assert history.report["updates"] == 4
    with pytest.raises(OptionError, match="limit is 91, but there are 90"):
        fit(data, TrainOptions(limit=91))


def test_divergence_keeps_the_last_good_model(data, tmp_path):
    class Poison(Hook):
        def on_epoch(self, state):
            if state.epoch == 2:
                state.v[:] = np.inf  # the next update carries the weights off

    with pytest.raises(DivergedError, match=r"epoch 3.*too large.*model\.npz holds epoch 2"):
        fit(data, out=tmp_path / "run", hooks=[Poison()])
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "diverged"
    two = fit(data, TrainOptions(epochs=2, batch_size=16, lr=0.05, C=1.0))[0]
    kept = simplenn_py.Model.load(tmp_path / "run" / "model.npz")
    assert np.array_equal(kept.theta, two.theta)


def test_a_far_too_large_rate_says_so(data):
    with pytest.raises(DivergedError, match=r"most likely lr = 1e\+10 is too large"):
        fit(data, TrainOptions(epochs=50, batch_size=16, lr=1e10, loss="squared"))


def test_an_existing_run_is_never_written_over(data, tmp_path):
    fit(data, out=tmp_path / "run")
    before = (tmp_path / "run" / "model.npz").read_bytes()
    with pytest.raises(DataError, match=r"already holds a run.*--resume"):
        fit(data, out=tmp_path / "run")
    assert (tmp_path / "run" / "model.npz").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_told_before_training(data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write into .*choose another --out"):
        fit(data, out=tmp_path / "file" / "run")


def test_a_full_disk_is_told_before_training(data, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(DataError, match="has 0 MiB free, but the run needs"):
        fit(data, out=tmp_path / "run")


def test_too_little_memory_is_told_before_training(data, monkeypatch):
    import psutil

    class Little:
        available = 1000

    monkeypatch.setattr(psutil, "virtual_memory", lambda: Little)
    with pytest.raises(OptionError, match=r"batch_size 16 needs .* MiB of memory, but 0 MiB are"):
        fit(data)


def test_network_and_data_must_fit(data, tmp_path):
    with pytest.raises(ConfigError, match=r"takes 8x8x1 images, .* are 6x5x1"):
        fit(data, config=NetConfig.preset("digits", 8, 8, 1, 3))
    with pytest.raises(ConfigError, match=r"ends with 10, but the training images have 3 classes"):
        fit(data, config=NetConfig.preset("digits", 6, 5, 1, 10))
    with pytest.raises(ConfigError, match=r"must be a preset .* did you mean 'layer4'"):
        fit(data, config="layer44")
    STRIPES.write(tmp_path / "net.config")
    assert fit(data, config=tmp_path / "net.config")[0].config == STRIPES
    other_size = Images(np.zeros((1, 64), order="F"), np.array(["h"]), 8, 8)
    wide = Dataset("wide", data.train, other_size, "made by the test")
    with pytest.raises(ConfigError, match="the test images are 8x8"):
        fit(wide)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda Z, y: (Z[:, :-1], y), "has shape"),
        (lambda Z, y: (Z.astype(complex), y), "must be real numbers"),
        (lambda Z, y: (np.where(Z > 200, np.nan, Z), y), "value nan at index"),
        (lambda Z, y: (Z, np.zeros_like(y)), "all training images have the label"),
    ],
)
def test_bad_images_are_refused(data, change, message):
    Z, y = change(data.train.Z.copy(order="F"), data.train.y)
    with pytest.raises(DataError, match=message):
        fit(Dataset("bad", Images(np.asfortranarray(Z), y, 6, 5), None, ""))


def test_a_label_that_training_never_saw_counts_as_a_mistake(data):
    y = data.test.y.copy()
    y[:9] = "?"
    strange = Dataset("strange", data.train, Images(data.test.Z, y, 6, 5), "")
    model, history = fit(strange)
    right = np.sum(model.predict(data.test.Z)[9:] == y[9:])
    assert history.report["test_accuracy"] == right / 45
    assert history.report["test_loss"] is None


def test_float64_and_float32_follow_the_same_path(data):
    single = fit(data)[0]
    double = fit(data, TrainOptions(epochs=3, batch_size=16, lr=0.05, C=1.0, dtype="float64"))[0]
    assert double.theta.dtype == np.float64
    np.testing.assert_allclose(single.theta, double.theta, atol=2e-4)


def test_threads_beyond_the_machine_are_refused(data, tmp_path):
    with pytest.raises(OptionError, match=r"threads is 10000; it must be from 0 to \d+"):
        fit(data, TrainOptions(threads=10000), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_of_a_larger_computer_goes_on_with_the_threads_there_are(data, tmp_path, capsys):
    options = TrainOptions(epochs=2, batch_size=16, lr=0.05, schedule="decay")
    fit(data, replace(options, epochs=1), out=tmp_path / "run")
    saved = Checkpoint.read(tmp_path / "run")
    saved.options = replace(saved.options, threads=10000)
    longer = replace(options, threads=10000)
    model, history = simplenn_py.train(data, options=longer, resume=saved, progress=True)
    assert "threads was 10000; this process has" in capsys.readouterr().out
    assert 0 < history.report["threads"] < 10000
    assert np.array_equal(model.theta, fit(data, options)[0].theta)
    with pytest.raises(OptionError, match="threads is 9999"):
        simplenn_py.train(data, options=replace(longer, threads=9999), resume=saved)


class Predicting(Hook):
    """Predicts after every update with another model."""

    def __init__(self, model, images):
        self.model, self.images = model, images

    def on_batch(self, state):
        self.model.predict(self.images)


def test_a_hook_may_predict(data):
    model, _ = fit(data)
    again, _ = fit(data, hooks=[Predicting(model, data.test.Z)])
    assert np.array_equal(again.theta, model.theta)


no_locks = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot lock a folder")


@no_locks
def test_one_run_at_a_time_writes_into_a_folder(data, tmp_path):
    fit(data, out=tmp_path / "run")
    held = RunFolder(tmp_path / "run")
    held.claim()
    with pytest.raises(DataError, match=r"another run is writing into .*run; wait until it ends"):
        simplenn_py.train(data, resume=tmp_path / "run", progress=False)
    with pytest.raises(DataError, match="another run is writing into"):
        fit(data, out=tmp_path / "run")
    held.release()
    simplenn_py.train(data, resume=tmp_path / "run", progress=False)
    RunFolder(tmp_path / "run").claim()  # the run has let it go


@no_locks
def test_of_two_runs_with_one_folder_the_second_is_refused(tmp_path):
    first = RunFolder.create(tmp_path / "run", 1, 1)
    with pytest.raises(DataError, match="another run is writing into"):
        RunFolder.create(tmp_path / "run", 1, 1)
    del first  # as if its start had failed
    RunFolder.create(tmp_path / "run", 1, 1)
