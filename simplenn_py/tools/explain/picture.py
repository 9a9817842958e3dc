"""The image that ``simplenn explain`` runs through a network, and its thumbnail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import OptionError, shown
from ...labels import match_labels
from ...layout import Array, from_nhwc, to_nhwc, vec
from ...model.model import Model
from ...network.normalisation import Normalisation

if TYPE_CHECKING:
    from ...datasets import Dataset

_SIDE = 64  # maximum height and width of the thumbnail in pixels


@dataclass(frozen=True)
class Picture:
    """The image that is the network's input.

    Parameters
    ----------
    Z : ndarray of float64, shape (d, a*b), Fortran order
        The normalised image, ``Z^1``.
    target : int
        Index of the image's class among the outputs, for the loss.
    about : str
        Description for the reader of the page.
    raw : ndarray of float64, shape (a, b, d), optional
        The image of the data set, scaled to [0, 1], but neither resized nor centred.
    """

    Z: Array
    target: int
    about: str
    raw: Array | None = None


def choose_picture(data: Dataset, index: int, model: Model) -> Picture:
    """Prepare one image of a data set as the network's input.

    Parameters
    ----------
    data : Dataset
        The image comes from the test set, or from the training set if there is no test set.
    index : int
        Index of the image, from 0.
    model : Model
        Its normalisation is applied, or that of the training images of `data` if it has none.

    Returns
    -------
    Picture

    Raises
    ------
    OptionError
        If there is no such image.

    Notes
    -----
    An image of another size is resized by repeating or leaving out rows and columns.  A grey image
    is copied to all channels; a colour image is averaged if the network takes one channel.  A
    resized image is scaled by the range of its own data set, and the model's mean is subtracted.
    """
    part, name = (data.train, "training") if data.test is None else (data.test, "test")
    if not 0 <= index < part.l:
        raise OptionError(
            f"--image is {index}; the {name} set of {data.name} has the images 0 to {part.l - 1}"
        )
    shape, own = model.config.image_shape, (part.a, part.b, part.d)
    size = part.a * part.b
    Z = np.asfortranarray(part.Z[:, index * size : (index + 1) * size], np.float64)
    image = to_nhwc(Z, part.a, part.b)[0]
    about = f"image {index} of the {name} set of {shown(data.name)}, label {shown(part.y[index])}"
    if own != shape:
        Z = _resized(Z, own, shape)
        about += f", resized from {_times(own)} to {_times(shape)}"
    normalisation = model.normalisation
    if normalisation.is_none:
        normalisation = _normalisation(data, own, shape)
    elif own != shape:
        of_data = _normalisation(data, own, own)
        normalisation = Normalisation(of_data.shift, of_data.scale, normalisation.mean)
    vec_Z = vec(Z) * normalisation.scale - normalisation.offset
    target = int(match_labels(part.y[[index]], model.classes)[0][0])
    if target == model.classes.size:
        target = 0
        about += f" (not a class of this network: the loss uses {shown(model.classes[0])} instead)"
    raw = ((image - normalisation.shift) * normalisation.scale).clip(0, 1)
    return Picture(vec_Z.reshape(Z.shape, order="F"), target, about, raw)


def _normalisation(
    data: Dataset, own: tuple[int, int, int], shape: tuple[int, int, int]
) -> Normalisation:
    Z, l = data.train.Z, data.train.l
    if own == shape:
        return Normalisation.of(Z, np.arange(l), own[0] * own[1] * own[2])
    # Computed without repeated rows and columns, so that the memory stays that of the data; then
    # the mean alone is resized.
    least = (min(own[0], shape[0]), min(own[1], shape[1]), min(own[2], shape[2]))
    small = Normalisation.of(_resized(Z, own, least), np.arange(l), least[0] * least[1] * least[2])
    mean = small.mean.reshape((least[2], -1), order="F")
    return Normalisation(small.shift, small.scale, vec(_resized(mean, least, shape)))


def _resized(Z: Array, own: tuple[int, int, int], shape: tuple[int, int, int]) -> Array:
    images = to_nhwc(Z, own[0], own[1])
    (a, b, d), (old_a, old_b, old_d) = shape, own
    images = images[:, np.arange(a) * old_a // a][:, :, np.arange(b) * old_b // b]
    images = images.mean(axis=3, keepdims=True) if d == 1 else images[..., np.arange(d) % old_d]
    return np.asfortranarray(from_nhwc(images))


def thumbnail(image: Array) -> str:
    """Draw the original image, for the head of the page.

    Parameters
    ----------
    image : ndarray, shape (a, b, d)
        Numbers from 0 to 1.  With 3 or more channels, the first three are red, green and blue;
        otherwise the first is grey.

    Returns
    -------
    str
        An <svg> element with at most 64 pixels per side; rows and columns of a larger image are
        left out.
    """
    step = -(-max(image.shape[:2]) // _SIDE)
    channels = [0, 1, 2] if image.shape[2] >= 3 else [0, 0, 0]
    levels = np.rint(255 * image[::step, ::step, channels]).astype(int)
    a, b, _ = levels.shape
    paths: dict[str, list[str]] = {}
    for i, j in np.ndindex(a, b):
        red, green, blue = levels[i, j]
        paths.setdefault(f"#{red:02x}{green:02x}{blue:02x}", []).append(f"M{j} {i}h1v1h-1z")
    drawn = "".join(f'<path fill="{colour}" d="{"".join(d)}"/>' for colour, d in paths.items())
    size = 80 / max(a, b)
    return (
        f'<svg role="img" aria-label="The original image" viewBox="0 0 {b} {a}" '
        f'width="{size * b:g}" height="{size * a:g}" shape-rendering="crispEdges" '
        'style="float: left; margin: 0 1rem .3rem 0"><title>The original image, before '
        f"normalisation</title>{drawn}</svg>"
    )


def _times(shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, shape))
