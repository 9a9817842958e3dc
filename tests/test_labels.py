"""Labels: one rule for what a label is and when two are the same, everywhere."""

from __future__ import annotations

import json
import logging
import unicodedata

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from networks import STRIPES, fit, stripes
from PIL import Image

import simplenn_py as nn
from simplenn_py.cli import main
from simplenn_py.errors import ConfigError, DataError
from simplenn_py.formats.simplenn_mat import read_simplenn, write_simplenn
from simplenn_py.labels import as_labels, in_kind_of, match_labels, sentence
from simplenn_py.training.run_folder import RunFolder

NFC = "caf\u00e9"
NFD = unicodedata.normalize("NFD", NFC)


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    """They take most of the time of a short run."""
    monkeypatch.setattr(RunFolder, "save_figures", lambda *_: [])


class Column:
    """What a column of pandas does: an index of its own, and ``__array__``."""

    def __init__(self, values, dtype=object):
        self._values = np.array(values, dtype)

    def __array__(self, dtype=None, copy=None):
        return self._values.astype(dtype) if dtype is not None else self._values

    def __getitem__(self, key):
        raise KeyError(key)

    def __len__(self):
        return len(self._values)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([3.0, 1.0], [3, 1]),
        (np.array([3, 1], np.float16), [3, 1]),
        (np.array([3, 1], np.longdouble), [3, 1]),
        (np.array([3, 1], ">i4"), [3, 1]),
        (np.array([3, 1], np.uint64), [3, 1]),
        (np.array([[3], [1]], np.int8), [3, 1]),
        (np.array([[3, 1]]), [3, 1]),
        (np.array([True, False]), [1, 0]),
        ([True, False], [1, 0]),
        (np.array([3, 1], object), [3, 1]),
        (np.array([3.0, True], object), [3, 1]),
        (Column([3, 1]), [3, 1]),
        (Column(["b", "a"]), ["b", "a"]),
        (("b", "a"), ["b", "a"]),
        ([b"b", "a"], ["b", "a"]),
        ([np.str_("b"), np.bytes_(b"a")], ["b", "a"]),
        (np.array([b"b", b"a"]), ["b", "a"]),
        (np.array(["b", "a"], np.dtypes.StringDType()), ["b", "a"]),
        (np.array(["b", "a"], ">U3"), ["b", "a"]),
        (["b\0", "a  "], ["b", "a  "]),
        (["", "a"], ["", "a"]),
        ([NFD, "a"], [NFC, "a"]),
        (np.array([NFD.encode()]), [NFC]),
        (["x" * 5000, "a"], ["x" * 5000, "a"]),
        (["007", "1e3", " 1"], ["007", "1e3", " 1"]),
        ([2**63 - 1, -(2**63)], [2**63 - 1, -(2**63)]),
        ([], []),
    ],
)
def test_labels_become_int64_or_text(given, expected):
    labels = as_labels(given)
    assert labels.dtype == np.int64 or labels.dtype.kind == "U"
    assert labels.tolist() == expected
    assert as_labels(labels) is labels, "labels that are normal stay the same array"


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ([0.5, 1.0], "label 0.5 at index 0 is not a whole number"),
        ([1.0, np.nan], r"image 1 \(counted from 0\) has no label \(nan\)"),
        ([1, float("inf")], "label inf at index 1 is not a whole number"),
        (["a", np.nan], r"image 1 \(counted from 0\) has no label"),
        (["a", None], r"image 1 \(counted from 0\) has no label \(None\)"),
        (["a", 1], r"mixes texts and numbers, such as the labels at index 0 and 1; make all"),
        ([1, 2j], "label 2j at index 1 is neither"),
        (np.array([1, 2j]), "has dtype complex128; labels must be"),
        (np.array(["2024-01-01"], "M8[D]"), r"datetime64\[D\]; labels must be .* y.astype"),
        (np.zeros(2, "i4,i4"), "has dtype .*; labels must be"),
        (np.ma.array([1, 2], mask=[0, 1]), "a label is masked"),
        (np.eye(3), "is 3x3; labels must be a vector"),
        (7, "is a single value; labels must be a vector"),
        ("abc", "is a single value"),
        (None, "is a single value"),
        ({"a", "b"}, "is a single value"),
        ([1, 10**5000], "label of more than 40 digits at index 1 does not fit in int64"),
        (["a", 10**5000], "mixes texts and numbers"),
        ([10**400, 1.0], "does not fit"),
        (np.array([2**63], np.uint64), "label 9223372036854775808 does not fit in int64"),
        ([b"\xff"], "is not text in UTF-8"),
        ([[1], [1, 2]], r"label \[1\] at index 0 is neither"),
    ],
)
def test_what_is_no_label_is_refused(given, match):
    with pytest.raises(DataError, match=match) as caught:
        as_labels(given)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("y", "classes", "index", "unknown"),
    [
        ([0, 1, 1], ["0", "1", "other"], [0, 1, 1], {}),
        (["1", "0", "other"], [0, 1], [1, 0, 2], {"other": 1}),
        ([b"1", b"0"], [0, 1], [1, 0], {}),
        ([1.0, 0.0, 7.0], [0, 1], [1, 0, 2], {7: 1}),
        ([True, False], [0, 1], [1, 0], {}),
        (["007", "7", "1e3", " 7", "7.0", "+7", "\u0667"], [7, 1000], [2, 0, 2, 2, 2, 2, 2], None),
        ([7, 7], ["007", "07"], [2, 2], {7: 2}),
        ([NFD, NFC], [NFC, "tea"], [0, 0], {}),
        (["tea ", "Tea"], [NFC, "tea"], [1, 2], {"Tea": 1}),
        (["tea ", "tea"], ["tea", "tea "], [1, 0], {}),
        (["tea"], ["tea  ", "coffee"], [0], {}),
        ([7], ["7 ", "8"], [0], {}),
        ([30, 2], [7, 2, 30], [2, 1], {}),
        (["b", "z", "z", "a"], ["a", "b"], [1, 2, 2, 0], {"z": 2}),
        ([], [0, 1], [], {}),
    ],
)
def test_labels_are_compared_in_the_kind_of_the_classes(y, classes, index, unknown):
    found, foreign = match_labels(y, as_labels(classes))
    assert found.tolist() == index
    if unknown is not None:
        assert foreign == unknown


def test_padded_labels_keep_their_width():
    """The fingerprint of a run's data contains the dtype of the labels."""
    labels = as_labels(np.array(["a    ", "b"]), padded=True)
    assert labels.tolist() == ["a", "b"]
    assert labels.dtype == "U5"


def test_the_kind_of_other_labels():
    text, numbers = as_labels(["0", "1"]), as_labels([0, 1])
    assert in_kind_of(text, numbers).tolist() == [0, 1]
    assert in_kind_of(numbers, text).tolist() == ["0", "1"]
    for stays in (["0", "other"], ["00"], ["-0"], ["9" * 25], ["\u0667"]):
        assert in_kind_of(as_labels(stays), numbers).tolist() == stays


def test_the_sentence():
    assert sentence({"dog": 3}, "test ", "the training set lacks") == (
        "3 test images have the label 'dog', which the training set lacks"
    )
    assert sentence({7: 1}, "", "x") == "1 image has the label 7, which x"
    many = sentence({f"c{k}\n": k + 1 for k in range(20)}, "", "x")
    assert "210 images have labels that x: 'c0\\n' (1), 'c1\\n' (2)" in many
    assert many.endswith("'c7\\n' (8) and 12 more")


# -- whatever train accepts can be saved, loaded, resumed and exported

any_label = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=6),
    st.floats(),
    st.booleans(),
    st.binary(max_size=3),
    st.none(),
)


def given_labels(labels, kind):
    """Give each stripe image one of three labels, in the container that `kind` names."""
    index = np.random.default_rng(1).integers(0, 3, 30)
    index[:3] = range(3)
    y = [labels[k] for k in index]
    if kind == "list":
        return y
    if kind == "column":
        return Column(y)
    if kind == "array":
        return np.array(y)
    return np.array(y, object).reshape(-1, 1)


@example(labels=[0.5, 1.0, 2.0], kind="array")
@example(labels=[0.0, 1.0, 2.0], kind="array")
@example(labels=["", " ", "a"], kind="list")
@example(labels=["a\0", "a", "b"], kind="column")
@example(labels=[NFC, NFD, "x"], kind="list")
@example(labels=[2**63 - 1, -(2**63), 0], kind="list")
@example(labels=["x" * 2000, "\ud800", "\U0001f600"], kind="list")
@example(labels=[True, False, True], kind="array")
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    labels=st.lists(any_label, min_size=3, max_size=3),
    kind=st.sampled_from(["list", "column", "array", "object"]),
)
def test_whatever_train_accepts_can_be_used(tmp_path_factory, labels, kind):
    folder = tmp_path_factory.mktemp("run")
    whole = stripes(30, 1)
    options = nn.TrainOptions(epochs=1, batch_size=16)
    try:
        y = given_labels(labels, kind)
        data = nn.Dataset("any", nn.Images(whole.Z, y, 6, 5), nn.Images(whole.Z, y, 6, 5), "")
        classes = np.unique(data.train.y)
        config = nn.NetConfig.build((6, 5, 1), full=[classes.size])
    except (DataError, ConfigError, UnicodeDecodeError):  # the last: NumPy's own, for a list
        return
    model, _ = fit(data, options, config=config)
    model.save(folder / "model.npz")
    write_simplenn(folder / "model.mat", model)
    for loaded in (nn.Model.load(folder / "model.npz"), read_simplenn(folder / "model.mat")):
        assert loaded.classes.tolist() == classes.tolist()
        assert loaded.predict(whole.Z).tolist() == model.predict(whole.Z).tolist()
        assert loaded.score(whole.Z, y) == model.score(whole.Z, data.train.y)


@pytest.mark.parametrize(
    "labels", [np.array([2.0, 0.0, 1.0]), Column(["b", "", "a"]), np.array([b"x", b"y", b"0"])]
)
def test_a_run_of_any_labels_is_resumed_and_exported(labels, tmp_path):
    kind = np.random.default_rng(1).integers(0, 3, 40)
    y = np.asarray(labels)[kind]
    y = Column(y) if isinstance(labels, Column) else y
    data = nn.Dataset("any", nn.Images(stripes(40, 1).Z, y, 6, 5), None, "made by the test")
    fit(data, nn.TrainOptions(epochs=1, batch_size=16), out=tmp_path / "run")
    longer = nn.TrainOptions(epochs=2, batch_size=16)
    model, history = fit(data, longer, config=None, resume=tmp_path / "run")
    assert history.records[-1]["epoch"] == 2
    assert nn.Model.load(tmp_path / "run" / "model.npz").classes.tolist() == model.classes.tolist()
    onnx = pytest.importorskip("onnx")
    assert main(["convert", str(tmp_path / "run"), str(tmp_path / "m.onnx")]) == 0
    properties = {p.key: p.value for p in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert json.loads(properties["classes"]) == model.classes.tolist()


def test_a_model_made_by_hand_can_be_loaded(tmp_path):
    config = nn.NetConfig.build((1, 2, 1), full=[2])
    model = nn.Model(config, np.zeros(6), [1.0, 0.0])
    model.save(tmp_path / "m.npz")
    assert nn.Model.load(tmp_path / "m.npz").classes.tolist() == [1, 0]
    with pytest.raises(DataError, match=r"label 0\.5 at index 1"):
        nn.Model(config, np.zeros(6), [1, 0.5])
    with pytest.raises(ConfigError, match="two classes have the same label"):
        nn.Model(config, np.zeros(6), [NFC, NFD])


def test_a_start_may_know_the_labels_in_another_kind_and_order():
    images = stripes(60, 1, (0, 1, 2))
    data, options = nn.Dataset("n", images, None, ""), nn.TrainOptions(epochs=8, batch_size=16)
    first, history = fit(data, options)
    other = nn.Model(first.config, first.theta, ["2", "0", "1"], first.normalisation, first.loss)
    y = images.y.copy()
    for k, label in enumerate((2, 0, 1)):
        y[images.y == k] = label
    renamed = nn.Dataset("n", nn.Images(images.Z, y, 6, 5), None, "")
    gentle = nn.TrainOptions(epochs=1, batch_size=16, lr=1e-9)
    _, again = fit(renamed, gentle, config=None, start=other)
    assert again.report["train_accuracy"] == history.report["train_accuracy"] > 0.8


# -- labels that training never saw are said, with their count


def two_sets(test_labels=("h", "v", "dog")):
    test = stripes(20, 2, test_labels)
    return nn.Dataset("stripes", stripes(60, 1), test, "made by the test"), test


def test_training_says_which_labels_it_never_saw(tmp_path, capsys):
    data, test = two_sets()
    dogs = int(np.sum(test.y == "dog"))
    options = nn.TrainOptions(epochs=1, batch_size=16)
    said = f"note: {dogs} test images have the label 'dog', which the training set lacks\n"
    _, history = nn.train(data, STRIPES, options)
    assert said in capsys.readouterr().out
    assert history.report["dataset"]["unseen_labels"] == {
        "test": [{"label": "dog", "images": dogs}]
    }
    _, history = fit(two_sets(("h", "v", "x"))[0], options)
    assert history.report["dataset"]["unseen_labels"] == {}


def test_a_class_that_limit_leaves_out_is_unseen(capsys):
    """A model may know a class of which it saw no image."""
    images, test = (stripes(60, seed, ("h", "v", "x")) for seed in (1, 2))
    y = np.where(images.y == "x", "h", images.y)
    y[0] = "x"  # one of 60 images: too few for one of three
    data = nn.Dataset("rare", nn.Images(images.Z, y, images.a, images.b), test, "")
    nn.train(data, STRIPES, nn.TrainOptions(epochs=1, limit=3))
    assert "which the training set lacks" in capsys.readouterr().out


def test_test_labels_of_the_other_kind():
    """0, 1, 2 as numbers in one file and as texts in the other."""
    numbers, text = stripes(60, 1, (0, 1, 2)), stripes(30, 2, ("0", "1", "2"))
    options = nn.TrainOptions(epochs=8, batch_size=16, lr=0.05)
    for train, test in ((numbers, text), (text, numbers)):
        data = nn.Dataset("mixed", train, test, "")
        assert data.test.y.dtype.kind == data.train.y.dtype.kind
        model, history = fit(data, options)
        assert history.report["test_accuracy"] > 0.8
        assert model.score(test.Z, test.y) == history.report["test_accuracy"]


def test_score_and_cnn_predict_count_and_say(caplog):
    images = stripes(60, 1, (0, 1, 2))
    model, _ = fit(nn.Dataset("n", images, None, ""), nn.TrainOptions(epochs=8, batch_size=16))
    score = model.score(images.Z, images.y)
    assert model.score(images.Z, images.y.astype(str)) == score
    assert not caplog.records
    y = images.y.astype(str).astype(object)
    y[:3] = "zebra"
    right = model.predict(images.Z) == images.y
    with caplog.at_level(logging.WARNING):
        assert model.score(images.Z, y) == np.mean(right[3:]) * 57 / 60
    assert "3 images have the label 'zebra', which the model does not know" in caplog.text
    caplog.clear()
    model.normalisation = type(model.normalisation).none(30)
    rows = images.Z.reshape(30, -1, order="F").T
    guess, accuracy = nn.cnn_predict(images.y.astype(str), rows, model)
    assert accuracy == np.mean(guess == images.y)
    nn.cnn_predict(y, rows, model)
    assert "3 images have the label 'zebra'" in caplog.text


def test_cnn_train_compares_validation_labels():
    rows = np.random.default_rng(0).random((30, 30))
    y = np.arange(30) % 3
    options = "-s 2 -epoch_max 1"
    config = nn.NetConfig.build((6, 5, 1), full=[3])
    model = nn.cnn_train(y, rows, y.astype(str), rows, config, options, 0, progress=False)
    assert model.classes.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="y_v holds texts, such as 'a', but y holds numbers"):
        nn.cnn_train(y, rows, ["a"] * 30, rows, config, options, 0, progress=False)


def test_the_estimator_compares_labels_too(caplog):
    pytest.importorskip("sklearn")
    images = stripes(60, 1, (0, 1, 2))
    X = nn.layout.to_nhwc(images.Z, 6, 5)
    fitted = nn.CNNClassifier(epochs=5, random_state=0).fit(X, images.y)
    score = fitted.score(X, images.y)
    assert fitted.score(X, images.y.astype(str)) == score
    assert fitted.score(X, images.y.astype(float), sample_weight=np.ones(60)) == score
    assert not caplog.records
    assert fitted.score(X, np.full(60, 7)) == 0
    assert "60 images have the label 7" in caplog.text


# -- folders of pictures


def pictures(root, *classes, n=4):
    """Write n pictures per class: class k is bright in column k."""
    for k, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(n):
            pixels = np.full((6, 5), 10 + i, np.uint8)
            pixels[:, k] = 250
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    """A model whose classes are the texts 0, 1, other."""
    root = tmp_path_factory.mktemp("folders")
    train = pictures(root / "train", "0", "1", "other")
    (root / "net.config").write_text(nn.NetConfig.build((6, 5, 1), full=[3]).text())
    words = ["--config", str(root / "net.config"), "--epochs", "40", "--out", str(root / "run")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "save_figures", lambda *_: [])
        assert main(["train", str(train), *words, "--lr", "0.1", "--quiet"]) == 0
    return root


def test_a_folder_of_fewer_classes_is_compared_as_text(text_model, tmp_path, capsys):
    """The names 0 and 1 could be read as numbers; the model knows them as texts."""
    few = pictures(tmp_path / "few", "0", "1")
    capsys.readouterr()
    assert main(["predict", str(text_model / "run"), str(few), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["accuracy"] == 1
    assert report["unknown_labels"] == []


def test_a_folder_of_other_classes_is_said(text_model, tmp_path, capsys):
    more = pictures(tmp_path / "more", "0", "1", "other", "007", "dog")
    capsys.readouterr()
    assert main(["predict", str(text_model / "run"), str(more)]) == 0
    printed = capsys.readouterr().out
    assert "60.00 % correct" in printed
    assert "8 images with labels that the model does not know: '007' (4), 'dog' (4)" in printed
    thin = str(tmp_path / "thin")
    run = str(text_model / "run")
    few = pictures(tmp_path / "few", "1", "dog", n=2)
    assert main(["compress", run, "--data", str(few), "--energy", "0.999", "--out", thin]) == 0
    printed = capsys.readouterr().out
    assert "counted as mistakes: 2 images have the label 'dog', which the model" in printed
    assert json.loads((tmp_path / "thin" / "compress.json").read_text())["unknown_labels"] == [
        {"label": "dog", "images": 2}
    ]
    none = pictures(tmp_path / "none", "cat", "dog")
    assert main(["compress", run, "--data", str(none)]) == 2
    assert "has no class of this model, such as '0'" in capsys.readouterr().err


@pytest.mark.parametrize("quiet", [True, False])
def test_train_says_what_the_test_folder_has_in_addition(tmp_path, capsys, quiet):
    root = tmp_path / "data"
    pictures(root / "train", "a", "b")
    pictures(root / "test", "b", "a", "dog", n=3)
    (tmp_path / "net.config").write_text(nn.NetConfig.build((6, 5, 1), full=[2]).text())
    words = ["--config", str(tmp_path / "net.config"), "--epochs", "1", "--out"]
    assert main(["train", str(root), *words, str(tmp_path / "run"), *["--quiet"] * quiet]) == 0
    said = "note: 3 test images have the label 'dog', which the training set lacks"
    assert capsys.readouterr().out.count(said) == 1
    report = json.loads((tmp_path / "run" / "run.json").read_text())
    assert report["dataset"]["unseen_labels"] == {"test": [{"label": "dog", "images": 3}]}


def test_names_of_another_system_are_the_same_labels(tmp_path):
    """macOS stores names decomposed; a name may end with a blank."""
    pictures(tmp_path / "in" / "train", NFC, "tea")
    pictures(tmp_path / "in" / "test", NFD, "tea ")
    data = nn.load_dataset(tmp_path / "in")
    assert set(data.train.y) == {NFC, "tea"} == set(data.test.y)
    pictures(tmp_path / "twice", NFC, NFD)
    if len(list((tmp_path / "twice").iterdir())) == 2:
        with pytest.raises(DataError, match=r"'cafe\\u0301' and 'caf\\xe9' are the same label"):
            nn.load_dataset(tmp_path / "twice")
