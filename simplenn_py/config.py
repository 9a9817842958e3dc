"""NetConfig: the architecture under simpleNN's field names, its presets and ``.config`` files."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from typing import Any

from .config_rules import CONV_LISTS, problems_of
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
    rank : tuple of int, length L, optional
        Of each layer: 0, or the r of a factored layer ``W = U V``, ``V`` with r rows.  Not in
        simpleNN.  Empty: no layer is factored.

    Raises
    ------
    ConfigError
        Where the network cannot exist; one message names every problem, by layer.

    Notes
    -----
    The fields are those of simpleNN's configuration files.  ``conv_layers`` and ``full_layers``
    derive every size of section A of the lecture, once.
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
    rank: Ints = field(default=())

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, list | tuple):  # a list is what a user writes first
                object.__setattr__(self, f.name, tuple(map(_plain, value)))
        problems = problems_of(self)
        if problems:
            raise ConfigError("this network cannot be built: " + "; ".join(problems))
        if not any(self.rank):
            object.__setattr__(self, "rank", ())

    @property
    def L(self) -> int:
        return self.LC + self.LF

    @property
    def nL(self) -> int:
        """Number of classes."""
        return self.full_neurons[-1]

    @cached_property
    def conv_layers(self) -> tuple[ConvGeometry, ...]:
        a, b = self.ht_input, self.wd_input
        layers = []
        for m in range(self.LC):
            g = ConvGeometry(
                a=a,
                b=b,
                d=self.ch_input[m],
                p=self.wd_pad_added[m],
                h=self.wd_filter[m],
                s=self.strides[m],
                d_next=self.ch_input[m + 1],
                h_pool=self.wd_subimage_pool[m],
            )
            layers.append(g)
            a, b = g.a_next, g.b_next
        return tuple(layers)

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
    def geometries(self) -> tuple[ConvGeometry | FullGeometry, ...]:
        """Sizes of all layers, the convolutional ones first."""
        return (*self.conv_layers, *self.full_layers)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height ``a``, width ``b`` and channels ``d`` of the images."""
        return self.ht_input, self.wd_input, self.ch_input[0]

    @cached_property
    def stages(self) -> NetConfig:
        """The network as it is run: a layer of rank r as two, ``V`` then ``U``.

        Of a convolutional layer V is a convolution with r filters, without a pool, and U one
        with 1x1 filters.  Where no layer is factored, the network itself.
        """
        if not self.rank:
            return self
        conv: list[tuple[int, ...]] = []  # d_next, then the entries of CONV_LISTS
        full: list[int] = []
        for g, r in zip(self.conv_layers, self.rank[: self.LC], strict=True):
            if r:
                conv += [(r, g.p, g.h, g.s, 1), (g.d_next, 0, 1, 1, g.h_pool)]
            else:
                conv.append((g.d_next, g.p, g.h, g.s, g.h_pool))
        for n_out, r in zip(self.full_neurons, self.rank[self.LC :], strict=True):
            full += [r, n_out] if r else [n_out]
        channels, *lists = zip(*conv, strict=True) if conv else ((),) * (1 + len(CONV_LISTS))
        by_layer: dict[str, Any] = dict(zip(CONV_LISTS, lists, strict=True))
        return replace(
            self,
            LC=len(conv),
            LF=len(full),
            ch_input=(self.ch_input[0], *channels),
            full_neurons=tuple(full),
            rank=(),
            **by_layer,
        )

    @cached_property
    def thin(self) -> tuple[bool, ...]:
        """Of each stage: whether it is the ``V`` of a factored layer.

        Such a stage has no bias, and the activation is switched off behind it.
        """
        ranks = self.rank or (0,) * self.L
        return tuple(flag for r in ranks for flag in ((True, False) if r else (False,)))

    @cached_property
    def stage_names(self) -> tuple[str, ...]:
        """Of each stage: the number of its layer, from 1, with the factor: "2 V", "2 U"."""
        ranks = self.rank or (0,) * self.L
        names = ((f"{m} V", f"{m} U") if r else (str(m),) for m, r in enumerate(ranks, start=1))
        return tuple(name for layer in names for name in layer)

    @cached_property
    def weight_shapes(self) -> tuple[tuple[int, int], ...]:
        """Shape of ``W`` of each stage: ``(d_next, h*h*d)``, then ``(n_out, n_in)``."""
        conv = [(g.d_next, g.hhd) for g in self.stages.conv_layers]
        return (*conv, *((g.n_out, g.n_in) for g in self.stages.full_layers))

    @property
    def n_parameters(self) -> int:
        return sum(
            rows * columns + (0 if thin else rows)
            for (rows, columns), thin in zip(self.weight_shapes, self.thin, strict=True)
        )

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
        """Read one of simpleNN's ``.config`` files (see ``config_text.parse_config``)."""
        from .config_text import parse_config

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
        """Write the network as a ``.config`` file that :meth:`read` takes, and simpleNN.

        simpleNN knows no ``rank``, which is only written where a layer is factored.
        """
        from .io.atomic import atomic_open

        with atomic_open(path) as file:
            file.write(self.text().encode())

    def text(self) -> str:
        """Return the ``.config`` file's text."""
        lines = [f"L = {self.L};"]
        for name in FIELD_ORDER:
            value = getattr(self, name)
            if name == "rank" and not value:
                continue
            if name in ("LC", "LF"):
                lines.append(f"{name} = {value};")
            else:
                values = (value,) if isinstance(value, int) else value
                lines.append(f"{name} = [{','.join(map(str, values))}];")
        return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    """Turn NumPy's integers into Python's; leave anything else to the checks."""
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value


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

FIELD_ORDER = ("LC", "LF", "wd_input", "ht_input", "ch_input", *CONV_LISTS, "full_neurons", "rank")
