"""ONNX files, run by onnxruntime: the decision values of the model, for any network."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import net

from simplenn_py.errors import DataError, OptionError
from simplenn_py.formats import onnx as ours
from simplenn_py.formats.onnx import build_onnx, write_onnx
from simplenn_py.layout import to_nhwc
from simplenn_py.model.model import Model
from simplenn_py.network.config import NetConfig
from simplenn_py.network.normalisation import Normalisation

ONE = NetConfig.build((3, 4, 2), full=[3])


def make(config: NetConfig, dtype: Any = np.float32, **more: Any) -> Model:
    rng = np.random.default_rng(3)
    entries = int(np.prod(config.image_shape))
    scaling = Normalisation(7.0, 1 / 255, rng.random(entries))
    model = Model.initialise(config, np.arange(config.nL), rng, dtype, scaling, **more)
    for bias in model.bias:
        bias[:] = rng.standard_normal(bias.size)
    return model


def run(path: Path, images: np.ndarray) -> list[np.ndarray]:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})


def storage_of(config: NetConfig, l: int) -> np.ndarray:
    a, b, d = config.image_shape
    pixels = np.random.default_rng(4).integers(0, 256, (d, a * b * l))
    return np.asfortranarray(pixels.astype(np.uint8))


NETWORKS = {
    "stride 2, oblong": net(11, 9, 2, (4, 5, 2, 2), (6, 3, 1, 1, 2), full=(5,)),
    "ragged pools": net(13, 10, 3, (5, 3, 1, 1, 3), (4, 3, 1), (6, 1, 0, 1, 2), full=(6, 3)),
    "ragged stride": net(10, 7, 1, (3, 3, 0, 2, 2), full=(4, 4, 2)),
    "padding wider than the filter": net(5, 6, 1, (3, 2, 3, 1, 3), full=(2,)),
    "no convolution": net(5, 3, 2, full=(7, 4)),
    "one layer": ONE,
    "one pixel": net(1, 1, 1, (2, 1), full=(2,)),
}


class TestValues:
    @pytest.fixture(autouse=True)
    def _packages(self) -> None:
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("name", NETWORKS)
    def test_are_those_of_the_model(self, tmp_path: Path, name: str, dtype: Any) -> None:
        config = NETWORKS[name]
        model = make(config, dtype)
        write_onnx(tmp_path / "m.onnx", model)
        Z = storage_of(config, 6)
        images = to_nhwc(Z, config.ht_input, config.wd_input).astype(np.float32)
        (values,) = run(tmp_path / "m.onnx", np.ascontiguousarray(images))
        expected = model.decision_values(Z).T
        assert values.dtype == np.float32
        assert values.shape == (6, config.nL)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5)
        (one,) = run(tmp_path / "m.onnx", np.ascontiguousarray(images[2:3]))
        np.testing.assert_allclose(one, expected[2:3], rtol=1e-5, atol=1e-5)

    def test_every_pixel_and_channel_counts(self, tmp_path: Path) -> None:
        """One bright pixel at a time: no two of them may be exchanged."""
        model = make(ONE)
        write_onnx(tmp_path / "m.onnx", model)
        images = np.eye(24, dtype=np.float32).reshape(24, 3, 4, 2) * 255
        (values,) = run(tmp_path / "m.onnx", images)
        np.testing.assert_allclose(values, model.decision_values(images).T, rtol=1e-5, atol=1e-5)
        assert np.unique(values.round(4), axis=0).shape[0] == 24

    def test_probabilities(self, tmp_path: Path) -> None:
        model = make(ONE, loss="cross-entropy")
        write_onnx(tmp_path / "m.onnx", model, probabilities=True)
        images = storage_of(ONE, 5)
        values, probabilities = run(
            tmp_path / "m.onnx", np.ascontiguousarray(to_nhwc(images, 3, 4).astype(np.float32))
        )
        e = np.exp(values.astype(float))
        np.testing.assert_allclose(probabilities, e / e.sum(axis=1, keepdims=True), atol=1e-6)


class TestFile:
    @pytest.fixture(autouse=True)
    def _package(self) -> None:
        pytest.importorskip("onnx")

    def test_what_it_says_of_itself(self) -> None:
        model = make(ONE)
        model.classes = np.array(["cat", "\u6f22", "x"])
        proto = build_onnx(model)
        properties = {p.key: p.value for p in proto.metadata_props}
        assert json.loads(properties["classes"]) == ["cat", "\u6f22", "x"]
        assert properties["loss"] == "squared"
        assert [(s.domain, s.version) for s in proto.opset_import] == [("", 13)]
        assert proto.ir_version == 7
        assert [o.name for o in proto.graph.output] == ["values"]
        sizes = [
            d.dim_value or d.dim_param for d in proto.graph.input[0].type.tensor_type.shape.dim
        ]
        assert (proto.graph.input[0].name, sizes) == ("images", ["l", 3, 4, 2])

    def test_equal_models_give_equal_bytes(self, tmp_path: Path) -> None:
        for name in "ab":
            write_onnx(tmp_path / name, make(NETWORKS["ragged pools"]))
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

    def test_refuses_probabilities_of_the_squared_loss(self, tmp_path: Path) -> None:
        with pytest.raises(OptionError, match="squared loss, whose values are not probabilities"):
            write_onnx(tmp_path / "m.onnx", make(ONE), probabilities=True)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
    def test_refuses_what_float32_cannot_hold(self, tmp_path: Path, value: float) -> None:
        (tmp_path / "m.onnx").write_text("precious")
        model = make(ONE, np.float64)
        model.W[0][1, 2] = value
        with pytest.raises(DataError, match=r"m\.onnx: W1 holds numbers that are not finite"):
            write_onnx(tmp_path / "m.onnx", model)
        assert (tmp_path / "m.onnx").read_text() == "precious"

    def test_refuses_more_than_the_format_holds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ours, "_MOST_BYTES", 100)
        with pytest.raises(DataError, match=r"75 weights; an \.onnx file holds at most 25"):
            build_onnx(make(ONE))

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="cannot be written"):
            write_onnx(tmp_path / "none" / "m.onnx", make(ONE))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(OptionError, match=r'pip install "simplenn-py\[onnx\]"'):
        write_onnx(tmp_path / "m.onnx", make(ONE))
    assert not list(tmp_path.iterdir())
