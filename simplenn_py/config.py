"""NetConfig: the architecture under simpleNN's field names, its presets and ``.config`` files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from .errors import ConfigError, closest
from .layout import ConvGeometry, FullGeometry

Ints = tuple[int, ...]


@dataclass(frozen=True)
class NetConfig:
    """``LC`` convolutional layers, then ``LF`` fully connected ones.

    Parameters
    ----------
    LC, LF : int
        Numbers of convolutional and of fully connected layers; ``L = LC + LF``.
    ht_input, wd_input : int
        Height and width of the images.
    ch_input : tuple of int, length LC + 1
        Channels: of the images, then of each convolutional layer's output.
    wd_pad_added, wd_filter, strides, wd_subimage_pool : tuple of int, length LC
        Of each convolutional layer: zero padding on every side, width of the square
        filter, stride, and window (= stride) of max pooling, 1 meaning none.
    full_neurons : tuple of int, length LF
        Outputs of each fully connected layer; the last is the number of classes.

    Raises
    ------
    ConfigError
        Where the network cannot exist; one message names every problem, by layer.

    Notes
    -----
    The fields are those of simpleNN's configuration files.  ``layers`` derives every
    size of section A of the lecture, once.
    """

    LC: int
    LF: int
    ht_input: int
    wd_input: int
    ch_input: Ints
    full_neurons: Ints
    wd_pad_added: Ints = field(default=())
    wd_filter: Ints = field(default=())
    strides: Ints = field(default=())
    wd_subimage_pool: Ints = field(default=())

    def __post_init__(self) -> None:
        problems = _wrong_types(self)
        if not problems:
            problems = _wrong_lengths(self) or _wrong_values(self) or _impossible_layers(self)
        if problems:
            raise ConfigError("this network cannot be built: " + "; ".join(problems))

    @property
    def L(self) -> int:
        return self.LC + self.LF

    @property
    def nL(self) -> int:
        """Number of classes."""
        return self.full_neurons[-1]

    @cached_property
    def conv_layers(self) -> tuple[ConvGeometry, ...]:
        return tuple(_conv_geometries(self))

    @cached_property
    def full_layers(self) -> tuple[FullGeometry, ...]:
        if self.conv_layers:
            last = self.conv_layers[-1]
            n_in = last.d_next * last.a_next * last.b_next
        else:
            n_in = self.ch_input[0] * self.ht_input * self.wd_input
        sizes = (n_in, *self.full_neurons)
        return tuple(FullGeometry(n_in, n_out) for n_in, n_out in pairwise(sizes))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height ``a``, width ``b`` and channels ``d`` of the images."""
        return self.ht_input, self.wd_input, self.ch_input[0]

    @cached_property
    def weight_shapes(self) -> tuple[tuple[int, int], ...]:
        """Shape of ``W^m``: ``(d_next, h*h*d)``, then ``(n_out, n_in)``."""
        conv = [(g.d_next, g.hhd) for g in self.conv_layers]
        return (*conv, *((g.n_out, g.n_in) for g in self.full_layers))

    @property
    def n_parameters(self) -> int:
        return sum(rows * columns + rows for rows, columns in self.weight_shapes)

    @classmethod
    def preset(
        cls, name: str, a: int = 28, b: int = 28, d: int = 1, classes: int = 10
    ) -> NetConfig:
        """Build the preset `name` for images of height `a`, width `b` and `d` channels.

        Parameters
        ----------
        name : {"digits", "layer4", "layer7", "vgg11"}
        a, b, d, classes : int

        Raises
        ------
        ConfigError
            For an unknown name, and where the images are too small for the layers.
        """
        if name not in PRESETS:
            raise ConfigError(
                f"no preset is called {name!r}; there are {', '.join(PRESETS)}"
                + closest(name, list(PRESETS))
            )
        conv, hidden = PRESETS[name]
        return cls(
            LC=len(conv),
            LF=len(hidden) + 1,
            ht_input=a,
            wd_input=b,
            ch_input=(d, *(layer[0] for layer in conv)),
            wd_filter=tuple(layer[1] for layer in conv),
            wd_pad_added=tuple(layer[2] for layer in conv),
            strides=(1,) * len(conv),
            wd_subimage_pool=tuple(layer[3] for layer in conv),
            full_neurons=(*hidden, classes),
        )

    @classmethod
    def read(cls, path: str | Path) -> NetConfig:
        """Read one of simpleNN's ``.config`` files (see :func:`parse_config`)."""
        path = Path(path)
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise ConfigError(f"{path} is not a text file; give a simpleNN .config file") from None
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
        try:
            return parse_config(text)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def write(self, path: str | Path) -> None:
        """Write the network as a ``.config`` file that simpleNN and :meth:`read` take."""
        from .io.atomic import atomic_open

        with atomic_open(path) as file:
            file.write(self.text().encode())

    def text(self) -> str:
        """Return the ``.config`` file's text."""
        lines = [f"L = {self.L};"]
        for name in _FIELD_ORDER:
            value = getattr(self, name)
            if name in ("LC", "LF"):
                lines.append(f"{name} = {value};")
            else:
                values = (value,) if isinstance(value, int) else value
                lines.append(f"{name} = [{','.join(map(str, values))}];")
        return "\n".join(lines) + "\n"


# Each convolutional layer: filters, filter width, padding, pooling window; then the hidden
# fully connected layers.  layer4 is simpleNN's demo network; digits is made for 8x8 images;
# vgg11 is configuration A of Simonyan and Zisserman (2015) for small images.
PRESETS: dict[str, tuple[list[tuple[int, int, int, int]], list[int]]] = {
    "digits": ([(32, 3, 1, 2), (64, 3, 1, 2)], []),
    "layer4": ([(32, 5, 2, 2), (64, 3, 1, 2), (64, 3, 1, 2)], []),
    "layer7": (
        [(32, 5, 2, 1), (32, 3, 1, 2), (64, 3, 1, 1), (64, 3, 1, 2), (64, 3, 1, 1), (128, 3, 1, 2)],
        [],
    ),
    "vgg11": (
        [
            *[(64, 3, 1, 2), (128, 3, 1, 2), (256, 3, 1, 1), (256, 3, 1, 2)],
            *[(512, 3, 1, 1), (512, 3, 1, 2), (512, 3, 1, 1), (512, 3, 1, 2)],
        ],
        [512],
    ),
}

_LISTS = ("wd_pad_added", "wd_filter", "strides", "wd_subimage_pool")
_FIELD_ORDER = ("LC", "LF", "wd_input", "ht_input", "ch_input", *_LISTS, "full_neurons")
_LARGEST = 2**31 - 1


def _wrong_types(config: NetConfig) -> list[str]:
    problems = []
    for f in fields(config):
        value = getattr(config, f.name)
        if isinstance(value, list):  # a list is what a user writes first
            value = tuple(value)
            object.__setattr__(config, f.name, value)
        expected = "an integer" if f.type == "int" else "a list of integers"
        ok = _is_int(value) if f.type == "int" else _is_int_tuple(value)
        if not ok:
            problems.append(f"{f.name} is {value!r}; it must be {expected}")
    return problems


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _is_int_tuple(value: object) -> bool:
    return isinstance(value, tuple) and all(map(_is_int, value))


def _wrong_lengths(config: NetConfig) -> list[str]:
    problems = []
    if config.LC < 0:
        problems.append(f"LC is {config.LC}; it must be 0 or more")
    if config.LF < 1:
        problems.append(f"LF is {config.LF}; at least one fully connected layer is needed")
    if problems:
        return problems
    wanted = {"ch_input": config.LC + 1, "full_neurons": config.LF}
    wanted |= dict.fromkeys(_LISTS, config.LC)
    for name, length in wanted.items():
        got = len(getattr(config, name))
        if got != length:
            rule = {"ch_input": "LC + 1", "full_neurons": "LF"}.get(name, "LC")
            problems.append(f"{name} has {got} entries; it needs {rule} = {length}")
    return problems


def _wrong_values(config: NetConfig) -> list[str]:
    problems = []
    for name in ("ht_input", "wd_input"):
        if getattr(config, name) < 1:
            problems.append(f"{name} is {getattr(config, name)}; it must be 1 or more")
    if config.ch_input[0] < 1:
        problems.append(f"ch_input(1) is {config.ch_input[0]}; images have 1 channel or more")
    lowest = {"ch_input": 1, "wd_pad_added": 0, "wd_filter": 1, "strides": 1, "wd_subimage_pool": 1}
    for m in range(config.LC):
        for name, low in lowest.items():
            value = getattr(config, name)[m + (name == "ch_input")]
            if value < low:
                problems.append(f"layer {m + 1}: {name} is {value}; it must be {low} or more")
    for k, neurons in enumerate(config.full_neurons[:-1]):
        if neurons < 1:
            problems.append(f"layer {config.LC + k + 1}: full_neurons is {neurons}; at least 1")
    if config.nL < 2:
        problems.append(
            f"layer {config.L}: full_neurons is {config.nL}; "
            "the last entry is the number of classes, 2 or more"
        )
    return problems


def _conv_geometries(config: NetConfig) -> list[ConvGeometry]:
    a, b = config.ht_input, config.wd_input
    layers = []
    for m in range(config.LC):
        g = ConvGeometry(
            a=a,
            b=b,
            d=config.ch_input[m],
            p=config.wd_pad_added[m],
            h=config.wd_filter[m],
            s=config.strides[m],
            d_next=config.ch_input[m + 1],
            h_pool=config.wd_subimage_pool[m],
        )
        layers.append(g)
        a, b = g.a_next, g.b_next
    return layers


def _impossible_layers(config: NetConfig) -> list[str]:
    problems = []
    for m, g in enumerate(_conv_geometries(config), start=1):
        if g.h > min(g.a_pad, g.b_pad):
            problems.append(
                f"layer {m}: the {g.h}x{g.h} filter is larger than its padded input, "
                f"{g.a_pad}x{g.b_pad}; use a smaller wd_filter or more wd_pad_added"
            )
            break  # later sizes would only repeat the same fault
        if min(g.a_next, g.b_next) < 1:
            problems.append(
                f"layer {m}: pooling {g.h_pool}x{g.h_pool} leaves nothing of the "
                f"{g.a_conv}x{g.b_conv} convolution; use a smaller wd_subimage_pool"
            )
            break
    return problems


_STATEMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(\[[^\]\[]*\]|[^\s;,\[\]=]+)\s*(?:[;,]|$|\n)")
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}(?:\.0*)?\Z")


def parse_config(text: str) -> NetConfig:
    """Parse the text of a simpleNN ``.config`` file.

    Parameters
    ----------
    text : str
        Statements ``name = 3;`` or ``name = [5,3,3];``; ``%`` starts a comment.  ``L``
        may be given and must then be ``LC + LF``.  Of the lists ``ht_input``,
        ``wd_input`` and nothing else simpleNN reads only the first entry, and so do we.

    Raises
    ------
    ConfigError
        Naming the line and what is wrong with it; nothing is ever evaluated.
    """
    values: dict[str, Ints] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.split("%", 1)[0].strip()
        while line:
            match = _STATEMENT.match(line)
            if match is None:
                raise ConfigError(
                    f"line {number}: {_shown(line)} is not a statement like "
                    "'name = 3;' or 'name = [5,3,3];'"
                )
            name, value = match.groups()
            known = ["L", *_FIELD_ORDER]
            if name not in known:
                raise ConfigError(f"line {number}: unknown field {name!r}{closest(name, known)}")
            if name in values:
                raise ConfigError(f"line {number}: {name} is given twice; keep one")
            values[name] = _integers(value, name, number)
            line = line[match.end() :].strip(" ;,\t")
    return _config_from(values)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _integers(value: str, name: str, number: int) -> Ints:
    items = re.split(r"[\s,;]+", value.strip("[] \t")) if value.startswith("[") else [value]
    items = [item for item in items if item]
    for item in items:
        if not _INTEGER.match(item):
            raise ConfigError(f"line {number}: {name} holds {_shown(item)}; whole numbers only")
    return tuple(int(item.split(".")[0]) for item in items)


def _config_from(values: dict[str, Ints]) -> NetConfig:
    optional = {"L", *(_LISTS if values.get("LC") == (0,) else ())}
    missing = [name for name in _FIELD_ORDER if name not in values and name not in optional]
    if missing:
        raise ConfigError(f"{', '.join(missing)} missing; give each as 'name = value;'")
    empty = [n for n in ("L", "LC", "LF", "ht_input", "wd_input") if values.get(n) == ()]
    if empty:
        raise ConfigError(f"{', '.join(empty)} is an empty list; give one whole number")
    config = NetConfig(
        LC=values["LC"][0],
        LF=values["LF"][0],
        ht_input=values["ht_input"][0],
        wd_input=values["wd_input"][0],
        ch_input=values["ch_input"],
        full_neurons=values["full_neurons"],
        **{name: values.get(name, ()) for name in _LISTS},
    )
    if "L" in values and values["L"][0] != config.L:
        raise ConfigError(f"L is {values['L'][0]}; it must be LC + LF = {config.L}")
    return config
