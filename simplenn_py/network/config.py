"""NetConfig: the architecture of a network, with simpleNN's field names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError, closest, shown
from ..runtime.arguments import expect, expect_path, expect_whole
from ..runtime.paths import user_path
from .fields import CONV_LISTS, Fields
from .presets import PRESETS, Conv
from .rules import problems_of
from .text import format_fields, parse_fields


@dataclass(frozen=True)
class NetConfig(Fields):
    """The architecture: ``LC`` convolutional layers, then ``LF`` fully connected layers.

    Parameters
    ----------
    LC, LF : int
        Number of convolutional and of fully connected layers; ``L = LC + LF``.
    ht_input, wd_input : int
        Height and width of the images.
    ch_input : tuple of int, length LC + 1
        Number of channels of the images, then of the output of each convolutional layer.
    wd_pad_added, wd_filter, strides, wd_subimage_pool : tuple of int, length LC
        For each convolutional layer: zero padding on every side, width of the square
        filter, stride, and window (= stride) of max pooling; a window of 1 means no pooling.
    full_neurons : tuple of int, length LF
        Number of outputs of each fully connected layer; the last is the number of classes.
    rank : tuple of int, length L, optional
        For each layer: 0, or the rank r of a factored layer ``W = U V``, in which ``V`` has r
        rows.  Not in simpleNN.  Empty: no layer is factored.

    Raises
    ------
    ConfigError
        If the network cannot exist; one message names every problem, by layer.

    Notes
    -----
    The fields are those of simpleNN's configuration files.  All other sizes of section A of the
    lecture follow from them, in ``conv_layers`` and ``full_layers``.

    Examples
    --------
    :meth:`preset` and :meth:`build` fill in the fields:

    >>> from simplenn_py import NetConfig
    >>> config = NetConfig.preset("digits", 8, 8, 1, classes=10)
    >>> config.LC, config.ch_input, config.wd_filter, config.full_neurons
    (2, (1, 32, 64), (3, 3), (10,))
    >>> config.weight_shapes
    ((32, 9), (64, 288), (10, 256))
    >>> config.n_parameters
    21386
    """

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, list | tuple):  # users write lists
                object.__setattr__(self, f.name, tuple(map(_plain, value)))
        problems = problems_of(self)
        if problems:
            raise ConfigError("this network cannot be built: " + "; ".join(problems))
        if not any(self.rank):
            object.__setattr__(self, "rank", ())

    @cached_property
    def stages(self) -> NetConfig:
        """The network as it is run: each factored layer is two stages, ``V`` then ``U``.

        In a convolutional layer of rank r, V is a convolution with r filters and without
        pooling, and U is a convolution with 1x1 filters.  If no layer is factored, this is the
        network itself.
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
    def is_V(self) -> tuple[bool, ...]:
        """Whether each stage is the ``V`` of a factored layer.

        Such a stage has no bias and no activation.
        """
        ranks = self.rank or (0,) * self.L
        return tuple(flag for r in ranks for flag in ((True, False) if r else (False,)))

    @cached_property
    def stage_names(self) -> tuple[str, ...]:
        """Name of each stage: the number of its layer, from 1, and the factor: "2 V", "2 U"."""
        ranks = self.rank or (0,) * self.L
        names = ((f"{m} V", f"{m} U") if r else (str(m),) for m, r in enumerate(ranks, start=1))
        return tuple(name for layer in names for name in layer)

    @cached_property
    def weight_shapes(self) -> tuple[tuple[int, int], ...]:
        """Shape of ``W`` of each stage: ``(d_next, h*h*d)`` or ``(n_out, n_in)``."""
        conv = [(g.d_next, g.hhd) for g in self.stages.conv_layers]
        return (*conv, *((g.n_out, g.n_in) for g in self.stages.full_layers))

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases: the length of ``theta``."""
        return sum(
            rows * columns + (0 if is_V else rows)
            for (rows, columns), is_V in zip(self.weight_shapes, self.is_V, strict=True)
        )

    @classmethod
    def build(
        cls,
        image: tuple[int, int, int],
        conv: Sequence[Conv] = (),
        full: Sequence[int] = (),
        rank: Sequence[int] = (),
    ) -> NetConfig:
        """Build a network layer by layer.

        Parameters
        ----------
        image : tuple of int
            Height ``a``, width ``b`` and channels ``d`` of the images.
        conv : sequence of Conv
            Convolutional layers, first to last.
        full : sequence of int
            Number of outputs of each fully connected layer; the last is the number of classes.
        rank : sequence of int, optional
            One entry per layer; see the class.

        Returns
        -------
        NetConfig

        Raises
        ------
        ConfigError
            If the network cannot exist; one message names every problem, by layer.

        Examples
        --------
        >>> from simplenn_py import Conv, NetConfig
        >>> config = NetConfig.build((8, 8, 1), conv=[Conv(32, 3, pad=1, pool=2)], full=[10])
        >>> [(g.d_next, g.a_next, g.b_next) for g in config.conv_layers]
        [(32, 4, 4)]
        """
        for name, value, what in (
            ("image", image, "height, width and channels, such as (28, 28, 1)"),
            ("conv", conv, "a list of layers, such as [Conv(32, 3, pad=1, pool=2)]"),
            ("full", full, "a list of numbers of outputs, such as [10]"),
            ("rank", rank, "a list of ranks, one per layer"),
        ):
            single = isinstance(value, str | bytes | Conv) or not hasattr(value, "__len__")
            if single or (name == "image" and len(value) != 3):
                raise ConfigError(f"{name} is {shown(repr(value))}; it must be {what}")
        for k, layer in enumerate(conv):
            if not isinstance(layer, Conv):
                raise ConfigError(
                    f"conv[{k}] is {layer!r}; it must be a Conv, such as Conv(32, 3, pad=1, pool=2)"
                )
        a, b, d = image
        return cls(
            LC=len(conv),
            LF=len(full),
            ht_input=a,
            wd_input=b,
            ch_input=(d, *(layer.filters for layer in conv)),
            wd_filter=tuple(layer.width for layer in conv),
            wd_pad_added=tuple(layer.pad for layer in conv),
            strides=tuple(layer.stride for layer in conv),
            wd_subimage_pool=tuple(layer.pool for layer in conv),
            full_neurons=tuple(full),
            rank=tuple(rank),
        )

    @classmethod
    def preset(
        cls, name: str, a: int = 28, b: int = 28, d: int = 1, classes: int = 10
    ) -> NetConfig:
        """Build a named network.

        Parameters
        ----------
        name : {"digits", "layer4", "layer7", "vgg11"}
        a, b, d : int
            Height, width and channels of the images.
        classes : int
            Number of classes.

        Returns
        -------
        NetConfig

        Raises
        ------
        ConfigError
            If the name is unknown, or the images are too small for the layers.
        """
        if not isinstance(name, str) or name not in PRESETS:
            raise ConfigError(
                f"there is no preset {shown(repr(name))}; the presets are {', '.join(PRESETS)}"
                + closest(str(name), list(PRESETS))
            )
        preset = PRESETS[name]
        for size, value in (("a", a), ("b", b), ("d", d), ("classes", classes)):
            expect_whole(size, value, 2 if size == "classes" else 1, ConfigError)
        if min(a, b) < preset.least:
            others = [other for other, its in PRESETS.items() if its.least <= min(a, b)]
            raise ConfigError(
                f"the preset {name} is too deep for {a}x{b} images, because its pooling leaves "
                f"nothing of them; give images of {preset.least}x{preset.least} or more"
                + (f", or choose the preset {' or '.join(others)}" if others else "")
            )
        return cls.build((a, b, d), preset.conv, [*preset.hidden, classes])

    @classmethod
    def parse(cls, text: str) -> NetConfig:
        """Build the network that the text of a ``.config`` file describes.

        Parameters
        ----------
        text : str
            See ``text.parse_fields`` for its form.

        Returns
        -------
        NetConfig

        Raises
        ------
        ConfigError
            If a line cannot be read (the message names it), or the network cannot exist.
        """
        expect("text", text, str, "the text of a .config file")
        return cls(**parse_fields(text))

    @classmethod
    def read(cls, path: str | Path) -> NetConfig:
        """Read a ``.config`` file of simpleNN.

        Parameters
        ----------
        path : str or Path
            The file; see ``text.parse_fields`` for its form.

        Returns
        -------
        NetConfig

        Raises
        ------
        ConfigError
            If the file cannot be read, or the network cannot exist.
        """
        from ..io.files import read_text

        expect_path("path", path, "the path of a .config file")
        path = user_path(path)
        try:
            text = read_text(path, most=2**20)
        except DataError as error:
            raise ConfigError(error) from None
        try:
            return cls.parse(text)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def write(self, path: str | Path) -> None:
        """Write the network as a ``.config`` file, for :meth:`read` and for simpleNN.

        Parameters
        ----------
        path : str or Path

        Notes
        -----
        ``rank``, which simpleNN does not have, is written only if a layer is factored.
        """
        from ..io.atomic import atomic_open

        expect_path("path", path, "the path of the file to write")
        with atomic_open(path) as file:
            file.write(self.text().encode())

    def text(self) -> str:
        """Return the text of the ``.config`` file, for :meth:`parse`."""
        return format_fields(self)


def _plain(value: Any) -> Any:
    """Convert NumPy's integers to Python's; the checks reject other types."""
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value
