"""One network and one batch: what all passes compute, by the direct and the lecture engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplenn_py.cnn.engine import Engine
from simplenn_py.cnn.gradient import JTv, lossgrad_subset
from simplenn_py.cnn.jacobian import jacobian
from simplenn_py.cnn.jv import Jv
from simplenn_py.cnn.operators.loss import get_loss
from simplenn_py.cnn.operators.phi import padding_and_phiZ
from simplenn_py.cnn.problem import Problem
from simplenn_py.engines import make_engine
from simplenn_py.engines.direct import DirectEngine
from simplenn_py.model.model import Model
from simplenn_py.network.config import NetConfig

#: Largest error allowed, relative to the largest entry of an array.
TOLERANCE = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 2e-5}
_MARGIN = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-5}


class Setting:
    """A network, `l` images, and directions for Jv and JTv.

    Parameters
    ----------
    config : NetConfig
    l : int
    dtype : {float32, float64}
    seed : int
    integers : bool
        Small whole numbers everywhere: ties abound, and every sum is exact in both dtypes.
    smooth : bool
        Otherwise look for a point where no entry of S comes so near to 0, and no two of a pooling
        window so near to each other, that rounding decides.
    winograd : bool
        Whether the direct engine uses Winograd's tiles in every layer that they fit, for small
        batches too.
    """

    def __init__(
        self,
        config: NetConfig,
        l: int,
        dtype: Any,
        seed: int = 0,
        integers: bool = False,
        smooth: bool = True,
        winograd: bool = True,
    ) -> None:
        self.config, self.l, self.dtype = config, l, np.dtype(dtype)
        self.winograd = winograd
        for attempt in range(50):
            self._draw(np.random.default_rng([seed, attempt]), integers)
            if integers or not smooth or _margin(self) > _MARGIN[self.dtype]:
                return
        raise AssertionError("no point found where rounding decides nothing")

    def _draw(self, rng: np.random.Generator, integers: bool) -> None:
        a, b, d = self.config.image_shape

        def numbers(*shape: int) -> Any:
            drawn = rng.integers(-1, 2, shape) if integers else rng.standard_normal(shape)
            return drawn.astype(self.dtype, order="F")

        theta = numbers(self.config.n_parameters)
        self.model = Model(self.config, theta, np.arange(self.config.nL))
        for W in self.model.W:
            if integers:  # few of them, or the sums would grow from layer to layer
                W *= rng.random(W.shape) < 8 / W.shape[1]
            else:
                W *= W.dtype.type(np.sqrt(2 / W.shape[1]))
        self.problem = Problem(
            images=numbers(d, a * b * self.l),
            y=rng.integers(0, self.config.nL, self.l),
            loss=get_loss("squared"),
            C=np.inf,
            scale=1.0,
            offset=np.zeros(a * b * d),
        )
        self.v = numbers(theta.size)
        self.V = numbers(self.config.nL, self.l)

    def in_float64(self) -> Setting:
        """Return the same numbers for a more exact engine."""
        other = object.__new__(Setting)
        other.config, other.l, other.dtype = self.config, self.l, np.dtype(np.float64)
        other.winograd = self.winograd
        theta = self.model.theta.astype(np.float64)
        other.model = Model(self.config, theta, np.arange(self.config.nL))
        p = self.problem
        other.problem = Problem(
            np.asfortranarray(p.images, np.float64), p.y, p.loss, p.C, p.scale, p.offset
        )
        other.v, other.V = self.v.astype(np.float64), self.V.astype(np.float64)
        return other

    def engine(self, name: str = "direct", batch_size: int = 0, training: bool = True) -> Engine:
        batch_size = batch_size or self.l
        if name == "direct":
            return DirectEngine(
                self.config, batch_size, self.dtype, training, winograd=self.winograd
            )
        return make_engine(name, self.config, batch_size, self.dtype, training)

    def step(self, engine: Engine, indices: Any = None, gradient: bool = True) -> dict[str, Any]:
        """Run a training step; return every Z, the loss, and the gradient by layers."""
        chosen = np.arange(self.l) if indices is None else indices
        out = np.full_like(self.model.theta, np.nan) if gradient else None
        loss = lossgrad_subset(engine, self.model, self.problem, chosen, out)
        found = {f"Z{m}": engine.Z(m).copy(order="F") for m in range(len(self.model.W) + 1)}
        return found | {"loss": np.asarray(loss)} | (self._by_layers("", out) if gradient else {})

    def everything(self, engine: Engine) -> dict[str, Any]:
        """Run a step and the passes of Newton's method; return all results by name."""
        found = self.step(engine)
        found["Jv"] = Jv(engine, self.model, self.v)
        found |= self._by_layers("J'v ", JTv(engine, self.model, self.V))
        dzdS = jacobian(engine, self.model)
        return found | {f"dz/dS{m}": J for m, J in enumerate(dzdS)}

    def _by_layers(self, name: str, gradient: Any) -> dict[str, Any]:
        dW, dbias = self.model.split(gradient)
        found = {f"{name}dW{m}": x.copy() for m, x in enumerate(dW)}
        return found | {f"{name}dbias{m}": x.copy() for m, x in enumerate(dbias)}


def _margin(setting: Setting) -> float:
    """How near a choice comes to being rounding's, relative to the largest entry of S."""
    exact, nearest = setting.in_float64(), np.inf
    engine, model, p = exact.engine("lecture"), exact.model, exact.problem
    stages, is_V = exact.config.stages, exact.config.is_V
    engine.load(p.images, np.arange(exact.l), p.scale, p.offset)
    for m in range(stages.L - 1):
        if is_V[m]:  # linear
            engine.forward(m, model.W[m], model.bias[m], activate=False)
            continue
        Z = engine.Z(m)
        if m < stages.LC:
            Z = padding_and_phiZ(Z, stages.conv_layers[m])
        else:
            Z = Z.reshape(-1, exact.l, order="F")
        S = model.W[m] @ Z + model.bias[m][:, None]
        margins = [np.abs(S).min()]
        if m < stages.LC and stages.conv_layers[m].h_pool > 1:
            g = stages.conv_layers[m]
            S = S.T.reshape(exact.l, g.b_conv, g.a_conv, g.d_next)
            S = S[:, : g.b_next * g.h_pool, : g.a_next * g.h_pool]
            windows = S.reshape(exact.l, g.b_next, g.h_pool, g.a_next, g.h_pool, g.d_next)
            windows = np.sort(windows.transpose(0, 1, 3, 5, 2, 4).reshape(-1, g.h_pool**2))
            apart = windows[:, -1] - windows[:, -2]  # exactly 0: two patches of zeros, S = bias
            margins.append(apart[apart > 0].min(initial=np.inf))
        nearest = min(nearest, min(margins) / np.abs(S).max())
        engine.forward(m, model.W[m], model.bias[m])
    return float(nearest)


def _pass(name: str) -> str:
    return name.rstrip("0123456789").replace("dbias", "dW")


def assert_agrees(
    actual: dict[str, Any], wanted: dict[str, Any], dtype: Any, together: bool = False
) -> None:
    """Compare results by name, within rounding of arithmetic in `dtype`.

    The measure of an error is the largest entry of its array; `together`: of its pass, since in
    some networks all sums of an array cancel.
    """
    assert actual.keys() == wanted.keys()
    largest: dict[str, float] = {}
    for name, target in wanted.items():
        pass_ = _pass(name) if together else name
        largest[pass_] = max(largest.get(pass_, 0.0), np.abs(target).max(initial=0))
    for name, target in wanted.items():
        result = np.asarray(actual[name])
        assert result.shape == target.shape, f"{name}: {result.shape} is not {target.shape}"
        error = np.abs(result - target).max(initial=0)
        allowed = TOLERANCE[np.dtype(dtype)] * largest[_pass(name) if together else name]
        assert error <= allowed, f"{name} is wrong by {error:.2e}, allowed {allowed:.2e}"


def assert_identical(actual: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Compare results by name, bit for bit."""
    assert actual.keys() == wanted.keys()
    for name, target in wanted.items():
        result = np.asarray(actual[name])
        assert result.dtype == target.dtype, name
        assert np.array_equal(result, target, equal_nan=True), name


def assert_engines_agree(setting: Setting) -> None:
    """Run all passes by the direct engine, and by the lecture engine in float64."""
    actual = setting.everything(setting.engine())
    exact = setting.in_float64()
    assert_agrees(actual, exact.everything(exact.engine("lecture")), setting.dtype)
