"""The summary against numbers worked out by hand."""

from __future__ import annotations

import json

import pytest

from simplenn_py.engines import engine_class
from simplenn_py.errors import OptionError
from simplenn_py.network.config import NetConfig
from simplenn_py.runtime.units import human_bytes, human_operations
from simplenn_py.tools.summary import summarise

LAYER4 = NetConfig.preset("layer4")


def test_sizes_of_layer4_by_hand() -> None:
    layers = summarise(LAYER4).layers
    letters = (
        *("a", "b", "d", "p", "a_pad", "b_pad", "h", "s"),
        *("a_conv", "b_conv", "h_pool", "a_next", "b_next", "d_next"),
    )
    by_hand = [
        (28, 28, 1, 2, 32, 32, 5, 1, 28, 28, 2, 14, 14, 32),
        (14, 14, 32, 1, 16, 16, 3, 1, 14, 14, 2, 7, 7, 64),
        (7, 7, 64, 1, 9, 9, 3, 1, 7, 7, 2, 3, 3, 64),  # 7 halved: only complete windows
    ]
    for layer, sizes in zip(layers, by_hand, strict=False):
        assert layer.sizes == dict(zip(letters, sizes, strict=True))
    assert layers[3].sizes == {"n_in": 3 * 3 * 64, "n_out": 10}
    assert [layer.m for layer in layers] == [1, 2, 3, 4]
    assert [layer.is_convolutional for layer in layers] == [True, True, True, False]


def test_parameters_of_layer4_by_hand() -> None:
    summary = summarise(LAYER4)
    # 32*25 + 32, 64*(9*32) + 64, 64*(9*64) + 64, 10*576 + 10
    assert [layer.parameters for layer in summary.layers] == [832, 18_496, 36_928, 5_770]
    assert summary.parameters == 62_026 == LAYER4.n_parameters


def test_operations_of_layer4_by_hand() -> None:
    summary = summarise(LAYER4, batch_size=2)
    products = [(32, 25, 1568), (64, 288, 392), (64, 576, 98), (10, 576, 2)]
    assert [layer.product for layer in summary.layers] == products
    forward = [2_508_800, 14_450_688, 7_225_344, 23_040]
    assert [layer.operations for layer in summary.layers] == forward
    assert summary.operations == 24_207_872
    # Layer 1 needs no derivative by its input.
    step = [2 * forward[0], 3 * forward[1], 3 * forward[2], 3 * forward[3]]
    assert [layer.step_operations for layer in summary.layers] == step
    assert summary.step_operations == 3 * 24_207_872 - 2_508_800


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float64", 8)])
def test_bytes_of_layer4_by_hand(dtype: str, size: int) -> None:
    summary = summarise(LAYER4, batch_size=2, dtype=dtype, engine="lecture")
    Z = [2 * 784, 2 * 14 * 14 * 32, 2 * 7 * 7 * 64, 2 * 576]
    phi = [25 * 1568, 288 * 392, 576 * 98, 0]
    assert [layer.Z_bytes for layer in summary.layers] == [size * n for n in Z]
    assert [layer.phi_bytes for layer in summary.layers] == [size * n for n in phi]
    assert summary.solver_bytes == 3 * size * 62_026
    # The lecture engine keeps phi of every layer, under these names.
    assert [summary.buffers[f"phi{m}"] for m in range(3)] == [size * n for n in phi[:3]]
    assert summary.total_bytes == sum(summary.buffers.values()) + summary.solver_bytes


def test_forward_pass_alone_needs_less(engine_name: str) -> None:
    step = summarise(LAYER4, engine=engine_name)
    alone = summarise(LAYER4, engine=engine_name, training=False)
    forecast = engine_class(engine_name).forecast(LAYER4, 128, "float32", False)
    assert alone.buffers == forecast
    assert alone.solver_bytes == 4 * 62_026
    assert alone.total_bytes < step.total_bytes


def test_fits_compares_with_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    need = summarise(LAYER4).total_bytes
    for free, fits in ((need, True), (need - 1, False)):
        memory = type("Memory", (), {"available": free})
        monkeypatch.setattr(psutil, "virtual_memory", lambda memory=memory: memory)
        assert summarise(LAYER4).free_bytes == free
        assert summarise(LAYER4).fits is fits


def test_as_dict_is_plain_and_complete() -> None:
    summary = summarise(LAYER4, batch_size=2)
    values = json.loads(json.dumps(summary.as_dict()))
    assert values["parameters"] == 62_026
    assert values["total_bytes"] == summary.total_bytes
    assert values["layers"][0]["kind"] == "convolutional"
    assert values["layers"][0]["sizes"]["a_pad"] == 32
    assert values["layers"][3]["product"] == [10, 576, 2]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"batch_size": 0}, "batch_size is 0; it must be"),
        ({"dtype": "float16"}, "dtype is 'float16'; it must be"),
        ({"engine": "lectures"}, "did you mean 'lecture'"),
    ],
)
def test_bad_options(options: dict[str, object], match: str) -> None:
    with pytest.raises(OptionError, match=match):
        summarise(LAYER4, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (2**20 - 1, "1.0 MiB"),
     (5 * 2**30, "5.0 GiB"), (5000 * 2**40, "5,000.0 TiB")],
)  # fmt: skip
def test_human_bytes(count: int, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (999_600, "1 M"), (1_234_000_000, "1.23 G"), (2 * 10**16, "20,000 T")],
)
def test_human_operations(count: int, text: str) -> None:
    assert human_operations(count) == text
