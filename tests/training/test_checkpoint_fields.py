"""Every field of a checkpoint is checked by type, size and range before anything is resumed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from changed_files import write

from simplenn_py import Dataset, Images, load_dataset, train
from simplenn_py.errors import DataError, OptionError
from simplenn_py.io.npz import read_arrays
from simplenn_py.training.checkpoint import Checkpoint
from simplenn_py.training.options import TrainOptions

#: Two epochs of three batches on 80 of 100 images; the best epoch is the second.
OLDER = Path(__file__).parent / "older"
STATE, BEST = ("state",), ("best",)


def change(arrays: dict[str, Any], place: tuple[Any, ...], value: Any) -> None:
    """Set one entry of the JSON of a checkpoint; `...` removes it."""
    about = json.loads(str(arrays["checkpoint"][()]))
    holder = about
    for key in place[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    arrays["checkpoint"] = np.array(json.dumps(about))


def refused(folder: Path, arrays: dict[str, Any]) -> str:
    write(folder / "checkpoint.npz", arrays)
    with pytest.raises(DataError) as caught:
        Checkpoint.read(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'checkpoint.npz'} is not a checkpoint of simplenn_py")
    assert len(message) < 500
    return message


FIRST = (*STATE, "history", 0)
RNG = (*STATE, "rng")
#: Solver, place in the JSON, value, and what the message says.
FIELDS: list[tuple[str, tuple[Any, ...], Any, str]] = [
    ("sgd", ("format",), "simplenn_py checkpoint 1", "format is 'simplenn_py checkpoint 1'"),
    ("sgd", ("fingerprint",), ["x"], "fingerprint is a list of length 1; it must be a text"),
    ("sgd", ("fingerprint",), "x" * 10_000, "at most 200 characters"),
    ("sgd", ("state",), [], "state is a list of length 0; it must be a record with rng"),
    ("sgd", (*STATE, "v"), 3, "state.v is not a field of such a file"),
    ("sgd", (*STATE, "stop"), True, "state.stop is not a field of such a file"),
    ("sgd", (*STATE, "position"), -32, "state.position is -32; it must be a whole number, 0 or"),
    ("sgd", (*STATE, "position"), 0.0, "state.position is 0.0; it must be a whole number"),
    ("sgd", (*STATE, "position"), True, "state.position is True; it must be a whole number"),
    ("sgd", (*STATE, "position"), 96, "state.position is 96; it must be below 80"),
    ("sgd", (*STATE, "position"), 7, "it must be a multiple of batch_size = 32"),
    ("sgd", (*STATE, "correct"), 1, "at least state.correct = 1"),
    ("sgd", (*STATE, "updates"), 10**400, "state.updates is 1000"),
    ("sgd", (*STATE, "updates"), 5, "state.updates is 5, which does not fit epoch and position"),
    ("sgd", (*STATE, "epoch"), 3, "epoch is 3, but the history does not have the records 1 to 3"),
    ("sgd", ("options", "epochs"), 1, "state.epoch is 2, more than epochs = 1"),
    ("sgd", (*STATE, "loss_sum"), float("nan"), "state.loss_sum is nan; it must be a finite"),
    ("sgd", (*STATE, "loss_sum"), 10**400, "state.loss_sum is 1000"),
    ("sgd", (*STATE, "seconds"), -1.0, "state.seconds is -1.0; it must be a finite number, 0 or"),
    ("sgd", (*STATE, "history"), {}, "state.history is a record; it must be a list"),
    ("sgd", FIRST, None, "state.history[0] is null; it must be a record with epoch, updates"),
    ("sgd", (*FIRST, "loss"), ..., "state.history[0].loss is missing"),
    ("sgd", (*FIRST, "loss"), "low", "state.history[0].loss is 'low'; it must be a finite number"),
    ("sgd", (*FIRST, "train_accuracy"), 7.5, "it must be a number from 0 to 1"),
    ("sgd", (*FIRST, "updates"), 6, "the number of updates does not increase"),
    ("sgd", (*FIRST, "mine"), "\ud800", r"history[0].mine is '\ud800'; it must be valid Unicode"),
    ("sgd", (*FIRST, "\ud800"), 1, r"is '\ud800'; it must be valid Unicode"),
    ("sgd", (*FIRST, "mine"), {"a": ["\ud800"]}, r"history[0].mine.a[0] is '\ud800'; it must"),
    ("sgd", (*RNG, "bit_generator"), "MT19937", "bit_generator is 'MT19937'; it must be PCG64"),
    ("sgd", (*RNG, "state", "inc"), -1, "state.rng.state.inc is -1; it must be a whole number"),
    ("sgd", (*RNG, "state", "state"), 2**128, "it must be a whole number from 0 to"),
    ("sgd", (*RNG, "has_uint32"), 2, "has_uint32 is 2; it must be a whole number from 0 to 1"),
    ("sgd", ("options", "lr"), -1, "options: lr is -1.0; it must be a number, 0 or more"),
    ("sgd", ("options", "lr"), 10**400, "options: lr is beyond 2^256"),
    ("sgd", ("options", "batch_size"), 0, "options: batch_size is 0"),
    ("sgd", ("options", "batch_size"), 10**400, "options: batch_size is beyond 2^256"),
    ("sgd", ("options", "engine"), "x" * 10_000, "options: engine is 'xxxxx"),
    ("sgd", ("options", "colour"), "red", "options.colour is not a field of such a file"),
    ("sgd", ("options", "solver"), "adam", "state.m is missing"),
    ("sgd", ("options", "solver"), "newton", "state.lambda_ is missing"),
    ("sgd", ("options", "dtype"), "float64", "dtype float64, but the model has cross"),
    ("sgd", ("options", "loss"), "squared", "the options have loss squared and dtype"),
    ("sgd", BEST, [2], "best has 1 entries; it must have 2"),
    ("sgd", BEST, [2, 0.2, 1], "best is a list of length 3"),
    ("sgd", BEST, ["2", 0.2], "the epoch of best is '2'"),
    ("sgd", BEST, [1, 0.1], "best says epoch 1 with accuracy 0.1, with its weights"),
    ("sgd", BEST, [0, -1.0], "best says epoch 0"),
    ("newton", (*STATE, "lambda_"), -1.0, "state.lambda_ is -1.0; it must be a finite number, 0"),
    ("newton", (*STATE, "lambda_"), float("inf"), "state.lambda_ is inf"),
    ("newton", (*STATE, "seed"), "x", "state.seed is 'x'; it must be a whole number"),
    ("newton", (*STATE, "reason"), 3, "state.reason is 3; it must be a text"),
    ("newton", (*STATE, "first_norm"), None, "state.first_norm is null"),
    ("newton", (*FIRST, "cg_steps"), [1], "history[0].cg_steps is a list of length 1"),
    ("newton", (*FIRST, "alpha"), ..., "state.history[0].alpha is missing"),
    ("newton", (*FIRST, "cg_residuals"), ["1"], "history[0].cg_residuals[0] is '1'; it must be a"),
    ("newton", ("options", "iter_max"), 1, "state.iteration is 2, more than iter_max = 1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("solver", "place", "value", "message"), FIELDS, ids=[case[3][:40] for case in FIELDS]
)
def test_fields(
    solver: str, place: tuple[Any, ...], value: Any, message: str, tmp_path: Path
) -> None:
    arrays = read_arrays(OLDER / solver / "checkpoint.npz")
    change(arrays, place, value)
    assert message in refused(tmp_path, arrays)


#: Solver, array, what replaces it, and what the message says.
ARRAYS: list[tuple[str, str, Any, str]] = [
    ("sgd", "state_v", lambda x: x[:-1], "state.v is float32, shape (516,); it must be float32, "),
    ("sgd", "state_v", lambda x: x * np.nan, "state.v holds numbers that are not finite"),
    ("sgd", "state_v", lambda x: x * np.inf, "state.v holds numbers that are not finite"),
    ("sgd", "state_v", lambda x: x.astype(float), "state.v is float64, shape (517,)"),
    ("sgd", "state_v", lambda x: x * 1j, "state.v is complex64, shape (517,)"),
    ("sgd", "state_order", lambda x: x[::-1] * 0, "state.order is not a permutation"),
    ("sgd", "state_order", lambda x: x - 1, "state.order is not a permutation"),
    ("sgd", "state_order", lambda x: x.astype(float), "state.order is float64, shape (80,)"),
    ("sgd", "state_order", lambda x: x[:40], "state.order is not a permutation"),
    ("sgd", "best_theta", lambda x: x[:-1], "best_theta is float32, shape (516,)"),
    ("sgd", "best_theta", lambda x: x * np.nan, "best_theta holds numbers that are not finite"),
    ("sgd", "checkpoint", lambda x: np.array("[" * 100_000), "checkpoint: it is not valid JSON"),
    ("sgd", "checkpoint", lambda x: np.array("1" * 5000), "a number has too many digits"),
    ("sgd", "checkpoint", lambda x: np.array('{"a": 1, "a": 2}'), "the key 'a' occurs twice"),
    ("sgd", "checkpoint", lambda x: np.arange(3), "checkpoint is int64, shape (3,)"),
    ("sgd", "model_theta", lambda x: x * np.nan, "theta holds numbers that are not finite"),
    ("sgd", "model_range", lambda x: np.array([0, 0.0]), "the scale of the normalisation is 0"),
    ("sgd", "model_classes", lambda x: x * 0, "classes holds a label twice"),
    ("adam", "state_v", lambda x: x - 1, "each entry must be 0 or more"),
    ("adam", "state_m", lambda x: x * np.inf, "state.m holds numbers that are not finite"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("solver", "name", "changed", "message"), ARRAYS, ids=[case[3][:40] for case in ARRAYS]
)
def test_arrays(solver: str, name: str, changed: Any, message: str, tmp_path: Path) -> None:
    arrays = read_arrays(OLDER / solver / "checkpoint.npz")
    with np.errstate(invalid="ignore"):
        arrays[name] = changed(arrays[name])
    assert message in refused(tmp_path, arrays)


@pytest.mark.parametrize(
    "name", ["checkpoint", "state_v", "state_order", "best_theta", "model_theta", "model_about"]
)
def test_an_array_that_is_missing(name: str, tmp_path: Path) -> None:
    arrays = read_arrays(OLDER / "sgd" / "checkpoint.npz")
    del arrays[name]
    refused(tmp_path, arrays)


def test_an_array_of_no_characters(tmp_path: Path) -> None:
    """NumPy raises a SystemError when such an array becomes a text."""
    arrays = read_arrays(OLDER / "sgd" / "checkpoint.npz")
    arrays["checkpoint"] = np.array([2**32 - 5], "u4").view("U1").reshape(())
    write(tmp_path / "checkpoint.npz", arrays)
    with pytest.raises(DataError, match="holds the number 0xfffffffb, which is not a character"):
        Checkpoint.read(tmp_path)


def test_what_a_run_can_write_is_read(tmp_path: Path) -> None:
    """Losses and ratios that overflowed, entries of a user's hook, an overflow in Adam's v."""
    arrays = read_arrays(OLDER / "adam" / "checkpoint.npz")
    change(arrays, (*FIRST, "validation_loss"), float("inf"))
    change(arrays, (*FIRST, "a note"), "of a hook")
    change(arrays, (*FIRST, "by class"), {"cat": [0.5, None, True, 2**70]})
    change(arrays, ("options", "C"), float("inf"))
    change(arrays, ("options", "limit"), ...)  # as if an older version had no such option
    arrays["state_v"][0] = np.inf
    write(tmp_path / "checkpoint.npz", arrays)
    read = Checkpoint.read(tmp_path)
    assert read.state.history[0]["a note"] == "of a hook"
    assert read.options.limit == 0


def test_another_data_set_by_order_or_classes(tmp_path: Path) -> None:
    """The checksum of the images can be forged as well as the rest."""
    data, folder = load_dataset("digits"), tmp_path / "run"
    shutil.copytree(OLDER / "sgd", folder)
    arrays = read_arrays(folder / "checkpoint.npz")
    whole = dict(arrays)
    arrays["state_order"] = np.arange(79)
    write(folder / "checkpoint.npz", arrays)
    with pytest.raises(DataError, match="its order has 79 images, but the run trains on 80"):
        train(data, resume=folder, progress=False)
    whole["model_classes"] = np.arange(1, 11)
    write(folder / "checkpoint.npz", whole)
    with pytest.raises(DataError, match="its classes are not the labels of the images"):
        train(data, resume=folder, progress=False)


@pytest.mark.parametrize("solver", ["sgd", "adam", "newton"])
def test_older_checkpoints_pass(solver: str) -> None:
    assert Checkpoint.read(OLDER / solver).best.epoch in (1, 2)


def test_images_whose_range_no_scale_can_undo() -> None:
    images = np.zeros((1, 60), order="F")
    images[0, :30] = 1e-42
    data = Dataset("dark", Images(images, np.array([0, 1]), 6, 5), None, "made by the test")
    options = TrainOptions(epochs=1, batch_size=2)
    with pytest.raises(ValueError, match=r"the scale of the normalisation is 1e\+42; .*float32"):
        train(data, "digits", options, progress=False)


@pytest.mark.parametrize(
    "value", [10**400, -(10**5000), 2**257], ids=["large", "unprintable", "just too large"]
)
def test_options_beyond_all_bounds(value: int) -> None:
    for name in ("epochs", "lr", "seed", "C"):
        with pytest.raises(OptionError, match=rf"{name} is beyond 2\^256"):
            TrainOptions(**{name: value})


def test_an_option_of_ten_thousand_characters() -> None:
    with pytest.raises(OptionError, match="engine is 'xxx") as caught:
        TrainOptions(engine="x" * 10_000)
    assert len(str(caught.value)) < 200
