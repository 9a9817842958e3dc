"""Check derivatives layer by layer: random directions against central differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...cnn.engine import Engine
from ...cnn.feedforward import feedforward
from ...cnn.gauss_newton import GaussNewton
from ...cnn.gradient import JTv
from ...cnn.jv import Jv
from ...cnn.objective import fungrad_minibatch
from ...cnn.operators.loss import Loss, get_loss
from ...cnn.operators.pooling import maxpooling
from ...cnn.problem import Problem
from ...engines import DEFAULT, make_engine
from ...engines.lecture import LectureEngine
from ...engines.operator_table import Operators
from ...errors import OptionError
from ...layout import Array, ConvGeometry, vec
from ...model.model import Model
from ...network.config import NetConfig
from .hints import Evidence, Hint, constant_ratio, likely_causes
from .report import Check, Entry, GradcheckReport, LayerCheck, SweepPoint

TOLERANCE = 1e-6  # differences reach 1e-9 here; a factor of 1.001 is an error of 1e-3
EXACT = 1e-9  # for identities, which hold up to rounding
CURVATURE = 1e-5  # second differences are less exact

_STEPS = (1e-6, 1e-6, 1e-7, 1e-7, 1e-8, 1e-8)  # steps of the tries to avoid a kink
_SWEEP = tuple(10.0 ** (-k / 2) for k in range(2, 25))
_DIRECTIONS = 2
_ALL_ENTRIES, _SAMPLE = 256, 64


def check_derivatives(
    config: NetConfig,
    loss: str | Loss = "squared",
    engine: str | Engine = "",
    seed: int = 0,
    images: int = 5,
    theta: Array | None = None,
) -> GradcheckReport:
    """Check gradient, Jv, J'u and G of a network on random images, in float64.

    Parameters
    ----------
    config : NetConfig
    loss : str or Loss
        Name of a loss, or your own.
    engine : str or Engine
        Name of an engine ("" chooses the default), or your own in float64, such as
        ``LectureEngine(config, 5, "float64", operators=Operators().replace(vTP_phi=mine))``.
    seed : int
        Seed for weights, images, classes and directions.
    images : int
        Number l of images in the batch.
    theta : ndarray of float64, shape (n_parameters,), optional
        Parameters at which to check; by default, weights initialised as for training and random
        biases.

    Returns
    -------
    GradcheckReport

    Raises
    ------
    OptionError
        If an argument is out of range, or the engine is incompatible with the network.

    Notes
    -----
    Central differences along random directions v use the engine's own forward pass, which is itself
    checked against that of the lecture engine.  ReLU and max pooling have kinks: if signs or maxima
    at ``theta + step*v`` and ``theta - step*v`` differ, another direction is drawn, at most six in
    all.  See sections A, B and E of the lecture.
    """
    return _Checker(config, loss, engine, seed, images, theta).report()


@dataclass(frozen=True)
class _Difference:
    """Central differences of f, of the mean loss and of ``z^{L+1}`` along a direction."""

    f: float
    loss: float
    z: Array
    kinked: bool


class _Checker:
    def __init__(
        self,
        config: NetConfig,
        loss: str | Loss,
        engine: str | Engine,
        seed: int,
        images: int,
        theta: Array | None,
    ) -> None:
        for name, value, lowest in (("images", images, 1), ("seed", seed, 0)):
            if value < lowest:
                raise OptionError(f"{name} is {value}; it must be {lowest} or more")
        self.config, self.l, self.seed, self.redrawn = config.stages, images, seed, 0
        self.is_V = config.is_V
        self.engine = _fitting(engine, config, images)
        self.rng = rng = np.random.default_rng(seed)
        a, b, d = config.image_shape
        classes = np.arange(config.nL)
        self.model = Model.initialise(config, classes, rng, np.float64)
        for bias in self.model.bias:
            bias[:] = 0.1 * rng.standard_normal(bias.size)
        pictures = np.asfortranarray(rng.standard_normal((d, a * b * images)))
        y = rng.integers(0, config.nL, images)
        if theta is not None:
            self.model = Model(config, np.array(theta, np.float64), classes)
        self.theta = self.model.theta.copy()
        # This C makes the regularisation 1/2, neither negligible nor dominant.
        C = float(self.theta @ self.theta) or 1.0
        self.loss = get_loss(loss) if isinstance(loss, str) else loss
        self.problem = Problem(pictures, y, self.loss, C, 1.0, np.zeros(a * b * d))
        self.everything = np.arange(images)
        self.winners: list[Array] = []
        recording = Operators(maxpooling=self._maxpooling)
        self.lecture = LectureEngine(config, images, np.float64, operators=recording)
        self.lecture.load(pictures, self.everything, 1.0, self.problem.offset)
        self.parts = list(_parts_of(self.model, self.theta))

    def _maxpooling(self, S: Array, g: ConvGeometry, out: Array, idx_pool: Array) -> Any:
        result = maxpooling(S, g, out, idx_pool)
        self.winners.append(idx_pool.copy())
        return result

    def report(self) -> GradcheckReport:
        self.gradient = np.empty_like(self.theta)
        self.f = fungrad_minibatch(self.engine, self.model, self.problem, self.gradient)
        self.z = self.engine.Z(self.config.L).copy(order="F")
        foreign, forward = self._compare_forward()
        self.V = np.asfortranarray(self.loss.gradient(self.z, self.problem.y))
        self._forward()
        self.summed = JTv(self.engine, self.model, self.V)
        self.mean = self.summed / self.l
        self.U = np.asfortranarray(self.rng.standard_normal(self.z.shape))
        self.JTu = JTv(self.engine, self.model, self.U)
        layers, sampled = self._layers()
        network, sweep, rounding = self._network()
        loss_checks, V_right = self._loss()
        report = GradcheckReport(
            engine=self.engine.name,
            loss=self.loss.name,
            images=self.l,
            seed=self.seed,
            layers=layers,
            network=(*network, *loss_checks, forward),
            sweep=sweep,
            rounding=rounding,
            redrawn=self.redrawn,
            hints=(),
        )
        return GradcheckReport(
            **{**vars(report), "hints": self._hints(report, foreign, V_right, sampled)}
        )

    def _forward(self) -> None:
        self.engine.load(self.problem.images, self.everything, 1.0, self.problem.offset)
        feedforward(self.engine, self.model)

    def _compare_forward(self) -> tuple[int | None, Check]:
        feedforward(self.lecture, self.model)
        errors = []
        for m in range(1, self.config.L + 1):
            ours, theirs = vec(self.lecture.Z(m)), vec(self.engine.Z(m))
            errors.append(_relative(theirs - ours, theirs, ours))
        foreign = next((m for m, error in enumerate(errors) if not error <= EXACT), None)
        return foreign, Check("forward pass against lecture's", float(np.max(errors)), EXACT)

    def _pattern(self) -> list[Array]:
        """Return the signs at every ReLU and the maxima of every pooling, which make kinks."""
        self.winners.clear()
        feedforward(self.lecture, self.model)
        winners, patterns = iter(self.winners), []
        for m in range(self.config.L - 1):
            if self.is_V[m]:
                continue
            positive = vec(self.lecture.Z(m + 1)) > 0
            patterns.append(positive)
            if m < self.config.LC and self.config.conv_layers[m].h_pool > 1:
                patterns.append(np.where(positive, vec(next(winners)), -1))
        return patterns

    def _differences(self, v: Array, step: float) -> _Difference:
        ends, patterns = [], []
        for sign in (1, -1):
            self.model.theta[:] = self.theta + sign * step * v
            f = fungrad_minibatch(self.engine, self.model, self.problem)
            z = self.engine.Z(self.config.L).copy(order="F")
            ends.append((f, self.loss.value(z, self.problem.y) / self.l, z))
            patterns.append(self._pattern())
        self.model.theta[:] = self.theta
        f, loss, z = ((plus - minus) / (2 * step) for plus, minus in zip(*ends, strict=True))
        kinked = any(np.any(p != q) for p, q in zip(*patterns, strict=True))
        return _Difference(f, loss, z, kinked)

    def _direction(self, chosen: list[_Part]) -> tuple[Array, _Difference]:
        """Draw a direction that changes only these parts, without a kink if possible."""
        for tried, step in enumerate(_STEPS):
            v = np.zeros_like(self.theta)
            for part in chosen:
                v[part.where] = part.scale * self.rng.standard_normal(part.size)
            found = self._differences(v, step)
            if not found.kinked:
                break
            self.redrawn += tried + 1 < len(_STEPS)
        return v, found

    def _products(
        self, v: Array, d: _Difference, where: slice = slice(None)
    ) -> tuple[float, float]:
        """Return the errors of Jv and of the adjoint identity; v is 0 except at `where`."""
        self._forward()
        tangent = Jv(self.engine, self.model, v)
        left, right = float(np.vdot(self.U, tangent)), float(self.JTu[where] @ v[where])
        typical = np.linalg.norm(self.U) * np.linalg.norm(tangent) / np.sqrt(tangent.size)
        return _relative(tangent - d.z, tangent, d.z), _relative(left - right, left, right, typical)

    def _layers(self) -> tuple[tuple[LayerCheck, ...], dict[tuple[int, str], Any]]:
        layers: list[LayerCheck] = []
        sampled: dict[tuple[int, str], Any] = {}
        for m, g in enumerate(self.config.geometries):
            checks: dict[str, Check] = {}
            worst: list[Entry] = []
            kinked, moves = False, False
            for part in (part for part in self.parts if part.m == m):
                errors = np.zeros((_DIRECTIONS, 3))
                for row in errors:
                    v, d = self._direction([part])
                    slope = float(
                        self.mean[part.where] @ v[part.where]
                    )  # not affected by a NaN in other parts
                    typical = float(np.linalg.norm(self.mean[part.where] * v[part.where]))
                    row[:] = (_relative(slope - d.loss, slope, d.loss, typical),
                              *self._products(v, d, part.where))  # fmt: skip
                    kinked, moves = kinked or d.kinked, moves or bool(np.any(d.z))
                names = (("gradient", TOLERANCE), ("Jv", TOLERANCE), ("adjoint", EXACT))
                for (name, tolerance), error in zip(names, errors.max(axis=0), strict=True):
                    checks[f"{name} {part.name}"] = Check(name, float(error), tolerance)
                if not checks[f"gradient {part.name}"].ok:
                    places, expected = self._entries(part)
                    computed = self.mean[places]
                    sampled[m, part.name] = computed, expected
                    k = int(np.argmax(np.abs(computed - expected)))
                    place = int(places[k]) - part.where.start
                    worst.append(_entry(m, part.name, g, place, computed[k], expected[k]))
            most = max(worst, key=lambda e: abs(e.computed - e.expected), default=None)
            kind = "conv" if isinstance(g, ConvGeometry) else "full"
            silent = not moves and all(check.ok for check in checks.values())
            layers.append(LayerCheck(m + 1, kind, _sizes(g), checks, kinked, silent, most))
        return tuple(layers), sampled

    def _entries(self, part: _Part) -> tuple[Array, Array]:
        """Return indices into theta, and derivatives of the mean loss there by differences."""
        every = np.arange(part.where.start, part.where.stop)
        if every.size <= _ALL_ENTRIES:
            places = every
        else:
            sample = self.rng.choice(every, _SAMPLE, replace=False)
            places = np.append(sample, self._bisect(part, every))
        expected = []
        for place in places:
            v = np.zeros_like(self.theta)
            v[place] = part.scale
            for step in (1e-4, 1e-5, 1e-6, 1e-7):
                d = self._differences(v, step)
                if not d.kinked:
                    break
            expected.append(d.loss / part.scale)
        return places, np.array(expected)

    def _bisect(self, part: _Part, places: Array) -> int:
        """Find an entry with a large error by bisection."""
        while places.size > 1:
            errors = []
            for half in (halves := np.array_split(places, 2)):
                v = np.zeros_like(self.theta)
                v[half] = part.scale * self.rng.choice((-1.0, 1.0), half.size)
                errors.append(abs(self.mean[half] @ v[half] - self._differences(v, 1e-6).loss))
            places = halves[int(np.argmax(errors))]
        return int(places[0])

    def _network(self) -> tuple[list[Check], tuple[SweepPoint, ...], float]:
        errors = np.zeros((_DIRECTIONS, 6))
        for row in errors:
            v, d = self._direction(self.parts)
            slope = float(self.gradient @ v)
            typical = float(np.linalg.norm(self.gradient * v))
            row[:3] = _relative(slope - d.f, slope, d.f, typical), *self._products(v, d)
            row[3:] = self._curvature(v, d)
        names = ("gradient of f", "Jv", "<u, Jv> = <J'u, v>", "G symmetric", "v'Gv >= 0",
                 "v'Gv by differences")  # fmt: skip
        limits = (TOLERANCE, TOLERANCE, EXACT, EXACT, EXACT, TOLERANCE)
        worst = errors.max(axis=0).tolist()
        checks = [Check(*values) for values in zip(names, worst, limits, strict=True)]
        self._forward()
        tangent, sweep = Jv(self.engine, self.model, v), []
        for step in _SWEEP:
            d = self._differences(v, step)
            error = _relative(slope - d.f, slope, d.f)
            sweep.append(SweepPoint(step, error, _relative(tangent - d.z, tangent, d.z), d.kinked))
        rounding = float(np.finfo(np.float64).eps * abs(self.f) / (abs(slope) or 1.0))
        return checks, tuple(sweep), rounding

    def _curvature(self, v: Array, d: _Difference) -> tuple[float, float, float]:
        G = GaussNewton(self.engine, self.model, self.problem, self.everything)
        u = self.rng.permutation(v)
        Gv, Gu = G.product(v), G.product(u)
        left, right, square = float(u @ Gv), float(v @ Gu), float(v @ Gv)
        size = float(np.linalg.norm(v) * np.linalg.norm(Gv))
        B = float(np.vdot(d.z, self.loss.hessian_product(self.z, d.z)))
        wanted = float(v @ v) / self.problem.C + B / self.l
        return (
            _relative(left - right, left, right, size / np.sqrt(v.size)),
            max(0.0, -square / size) if size else 0.0,
            _relative(square - wanted, square, wanted),
        )

    def _loss(self) -> tuple[list[Check], Array]:
        """Check the loss alone; return the checks, and its derivative by differences."""
        z, y, value = self.z, self.problem.y, self.loss.value
        right = np.zeros_like(z)
        for place in np.ndindex(*z.shape):
            one, step = np.zeros_like(z), 1e-5 * max(1.0, abs(float(z[place])))
            one[place] = step
            right[place] = (value(z + one, y) - value(z - one, y)) / (2 * step)
        first = _relative(self.V - right, self.V, right)
        v, step = self.rng.standard_normal(z.shape), 1e-3
        bend = (value(z + step * v, y) - 2 * value(z, y) + value(z - step * v, y)) / step**2
        product = float(np.vdot(v, self.loss.hessian_product(z, v)))
        second = _relative(product - bend, product, bend)
        checks = [Check("loss: derivative", first, TOLERANCE),
                  Check("loss: Hessian B", second, CURVATURE)]  # fmt: skip
        return checks, right

    def _hints(
        self, report: GradcheckReport, foreign: int | None, V_right: Array, sampled: dict[Any, Any]
    ) -> tuple[Hint, ...]:
        if report.ok:
            return ()
        evidence = Evidence(
            self.model, self.problem, self.V, V_right, self.summed, foreign, sampled
        )
        hints = list(likely_causes(evidence))
        network = {check.name: check for check in report.network}
        if not network["loss: Hessian B"].ok:
            text = f"the {self.loss.name} loss: B v is not the product with its second derivative"
            hints.append(Hint(text, True))
        tangents = [
            x.m
            for x in report.layers
            if not all(check.ok for name, check in x.checks.items() if name.startswith("Jv"))
        ]
        if tangents and foreign is None:
            text = f"Jv is wrong for directions in layers up to {max(tangents)}: check the"
            hints.append(Hint(f"{text} tangent, R{{S}} and R{{Z}}, of that layer", False))
        outer = self.gradient - self.theta / self.problem.C
        if not network["gradient of f"].ok and not sampled:
            ratio = constant_ratio(outer, self.mean)
            text = "the gradient of f without regularisation is not that of the engine"
            if ratio is not None:
                text = f"the gradient of f without regularisation is {ratio:.6g} times the engine's"
            hints.append(Hint(text, ratio is not None))
        return tuple(hints)


@dataclass(frozen=True)
class _Part:
    """The place of one layer's W or bias in theta, and the size of its entries."""

    m: int
    name: str
    where: slice
    scale: float

    @property
    def size(self) -> int:
        return int(self.where.stop - self.where.start)


def _parts_of(model: Model, theta: Array) -> Iterator[_Part]:
    start = 0
    for m, pair in enumerate(zip(model.W, model.bias, strict=True)):
        for name, values in zip(("W", "bias"), pair, strict=True):
            if not values.size:
                continue  # V of a factored layer has no bias
            where = slice(start, start + values.size)
            start += values.size
            yield _Part(m, name, where, float(np.sqrt(np.mean(theta[where] ** 2))) or 0.1)


def _entry(m: int, part: str, g: Any, place: int, computed: float, expected: float) -> Entry:
    values = float(computed), float(expected)
    if part == "bias":
        return Entry(m + 1, part, place, None, None, None, *values)
    if not isinstance(g, ConvGeometry):
        column, k = divmod(place, g.n_out)
        return Entry(m + 1, part, k, column, None, None, *values)
    column, k = divmod(place, g.d_next)
    c, offset = divmod(column, g.h * g.h)
    w, u = divmod(offset, g.h)
    return Entry(m + 1, part, k, c, u, w, *values)


def _sizes(g: Any) -> str:
    if not isinstance(g, ConvGeometry):
        return f"{g.n_in} -> {g.n_out}"
    stride = f", stride {g.s}" if g.s > 1 else ""
    pool = f", pool {g.h_pool}" if g.h_pool > 1 else ""
    return f"{g.h}x{g.h}, {g.d} -> {g.d_next}{stride}{pool}"


def _relative(error: Any, *values: Any) -> float:
    """Return |error| divided by the largest of |values|; 0 if there is no error."""
    size = float(np.linalg.norm(error))
    return size / float(np.max([np.linalg.norm(value) for value in values])) if size else 0.0


def _fitting(engine: str | Engine, config: NetConfig, images: int) -> Engine:
    if isinstance(engine, str):
        return make_engine(engine or DEFAULT, config, images, np.float64)
    if engine.config != config.stages:
        raise OptionError("the engine was built for another network; build it for this config")
    if engine.dtype != np.float64:
        raise OptionError(f"the engine is {engine.dtype}; it must be float64 for differences")
    if engine.batch_size < images or not engine.training:
        raise OptionError(
            f"the engine has batch_size {engine.batch_size} and training {engine.training}; it "
            f"must have batch_size {images} or more, and training True"
        )
    return engine
