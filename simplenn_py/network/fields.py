"""The fields of a network as the user gives them, unchecked, and the sizes that they imply."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from ..layout import ConvGeometry, FullGeometry

Ints = tuple[int, ...]

#: The lists with one entry per convolutional layer.
CONV_LISTS = ("wd_pad_added", "wd_filter", "strides", "wd_subimage_pool")


@dataclass(frozen=True)
class Fields:
    """simpleNN's fields of a network, unchecked; see ``config.NetConfig``, which checks them.

    Notes
    -----
    The class is separate from ``NetConfig`` so that the rules (``rules.py``) and the text form
    (``text.py``) can work on a network that may be impossible.
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

    @property
    def L(self) -> int:
        """Number of layers."""
        return self.LC + self.LF

    @property
    def nL(self) -> int:
        """Number of classes."""
        return self.full_neurons[-1]

    @cached_property
    def conv_layers(self) -> tuple[ConvGeometry, ...]:
        """Sizes of each convolutional layer."""
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
        """Sizes of each fully connected layer."""
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
