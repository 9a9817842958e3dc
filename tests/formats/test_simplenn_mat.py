"""simpleNN's ``model``: exact round trips, simpleNN's shapes and order, one error else."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
import scipy.io
from golden import Golden
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcome import outcome
from scipy import sparse

from simplenn_py.errors import DataError
from simplenn_py.formats import simplenn_mat
from simplenn_py.formats.simplenn_mat import matlab_lines, not_square, read_simplenn, write_simplenn
from simplenn_py.layout import to_rows
from simplenn_py.model.model import Model
from simplenn_py.network import Conv, NetConfig
from simplenn_py.network.normalisation import Normalisation

CONV = NetConfig.build((9, 9, 2), [Conv(3, 3, pad=1, stride=2), Conv(4, 2, pool=2)], [5, 3])
# Without a convolution simpleNN takes images that are not square, too.
FULL = NetConfig.build((3, 4, 2), full=[3])
LABELS = [np.array([7, 2, 30]), np.array([2**62, -1, 0]), np.array(["a ", "\u00e9\u6f22", "[b]"])]


def make(
    config: NetConfig = CONV, dtype: Any = np.float64, classes: Any = LABELS[0], **more: Any
) -> Model:
    rng = np.random.default_rng(1)
    entries = int(np.prod(config.image_shape))
    scaling = Normalisation(0.5, 1 / 3, rng.random(entries))
    return Model.initialise(config, classes, rng, dtype, scaling, **more)


def written(path, model: Model | None = None) -> dict[str, Any]:
    """Write a model; return its fields, as SciPy reads them."""
    write_simplenn(path, model or make())
    record = scipy.io.loadmat(path)["model"][0, 0]
    return {name: record[name] for name in record.dtype.names}


def by_simplenn(fields: dict[str, Any]) -> dict[str, Any]:
    """What simpleNN itself would have saved: no fields of ours."""
    return {k: v for k, v in fields.items() if not k.startswith("simplenn_py_")}


@pytest.mark.parametrize("config", [CONV, FULL])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", LABELS, ids=["numbers", "large", "text"])
def test_round_trip_is_exact(tmp_path, config, dtype, classes):
    model = make(config, dtype, classes, loss="cross-entropy")
    write_simplenn(tmp_path / "m.mat", model)
    back = read_simplenn(tmp_path / "m.mat")
    assert back.config == config
    assert back.theta.dtype == dtype
    assert np.array_equal(back.theta, model.theta)
    assert back.classes.tolist() == classes.tolist()
    assert back.loss == "cross-entropy"
    ours, theirs = model.normalisation, back.normalisation
    assert (ours.shift, ours.scale) == (theirs.shift, theirs.scale)
    assert np.array_equal(ours.mean, theirs.mean)
    assert not back.normalisation.is_none


def test_equal_models_give_equal_bytes(tmp_path):
    for name in "ab":
        write_simplenn(tmp_path / name, make())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert b"Created on" not in (tmp_path / "a").read_bytes()


def test_every_field_of_simplenn_with_its_shape(tmp_path):
    fields = written(tmp_path / "m.mat", make(dtype=np.float32))
    columns = {
        "ht_input": [9, 5, 2],
        "wd_input": [9, 5, 2],
        "ch_input": [2, 3, 4],
        "wd_pad_added": [1, 0],
        "ht_pad": [11, 5],
        "wd_pad": [11, 5],
        "ht_conv": [5, 4],
        "wd_conv": [5, 4],
        "wd_filter": [3, 2],
        "strides": [2, 1],
        "wd_subimage_pool": [1, 2],
        "full_neurons": [5, 3],
        # 3*(9*2 + 1), 4*(4*3 + 1), 5*(16 + 1), 3*(5 + 1) weights, counted from 1
        "var_ptr": [1, 58, 110, 195, 213],
        "labels": [7, 2, 30],
    }
    for name, values in columns.items():
        assert fields[name].tolist() == [[value] for value in values], name
    for name, value in {"LC": 2, "L": 4, "nL": 3}.items():
        assert fields[name].tolist() == [[value]]
    assert fields["float_type"].tolist() == ["single"]
    assert fields["like"].dtype == np.float32
    assert fields["weight"].shape == fields["bias"].shape == (4, 1)
    assert [w.shape for w in fields["weight"].ravel()] == [(3, 18), (4, 12), (5, 16), (3, 5)]
    assert [b.shape for b in fields["bias"].ravel()] == [(3, 1), (4, 1), (5, 1), (3, 1)]
    assert all(w.dtype == np.float32 for w in fields["weight"].ravel())
    net_config = fields["net_config"][0, 0]
    assert net_config["ch_input"].tolist() == [[2, 3, 4]]
    assert (net_config["LF"].item(), net_config["nL"].item()) == (2, 3)
    assert scipy.io.whosmat(tmp_path / "m.mat") == [("model", (1, 1), "struct")]


def test_weights_are_those_of_simplenn(tmp_path, gold: Golden):
    fields = by_simplenn(written(tmp_path / "m.mat", gold.model()))
    for m in range(gold.config.L):
        assert np.array_equal(fields["weight"][m, 0], gold.weight[m])
        assert np.array_equal(fields["bias"][m, 0].ravel(), np.ravel(gold.bias[m]))
    scipy.io.savemat(tmp_path / "theirs.mat", {"model": fields}, do_compression=True)
    back = read_simplenn(tmp_path / "theirs.mat")
    assert np.array_equal(back.theta, gold.theta)


def test_a_model_of_simplenn_has_no_normalisation(tmp_path):
    fields = by_simplenn(written(tmp_path / "m.mat"))
    fields["bias"][0, 0] = np.zeros((3, 1), np.uint8)  # MATLAB packs whole numbers like that
    scipy.io.savemat(tmp_path / "theirs.mat", {"model": fields, "other": 1})
    model = read_simplenn(tmp_path / "theirs.mat")
    assert model.normalisation.is_none
    assert model.loss == "squared"
    assert model.classes.tolist() == [7, 2, 30]
    assert model.theta.dtype == np.float64
    model.save(tmp_path / "m.npz")
    assert Model.load(tmp_path / "m.npz").normalisation.is_none
    for name in ("labels", "float_type", "net_config", "like", "gpu_use"):  # older versions
        del fields[name]
    scipy.io.savemat(tmp_path / "older.mat", {"model": fields})
    assert read_simplenn(tmp_path / "older.mat").classes.tolist() == [1, 2, 3]


def test_text_classes_are_numbers_for_simplenn(tmp_path):
    assert written(tmp_path / "m.mat", make(classes=LABELS[2]))["labels"].ravel().tolist() == [
        *(1, 2, 3)
    ]


def test_the_lines_of_matlab(tmp_path):
    """What they say, said in NumPy, gives the input of the network, column for column."""
    model = make(FULL)
    reorder, normalise = matlab_lines(model)
    assert reorder == "Z = reshape(permute(reshape(full(Z), [], 4, 3, 2), [1 3 2 4]), [], 24);"
    assert normalise == (
        "Z = (double(full(Z)) - model.simplenn_py_shift)*model.simplenn_py_scale"
        " - model.simplenn_py_mean;"
    )
    fields = written(tmp_path / "m.mat", model)
    images = np.random.default_rng(2).random((2, 12 * 5))
    rows = to_rows(images, 3, 4, "row")
    rows = rows.reshape(-1, 4, 3, 2, order="F").transpose(0, 2, 1, 3).reshape(-1, 24, order="F")
    assert np.array_equal(rows, to_rows(images, 3, 4, "column"))
    shift, scale, mean = (fields[f"simplenn_py_{k}"] for k in ("shift", "scale", "mean"))
    ready = (rows - shift) * scale - mean
    n = model.normalisation
    expected = images.reshape(24, -1, order="F") * n.scale - n.offset[:, np.newaxis]
    np.testing.assert_allclose(
        ready, to_rows(expected.reshape(2, -1, order="F"), 3, 4, "column"), atol=1e-15
    )


def cell(value: Any, m: int = 1) -> Any:
    """Replace cell `m`."""

    def change(fields: dict[str, Any], name: str) -> None:
        fields[name][m, 0] = value

    return change


NAN = np.full((3, 18), np.nan)
HOSTILE = [
    ("L", 4.5, r"model\.L holds 4\.5; whole numbers only"),
    ("L", np.inf, r"model\.L holds inf"),
    ("L", 10.0**9, "full_neurons has 2 entries"),
    ("L", 10.0**300, r"whole numbers only"),
    ("LC", -1.0, "LC is -1"),
    ("LC", np.zeros((0, 0)), r"model\.LC is empty"),
    ("LC", "two", "full matrix of real numbers"),
    ("ht_input", sparse.csc_matrix(np.eye(2)), "full matrix of real numbers"),
    ("ht_input", np.full((3, 1), 2**40), "ht_input is"),
    ("wd_input", 6.0, r"weight\{3\} is 5x16; its network needs 5x8"),
    ("wd_filter", [[99.0], [2.0]], "filter is larger"),
    ("strides", [[0.0], [1.0]], "strides"),
    ("full_neurons", [[10.0**8], [10.0**8]], "too many|has 3 labels|is 5x16"),
    ("weight", np.zeros((4, 1)), r"weight must be a cell array of L = 4"),
    ("weight", np.full((3, 1), "x", object), r"weight must be a cell array of L = 4"),
    ("weight", cell(np.zeros((12, 4))), r"weight\{2\} is 12x4; its network needs 4x12"),
    ("weight", cell(np.zeros((4, 12), complex)), r"weight\{2\} must be a full matrix of real"),
    ("weight", cell(sparse.csc_matrix((4, 12))), r"weight\{2\} must be a full matrix of real"),
    ("weight", cell(NAN, 0), r"weight\{1\} holds numbers that are not finite"),
    ("weight", cell({"a": 1.0}), r"weight\{2\} must be a full matrix"),
    ("bias", cell(np.zeros((1, 4))), r"bias\{2\} is 1x4; its network needs 4x1"),
    ("simplenn_py_loss", "hinge", "loss is 'hinge'; it must be squared or cross-entropy"),
    ("simplenn_py_mean", np.zeros((1, 5)), r"mean is 1x5; its network needs 1x162"),
    ("simplenn_py_scale", np.nan, r"scale holds numbers that are not finite"),
    ("simplenn_py_shift", "0", r"shift must be a full matrix"),
    ("simplenn_py_classes", "[1, 2]", "JSON list of 3 different labels"),
    ("simplenn_py_classes", "[1, 2, 2]", "JSON list of 3 different labels"),
    ("simplenn_py_classes", "[1, 2, true]", "JSON list of 3 different labels"),
    ("simplenn_py_classes", '[1, 2, "a"]', "JSON list of 3 different labels"),
    ("simplenn_py_classes", "[1, 2, [3]]", "JSON list of 3 different labels"),
    ("simplenn_py_classes", f"[1, 2, {10**30}]", "JSON list of 3 different labels"),
    ("simplenn_py_classes", "[" * 10**5, "JSON list of 3 different labels"),
    ("simplenn_py_classes", 7.0, "JSON list of 3 different labels"),
]


@pytest.mark.parametrize(("name", "value", "match"), HOSTILE)
def test_refuses_what_does_not_belong_together(tmp_path, name, value, match):
    fields = written(tmp_path / "m.mat")
    if callable(value):
        value(fields, name)
    else:
        fields[name] = value
    scipy.io.savemat(tmp_path / "bad.mat", {"model": fields})
    with pytest.raises(DataError, match=match) as caught:
        read_simplenn(tmp_path / "bad.mat")
    assert "\n" not in str(caught.value)
    assert "bad.mat" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("labels", "match"),
    [([1.0, 2.0], "2 labels; its network has 3"), ([1.0, 1, 2], "2 labels"), ([0.5, 1, 2], "0.5")],
)
def test_refuses_labels_of_another_network(tmp_path, labels, match):
    fields = by_simplenn(written(tmp_path / "m.mat")) | {"labels": labels}
    scipy.io.savemat(tmp_path / "bad.mat", {"model": fields})
    with pytest.raises(DataError, match=match):
        read_simplenn(tmp_path / "bad.mat")


REQUIRED = ("L", "LC", "ht_input", "wd_input", "ch_input", "wd_filter", "full_neurons", "weight")


@pytest.mark.parametrize("name", [*REQUIRED, "bias", "simplenn_py_mean", "simplenn_py_shift"])
def test_names_the_missing_field(tmp_path, name):
    fields = written(tmp_path / "m.mat")
    del fields[name]
    scipy.io.savemat(tmp_path / "bad.mat", {"model": fields})
    with pytest.raises(DataError, match=rf"has no field {name}; in MATLAB save .*'-v7'"):
        read_simplenn(tmp_path / "bad.mat")


@pytest.mark.parametrize(
    ("variables", "match"),
    [
        ({"y": 1.0, "Z": np.eye(3)}, "has no variable model; in MATLAB save"),
        ({"model": np.eye(3)}, "not a struct with one element"),
        ({"model": "model.mat"}, "not a struct with one element"),
        ({"model": sparse.csc_matrix(np.eye(3))}, "not a struct with one element"),
        ({"model": np.zeros((1, 2), [("L", object)])}, "not a struct with one element"),
        ({"model": {"a": 1.0}}, "has no field L;"),
    ],
)
def test_refuses_other_variables(tmp_path, variables, match):
    scipy.io.savemat(tmp_path / "bad.mat", variables)
    with pytest.raises(DataError, match=match):
        read_simplenn(tmp_path / "bad.mat")


def test_gpu_arrays_and_version_7_3_name_the_remedy(tmp_path):
    path = tmp_path / "bad.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(600))
    with pytest.raises(DataError, match=r"version 7\.3 \(HDF5\).*save\('-v7'"):
        read_simplenn(path)
    head = struct.pack("<IIII", 6, 8, 17, 0) + struct.pack("<IIii", 5, 8, 1, 1)
    head += struct.pack("<II", 1, 5) + b"model".ljust(8, b"\0")
    opaque = struct.pack("<II", 14, len(head)) + head
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + opaque)
    with pytest.raises(DataError, match=r"gpuArrays.*@gather.*save\('-v7'") as caught:
        read_simplenn(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="no such file"):
        read_simplenn(tmp_path / "absent.mat")


def test_refuses_to_write_what_simplenn_cannot_run(tmp_path, monkeypatch):
    path = tmp_path / "m.mat"
    model = make()
    model.theta[5] = np.inf
    with pytest.raises(DataError, match="not finite; train it again"):
        write_simplenn(path, model)
    factored = make(NetConfig.build((3, 4, 2), full=[3], rank=[2]), np.float32)
    factored.theta[:] = 1e30  # finite, but the product of the factors is not
    with pytest.raises(DataError, match="not finite; train it again"):
        write_simplenn(path, factored)
    monkeypatch.setattr(simplenn_mat, "_MOST_BYTES", 2**20)
    with pytest.raises(DataError, match=r"2\*\*31 at most"):
        write_simplenn(path, make())
    assert not list(tmp_path.iterdir())


def test_not_square():
    assert not_square(NetConfig.build((8, 6, 1), [Conv(2, 3, pad=1, pool=2)], [3]))
    assert not not_square(CONV)
    assert not not_square(FULL), "without a convolution the shape does not matter"


def test_a_failed_write_leaves_the_old_file(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        write_simplenn(tmp_path / "none" / "m.mat", make())
    (tmp_path / "m.mat").write_text("precious")
    model = make()
    model.theta[0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        write_simplenn(tmp_path / "m.mat", model)
    assert (tmp_path / "m.mat").read_text() == "precious"


@pytest.fixture(scope="module")
def whole() -> bytes:
    small = NetConfig.build((1, 2, 1), full=[2])
    model = Model(small, np.arange(6.0), np.array([1, 2]))
    stream = io.BytesIO()
    scipy.io.savemat(stream, {"model": simplenn_mat._struct(model)})
    return stream.getvalue()


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    kept=st.floats(0, 1),
)
def test_any_damage_gives_a_model_or_one_error(tmp_path, whole, edits, kept):
    content = bytearray(whole)
    for at, byte in edits:
        content[int(at * len(content))] = byte
    (tmp_path / "x.mat").write_bytes(content[: int(kept * len(content)) if kept < 0.3 else None])
    model, message = outcome(read_simplenn, tmp_path / "x.mat")
    assert "\n" not in message
    if model is not None:
        assert np.isfinite(model.theta).all()
