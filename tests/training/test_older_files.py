"""Models and checkpoints that an earlier layout of the package wrote still load and continue."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from simplenn_py import Model, load_dataset, train
from simplenn_py.training.checkpoint import Checkpoint
from simplenn_py.training.run_reader import read_run

#: Runs of ``simplenn train digits --config ... --limit 100 --validation 0.2``, layer 1 of rank 2.
OLDER = Path(__file__).parent / "older"
SOLVERS = pytest.mark.parametrize("solver", ["sgd", "adam", "newton"])


@SOLVERS
def test_a_model_loads_and_predicts_as_it_did(solver):
    model = Model.load(OLDER / solver / "model.npz")
    assert model.config.rank == (2, 0)
    test = load_dataset("digits").test
    recorded = json.loads((OLDER / solver / "run.json").read_text())["test_accuracy"]
    assert model.score(test.Z, test.y) == pytest.approx(recorded, abs=0.01)
    assert read_run(OLDER / solver).test_accuracy == recorded


@SOLVERS
def test_a_checkpoint_loads_and_continues(solver, tmp_path):
    run = tmp_path / solver
    shutil.copytree(OLDER / solver, run)
    before = Checkpoint.read(run)
    length = "iter_max" if solver == "newton" else "epochs"
    longer = {**vars(before.options), length: 3}
    model, history = train(
        load_dataset("digits"), options=type(before.options)(**longer), resume=run, progress=False
    )
    assert len(history.records) == 3
    assert history.records[:2] == before.state.history
    assert np.isfinite(model.theta).all()
