"""Newton's method: simpleNN's recorded trajectory, and each of its steps on small problems."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from golden import network_of
from numpy.testing import assert_allclose, assert_array_equal

from simplenn_py.cnn.feedforward import feedforward
from simplenn_py.cnn.gauss_newton import GaussNewton, Gv
from simplenn_py.cnn.gradient import JTv
from simplenn_py.cnn.jacobian import StoredJacobian, stored_bytes
from simplenn_py.cnn.jv import Jv
from simplenn_py.cnn.objective import FullObjective
from simplenn_py.cnn.operators.loss import get_loss
from simplenn_py.cnn.problem import Problem
from simplenn_py.engines import make_engine
from simplenn_py.errors import DivergedError
from simplenn_py.model.model import Model
from simplenn_py.opt.cg import CG
from simplenn_py.opt.hooks import Hook
from simplenn_py.opt.newton import NewtonState, newton, subsample

GOLDEN = Path(__file__).parents[1] / "golden" / "traj_digits.mat"


class Recorded:
    """The recorded run: network, data, subsamples and history."""

    def __init__(self, dtype=np.float64):
        self.golden = golden = scipy.io.loadmat(GOLDEN)
        self.config = network_of(golden["config"])
        theta = self.flat("weight0", "bias0").astype(dtype)
        self.model = Model(self.config, theta, np.arange(self.config.nL))
        self.l = golden["data"].shape[1]
        self.problem = Problem(
            golden["data"].reshape(self.config.ch_input[0], -1, order="F"),
            golden["y"].ravel().astype(int) - 1,
            get_loss("squared"),
            float(golden["Cin"][0, 0]) * self.l,
            1.0,
            np.zeros(golden["data"].shape[0]),
        )

    def flat(self, weight, bias):
        pairs = zip(self.golden[weight].ravel(), self.golden[bias].ravel(), strict=True)
        return np.concatenate([part for W, b in pairs for part in (W.ravel("F"), b.ravel())])

    def objective(self, engine="lecture", batch_size=64, stored=False):
        runner = make_engine(engine, self.config, batch_size, self.model.theta.dtype)
        return FullObjective(runner, self.model, self.problem, np.arange(self.l), stored)


@pytest.mark.parametrize(
    ("engine", "batch_size", "stored"),
    [("lecture", 64, False), ("lecture", 1000, True), ("lecture", 17, True), ("direct", 64, False),
     ("direct", 1000, False)],
)  # fmt: skip
def test_trajectory_recorded_by_simplenn(engine, batch_size, stored):
    run = Recorded()
    subsets = run.golden["newton_subsamples"].astype(int) - 1
    wanted = run.golden["newton_history"]  # f, |grad|, alpha, actred, prered, lambda, #CG
    state = NewtonState(lambda_=1.0, seed=0)
    newton(
        run.objective(engine, batch_size, stored), state, Hook(),
        GNsize=subsets.shape[1], iter_max=len(wanted), subsets=lambda k: subsets[k],
    )  # fmt: skip
    names = ("f", "gradient_norm", "alpha", "actred", "prered", "lambda", "cg_steps")
    found = [[record[name] for name in names] for record in state.history]
    assert_allclose(found, wanted, rtol=1e-8)
    assert_allclose(
        run.model.theta, run.flat("newton_weight", "newton_bias"), rtol=1e-8, atol=1e-11
    )


class Bowl:
    """``f = theta'A theta/2 - b'theta``: one Newton step without lambda solves it."""

    def __init__(self, A, b, theta=None):
        self.A, self.b = A, b
        self.theta = np.zeros(b.size) if theta is None else theta
        self.l, self.subsets, self.evaluated = 10, [], 0

    def fun(self):
        self.evaluated += 1
        return float(self.theta @ self.A @ self.theta / 2 - self.b @ self.theta)

    def fungrad(self, out):
        out[:] = self.A @ self.theta - self.b
        return self.fun(), {"loss": 0.0}

    def gauss_newton(self, subset, products):
        self.subsets.append(subset)
        return lambda v: self.A @ v


def bowl(n=6, seed=0):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((n, n))
    return Bowl(root @ root.T + np.eye(n), rng.standard_normal(n))


def run(objective, lambda_=1.0, hook=None, state=None, **options):
    state = state or NewtonState(lambda_=lambda_, seed=0)
    newton(objective, state, hook or Hook(), **{"GNsize": 4, "iter_max": 100, **options})
    return state


class TestCG:
    def test_solves_as_exactly_as_asked(self):
        problem = bowl(40)
        for cg_tol in (0.5, 1e-2, 1e-8):
            result = CG(lambda v: problem.A @ v, -problem.b, cg_tol=cg_tol)
            residual = np.linalg.norm(problem.b - problem.A @ result.step)
            assert result.reason == "tolerance"
            assert residual <= cg_tol * np.linalg.norm(problem.b) < 1e4 * cg_tol
            assert_allclose(result.residuals[-1], residual / np.linalg.norm(problem.b), rtol=1e-3)
            assert len(result.residuals) == result.steps + 1
            assert_allclose(result.G_step, problem.A @ result.step, rtol=1e-9, atol=1e-9)

    def test_exact_after_n_steps(self):
        problem = bowl(5)
        result = CG(lambda v: problem.A @ v, -problem.b, cg_tol=1e-12, CGmax=5)
        assert_allclose(result.step, np.linalg.solve(problem.A, problem.b), rtol=1e-9)

    def test_stops_at_CGmax_and_from_outside(self):
        problem = bowl(40)
        result = CG(lambda v: problem.A @ v, -problem.b, cg_tol=1e-9, CGmax=3)
        assert (result.steps, result.reason) == (3, "CGmax")
        result = CG(lambda v: problem.A @ v, -problem.b, cg_tol=1e-9, stop=lambda: True)
        assert (result.steps, result.reason) == (1, "stopped")

    def test_a_matrix_that_is_not_definite_ends_it(self):
        result = CG(lambda v: -v, np.ones(3))
        assert (result.steps, result.reason) == (0, "curvature")
        assert_array_equal(result.step, 0)


class TestNewton:
    def test_a_bowl_takes_one_step(self):
        problem = bowl()
        state = run(problem, lambda_=0.0, cg_tol=1e-12, iter_max=1)
        assert_allclose(problem.theta, np.linalg.solve(problem.A, problem.b), rtol=1e-9)
        (record,) = state.history
        assert record["alpha"] == 1
        assert_allclose(record["ratio"], 1, rtol=1e-9)
        assert_allclose(record["actred"], record["prered"], rtol=1e-9)

    def test_lambda_follows_the_ratio(self):
        problem = bowl()
        assert run(problem, iter_max=1, drop=0.5).lambda_ == 0.5  # an exact model: a good step
        poor = bowl()
        poor.gauss_newton = lambda subset, products: (
            lambda v: poor.A @ v / 50
        )  # far too flat a model
        state = run(poor, lambda_=1e-3, iter_max=1, boost=3.0)
        assert state.history[0]["alpha"] < 1
        assert state.lambda_ == 3e-3

    def test_line_search_keeps_its_promise(self):
        poor = bowl()
        poor.gauss_newton = lambda subset, products: lambda v: poor.A @ v / 50
        f, g = poor.fun(), poor.A @ poor.theta - poor.b
        state = run(poor, lambda_=0.0, iter_max=1, eta=0.1)
        step = poor.theta  # from 0
        assert state.history[0]["f"] - f <= 0.1 * (g @ step)

    def test_it_ends_of_its_own_accord_and_says_why(self):
        state = run(bowl(), lambda_=0.0, cg_tol=1e-3)
        assert state.iteration < 100
        assert "no further progress" in state.reason
        again = run(bowl(), state=state)
        assert again.iteration == state.iteration

    def test_without_a_step_that_lowers_f_nothing_moves(self):
        problem = bowl()
        problem.fun = lambda: float(problem.theta.any())  # lowest where it stands
        state = run(problem)
        assert state.iteration == 1
        assert state.history[0]["alpha"] == 0
        assert "no step along the direction" in state.reason
        assert_array_equal(problem.theta, 0)

    def test_infinite_start_is_refused(self):
        problem = bowl()
        problem.theta[:] = np.inf
        with pytest.raises(DivergedError, match="at the start"), np.errstate(invalid="ignore"):
            run(problem)

    def test_stopping_within_an_iteration_and_going_on_changes_nothing(self):
        whole = bowl(30)
        wanted = run(whole, iter_max=6, cg_tol=1e-3)

        class StopAt(Hook):
            def __init__(self, step):
                self.left = step

            def on_batch(self, state):
                self.left -= 1
                state.stop = self.left == 0

        for step in (1, 2, 7, 11):
            parts = bowl(30)
            state = run(parts, iter_max=6, cg_tol=1e-3, hook=StopAt(step))
            assert state.stop
            state.stop = False
            run(parts, iter_max=6, cg_tol=1e-3, state=state)
            assert_array_equal(parts.theta, whole.theta)
            assert state.lambda_ == wanted.lambda_

    def test_every_cg_step_can_stop_the_run(self):
        """Also the only one of an iteration, which reaches the tolerance at once."""

        class Count(Hook):
            seen = 0

            def on_batch(self, state):
                self.seen += 1
                state.stop = True

        problem = Bowl(np.eye(3), np.ones(3))
        state, hook = NewtonState(lambda_=1.0, seed=0), Count()
        run(problem, state=state, hook=hook)
        assert (hook.seen, state.iteration) == (1, 0)
        assert_array_equal(problem.theta, 0)


class TestSubsamples:
    def test_every_instance_has_its_turn(self):
        parts = [subsample(3, k, 4, 10) for k in range(3)]
        assert [p.size for p in parts] == [4, 4, 4]
        assert set(np.concatenate(parts)) == set(range(10))

    def test_another_permutation_after_that(self):
        assert list(subsample(3, 0, 4, 10)) != list(subsample(3, 3, 4, 10))
        assert list(subsample(3, 0, 10, 10)) == list(range(10))


class TestGaussNewtonProduct:
    """On the recorded network, in each way of taking the product."""

    ways = pytest.mark.parametrize(
        ("engine", "batch_size", "stored"),
        [("lecture", 100, False), ("lecture", 7, False), ("lecture", 7, True),
         ("direct", 100, False), ("direct", 7, False)],
    )  # fmt: skip

    @ways
    @pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
    def test_against_the_definition(self, engine, batch_size, stored, loss):
        run = Recorded()
        problem = Problem(
            run.problem.images,
            run.problem.y,
            get_loss(loss),
            run.problem.C,
            1.0,
            run.problem.offset,
        )
        runner = make_engine(engine, run.config, batch_size, np.float64)
        subset = np.arange(5, 41)
        G = GaussNewton(runner, run.model, problem, subset, stored).product
        rng = np.random.default_rng(0)
        v, u = rng.standard_normal((2, run.model.theta.size))
        Gv_, Gu = G(v), G(u)
        assert_allclose(u @ Gv_, v @ Gu, rtol=1e-10)  # symmetric
        assert v @ Gv_ > 0
        wanted = v / problem.C
        one = make_engine("lecture", run.config, 1, np.float64)
        for i in subset:
            one.load(problem.images, np.array([i]), 1.0, problem.offset)
            z = feedforward(one, run.model).copy()
            BJv = problem.loss.hessian_product(z, Jv(one, run.model, v))
            wanted = wanted + JTv(one, run.model, BJv) / subset.size
        assert_allclose(Gv_, wanted, rtol=1e-9, atol=1e-11)
        assert_allclose(Gv(runner, run.model, problem, subset, v), Gv_, rtol=1e-9, atol=1e-11)

    def test_what_a_stored_jacobian_takes(self):
        run = Recorded()
        runner = make_engine("lecture", run.config, 20, np.float64)
        runner.load(run.problem.images, np.arange(20), 1.0, run.problem.offset)
        feedforward(runner, run.model)
        kept = StoredJacobian(runner, run.model)
        held = sum(a.nbytes for a in [*kept._dzdS, *kept._phiZ])
        assert held == stored_bytes(run.config, 20, 8)
