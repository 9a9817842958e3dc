"""NetConfig: sizes, rules, presets, and simpleNN's .config files."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplenn_py.errors import ConfigError
from simplenn_py.network.config import NetConfig
from simplenn_py.network.presets import PRESETS

DEMO = """\
% A configuration in the format of simpleNN's demo.
L = 4;          % layers, all of them
LC = 3;
LF = 1;
wd_input = 28;
ht_input = [28];
ch_input = [1,32,64,64];   % the images' channels first

wd_pad_added = [2 1 1];
wd_filter = [5, 3, 3],
strides = [1,1,1];  wd_subimage_pool = [2,2,2];
full_neurons = [10];
"""


@pytest.fixture
def config():
    """Two convolutional layers and two full ones, all sizes different."""
    return NetConfig(
        LC=2,
        LF=2,
        ht_input=13,
        wd_input=10,
        ch_input=(3, 5, 4),
        wd_pad_added=(1, 0),
        wd_filter=(3, 2),
        strides=(1, 2),
        wd_subimage_pool=(3, 1),
        full_neurons=(6, 7),
    )


def test_sizes_by_hand(config):
    first, second = config.conv_layers
    assert (first.a, first.b, first.d, first.d_next) == (13, 10, 3, 5)
    assert (first.a_conv, first.b_conv, first.a_next, first.b_next) == (13, 10, 4, 3)
    assert (second.a, second.b, second.d, second.d_next) == (4, 3, 5, 4)
    assert (second.a_conv, second.b_conv, second.a_next, second.b_next) == (2, 1, 2, 1)
    assert [(g.n_in, g.n_out) for g in config.full_layers] == [(8, 6), (6, 7)]
    assert config.weight_shapes == ((5, 27), (4, 20), (6, 8), (7, 6))
    assert config.n_parameters == (135 + 5) + (80 + 4) + (48 + 6) + (42 + 7)
    assert (config.L, config.nL, config.image_shape) == (4, 7, (13, 10, 3))


def test_without_convolution():
    config = NetConfig(LC=0, LF=1, ht_input=4, wd_input=3, ch_input=(2,), full_neurons=(5,))
    assert config.weight_shapes == ((5, 24),)
    assert config.n_parameters == 125
    assert NetConfig.parse(config.text()) == config


@pytest.mark.parametrize(
    ("name", "sizes", "last", "parameters"),
    [
        ("digits", (8, 8, 1), 256, 320 + 18496 + 2570),
        ("layer4", (28, 28, 1), 576, 832 + 18496 + 36928 + 5770),
        ("layer4", (32, 32, 3), 1024, 2432 + 18496 + 36928 + 10250),
        ("layer7", (28, 28, 1), 1152, 832 + 9248 + 18496 + 36928 + 36928 + 73856 + 11530),
        (
            "vgg11",
            (32, 32, 3),
            512,
            1792 + 73856 + 295168 + 590080 + 1180160 + 3 * 2359808 + 262656 + 5130,
        ),
    ],
)
def test_presets_by_hand(name, sizes, last, parameters):
    config = NetConfig.preset(name, *sizes)
    assert config.full_layers[0].n_in == last
    assert config.n_parameters == parameters
    assert config.nL == 10


def test_preset_takes_the_number_of_classes():
    assert NetConfig.preset("digits", 8, 8, 3, classes=4).nL == 4


def test_unknown_preset_is_named():
    with pytest.raises(ConfigError, match=r"'layer5'; the presets are digits.*did you mean"):
        NetConfig.preset("layer5")


def test_images_too_small_for_a_preset():
    with pytest.raises(ConfigError, match=r"vgg11 is too deep for 28x28 images.*32x32"):
        NetConfig.preset("vgg11", 28, 28)


WRONG = [
    ({"LC": -1}, "LC is -1; it must be 0 or more"),
    ({"LF": 0, "full_neurons": ()}, "LF is 0; at least one fully connected layer is needed"),
    ({"ch_input": (3, 5)}, "ch_input has 2 entries; it needs LC + 1 = 3"),
    ({"full_neurons": (6,)}, "full_neurons has 1 entries; it needs LF = 2"),
    ({"strides": (1, 1, 1)}, "strides has 3 entries; it needs LC = 2"),
    ({"ht_input": 0}, "ht_input is 0; it must be 1 or more"),
    ({"ch_input": (0, 5, 4)}, "ch_input(1) is 0; images have 1 channel or more"),
    ({"ch_input": (3, 5, 0)}, "layer 2: ch_input is 0; it must be 1 or more"),
    ({"wd_pad_added": (1, -1)}, "layer 2: wd_pad_added is -1; it must be 0 or more"),
    ({"wd_filter": (0, 2)}, "layer 1: wd_filter is 0; it must be 1 or more"),
    ({"strides": (1, 0)}, "layer 2: strides is 0; it must be 1 or more"),
    ({"wd_subimage_pool": (0, 1)}, "layer 1: wd_subimage_pool is 0; it must be 1 or more"),
    ({"full_neurons": (0, 7)}, "layer 3: full_neurons is 0; it must be 1 or more"),
    ({"full_neurons": (6, 1)}, "the last entry is the number of classes, 2 or more"),
    ({"wd_filter": (3, 4)}, "layer 2: the 4x4 filter is larger than its padded input, 4x3"),
    ({"wd_subimage_pool": (3, 2)}, "layer 2: pooling 2x2 leaves nothing of the 2x1 convolution"),
    ({"LC": 2.0}, "LC is 2.0; it must be an integer"),
    ({"LF": True}, "LF is True; it must be an integer"),
    ({"wd_input": 2**31}, "wd_input is 2147483648; it must be an integer"),
    ({"strides": (1, "2")}, "strides is (1, '2'); it must be a list of integers"),
    ({"strides": 1}, "strides is 1; it must be a list of integers"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[message for _, message in WRONG])
def test_impossible_networks_are_explained(config, change, message):
    with pytest.raises(ConfigError, match="this network cannot be built: .*" + re.escape(message)):
        dataclasses.replace(config, **change)


def test_all_problems_are_reported_at_once(config):
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(config, strides=(0, 0), ht_input=-3, full_neurons=(6, 1))
    for problem in ("ht_input is -3", "layer 1: strides", "layer 2: strides", "full_neurons is 1"):
        assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_become_tuples(config):
    assert dataclasses.replace(config, strides=[1, 2]) == config
    assert hash(dataclasses.replace(config, strides=[1, 2])) == hash(config)


def test_demo_config():
    assert NetConfig.parse(DEMO) == NetConfig.preset("layer4")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_do_not_matter(newline):
    assert NetConfig.parse(DEMO.replace("\n", newline)) == NetConfig.preset("layer4")


def test_one_line_is_enough():
    text = " ".join(line.split("%")[0] for line in DEMO.splitlines())
    assert NetConfig.parse(text) == NetConfig.preset("layer4")


@pytest.mark.parametrize("name", PRESETS)
def test_text_round_trip(name):
    config = NetConfig.preset(name, 33, 35, 2)
    assert NetConfig.parse(config.text()) == config


def test_read_and_write(config, tmp_path):
    config.write(tmp_path / "net.config")
    assert NetConfig.read(tmp_path / "net.config") == config
    assert [path.name for path in tmp_path.iterdir()] == ["net.config"]


@pytest.mark.parametrize("start", ["\ufeff", "\ufeff% \u5377\u7a4d\n", "% a\fb\u2028c\x85d\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_reads_what_other_editors_write(config, tmp_path, start, end):
    path = tmp_path / "net.config"
    path.write_bytes((start + config.text()).replace("\n", end).encode())
    assert NetConfig.read(path) == config


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"missing.config: there is no such file"):
        NetConfig.read(tmp_path / "missing.config")
    with pytest.raises(ConfigError, match="cannot be read, it is a folder"):
        NetConfig.read(tmp_path)
    (tmp_path / "binary.config").write_bytes(b"\xff\xfe\x00LC")
    with pytest.raises(ConfigError, match=r"binary.config: .*save it as UTF-8"):
        NetConfig.read(tmp_path / "binary.config")
    for encoding in ("big5", "utf-16", "utf-16-le", "gbk", "cp950"):
        text = "% \u5377\u7a4d\nLC = 0;\n"
        (tmp_path / "other.config").write_bytes(text.encode(encoding))
        with pytest.raises(ConfigError, match=r"other.config: line 1 .*save it as UTF-8"):
            NetConfig.read(tmp_path / "other.config")
    (tmp_path / "large.config").write_bytes(b"%" * (2**20 + 1))
    with pytest.raises(ConfigError, match=r"large.config: is 1.0 MiB large.*at most 1.0 MiB"):
        NetConfig.read(tmp_path / "large.config")
    (tmp_path / "bad.config").write_text("LC : 3")
    with pytest.raises(ConfigError, match=r"bad.config: line 1: 'LC : 3' is not a statement"):
        NetConfig.read(tmp_path / "bad.config")


BAD_TEXTS = [
    ("LC = 3;", "LC = 3; LC = 3;", "line 3: LC is given twice; keep one"),
    ("LC = 3;", "LC 3;", "line 3: 'LC 3;' is not a statement"),
    ("LC = 3;", "LC = ones(3);", "line 3: LC holds 'ones(3)'; whole numbers only"),
    ("LC = 3;", "LC = 3.5;", "line 3: LC holds '3.5'; whole numbers only"),
    ("LC = 3;", "LC = 99999999999;", "line 3: LC holds '99999999999'; whole numbers only"),
    ("LC = 3;", "LC = [];", "LC is an empty list; give one whole number"),
    ("strides =", "stride =", "line 11: unknown field 'stride'; did you mean 'strides'?"),
    ("[1,1,1]", "[1,x,1]", "line 11: strides holds 'x'; whole numbers only"),
    ("[1,1,1]", "[1,1,1", "line 11: 'strides = [1,1,1;  wd_subimage_pool"),
    ("L = 4;", "L = 5;", "L is 5; it must be LC + LF = 4"),
    ("full_neurons", "% full_neurons", "no value is given for full_neurons"),
    ("[1,1,1]", "[1,1]", "strides has 2 entries; it needs LC = 3"),
]


@pytest.mark.parametrize(("good", "bad", "message"), BAD_TEXTS, ids=[m for _, _, m in BAD_TEXTS])
def test_bad_texts_are_explained(good, bad, message):
    assert good in DEMO
    with pytest.raises(ConfigError, match=re.escape(message)):
        NetConfig.parse(DEMO.replace(good, bad, 1))


def test_an_empty_text_names_all_fields():
    with pytest.raises(
        ConfigError, match=r"no value is given for LC, LF, wd_input, .*, full_neurons"
    ):
        NetConfig.parse("% nothing\n\n")


def test_nothing_is_evaluated(tmp_path):
    target = tmp_path / "touched"
    for value in (f"[open('{target}','w')]", f"__import__('os').mkdir('{target}')"):
        with pytest.raises(ConfigError):
            NetConfig.parse(DEMO.replace("[5, 3, 3]", value))
    assert not target.exists()


def config_or_error(text):
    """Return the network, or the error; any other exception is a failure."""
    try:
        return NetConfig.parse(text)
    except ConfigError as error:
        return error


def is_one_short_line(error):
    return "\n" not in str(error) and len(str(error)) < 2000


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=200))
def test_any_text_gives_a_network_or_an_error(text):
    config = config_or_error(text)
    assert isinstance(config, NetConfig) or is_one_short_line(config)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_any_mutation_gives_a_network_or_an_error(data):
    text = DEMO
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 5))
        replacement = data.draw(
            st.sampled_from([*"0123456789-+.,;[]=% \n\t", "LC", "\x85", "\xb2"])
        )
        text = text[:start] + replacement + text[end:]
    config = config_or_error(text)
    if isinstance(config, NetConfig):  # what is accepted can also be written
        assert NetConfig.parse(config.text()) == config
        assert config.n_parameters > 0
    else:
        assert is_one_short_line(config)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_smallest_images_of_a_preset(name: str) -> None:
    least = PRESETS[name].least
    assert NetConfig.preset(name, least, least + 3).L > 0
    with pytest.raises(ConfigError, match=f"too deep for {least - 1}x{least} images"):
        NetConfig.preset(name, least - 1, least)
