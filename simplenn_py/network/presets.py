"""A convolutional layer in one line, and the named networks."""

from __future__ import annotations

import math
from typing import NamedTuple


class Conv(NamedTuple):
    """A convolutional layer, for :meth:`NetConfig.build`.

    Parameters
    ----------
    filters : int
        Number of filters, which is the number of output channels.
    width : int
        Width ``h`` of the square filter.
    pad : int
        Number of rows and columns of zeros added on every side.
    stride : int
        Step of the filter, in pixels.
    pool : int
        Width of the pooling window, which is also its stride; 1 means no pooling.
    """

    filters: int
    width: int
    pad: int = 0
    stride: int = 1
    pool: int = 1


class Preset(NamedTuple):
    """The layers of a named network, for any size of image and any number of classes.

    Parameters
    ----------
    conv : tuple of Conv
        Convolutional layers, first to last.
    hidden : tuple of int
        Number of outputs of each fully connected layer except the last.
    """

    conv: tuple[Conv, ...]
    hidden: tuple[int, ...] = ()

    @property
    def least(self) -> int:
        """Smallest height and width of the images: only the pools make an image smaller."""
        return math.prod(layer.pool for layer in self.conv)


# layer4 is simpleNN's demo network; digits is for 8x8 images; vgg11 is configuration A of
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
