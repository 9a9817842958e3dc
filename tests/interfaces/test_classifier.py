"""CNNClassifier: scikit-learn's own checks, and what they do not know of images."""

from __future__ import annotations

import copy
import importlib
import os
import pickle
import signal
import sys
from dataclasses import fields

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import simplenn_py
from simplenn_py import Conv, Dataset, Images, Model, NetConfig, TrainOptions, layout
from simplenn_py.errors import ConfigError, DataError, DivergedError, OptionError
from simplenn_py.interfaces import classifier
from simplenn_py.interfaces.classifier import CNNClassifier
from simplenn_py.opt.hooks import Hook

NET = NetConfig.build((6, 5, 2), [Conv(4, 3, pad=1, pool=2)], [3])


def table(l=120, seed=0):
    """Three clouds in four dimensions whose units differ a thousandfold."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, l)
    X = rng.standard_normal((l, 4))
    X[np.arange(l), y] += 4
    return X * [1, 1000, 1, 1], y


def images(l=90, seed=0, a=6, b=5):
    """Stripes down, stripes across or none, on the second of two channels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, l)
    X = rng.integers(0, 60, (l, a, b, 2)).astype(np.uint8)
    X[y == 0, ::2, :, 1] += 150
    X[y == 1, :, ::2, 1] += 150
    return X, y


def bundled(l):
    data = simplenn_py.load_dataset("digits").train
    return np.ascontiguousarray(layout.to_nhwc(data.Z, 8, 8)[:l, :, :, 0]), data.y[:l]


def net(**given):
    return CNNClassifier(**{"config": NET, "epochs": 3, "random_state": 0, **given})


@parametrize_with_checks(
    [
        CNNClassifier(epochs=20),
        CNNClassifier(epochs=20, loss="squared", dtype="float64", engine="lecture", validation=0.2),
    ]
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_it_reads_digits_in_every_shape():
    X, y = bundled(600)
    rows = X.reshape(600, 64)
    ways = {
        "images": (CNNClassifier(), X),
        "one channel": (CNNClassifier(), X[..., np.newaxis]),
        "Fortran order": (CNNClassifier(), np.asfortranarray(X)),
        "rows": (CNNClassifier(image_shape=(8, 8, 1)), rows),
        "NumPy's numbers": (CNNClassifier(image_shape=np.array([8, 8, 1])), rows),
        "a preset": (CNNClassifier("digits", image_shape=(8, 8, 1)), rows),
        "columns": (
            CNNClassifier(image_shape=(8, 8, 1), input_format="column"),
            X.transpose(0, 2, 1).reshape(600, 64),
        ),
    }
    found = {}
    for name, (estimator, Z) in ways.items():
        estimator.set_params(epochs=10, random_state=0).fit(Z[::2], y[::2])
        found[name] = estimator.predict_proba(Z[1::2])
        assert estimator.model_.config == NetConfig.preset("digits", 8, 8)
        assert estimator.n_features_in_ == 64
        assert estimator.n_iter_ == len(estimator.history_.records) == 10
        assert estimator.score(Z[1::2], y[1::2]) > 0.9
    for name, p in found.items():
        assert np.array_equal(p, found["images"]), name


def test_a_table_and_images_are_the_same_to_predict():
    X, y = images()
    rows = X.transpose(0, 3, 1, 2).reshape(len(X), -1)  # channel after channel
    columns = X.transpose(0, 3, 2, 1).reshape(len(X), -1)
    by_row, by_column = net().fit(X, y), net(input_format="column").fit(columns, y)
    p = by_row.predict_proba(X)
    assert np.array_equal(by_row.predict_proba(rows), p)
    assert np.array_equal(by_column.predict_proba(columns), p)
    assert np.array_equal(by_column.predict_proba(X.tolist()), p)
    assert not np.array_equal(by_row.predict_proba(columns), p)


@pytest.mark.parametrize("dtype", [bool, np.float16, np.float64, np.longdouble, np.int64])
def test_any_real_dtype_is_read(dtype):
    X, y = images()
    X = (X > 60).astype(np.float32)
    expected = net().fit(X, y).model_.theta
    np.testing.assert_allclose(net().fit(X.astype(dtype), y).model_.theta, expected, atol=1e-5)


def test_it_trains_what_train_trains():
    X, y = images()
    found = net(random_state=7, C=2.0, lr=0.05, decay=0.01, schedule="decay").fit(X, y)
    data = Dataset("same", Images(layout.from_nhwc(X), y, 6, 5), None, "made by the test")
    options = TrainOptions(epochs=3, batch_size=32, lr=0.05, decay=0.01, C=2.0, seed=7)
    model, history = simplenn_py.train(data, NET, options, progress=False)
    assert np.array_equal(found.model_.theta, model.theta)
    assert found.history_.report["options"] == history.report["options"]
    assert np.array_equal(found.predict(X), model.predict(X))


def test_parameters_are_the_training_options():
    """A new option is a parameter, or left out on purpose."""
    left_out = {"seed", "limit", "lambda_", "drop", "boost", "eta", "Jacobian"}
    parameters = CNNClassifier().get_params()
    assert {f.name for f in fields(TrainOptions)} - set(parameters) == left_out
    options = CNNClassifier(random_state=0)._options()
    for name in set(parameters) - {"config", "image_shape", "input_format", "random_state", "lr"}:
        assert getattr(options, name) == parameters[name]
    assert options.lr == 0.1
    assert CNNClassifier(solver="adam")._options().lr == 0
    assert CNNClassifier(lr=0.3)._options().lr == 0.3


def test_random_state_is_scikit_learns():
    X, y = images()

    def theta(state):
        return net(epochs=1, random_state=state).fit(X, y).model_.theta.tobytes()

    assert theta(1) == theta(1) == theta(np.int64(1)) != theta(2)
    state = np.random.RandomState(3)
    assert theta(state) != theta(state)
    assert theta(np.random.RandomState(3)) == theta(np.random.RandomState(3))
    with pytest.raises(ValueError, match="cannot be used to seed"):
        theta("three")


@pytest.mark.parametrize("threads", [1, 0])
def test_any_number_of_threads_gives_the_same_bits(threads):
    X, y = table()
    assert np.array_equal(
        CNNClassifier(epochs=2, threads=threads, random_state=0).fit(X, y).model_.theta,
        CNNClassifier(epochs=2, random_state=0).fit(X, y).model_.theta,
    )


def test_fewer_cores_than_the_threads_it_was_made_for():
    X, y = table()
    found = pickle.loads(pickle.dumps(CNNClassifier(epochs=2, threads=10_000, random_state=0)))
    found.fit(X, y)
    assert 0 < found.history_.report["threads"] < 10_000
    assert found.threads == 10_000
    plain = CNNClassifier(epochs=2, random_state=0).fit(X, y)
    assert np.array_equal(found.predict(X), plain.predict(X))
    with pytest.raises(OptionError, match="threads is -1"):
        CNNClassifier(epochs=1, threads=-1).fit(X, y)


def test_networks_for_the_data():
    X, y = table()
    plain = CNNClassifier(epochs=1).fit(X, y).model_.config
    assert (plain.LC, plain.image_shape, plain.full_neurons) == (0, (4, 1, 1), (64, 3))
    square = CNNClassifier(epochs=1).fit(np.repeat(X, 16, axis=1), y)  # 64 features, no image
    assert square.model_.config.LC == 0
    small = CNNClassifier(epochs=1).fit(*images(a=7, b=9)).model_.config
    assert (small.LC, small.image_shape) == (0, (7, 9, 2))
    larger = CNNClassifier(epochs=1).fit(*images(a=8, b=9)).model_.config
    assert larger == NetConfig.preset("digits", 8, 9, 2, 3)


def test_a_config_file_gives_the_shape_of_a_row(tmp_path):
    X, y = images()
    NET.write(tmp_path / "net.config")
    rows = X.transpose(0, 3, 1, 2).reshape(len(X), -1)
    expected = net().fit(X, y).model_.theta
    for config in (tmp_path / "net.config", str(tmp_path / "net.config"), NET):
        assert np.array_equal(net(config=config).fit(rows, y).model_.theta, expected)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["one", "two ", "two"]),
        np.array(["one", "two", "three"], object),
        np.array([-3, 5, 900], np.int16),
        np.array([0.0, 1.0, 7.0]),
    ],
)
def test_labels_keep_their_values(labels, tmp_path):
    X, y = images()
    fitted = net(epochs=15).fit(X, labels[y])
    assert np.array_equal(fitted.classes_, np.unique(labels))
    assert fitted.predict(X).dtype == labels.dtype
    assert fitted.score(X, labels[y]) > 0.9
    fitted.model_.save(tmp_path / "model.npz")
    loaded = Model.load(tmp_path / "model.npz").predict(X)
    if labels.dtype.kind == "f":
        loaded = fitted.classes_[loaded]
    assert np.array_equal(loaded, fitted.predict(X))


def test_outputs_and_probabilities():
    X, y = images()
    three, two = net().fit(X, y), net(config=None).fit(X[y < 2], y[y < 2])
    for fitted in (three, two):
        p, z = fitted.predict_proba(X), fitted.decision_function(X)
        assert p.dtype == z.dtype == np.float64
        assert p.shape == (len(X), fitted.classes_.size)
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
        assert np.array_equal(fitted.classes_[p.argmax(axis=1)], fitted.predict(X))
        if z.ndim == 1:
            np.testing.assert_allclose(z, np.log(p[:, 1] / p[:, 0]), rtol=1e-9)
            assert np.array_equal(z > 0, fitted.predict(X) == 1)
        else:
            np.testing.assert_allclose(z - z[:, :1], np.log(p / p[:, :1]), atol=1e-9)
    assert two.decision_function(X).shape == (len(X),)


def test_the_squared_loss_has_no_probabilities():
    X, y = images()
    squared = net(loss="squared")
    assert not hasattr(squared, "predict_proba")
    squared.fit(X, y)
    with pytest.raises(AttributeError) as raised:
        squared.predict_proba(X)
    assert "this classifier has loss 'squared'; use decision_function" in str(
        raised.value.__cause__
    )
    assert squared.decision_function(X).shape == (len(X), 3)
    squared.set_params(loss="cross-entropy")  # of the next fit
    assert not hasattr(squared, "predict_proba")
    assert hasattr(squared.fit(X, y), "predict_proba")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_fitted_estimator_is_pickled_and_copied(copied):
    X, y = images()
    fitted = net().fit(X, y)
    other = copied(fitted)
    assert np.array_equal(other.decision_function(X), fitted.decision_function(X))
    assert other.history_.records == fitted.history_.records
    assert np.array_equal(other.fit(X, y).model_.theta, fitted.model_.theta)


def test_a_clone_is_not_fitted():
    X, y = images()
    fitted = net().fit(X, y)
    other = clone(fitted)
    assert other.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        other.predict(X)


def test_a_search_in_a_pipeline_with_a_scaler():
    X, y = table()
    alone = cross_val_score(CNNClassifier(epochs=20, random_state=0), X, y, cv=3).mean()
    steps = make_pipeline(StandardScaler(), CNNClassifier(epochs=20, random_state=0))
    grid = {
        "cnnclassifier__lr": np.logspace(-6, -1, 2),
        "cnnclassifier__batch_size": np.arange(16, 33, 16),
    }
    search = GridSearchCV(steps, grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_params_["cnnclassifier__lr"] == 0.1
    assert search.best_score_ > 0.9 > alone
    assert search.predict_proba(X).shape == (120, 3)


def test_a_search_over_networks_on_images():
    X, y = images()
    grid = {"config": [NET, None], "loss": ["cross-entropy", "squared"]}
    search = GridSearchCV(net(epochs=10), grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.9
    assert search.score(X, y) > 0.9


@pytest.mark.slow
def test_a_search_in_several_processes():
    X, y = images()
    grid = {"lr": [1e-6, 0.1]}
    one, two = (
        GridSearchCV(net(epochs=10), grid, cv=3, n_jobs=n, error_score="raise").fit(X, y)
        for n in (1, 2)
    )
    assert np.array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])
    assert np.array_equal(one.best_estimator_.model_.theta, two.best_estimator_.model_.theta)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image_shape": (6, 5, 1), "config": None}, r"image_shape is \(6, 5, 1\), but X is a ta"),
        ({"image_shape": (60,), "config": None}, "image_shape is .* is 60"),
        ({"image_shape": (6.0, 5, 2), "config": None}, "give three whole numbers"),
        ({"config": "digits"}, "config is 'digits', a network for images, but X is a table"),
        ({"config": NetConfig.preset("digits", 8, 8)}, "the image shape of config is .8, 8, 1., b"),
        ({"lr": -1.0}, "lr is -1.0; it must be"),
        ({"epochs": 2.5}, "epochs is 2.5; it must be a whole number"),
        ({"solver": "sdg"}, "did you mean 'sgd'"),
    ],
)
def test_wrong_parameters_are_told_by_fit(given, message):
    X, y = images()
    with pytest.raises(OptionError, match=message):
        net(**given).fit(X.reshape(len(X), -1), y)


def test_wrong_data_is_told():
    X, y = images()
    with pytest.raises(DataError, match="only one class, 1; a classifier needs two or more"):
        net().fit(X, np.ones(len(X), int))
    with pytest.raises(OptionError, match=r"image_shape is \(5, 6, 2\), but X is images of 6x5x2"):
        net(config=None, image_shape=(5, 6, 2)).fit(X, y)
    with pytest.raises(ConfigError, match="takes 6x5x2 images"):
        net().fit(X.transpose(0, 2, 1, 3), y)
    with pytest.raises(ConfigError, match="ends with 3, but the training images have 2 classes"):
        net().fit(X[y < 2], y[y < 2])
    with pytest.raises(ValueError, match="Found array with dim 5"):
        net().fit(X[..., np.newaxis], y)
    with pytest.raises(ValueError, match="0 sample"):
        net().fit(X[:0], y[:0])
    fitted = net().fit(X, y)
    with pytest.raises(DataError, match=r"images of 5x6x2, .* but the network takes 6x5x2"):
        fitted.predict(X.transpose(0, 2, 1, 3))
    with pytest.raises(ValueError, match="X has 64 features, but CNNClassifier is expecting 60"):
        fitted.predict(np.zeros((2, 8, 8)))


def test_a_fit_that_fails_leaves_the_one_before():
    X, y = table()
    fitted = CNNClassifier(epochs=5, random_state=0).fit(X, y)
    before = fitted.predict(X)
    with pytest.raises(DivergedError, match="too large"):
        fitted.set_params(lr=1e10, loss="squared").fit(X, y % 2 + 10)
    assert np.array_equal(fitted.predict(X), before)


def test_ctrl_c_ends_fit_and_keeps_what_was_learnt(monkeypatch):
    class Interrupt(Hook):
        def on_batch(self, state):
            if state.updates == 4:  # in the second epoch of three updates
                os.kill(os.getpid(), signal.SIGINT)

    def interrupted(*args, **more):
        return simplenn_py.train(*args, hooks=[Interrupt()], **more)

    monkeypatch.setattr(classifier, "train", interrupted)
    X, y = images()
    estimator = net()
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    assert estimator.n_iter_ == 1
    assert estimator.predict(X).shape == y.shape


def test_missing_scikit_learn_is_told(monkeypatch):
    monkeypatch.delitem(sys.modules, "simplenn_py.interfaces.classifier")
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(ImportError, match=r'pip install "simplenn-py\[sklearn\]"'):
        importlib.import_module("simplenn_py.interfaces.classifier")
