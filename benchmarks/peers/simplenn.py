"""This package: its own solver on its own engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplenn_py import __version__
from simplenn_py.cnn.feedforward import feedforward
from simplenn_py.cnn.gauss_newton import GaussNewton
from simplenn_py.cnn.objective import BatchObjective
from simplenn_py.cnn.operators.loss import SquaredLoss
from simplenn_py.cnn.problem import Problem
from simplenn_py.engines import DEFAULT, make_engine
from simplenn_py.layout import from_nhwc
from simplenn_py.opt.cg import dot
from simplenn_py.opt.hooks import Hook
from simplenn_py.opt.sgd import SGDState, sgd

from ..case import LR, MOMENTUM, Case, Runner


def build(case: Case, variant: str) -> Runner:
    """Prepare the engine called `variant`; "" means the default."""
    name = variant or DEFAULT
    training = case.kind != "predict"
    engine = make_engine(name, case.config, case.batch, case.dtype, training)
    Z, offset = from_nhwc(case.images), np.zeros(int(np.prod(case.shape)))
    everything, model = np.arange(case.batch), case.model
    version = f"simplenn_py {__version__}, {name} engine"

    def predict() -> Any:
        engine.load(Z, everything, 1.0, offset)
        return feedforward(engine, model)

    if not training:
        return Runner(predict, lambda z: case.loss(z.T), version)

    problem = Problem(Z, case.y, SquaredLoss(), np.inf, 1.0, offset)
    if case.kind == "gv":
        G, v = GaussNewton(engine, model, problem, everything), case.direction.theta
        return Runner(lambda: G.product(v), lambda Gv: dot(v, Gv), version)

    objective = BatchObjective(engine, model, problem, everything)
    state = SGDState(np.zeros_like(model.theta), rng=np.random.default_rng(0))

    def step() -> float:
        # The training set is one batch, so that an epoch of the solver is one step.
        sgd(
            objective,
            state,
            Hook(),
            epochs=state.epoch + 1,
            batch_size=case.batch,
            lr=LR,
            momentum=MOMENTUM,
            decay=0.0,
        )
        return float(state.history[-1]["loss"])

    return Runner(step, float, version)
