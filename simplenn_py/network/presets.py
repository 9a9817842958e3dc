"""A convolutional layer in a line, and the networks that have a name."""

from __future__ import annotations

from typing import NamedTuple


class Conv(NamedTuple):
    """A convolutional layer, for :meth:`NetConfig.build`.

    Parameters
    ----------
    filters : int
        Number of filters, hence of output channels.
    width : int
        Width ``h`` of the square filter.
    pad : int
        Rows and columns of zeros added on every side.
    stride : int
    pool : int
        Window and stride of max pooling; 1 means none.
    """

    filters: int
    width: int
    pad: int = 0
    stride: int = 1
    pool: int = 1


class Preset(NamedTuple):
    """A network without its images and classes.

    Parameters
    ----------
    conv : tuple of Conv
    hidden : tuple of int
        Outputs of the fully connected layers before the last.
    """

    conv: tuple[Conv, ...]
    hidden: tuple[int, ...] = ()


# layer4 is simpleNN's demo network; digits is made for 8x8 images; vgg11 is configuration A of
# Simonyan and Zisserman (2015) for small images.
PRESETS = {
    "digits": Preset((Conv(32, 3, pad=1, pool=2), Conv(64, 3, pad=1, pool=2))),
    "layer4": Preset(
        (Conv(32, 5, pad=2, pool=2), Conv(64, 3, pad=1, pool=2), Conv(64, 3, pad=1, pool=2))
    ),
    "layer7": Preset(
        (
            Conv(32, 5, pad=2),
            Conv(32, 3, pad=1, pool=2),
            Conv(64, 3, pad=1),
            Conv(64, 3, pad=1, pool=2),
            Conv(64, 3, pad=1),
            Conv(128, 3, pad=1, pool=2),
        )
    ),
    "vgg11": Preset(
        (
            Conv(64, 3, pad=1, pool=2),
            Conv(128, 3, pad=1, pool=2),
            Conv(256, 3, pad=1),
            Conv(256, 3, pad=1, pool=2),
            Conv(512, 3, pad=1),
            Conv(512, 3, pad=1, pool=2),
            Conv(512, 3, pad=1),
            Conv(512, 3, pad=1, pool=2),
        ),
        hidden=(512,),
    ),
}
