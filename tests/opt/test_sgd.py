"""SGD: simpleNN's recorded trajectory, the permutation, divergence, stopping."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from golden import network_of
from networks import Quadratic

from simplenn_py.cnn.objective import BatchObjective
from simplenn_py.cnn.operators.loss import get_loss
from simplenn_py.cnn.problem import Problem
from simplenn_py.engines import make_engine
from simplenn_py.errors import DivergedError
from simplenn_py.model.model import Model
from simplenn_py.opt.hooks import Hook
from simplenn_py.opt.minibatch import learning_rate
from simplenn_py.opt.sgd import SGDState, sgd

GOLDEN = Path(__file__).parents[1] / "golden" / "traj_digits.mat"


def run(objective, state, hook=None, **options):
    defaults = {"epochs": 1, "batch_size": 4, "lr": 0.1, "momentum": 0.5, "decay": 0.1}
    sgd(objective, state, hook or Hook(), **{**defaults, **options})


def new_state(seed=0):
    return SGDState(np.zeros(1), rng=np.random.default_rng(seed))


def recorded(golden, weight, bias):
    pairs = zip(golden[weight].ravel(), golden[bias].ravel(), strict=True)
    return np.concatenate([part for W, b in pairs for part in (W.ravel("F"), b.ravel())])


def test_trajectory_recorded_by_simplenn():
    golden = scipy.io.loadmat(GOLDEN)
    config = network_of(golden["config"])
    batches = golden["sgd_batches"].astype(int) - 1
    updates, batch_size = batches.shape
    model = Model(config, recorded(golden, "weight0", "bias0"), np.arange(config.nL))
    l = golden["data"].shape[1]
    problem = Problem(
        golden["data"].reshape(config.ch_input[0], -1, order="F"),
        golden["y"].ravel().astype(int) - 1,
        get_loss("squared"),
        float(golden["Cin"][0, 0]) * l,
        1.0,
        np.zeros(golden["data"].shape[0]),
    )

    class RecordedBatches:
        """Each 'epoch' is one recorded batch."""

        drawn = iter(batches)

        def permutation(self, count):
            return next(self.drawn)

    class OneBatch(BatchObjective):
        l = batch_size

    engine = make_engine("lecture", config, batch_size, np.float64)
    objective = OneBatch(engine, model, problem, np.arange(l))
    state = SGDState(np.zeros_like(model.theta), rng=RecordedBatches())
    options = {name: float(golden[name][0, 0]) for name in ("lr", "momentum", "decay")}
    run(objective, state, epochs=updates, batch_size=batch_size, **options)
    losses = [record["loss"] for record in state.history]
    np.testing.assert_allclose(losses, golden["sgd_losses"].ravel(), rtol=1e-10)
    np.testing.assert_allclose(
        model.theta, recorded(golden, "sgd_weight", "sgd_bias"), rtol=1e-10, atol=1e-12
    )


def test_updates_by_hand():
    objective, state = Quadratic(np.array([1.0, 3.0])), new_state()
    run(objective, state, epochs=2, batch_size=2, lr=0.1, momentum=0.5, decay=1.0)
    v1 = -0.1 * (0 - 2)  # theta = 0, mean of x = 2
    v2 = 0.5 * v1 - 0.1 / 2 * (v1 - 2)
    assert objective.theta[0] == pytest.approx(v1 + v2, rel=1e-14)
    assert [record["lr"] for record in state.history] == pytest.approx([0.1, 0.05])


def test_an_epoch_uses_every_instance_once_and_the_last_batch_may_be_smaller():
    objective, state = Quadratic(np.arange(10.0)), new_state()
    run(objective, state, epochs=2)
    assert [len(batch) for batch in objective.seen] == [4, 4, 2] * 2
    first, second = np.concatenate(objective.seen[:3]), np.concatenate(objective.seen[3:])
    assert sorted(first) == sorted(second) == list(range(10))
    assert list(first) != list(second)


def test_stopping_anywhere_and_going_on_changes_nothing():
    whole, state = Quadratic(np.arange(10.0)), new_state()
    run(whole, state, epochs=3)
    for stop_at in range(1, 9):
        parts, again = Quadratic(np.arange(10.0)), new_state()

        class StopAt(Hook):
            at = stop_at

            def on_batch(self, state):
                state.stop = state.updates == self.at

        run(parts, again, StopAt(), epochs=3)
        assert again.updates == stop_at
        again.stop = False
        run(parts, again, epochs=3)
        assert parts.theta[0] == whole.theta[0]
        assert [r["loss"] for r in again.history] == [r["loss"] for r in state.history]


def test_hooks_are_called_in_order():
    calls = []

    class Watch(Hook):
        def on_start(self, state):
            calls.append("start")

        def on_batch(self, state):
            calls.append("batch")

        def on_epoch(self, state):
            calls.append(f"epoch {state.history[-1]['epoch']}")

        def on_stop(self, state):
            calls.append("stop")

    run(Quadratic(np.arange(5.0)), new_state(), Watch(), epochs=2)
    assert calls == ["start", "batch", "batch", "epoch 1", "batch", "batch", "epoch 2", "stop"]


def test_a_loss_that_is_not_finite_stops_with_epoch_and_remedy():
    with pytest.raises(DivergedError, match=r"epoch \d+, update \d+; most likely lr = 30 .* try 3"):
        run(Quadratic(np.arange(8.0)), new_state(), epochs=2000, lr=30.0, decay=0.0)


def test_parameters_that_overflow_in_the_last_update_are_never_an_epochs_result():
    objective, state = Quadratic(np.array([1e300, 1e300])), new_state()
    epochs = []

    class Watch(Hook):
        def on_epoch(self, state):
            epochs.append(state.epoch)

    objective.grad = lambda indices, out: (out.fill(-np.inf) or 1.0, 0)
    with pytest.raises(DivergedError, match=r"lr = 0\.1 is too large"):
        run(objective, state, Watch())
    assert epochs == []


def test_every_epoch_is_announced_and_again_when_going_on():
    objective, state = Quadratic(np.arange(10.0)), new_state()
    run(objective, state, epochs=3)
    assert objective.epochs == [0, 1, 2]


def test_one_cycle_rises_to_the_rate_and_falls_to_nothing():
    rates = [learning_rate("one-cycle", 0.5, 0.0, t, 100) for t in range(100)]
    assert rates[0] == pytest.approx(0.5 / 20)
    assert max(rates) == rates[19] == rates[20] == 0.5
    assert rates[60] == pytest.approx(0.25)
    assert 0 < rates[99] < 0.01
    assert all(0 < learning_rate("one-cycle", 1.0, 0.0, t, 3) <= 1 for t in range(3))
