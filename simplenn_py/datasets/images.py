"""Reading picture files with Pillow, in the same way for training and for prediction.

A picture is rotated as its EXIF orientation says, composed over white if it has transparency,
converted to grey (d = 1) or RGB (d = 3) with 8 bits per channel, and resized with antialiasing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError
from ..io.damage import LIBRARY_ERRORS, reason
from ..io.files import require_file
from ..layout import Array, storage
from ..runtime.arguments import expect_whole
from ..runtime.paths import user_path

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION = 0x0112  # EXIF tag; its values 5..8 exchange height and width
_GREY = frozenset({"1", "L", "LA", "La"})
_WIDE = frozenset({"I", "F"})  # 32 bits per pixel, of unknown range


def read_images(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], a: int, b: int, d: int
) -> Array:
    """Read picture files of any size and colour as images of one shape.

    Parameters
    ----------
    paths : path or iterable of path
        Picture files: PNG, JPEG or any other format that Pillow reads.
    a, b, d : int
        Height, width and channels of the images; `d` is 1 (grey) or 3 (red, green, blue).

    Returns
    -------
    ndarray of uint8, shape (d, a*b*l), Fortran order
        Values 0..255.

    Raises
    ------
    DataError
        If `a` or `b` is not a whole number above 0, `d` is neither 1 nor 3, `paths`
        is empty, or a file cannot be read as an image.

    Notes
    -----
    Resizing is bilinear with antialiasing: each new pixel is a weighted mean of all old pixels
    in its neighbourhood, so shrinking averages, and no value leaves the range of the old ones.
    """
    for name, value in (("a", a), ("b", b), ("d", d)):
        expect_whole(name, value, 1, DataError)
    given = [paths] if isinstance(paths, str | os.PathLike) else paths
    files = [user_path(path) for path in given]
    if d not in (1, 3):
        raise DataError(
            f"{files[0] if files else 'picture files'}: a picture has 1 channel (grey) or 3 (RGB), "
            f"not {d} as requested; give such data in a .npz or .mat file"
        )
    if not files:
        raise DataError("no picture file is given; name at least one")
    try:
        images = np.empty((len(files), b, a, d), np.uint8)
    except MemoryError:
        raise DataError(
            f"out of memory for {len(files)} images of {a}x{b}x{d}; use fewer images, or a smaller "
            "--image-shape"
        ) from None
    for image, path in zip(images, files, strict=True):
        image[...] = _read_picture(path, a, b, d).transpose(1, 0, 2)
    return storage(images)


def inspect(path: Path) -> tuple[int, int, int]:
    """Return height, width and channels (1 or 3) of a picture file, from its header alone.

    Parameters
    ----------
    path : Path
        Picture file.

    Returns
    -------
    a, b, d : int
        Height and width after the rotation by the EXIF orientation; `d` is 1 for a grey
        picture, otherwise 3.

    Raises
    ------
    DataError
        If the file cannot be read as an image.
    """
    with _opened(path) as picture:
        if picture.format == "TIFF" and picture.getexif().get(_ORIENTATION, 1) != 1:
            picture.load()  # rotates it; before, the size depends on Pillow's version
        width, height = picture.size
        if picture.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8):
            width, height = height, width
        grey = picture.mode in _GREY or _is_sixteen_bit(picture)
        return height, width, 1 if grey else 3


def _read_picture(path: Path, a: int, b: int, d: int) -> Array:
    """Decode a picture file as uint8 ``(a, b, d)``."""
    from PIL import Image, ImageOps

    with _opened(path) as picture:
        if picture.mode in _WIDE and not _is_sixteen_bit(picture):
            raise DataError(
                f"{path}: has 32 bits per pixel, of unknown range; save it with 8 bits per channel"
            )
        if _is_sixteen_bit(picture):
            wide = np.asarray(picture).astype(np.uint32)
            eight = Image.fromarray(((wide + 128) // 257).astype(np.uint8))
            eight.getexif()[_ORIENTATION] = picture.getexif().get(_ORIENTATION, 1)
            picture = eight
        picture = _on_white(ImageOps.exif_transpose(picture))
        picture = picture.convert("L" if d == 1 else "RGB")
        if picture.size != (b, a):
            picture = picture.resize((b, a), Image.Resampling.BILINEAR)
        return np.asarray(picture).reshape(a, b, d)


def _is_sixteen_bit(picture: Image) -> bool:
    """Return whether a picture is grey with values 0..65535; Pillow scales a .pgm file to that."""
    return picture.mode.startswith("I;16") or (picture.format, picture.mode) == ("PPM", "I")


def _on_white(picture: Image) -> Image:
    from PIL import Image

    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, picture)


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """Open a picture file; every error that Pillow raises becomes a DataError."""
    from PIL import Image, UnidentifiedImageError

    require_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Pillow warns of a decompression bomb beyond 90 megapixels: not a training image.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Given a name, Pillow maps some files into memory, and rotated .tif files wrongly.
            with path.open("rb") as stream, Image.open(stream) as picture:
                yield picture
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(
            f"{path}: cannot be read as an image; remove it, or save it again as PNG"
        ) from None
    except (Image.DecompressionBombError, *LIBRARY_ERRORS) as error:
        raise DataError(
            f"{path}: cannot be read as an image ({reason(error)}); remove it, or save it again"
        ) from None
