"""Named arrays in one uncompressed ``.npz``: models, checkpoints, data sets.

The format is NumPy's own: a zip archive of ``NAME.npy`` members, which ``numpy.load``
opens.  Reading here trusts nothing: no member is unpickled, and every size that a header
claims is checked against the bytes that are there before memory is allocated for it.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from ..errors import DataError
from ..layout import Array
from .atomic import atomic_open
from .damage import LIBRARY_ERRORS, reason

# A file of ours is not compressed.  Foreign ones may be, but a small file that claims to
# hold gigabytes is a mistake or an attack: refuse beyond the larger of these two.
MAX_RATIO = 64
MIN_BOUND = 2**28  # bytes

_KINDS = "biufcSU"  # bool, integers, floats, complex, fixed-width strings


class _Damage(Exception):
    """What is wrong with a file, without its name."""


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Write `arrays` to `path`, atomically; equal arrays give equal bytes.

    Parameters
    ----------
    path : path
        Written as it is given: no suffix is added.
    arrays : mapping of str to ndarray
        Bool, numeric or fixed-width string arrays of any shape and memory order.

    Raises
    ------
    DataError
        If the file cannot be written.
    ValueError
        If a name or an array is of a kind that :func:`read_arrays` would refuse.
    """
    arrays = {name: np.asanyarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if not _is_name(name):
            raise ValueError(f"array name {name!r} must be printable, without / \\ : or a first .")
        if array.dtype.kind not in _KINDS or array.dtype.itemsize == 0:
            raise ValueError(f"array {name!r} has dtype {array.dtype}; only plain arrays are kept")
    with atomic_open(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(name + ".npy")  # dated 1980: no clock in the bytes
            entry.create_system = 3
            entry.external_attr = 0o600 << 16
            with archive.open(entry, "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read every array of a ``.npz`` file; nothing is unpickled.

    Returns
    -------
    dict of str to ndarray
        In the order of the file, writable, in native byte order, C or Fortran as stored.

    Raises
    ------
    DataError
        If the file is missing, not an archive of arrays, damaged in any way, or claims
        sizes that it cannot hold.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            return _read(stream, path)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise DataError(f"{path}: there is no such file; check the path") from None
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except _Damage as damage:
        raise DataError(
            f"{path}: is not a usable .npz file ({damage}); restore a copy or write it again"
        ) from None


def _read(stream: IO[bytes], path: Path) -> dict[str, Array]:
    size = path.stat().st_size
    try:
        archive = zipfile.ZipFile(stream)
    except LIBRARY_ERRORS as error:
        raise _Damage(f"not a zip archive: {reason(error)}") from None
    entries = archive.infolist()
    total = sum(entry.file_size for entry in entries)
    bound = max(MAX_RATIO * size, MIN_BOUND)
    if total > bound:
        raise _Damage(f"{size} bytes claim to unpack to {total}, beyond the bound of {bound}")
    arrays: dict[str, Array] = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if name == entry.filename or not _is_name(name):
            raise _Damage(f"member {entry.filename[:60]!r} is not of the form NAME.npy")
        if name in arrays:
            raise _Damage(f"member {entry.filename[:60]!r} occurs twice")
        try:
            with archive.open(entry) as member:
                arrays[name] = _read_member(member, entry.file_size)
        except _Damage as damage:
            raise _Damage(f"array {name!r}: {damage}") from None
        except LIBRARY_ERRORS as error:  # CRC, compression, encryption, header, memory
            raise _Damage(f"array {name!r}: {reason(error)}") from None
    return arrays


def _read_member(member: IO[bytes], size: int) -> Array:
    """Read one ``.npy`` of `size` bytes, header and data, from an open member."""
    shape, fortran, dtype = read_header(member)
    count = math.prod(shape)
    claimed, there = count * dtype.itemsize, size - member.tell()
    if claimed != there:
        raise _Damage(f"its header claims {claimed} bytes of data, the member has {there}")
    flat = np.empty(count, dtype)
    view = flat.view(np.uint8).data
    done = 0
    while done < claimed:
        block = member.read(min(claimed - done, 2**20))
        if not block:
            raise _Damage(f"it ends after {done} of {claimed} bytes")
        view[done : done + len(block)] = block
        done += len(block)
    member.read(1)  # reaching the end makes zipfile compare the CRC
    array = flat.reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the header of a ``.npy``: shape, whether in Fortran order, dtype.

    Raises
    ------
    _Damage
        If the array is not of a plain dtype or has an impossible shape.
    Exception
        Whatever NumPy raises over a malformed header.
    """
    version = npy.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = npy.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = npy.read_array_header_2_0(stream)
    else:  # 3.0 exists for structured arrays with non-Latin field names: not plain
        raise _Damage(f"it has .npy version {version}; plain arrays have 1.0 or 2.0")
    if dtype.kind not in _KINDS or dtype.itemsize == 0:
        raise _Damage(f"it has dtype {dtype}; only numbers and fixed-width strings are read")
    if any(n < 0 for n in shape):
        raise _Damage(f"its shape is {shape}")
    return shape, fortran, dtype


def _is_name(name: str) -> bool:
    # Nothing is ever extracted under these names; they are keys that get printed.
    printable = name.isprintable() and 0 < len(name) <= 200
    return printable and name[0] != "." and not any(c in name for c in "/\\:")
