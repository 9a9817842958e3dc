"""cnn_train and cnn_predict: simpleNN's arguments, options and defaults."""

from __future__ import annotations

import math

import numpy as np
import pytest
from networks import STRIPES
from scipy.sparse import csr_matrix

from simplenn_py.errors import ConfigError, DataError, OptionError
from simplenn_py.interfaces.matlab import cnn_predict, cnn_train, parse_options


@pytest.fixture(scope="module")
def stripes():
    """Images a column-wise row each: rows, columns or both are bright; labels 1 to 3."""
    rng = np.random.default_rng(0)
    y = rng.integers(1, 4, 120)
    images = rng.standard_normal((120, 6, 5)) * 0.2
    images[y == 1, ::2] += 1
    images[y == 2, :, ::2] += 1
    images[y == 3] += 0.5
    return y, images.transpose(0, 2, 1).reshape(120, 30)


def train(stripes, options="-iter_max 6", **more):
    y, Z = stripes
    return cnn_train(y, Z, None, None, STRIPES, options, seed=1, progress=False, **more)


class TestOptions:
    def test_simplenns_defaults(self):
        o = parse_options("")
        assert (o.solver, o.C, o.batch_size, o.iter_max, o.xi) == ("newton", 0.01, 1024, 100, 0.1)
        assert (o.CGmax, o.lambda_, o.drop, o.boost, o.eta) == (250, 1.0, 2 / 3, 3 / 2, 1e-4)
        assert (o.dtype, o.loss, o.Jacobian, o.GNsize) == ("float64", "squared", "auto", 0)
        o = parse_options("-s 2")
        assert (o.batch_size, o.epochs, o.momentum, o.decay) == (128, 500, 0, 0)

    def test_every_option(self):
        o = parse_options(
            " -s 3 -C 0.5 -bsize 7 -GNsize 11 -iter_max 5 -xi 0.2 -CGmax 9 -lambda 2 -drop 0.5 "
            "-boost 2 -eta 1e-3 -lr 0.1 -decay 1 -momentum 0.9 -epoch_max 3 -Jacobian 1 -ftype 0 "
            "-gpu_use 0 "
        )
        assert (o.solver, o.C, o.batch_size, o.GNsize, o.iter_max) == ("adam", 0.5, 7, 11, 5)
        assert (o.xi, o.CGmax, o.lambda_, o.drop, o.boost, o.eta) == (0.2, 9, 2, 0.5, 2, 1e-3)
        assert (o.lr, o.decay, o.momentum, o.epochs) == (0.1, 1, 0.9, 3)
        assert (o.Jacobian, o.dtype) == ("yes", "float32")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ("-c 1", r"-c is not an option of simpleNN.*-C"),
            ("-iter_mx 3", r"did you mean '?-iter_max"),
            ("-s", "-s has no value"),
            ("-C one", "-C is 'one'; it must be a number"),
            ("-s 4", r"-s is 4; it must be one of 1 \(newton\), 2 \(sgd\), 3 \(adam\)"),
            ("-bsize 1.5", "batch_size is 1.5; it must be a whole number"),
            ("-C -1", "C is -1.0; it must be a number above 0"),
            ("-gpu_use 1", r"-gpu_use is 1; .*no GPU"),
        ],
    )
    def test_mistakes_name_value_and_rule(self, options, message):
        with pytest.raises(OptionError, match=message):
            parse_options(options)


class TestTraining:
    def test_newton_learns_and_the_data_stay_as_they_are(self, stripes):
        y, Z = stripes
        before = Z.copy()
        model = train(stripes)
        results, acc = cnn_predict(y, Z, model)
        assert acc > 0.97
        assert acc == np.mean(results == y)
        assert set(results) == {1, 2, 3}
        assert model.normalisation.is_none
        assert model.theta.dtype == np.float64
        np.testing.assert_array_equal(Z, before)

    @pytest.mark.parametrize("solver", ["2 -momentum 0.9", "3"])
    def test_the_other_solvers(self, stripes, solver):
        model = train(stripes, f"-s {solver} -bsize 16 -epoch_max 20 -lr 0.01 -ftype 0")
        assert model.theta.dtype == np.float32
        assert cnn_predict(*stripes, model)[1] > 0.9

    def test_a_seed_gives_the_same_model_and_no_seed_another(self, stripes):
        y, Z = stripes
        first, again = train(stripes, "-iter_max 1"), train(stripes, "-iter_max 1")
        np.testing.assert_array_equal(first.theta, again.theta)
        others = [
            cnn_train(y, Z, [], [], STRIPES, "-iter_max 1", progress=False).theta for _ in range(2)
        ]
        assert not np.array_equal(*others)

    def test_sparse_rows_and_a_config_file(self, stripes, tmp_path):
        y, Z = stripes
        STRIPES.write(tmp_path / "net.config")
        model = cnn_train(
            y, csr_matrix(Z), None, None, tmp_path / "net.config", "-iter_max 6", 1, progress=False
        )
        np.testing.assert_array_equal(model.theta, train(stripes).theta)
        np.testing.assert_array_equal(
            cnn_predict(y, csr_matrix(Z), model)[0], cnn_predict(y, Z, model)[0]
        )

    def test_the_best_on_the_validation_set_is_returned(self, stripes):
        y, Z = stripes
        wrong = y % 3 + 1  # which the untrained network gets right as often as any
        options = "-s 2 -bsize 16 -epoch_max 12 -lr 0.02 -ftype 1"
        kept = cnn_train(y, Z, wrong, Z, STRIPES, options, 1, progress=False)
        last = cnn_train(y, Z, None, None, STRIPES, options, 1, progress=False)
        assert cnn_predict(wrong, Z, kept)[1] > cnn_predict(wrong, Z, last)[1]

    def test_classes_may_be_missing(self, stripes):
        """simpleNN refuses to predict for data that lack a class."""
        y, Z = stripes
        two = y != 2
        model = cnn_train(y[two], Z[two], None, None, STRIPES, "-iter_max 5", 1, progress=False)
        np.testing.assert_array_equal(model.classes, [1, 2, 3])
        assert cnn_predict(y[y == 3], Z[y == 3], model)[1] > 0.9

    def test_labels_are_optional(self, stripes):
        results, acc = cnn_predict(None, stripes[1], train(stripes, "-iter_max 1"), "-bsize 7")
        assert results.shape == (120,)
        assert math.isnan(acc)

    def test_a_saved_model_will_do(self, stripes, tmp_path):
        model = train(stripes, "-iter_max 2")
        model.save(tmp_path / "m.npz")
        np.testing.assert_array_equal(
            cnn_predict(*stripes, tmp_path / "m.npz")[0], cnn_predict(*stripes, model)[0]
        )

    def test_mistakes(self, stripes):
        y, Z = stripes
        with pytest.raises(DataError, match=r"Z has shape \(120, 29\); it must be l x 30"):
            cnn_train(y, Z[:, 1:], None, None, STRIPES)
        with pytest.raises(DataError, match="Z_v: value nan at index 0"):
            cnn_train(y, Z, y, np.full_like(Z, np.nan), STRIPES)
        with pytest.raises(DataError, match="119 labels"):
            cnn_train(y[1:], Z, None, None, STRIPES)
        with pytest.raises(ConfigError, match="full_neurons ends with 3, but the labels have 4"):
            cnn_train(np.arange(120) % 4, Z, None, None, STRIPES)
        with pytest.raises(OptionError, match="cnn_predict has only the option"):
            cnn_predict(y, Z, train(stripes, "-iter_max 1"), "-C 1")
