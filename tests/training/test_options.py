"""TrainOptions: every rule, all problems at once, defaults of the data sets."""

import math

import pytest

from simplenn_py.errors import OptionError
from simplenn_py.training.options import TrainOptions, default_options, default_preset


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch_size", -1),
        ("lr", -0.5),
        ("lr", math.nan),
        ("lr", math.inf),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("decay", -1.0),
        ("C", 0.0),
        ("C", math.nan),
        ("loss", "absolute"),
        ("dtype", "float16"),
        ("engine", "magic"),
        ("threads", -1),
        ("seed", -1),
        ("seed", True),
        ("validation", 1.0),
        ("limit", -5),
    ],
)
def test_each_rule_names_the_value_and_itself(name, value):
    with pytest.raises(OptionError, match=rf"{name} is {value!r}; it must be "):
        TrainOptions(**{name: value})


def test_all_problems_at_once():
    with pytest.raises(OptionError, match=r"epochs is 0.*; lr is -1\.0.*; dtype is 'half'"):
        TrainOptions(epochs=0, lr=-1, dtype="half")


def test_a_near_miss_is_suggested():
    with pytest.raises(OptionError, match="did you mean 'cross-entropy'"):
        TrainOptions(loss="crossentropy")
    with pytest.raises(OptionError, match="no option 'momentun'; did you mean 'momentum'"):
        default_options("digits", momentun=0.9)


def test_whole_numbers_do_for_real_ones():
    assert TrainOptions(lr=1).lr == 1.0
    assert isinstance(TrainOptions(lr=1).lr, float)


@pytest.mark.parametrize("name", ["digits", "mnist", "cifar10", "mine.mat"])
def test_defaults_of_every_data_set_keep_the_rules_and_give_way(name):
    assert default_options(name, epochs=3).epochs == 3
    assert default_options(name).epochs > 3
    assert default_preset(name) in ("digits", "layer4")
