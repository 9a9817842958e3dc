"""Arrays of pixels that a caller gives: one rule for dtype, order and shape at every entry."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from simplenn_py import padding, train
from simplenn_py.autodiff.tape_training import TapeObjective
from simplenn_py.datasets import Dataset, Images
from simplenn_py.errors import ConfigError, DataError, OptionError
from simplenn_py.interfaces.classifier import CNNClassifier
from simplenn_py.interfaces.matlab import cnn_predict, cnn_train
from simplenn_py.layout import ConvGeometry, from_nchw, from_nhwc, from_rows, to_nhwc, to_rows
from simplenn_py.model.model import Model
from simplenn_py.network import Conv, NetConfig
from simplenn_py.pixels import as_pixels, as_storage, channels_first
from simplenn_py.training.options import TrainOptions

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 2, (6, 5, 4), dtype=np.uint8)  # 0 and 1, which every dtype holds
COLOUR = RNG.integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
Y = np.array([0, 1, 2, 0, 1, 2])
CONFIG = NetConfig.build((5, 4, 1), [Conv(3, 3, pad=1, pool=2)], [3])
MODEL = Model.initialise(CONFIG, np.arange(3), RNG)


class Frame:
    """Like a data frame: no array, but NumPy can make one of it."""

    def __init__(self, X):
        self._X = X

    def __array__(self, dtype=None, copy=None):
        return np.array(self._X, dtype)


class OnAnotherDevice:
    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy.\nUse Tensor.cpu()")


def reversed_view(X):
    return np.array(X[::-1, ::-1])[::-1, ::-1]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def memory_mapped(X, folder):
    path = folder / f"{X.ndim}.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


DTYPES = ("?", "i1", "i8", "u2", ">u2", "u8", "f2", ">f2", "f4", ">f4", "f8", ">f8", "g")
CONVERTED = {
    **{dtype: lambda X, _, dtype=dtype: X.astype(dtype) for dtype in DTYPES},
    "list": lambda X, _: X.tolist(),
    "list of arrays": lambda X, _: list(X),
    "data frame": lambda X, _: Frame(X),
    "Fortran order": lambda X, _: np.asfortranarray(X),
    "every second": lambda X, _: np.repeat(X, 2, axis=-1)[..., ::2],
    "negative strides": lambda X, _: reversed_view(X),
    "read-only": lambda X, _: read_only(X),
    "memory-mapped": memory_mapped,
    "nothing masked": lambda X, _: np.ma.masked_equal(X, 99),
    "subclass": lambda X, _: X.view(np.recarray),
}
REFUSED = {
    "complex": (lambda X: X * 1j, "has dtype complex128; pixels must be real numbers"),
    "object": (lambda X: X.astype(object), "has dtype object; .*float32"),
    "text": (lambda X: X.astype(str), "has dtype <U3; pixels must be real"),
    "dates": (lambda X: X.astype("M8[s]"), "has dtype datetime64"),
    "records": (lambda X: X.astype([("v", "u1")]), "has dtype .*pixels must be real"),
    "nan": (lambda X: X * np.nan, "value nan at index 0"),
    "infinite": (lambda X: X + np.inf, "value inf at index 0"),
    "long double": (lambda X: X + np.longdouble("1e4000"), "value inf at index 0"),
    "masked": (lambda X: np.ma.masked_equal(X, 1), r"masked pixels; .*filled\(0\)"),
    "ragged": (lambda X: [[1, 2], [3]], "is a list that NumPy cannot convert"),
    "none": (lambda X: None, "is None; give an array"),
    "elsewhere": (lambda X: OnAnotherDevice(), "cannot convert .*cuda"),
    "sparse": (lambda X: csr_matrix(X.reshape(6, 20)), r"is a sparse matrix; give .*toarray\(\)"),
    "images": (lambda X: Images(X, Y, 5, 4), "is a Images; give an array, such as the Z"),
}


@pytest.mark.parametrize("change", CONVERTED.values(), ids=CONVERTED)
def test_every_entry_takes_what_can_be_converted(change, tmp_path):
    given = change(GREY, tmp_path)
    assert as_pixels(given, "X").dtype in (np.uint8, np.float32, np.float64)
    expected = MODEL.decision_values(GREY)
    np.testing.assert_array_equal(MODEL.decision_values(given), expected)
    Z = change(from_nhwc(GREY), tmp_path)
    np.testing.assert_array_equal(MODEL.decision_values(Z), expected)
    for pixels in (given, Z):
        images = Images(pixels, Y, 5, 4)
        np.testing.assert_array_equal(images.Z, from_nhwc(GREY))
        assert images.Z.flags.f_contiguous
        assert images.Z.dtype in (np.uint8, np.float32, np.float64)


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_every_entry_refuses_the_same(change, message):
    with np.errstate(invalid="ignore"):
        given = change(GREY)
    for call in (
        lambda: MODEL.predict(given),
        lambda: MODEL.score(given, Y),
        lambda: MODEL.layer_inputs(given),
        lambda: Images(given, Y, 5, 4),
        lambda: TapeObjective(None, None, [np.zeros(1)], given, Y),
    ):
        with pytest.raises(DataError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


class TestTwoDimensions:
    def test_they_are_the_storage(self):
        two = np.ascontiguousarray(from_nhwc(COLOUR))
        np.testing.assert_array_equal(as_storage(two, (5, 4, 3)), two)
        np.testing.assert_array_equal(as_storage(GREY[0].T.reshape(1, 20), (5, 4, 1), "storage"),
                                      from_nhwc(GREY[:1]))  # fmt: skip

    @pytest.mark.parametrize("l", [1, 6])
    def test_a_table_has_to_be_named(self, l):
        table, whole = GREY[:l].reshape(l, 20), MODEL.decision_values(GREY[:l])
        with pytest.raises(DataError, match=rf"reshape\({l}, 5, 4, 1\), or .*layout='table'"):
            MODEL.predict(table)
        with pytest.raises(DataError, match=rf"reshape\({l}, 5, 4, 1\)"):
            MODEL.score(table, Y[:l])
        np.testing.assert_array_equal(MODEL.decision_values(table, layout="table"), whole)
        np.testing.assert_array_equal(MODEL.decision_values(table.reshape(l, 5, 4, 1)), whole)
        assert MODEL.score(table, MODEL.predict(GREY[:l]), layout="table") == 1

    def test_one_row_of_grey_pixels_is_never_guessed(self):
        """Column by column it is another image than row by row."""
        row = GREY[:1].reshape(1, 20)
        with pytest.raises(DataError, match=r"storage .* as well as a table") as caught:
            MODEL.decision_values(row)
        assert "layout='storage' or layout='table'" in str(caught.value)
        as_table = MODEL.decision_values(row, layout="table")
        assert not np.array_equal(MODEL.decision_values(row, layout="storage"), as_table)

    def test_as_many_images_as_channels_are_never_guessed(self):
        three = np.zeros((3, 60), np.uint8)
        with pytest.raises(DataError, match=r"reshape\(3, 5, 4, 3\)"):
            as_storage(three, (5, 4, 3))
        assert as_storage(np.zeros((3, 40)), (5, 4, 3)).shape == (3, 40)
        np.testing.assert_array_equal(
            as_storage(COLOUR.reshape(2, 60), (5, 4, 3), "table"), from_nhwc(COLOUR)
        )

    def test_an_unknown_layout_and_one_that_does_not_fit(self):
        with pytest.raises(OptionError, match="layout is 'rows'; it must be one of storage, table"):
            MODEL.predict(GREY, layout="rows")
        with pytest.raises(DataError, match=r"have shape \(6, 20\)"):
            MODEL.predict(GREY.reshape(6, 20), layout="storage")
        with pytest.raises(DataError, match=r"have shape \(1, 120\)"):
            MODEL.predict(from_nhwc(GREY), layout="table")

    def test_of_a_data_set_by_hand(self):
        options = TrainOptions(epochs=1, batch_size=2)
        table = Dataset("t", Images(GREY.reshape(6, 20), Y, 5, 4), None, "")
        with pytest.raises(DataError, match=r"for a table .* give reshape\(6, 5, 4, 1\)"):
            train(table, CONFIG, options, progress=False)
        with pytest.raises(DataError, match=r"Z has shape \(6, 4, 5\); images of 5x4 are \(l, 5"):
            Images(GREY.transpose(0, 2, 1), Y, 5, 4)
        for side in (0, -5, 5.0, "5", None):
            with pytest.raises(DataError, match=r"a is .*; it must be a whole number above 0"):
                Images(GREY, Y, side, 4)


class TestHowAnArrayWasRead:
    def test_the_model_says_it(self):
        first = np.zeros((6, 1, 5, 4))
        with pytest.raises(DataError, match=r"channels first|transpose\(0, 2, 3, 1\)") as caught:
            MODEL.predict(first)
        assert "read as (l, height, width, channels), images of 1x5 with 4 ch" in str(caught.value)
        with pytest.raises(DataError, match=r"transpose\(3, 0, 1, 2\)"):
            MODEL.predict(np.zeros((5, 4, 1, 6)))
        with pytest.raises(DataError, match=r"images\[np.newaxis\]"):
            MODEL.predict(GREY[0])

    def test_channels_first(self):
        assert channels_first((9, 3, 32, 48))
        for shape in ((9, 32, 32, 3), (9, 28, 28), (9, 2, 9, 9), (9, 1, 100, 12), (9, 3, 3, 3)):
            assert not channels_first(shape)

    @pytest.mark.parametrize("config", [None, "digits"])
    def test_the_classifier_does_not_train_without_convolution(self, config):
        X = np.tile(RNG.random((6, 1, 8, 8)), (2, 1, 1, 1))
        y = np.arange(12) % 3
        with pytest.raises(DataError, match=r"images of 1x8 with 8 channels; .*image_shape=\(1, 8"):
            CNNClassifier(config).fit(X, y)
        meant = CNNClassifier(image_shape=(1, 8, 8), epochs=1).fit(X, y)
        assert meant.model_.config.image_shape == (1, 8, 8)
        with pytest.raises(ValueError, match=r"transpose\(0, 2, 3, 1\)"):
            CNNClassifier(image_shape=(8, 8, 1)).fit(X, y)
        right = CNNClassifier(epochs=1).fit(X.transpose(0, 2, 3, 1), y)
        assert right.model_.config.LC
        with pytest.raises(DataError, match=r"read as .*transpose\(0, 2, 3, 1\)"):
            right.predict(X)

    def test_training_says_it(self):
        first = Dataset("f", Images(np.zeros((6, 1, 5, 4)), Y, 1, 5), None, "")
        with pytest.raises(ConfigError, match=r"are 1x5x4; .*transpose\(0, 2, 3, 1\)"):
            train(first, CONFIG, TrainOptions(epochs=1), progress=False)


def test_simplenns_functions_follow_the_rule():
    table = GREY.transpose(0, 2, 1).reshape(6, 20)  # simpleNN's rows are column by column
    models = [
        cnn_train(Y, Z, None, None, CONFIG, "-s 2 -epoch_max 1", seed=0, progress=False)
        for Z in (table, table.astype(np.float16), table > 0, csr_matrix(table), Frame(table))
    ]
    for model in models[1:]:
        np.testing.assert_array_equal(model.theta, models[0].theta)
    assert cnn_predict(None, table[:1].astype(">f2"), models[0])[0] == models[0].predict(GREY[:1])
    with pytest.raises(DataError, match="Z: has masked pixels"):
        cnn_predict(None, np.ma.masked_equal(table, 0), models[0])


def test_the_classifier_follows_the_rule():
    fitted = CNNClassifier(CONFIG, epochs=1, random_state=0).fit(GREY, Y)
    for X in (GREY.astype(np.float16), GREY > 0, GREY.tolist(), reversed_view(GREY)):
        np.testing.assert_array_equal(fitted.decision_function(X), fitted.decision_function(GREY))
    with pytest.raises(DataError, match="X: has masked pixels"):
        fitted.predict(np.ma.masked_equal(GREY.reshape(6, 20), 1))


def test_the_routines_name_what_they_cannot_take():
    g = ConvGeometry(a=5, b=4, d=1, p=1, h=3, s=1, d_next=1, h_pool=1)
    Z = from_nhwc(GREY)
    np.testing.assert_array_equal(padding(Z.tolist(), g), padding(Z, g))
    for dtype in ("f2", ">f4", "g", "O"):
        with pytest.raises(ValueError, match=r"Z has dtype .*; give it as float32 or float64"):
            padding(Z.astype(dtype), g)
    for call, message in (
        (lambda: from_nhwc(Z), r"images has shape \(1, 120\); it must be \(l, a, b, d\)"),
        (lambda: from_nchw(GREY), r"it must be \(l, d, a, b\)"),
        (lambda: from_rows(GREY.reshape(6, 20), 5, 5, 1), r"it must be \(l, 25\)"),
        (lambda: to_nhwc(Z, 7, 8), r"Z has shape \(1, 120\); it must be \(1, l\*56\)"),
        (lambda: to_rows(GREY, 5, 4), r"Z has shape \(6, 5, 4\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    np.testing.assert_array_equal(from_nhwc(GREY.tolist()), Z)
