"""The derivative check: right networks pass, and every fault is found, located and named."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from simplenn_py.cnn.operators.loss import LOSSES, CrossEntropy, SquaredLoss
from simplenn_py.cnn.operators.padding import unpad
from simplenn_py.cnn.operators.phi import find_index_phiZ, padding_and_phiZ
from simplenn_py.engines.lecture import LectureEngine
from simplenn_py.engines.operator_table import Operators
from simplenn_py.errors import OptionError
from simplenn_py.io.strict_json import to_json
from simplenn_py.layout import ConvGeometry
from simplenn_py.network import Conv, NetConfig
from simplenn_py.tools.gradcheck import check as gradcheck
from simplenn_py.tools.gradcheck import hints
from simplenn_py.tools.gradcheck.check import check_derivatives
from simplenn_py.tools.gradcheck.plot import plot_gradcheck
from simplenn_py.tools.gradcheck.report import GradcheckReport

l = 5
# Stride 2 with a column left over, a pool that leaves some out, padding everywhere.
SMALL = NetConfig.build(
    (13, 12, 2),
    [Conv(3, 3, pad=1, pool=2), Conv(4, 3, pad=1, stride=2), Conv(3, 3, pad=1, pool=2)],
    [6, 4],
)
TINY = NetConfig.build((2, 2, 1), full=[3, 3])
every_loss = pytest.mark.parametrize("loss", LOSSES)


def with_operators(**routines: Callable[..., Any]) -> LectureEngine:
    return LectureEngine(SMALL, l, np.float64, operators=Operators().replace(**routines))


class Wrapped(LectureEngine):
    """The lecture engine, with something done to what layer m's pass back wrote."""

    def __init__(self, change: Callable[..., None], config: NetConfig = SMALL) -> None:
        super().__init__(config, l, np.float64)
        self.change = change

    def backward(self, m, W, dW=None, dbias=None, **more):
        super().backward(m, W, dW, dbias, **more)
        if dW is not None:
            self.change(m, dW, dbias)


def names(report: GradcheckReport) -> list[str]:
    return [hint.text for hint in report.hints if hint.certain]


def verdicts(report: GradcheckReport) -> list[str]:
    return [layer.verdict for layer in report.layers]


@every_loss
@pytest.mark.parametrize("net", [pytest.param("digits", marks=pytest.mark.slow), "small", "full"])
def test_what_is_right_passes(net: str, engine_name: str, loss: str) -> None:
    nets = {"digits": NetConfig.preset("digits", 8, 8, 1), "small": SMALL, "full": TINY}
    config = nets[net]
    report = check_derivatives(config, loss, engine_name)
    assert report.ok, report
    assert verdicts(report) == ["ok"] * config.L
    assert report.hints == ()
    assert (report.engine, report.loss, report.images) == (engine_name, loss, l)
    best = min(point.gradient for point in report.sweep)
    assert best < 1e-7
    assert report.sweep[0].step == pytest.approx(1e-1)
    assert report.sweep[-1].step == pytest.approx(1e-12)
    assert report.sweep[-1].gradient > 10 * best  # rounding
    if net != "full":
        assert report.sweep[0].gradient > 10 * best  # truncation, and kinks
        assert report.sweep[0].kinked
    assert not report.sweep[-1].kinked


def test_layer4(engine_name: str) -> None:
    config = NetConfig.preset("layer4", 28, 28, 1)
    assert check_derivatives(config, "cross-entropy", engine_name, images=1).ok


@pytest.mark.parametrize("seed", range(1, 6))
def test_other_seeds(seed: int) -> None:
    config = NetConfig.build((3, 2, 2), full=[6, 5, 3])
    for net in (config, SMALL):
        assert check_derivatives(net, "cross-entropy", "direct", seed, images=2).ok


def test_the_seed_decides_everything() -> None:
    first, again, other = (check_derivatives(SMALL, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other


# Faults written apart from those that gradcheck/hints.py builds.


def everywhere_in_the_window(V, idx_pool, g: ConvGeometry):
    l, n = idx_pool.shape[1], g.h_pool
    dS = np.zeros((g.d_next, g.a_conv, g.b_conv, l))
    values = V.reshape(g.d_next, g.a_next, g.b_next, l, order="F")
    for i in range(g.a_next * n):
        for j in range(g.b_next * n):
            dS[:, i, j] = values[:, i // n, j // n]
    return dS.reshape(g.d_next, -1, order="F")


def first_of_the_window(V, idx_pool, g: ConvGeometry):
    dS = everywhere_in_the_window(V, idx_pool, g).reshape(
        g.d_next, g.a_conv, g.b_conv, -1, order="F"
    )
    keep = np.zeros((g.a_conv, g.b_conv, 1))
    keep[:: g.h_pool, :: g.h_pool] = 1
    return (dS * keep).reshape(g.d_next, -1, order="F")


def scattered(V, g: ConvGeometry, index, add: bool = True):
    size = g.d * g.a_pad * g.b_pad
    columns = V.reshape(index.size, -1, order="F")
    out = np.zeros((size, columns.shape[1]))
    if add:
        np.add.at(out, index, columns)
    else:
        out[index] = columns
    return out.reshape(g.d, -1, order="F")


def without_stride(V, g: ConvGeometry):
    s, a_conv, b_conv = 1, g.a_conv, g.b_conv
    index = [
        c + g.d * (i * s + u + g.a_pad * (j * s + w))
        for j in range(b_conv) for i in range(a_conv)
        for c in range(g.d) for w in range(g.h) for u in range(g.h)
    ]  # fmt: skip
    return scattered(V, g, np.array(index))


def transposed_filter(V, g: ConvGeometry):
    index = find_index_phiZ(g).reshape(-1, g.d, g.h, g.h).swapaxes(2, 3).reshape(-1)
    return scattered(V, g, index)


def channel_fastest(V, g: ConvGeometry):
    index = find_index_phiZ(g).reshape(-1, g.d, g.h, g.h).transpose(0, 2, 3, 1).reshape(-1)
    return scattered(V, g, index)


def overwriting(V, g: ConvGeometry):
    return scattered(V, g, find_index_phiZ(g), add=False)


def with_border(V, g: ConvGeometry):
    return V.reshape(g.d, g.a_pad, g.b_pad, -1, order="F")[:, : g.a, : g.b].reshape(
        g.d, -1, order="F"
    )


OPERATORS = {
    "mask .* I[Z]": ("mask", lambda V, Z, columns=1: V, 4),
    "all entries of a window": ("vTP_pool", everywhere_in_the_window, 3),
    "the first of the window": ("vTP_pool", first_of_the_window, 3),
    "ignores the stride": ("vTP_phi", without_stride, 1),
    "(5) transposes the filter": ("vTP_phi", transposed_filter, 2),
    "(5) uses another patch order": ("vTP_phi", channel_fastest, 2),
    "(5) overwrites": ("vTP_phi", overwriting, 2),
    "does not remove the padding": ("unpad", with_border, 2),
}


@pytest.mark.parametrize("fault", OPERATORS)
def test_a_wrong_operator_is_named(fault: str) -> None:
    loss = "cross-entropy" if "stride" in fault or "mask" in fault else "squared"
    name, routine, wrong = OPERATORS[fault]
    report = check_derivatives(SMALL, loss, with_operators(**{name: routine}))
    assert not report.ok
    assert verdicts(report) == ["wrong"] * wrong + ["ok"] * (SMALL.L - wrong)
    (text,) = names(report)
    assert fault in text
    place = "layer 2: " if "stride" in fault else "every layer with this step: "
    assert text.startswith(place)
    assert all((layer.worst is None) == (layer.m > wrong) for layer in report.layers)


@pytest.mark.parametrize("m", range(SMALL.L))
def test_a_fault_in_one_layer_has_that_place(m: int) -> None:
    for fault in hints.FAULTS:
        engine = hints.FaultyEngine(SMALL, l)
        engine.fault, engine.layers = fault, frozenset({m})
        evidence = f"layer {m + 1}: {fault.text}"
        report = check_derivatives(SMALL, engine=engine)
        if not report.ok:
            assert evidence in names(report)
            break
    else:
        assert m == SMALL.L - 1  # of these faults the last layer can have none


def scaled(ratio: float, part: str = "", layer: int | None = None) -> Wrapped:
    def change(m: int, dW: Any, dbias: Any) -> None:
        if layer in (None, m):
            for name, array in (("W", dW), ("bias", dbias)):
                if part in ("", name):
                    array *= ratio

    return Wrapped(change)


@pytest.mark.parametrize(
    ("ratio", "cause"),
    [
        (-1.0, "the sign is wrong"),
        (2.0, "the factor 2 of the squared loss was applied twice"),
        (0.5, "the factor 2 of the squared loss is missing"),
        (l, "the factor 1/l is missing"),
        (1 / l, "1/l was applied twice"),
        (-2.0, "the sign is wrong or the factor 2 of the squared loss was applied twice"),
        (0.0, "nothing was written"),
        (1.001, "not a factor of the lecture's formulas"),
    ],
)
def test_a_constant_factor_is_named(ratio: float, cause: str) -> None:
    report = check_derivatives(SMALL, engine=scaled(ratio))
    assert verdicts(report) == ["wrong"] * SMALL.L
    (text,) = names(report)
    assert text.startswith("layers 1, 2, 3, 4, 5: the gradient is")
    assert f"{ratio:.6g} times the correct one" in text
    assert cause in text


def test_a_constant_factor_in_one_part() -> None:
    report = check_derivatives(SMALL, engine=scaled(1.001, "bias", 1))
    assert verdicts(report) == ["ok", "wrong", "ok", "ok", "ok"]
    assert "layer 2: the gradient of bias is 1.001 times the correct one" in names(report)[0]
    assert any("only the bias gradient is wrong" in hint.text for hint in report.hints)
    pixels = SMALL.conv_layers[2].a_conv * SMALL.conv_layers[2].b_conv
    report = check_derivatives(SMALL, engine=scaled(1 / pixels, "bias", 2))
    assert "a mean over a_conv*b_conv pixels" in names(report)[0]


def test_a_sign_on_the_way_back() -> None:
    report = check_derivatives(SMALL, engine=with_operators(unpad=lambda V, g: -unpad(V, g)))
    assert (
        verdicts(report) == ["wrong", "wrong", "ok", "ok", "ok"] or verdicts(report)[1] == "wrong"
    )
    assert any("-1 times" in text and "layer 2, from (5) of layer 3" in text
               for text in names(report))  # fmt: skip


def loss_of(kind: type, **methods: Callable[..., Any]) -> Any:
    return type("Mine", (kind,), methods)()


@pytest.mark.parametrize("kind", [SquaredLoss, CrossEntropy])
def test_a_wrong_loss_is_told_from_a_wrong_engine(kind: type, engine_name: str) -> None:
    cases = [(0.5, "is missing"), (2, "was applied twice"), (-1, "sign"),
             (1 / l, "1/l was applied twice"), (l, "1/l is missing"), (1.001, "")]  # fmt: skip
    for ratio, cause in cases:
        loss = loss_of(kind, gradient=lambda self, z, y, r=ratio: r * kind.gradient(self, z, y))
        report = check_derivatives(TINY, loss, engine_name)
        (text,) = names(report)
        assert text.startswith(f"the {loss.name} loss: its derivative is {ratio:.6g} times")
        assert cause in text


def test_a_derivative_without_the_one_hot_and_a_wrong_Hessian() -> None:
    softmax = loss_of(CrossEntropy, gradient=lambda self, z, y: self.softmax(z))
    report = check_derivatives(SMALL, softmax)
    assert not report.ok
    assert [hint.certain for hint in report.hints] == [False]
    assert "its derivative is not the derivative of its value" in report.hints[0].text
    bent = loss_of(SquaredLoss, hessian_product=lambda self, z, V: V)
    report = check_derivatives(SMALL, bent)
    assert verdicts(report) == ["ok"] * SMALL.L
    assert not report.ok
    assert names(report) == ["the squared loss: B v is not the product with its second derivative"]


def test_the_worst_entry_has_its_place() -> None:
    def change(m: int, dW: Any, dbias: Any) -> None:
        if m == 1:
            dW[2, 1 + 3 * 0 + 9 * 2] += 10.0  # filter 2, u = 1, w = 0, channel 2

    report = check_derivatives(SMALL, engine=Wrapped(change))
    assert verdicts(report) == ["ok", "wrong", "ok", "ok", "ok"]
    worst = report.layers[1].worst
    assert worst is not None
    assert worst.place == "layer 2, W, filter k = 2, channel c = 2, offset (u, w) = (1, 0)"
    assert worst.computed - worst.expected == pytest.approx(10.0 / l)
    assert [hint.certain for hint in report.hints] == [False]
    assert "layer 2 is the first wrong one in the backward pass" in report.hints[0].text


def test_bisection_finds_one_wrong_entry_of_many() -> None:
    config = NetConfig.build((6, 6, 1), [Conv(8, 3, pad=1, pool=2), Conv(12, 3, pad=1)], [3])

    def change(m: int, dW: Any, dbias: Any) -> None:
        if m == 1:
            dW[10, 5 + 9 * 7] += 1.0  # one of 864
        if m == 2:
            dW[2, 100] += 1.0  # one of 324

    report = check_derivatives(config, engine=Wrapped(change, config))
    assert [layer.worst.place for layer in report.layers if layer.worst] == [
        "layer 2, W, filter k = 10, channel c = 7, offset (u, w) = (2, 1)",
        "layer 3, W, output k = 2, input c = 100",
    ]


def test_a_wrong_tangent() -> None:
    class Engine(LectureEngine):
        def tangent(self, m, W, V, v_bias):
            result = super().tangent(m, W, V, v_bias)
            if m == 2:
                result *= 1.01
            return result

    report = check_derivatives(SMALL, engine=Engine(SMALL, l, np.float64))
    assert verdicts(report) == ["wrong", "wrong", "wrong", "ok", "ok"]
    assert all(layer.checks["gradient W"].ok for layer in report.layers)
    (hint,) = report.hints
    assert "layers up to 3" in hint.text


def test_another_forward_pass_is_said() -> None:
    def turned(Z, g: ConvGeometry):
        P = padding_and_phiZ(Z, g)
        return P.reshape(g.h, g.h, -1, order="F").swapaxes(0, 1).reshape(P.shape, order="F")

    report = check_derivatives(SMALL, engine=with_operators(padding_and_phiZ=turned))
    assert not report.ok
    assert "layer 1: the forward pass is not the lecture's" in report.hints[0].text
    both = with_operators(padding_and_phiZ=turned, vTP_phi=transposed_filter)
    report = check_derivatives(SMALL, engine=both)  # consistent, and still another network
    assert verdicts(report) == ["ok"] * SMALL.L
    assert [c.name for c in report.network if not c.ok] == ["forward pass against lecture's"]
    assert len(report.hints) == 1


def test_NaN_is_wrong() -> None:
    report = check_derivatives(
        SMALL, engine=with_operators(unpad=lambda V, g: np.nan * unpad(V, g))
    )
    assert verdicts(report) == ["wrong", "wrong", "ok", "ok", "ok"]
    json.loads(to_json(report.as_dict()))


def theta_of(config: NetConfig) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(config.n_parameters) * 0.5


def test_a_tie_is_called_a_kink() -> None:
    config = NetConfig.build((2, 2, 1), full=[2, 2])
    theta = theta_of(config)
    theta[:10] = 0  # S = 0 in both units of layer 1: no derivative there
    report = check_derivatives(config, theta=theta)
    assert not report.ok
    assert verdicts(report)[0] == "kink"
    assert report.redrawn > 0


def test_kinks_are_avoided_by_drawing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradcheck, "_STEPS", (1e-2, 1e-3, 1e-5, 1e-6, 1e-7))
    report = check_derivatives(SMALL)
    assert report.ok
    assert report.redrawn > 0
    monkeypatch.setattr(gradcheck, "_STEPS", (1e-1,))
    report = check_derivatives(SMALL)
    assert not report.ok
    assert verdicts(report)[0] == "kink"
    assert report.redrawn == 0


def test_a_dead_layer_is_silent() -> None:
    config = NetConfig.build((2, 2, 1), full=[3, 3, 2])
    theta = theta_of(config)
    theta[15 + 9 : 15 + 12] = -100  # biases of layer 2: its ReLU lets nothing through
    report = check_derivatives(config, theta=theta)
    assert verdicts(report)[:2] == ["silent", "silent"]
    assert not report.ok


def test_mistakes() -> None:
    other = NetConfig.preset("digits", 8, 8, 1)
    cases = [
        ({"images": 0}, "images is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"loss": "square"}, "did you mean 'squared'"),
        ({"engine": "fast"}, "engine is 'fast'"),
        ({"engine": LectureEngine(other, l, np.float64)}, "another network"),
        ({"engine": LectureEngine(SMALL, l, np.float32)}, "float32"),
        ({"engine": LectureEngine(SMALL, 4, np.float64)}, "has batch_size 4"),
        ({"engine": LectureEngine(SMALL, l, np.float64, training=False)}, "training False"),
    ]
    for options, message in cases:
        with pytest.raises(OptionError, match=message):
            check_derivatives(SMALL, **options)


@lru_cache
def reports() -> tuple[GradcheckReport, GradcheckReport, GradcheckReport]:
    deep = NetConfig.build((2, 2, 1), full=(8,) * 10 + (2,))
    return (
        check_derivatives(SMALL),
        check_derivatives(SMALL, engine=scaled(2.0)),
        check_derivatives(deep),
    )


def drawn(report: GradcheckReport) -> Any:
    panels = plot_gradcheck(report, name="a $net")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        panels[0].figure.savefig(io.BytesIO(), format="png", dpi=60)
    return panels


def test_the_figure_shows_the_numbers() -> None:
    right, wrong, deep = reports()
    left, layers = drawn(right)
    lines = {line.get_label(): line for line in left.get_lines()}
    assert list(lines["gradient of f"].get_xdata()) == [p.step for p in right.sweep]
    assert list(lines["Jv"].get_ydata()) == pytest.approx([p.Jv for p in right.sweep])
    assert {"rounding, ~ 1/step", "truncation, ~ step^2"} <= set(lines)
    assert (left.get_xscale(), left.get_yscale()) == ("log", "log")
    assert "a $net" in left.get_title()
    dots = {line.get_label(): list(line.get_ydata()) for line in layers.get_lines()}
    errors = [layer.checks["Jv bias"].error for layer in right.layers]
    assert dots["Jv, bias"] == pytest.approx(errors)
    ticks = [tick.get_text() for tick in layers.get_xticklabels()]
    assert ticks == [f"{m}: {'conv' if m < 4 else 'full'}\nok" for m in range(1, 6)]
    left, layers = drawn(wrong)
    curve = next(line for line in left.get_lines() if line.get_label() == "gradient of f")
    smooth = [e for e, p in zip(curve.get_ydata(), wrong.sweep, strict=True) if not p.kinked]
    assert max(smooth) < 1.1 * min(smooth)  # a plateau
    assert "wrong" in layers.get_xticklabels()[0].get_text()
    drawn(deep)


def test_given_axes_are_drawn_into() -> None:
    report = reports()[0]
    mine = plot_gradcheck(report)
    again = plot_gradcheck(report, axes=mine)
    assert all(a is b for a, b in zip(mine, again, strict=True))
