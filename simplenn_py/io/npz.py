"""Named arrays in a ``.npz`` file: models, checkpoints, data sets.

The format is NumPy's own: a zip archive of ``NAME.npy`` members, which ``numpy.load`` opens.
The reader does not trust the file.  No member is unpickled, and the size that a header claims
is compared with the actual number of bytes, and with the free memory, before memory is allocated.
"""

from __future__ import annotations

import math
import os
import sys
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from ..errors import DataError, shown
from ..layout import Array
from ..runtime.memory import free_bytes
from ..runtime.paths import user_path
from ..runtime.units import human_bytes
from .atomic import atomic_open
from .damage import LIBRARY_ERRORS, reason
from .files import require_file

_KINDS = "biufcSU"  # bool, integers, floats, complex, fixed-width strings
_FIELDS = "save each of its fields as an array of its own"


class _NotZip(Exception):
    """The file is not a zip archive."""


class _Damage(Exception):
    """The file is damaged; the text names the fault, but not the file."""


class _NotPlain(Exception):
    """An array is of a kind that is not read; the text names the kind and the remedy."""


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Write `arrays` to `path` atomically; equal arrays give equal bytes.

    Parameters
    ----------
    path : path
        File to write; no suffix is added.
    arrays : mapping of str to ndarray
        Arrays by name: bool, numeric or fixed-width strings, of any shape and memory order.

    Raises
    ------
    DataError
        If the file cannot be written.
    ValueError
        If :func:`read_arrays` would refuse a name or a dtype.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from simplenn_py.io.npz import read_arrays, write_arrays
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "pair.npz")
    ...     write_arrays(path, {"x": np.arange(3), "label": np.array("cat")})
    ...     arrays = read_arrays(path)
    >>> arrays["x"].tolist(), str(arrays["label"])
    ([0, 1, 2], 'cat')
    """
    arrays = {name: np.asanyarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if not _is_name(name):
            raise ValueError(
                f"array name {name!r} must be printable, without / \\ : and without a leading dot"
            )
        if array.dtype.kind not in _KINDS or array.dtype.itemsize == 0:
            raise ValueError(
                f"array {name!r} has dtype {array.dtype}; only plain arrays can be stored"
            )
    with atomic_open(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(
                name + ".npy"
            )  # dated 1980, so that the bytes do not depend on the clock
            entry.create_system = 3
            entry.external_attr = 0o600 << 16
            with archive.open(entry, "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)


def read_arrays(
    path: str | os.PathLike[str], names: Collection[str] | None = None
) -> dict[str, Array]:
    """Read arrays of a ``.npz`` file; nothing is unpickled.

    Parameters
    ----------
    path : path
        File to read.
    names : collection of str, optional
        Names of the arrays to read.  Those that the file lacks are left out, and whatever else
        it holds is ignored.  By default the file must hold nothing but arrays, and all are read.

    Returns
    -------
    dict of str to ndarray
        Arrays by name, in the order of the file.  They are writable, in native byte order, and
        in C or Fortran order as stored.

    Raises
    ------
    DataError
        If the file is missing, damaged or not an archive of arrays, claims sizes that it cannot
        hold or that exceed the free memory, or one of the arrays is not made of numbers or
        fixed-width strings.
    """
    path = user_path(path)
    require_file(path)
    try:
        with open(path, "rb") as stream:
            return _read(stream, path, names)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except _NotPlain as kind:
        raise DataError(f"{path}: {kind}") from None
    except _Damage as damage:
        raise DataError(
            f"{path}: is not a usable .npz file ({damage}); restore a copy or write it again"
        ) from None
    except _NotZip:
        raise DataError(f"{path}: is not an .npz file, or is damaged; {_restore(path)}") from None


def _restore(path: Path) -> str:
    """Return the remedy for a file that is not a zip archive."""
    if path.name == "checkpoint.npz":
        return "copy the run folder again, or start a new run"
    return "restore it from a copy, or save it again with numpy.savez"


def array_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of all members of a ``.npz`` file, without the suffix ``.npy``.

    Parameters
    ----------
    path : path
        File that :func:`read_arrays` could read.

    Returns
    -------
    list of str
    """
    with zipfile.ZipFile(path) as archive:
        return [entry.filename.removesuffix(".npy") for entry in archive.infolist()]


def _read(stream: IO[bytes], path: Path, names: Collection[str] | None) -> dict[str, Array]:
    archive = _archive(stream)
    entries = _entries(archive, names)
    total, free = sum(entry.file_size for _, entry in entries), free_bytes()
    if total > free:
        raise DataError(
            f"{path}: its arrays take {human_bytes(total)}, but only {human_bytes(free)} of memory "
            "are free; close other programs, or save fewer or smaller arrays"
        )
    arrays: dict[str, Array] = {}
    for name, entry in entries:
        if name in arrays:
            raise _Damage(f"member {shown(entry.filename, 60)!r} occurs twice")
        try:
            with archive.open(entry) as member:
                arrays[name] = _read_member(member, entry.file_size)
        except _NotPlain as kind:
            raise _NotPlain(f"array {name!r} {kind}") from None
        except _Damage as damage:
            raise _Damage(f"array {name!r}: {damage}") from None
        except LIBRARY_ERRORS as error:  # CRC, compression, encryption, header, memory
            raise _Damage(f"array {name!r}: {reason(error)}") from None
    return arrays


def _archive(stream: IO[bytes]) -> zipfile.ZipFile:
    if stream.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
        raise _NotPlain(
            "is a single array, a .npy file under another name; save all arrays together with "
            "numpy.savez(FILE, X=images, y=labels)"
        )
    try:
        return zipfile.ZipFile(stream)
    except LIBRARY_ERRORS:
        raise _NotZip from None


def _entries(
    archive: zipfile.ZipFile, names: Collection[str] | None
) -> list[tuple[str, zipfile.ZipInfo]]:
    """Return the members to read, with the names of their arrays."""
    found = [(entry.filename.removesuffix(".npy"), entry) for entry in archive.infolist()]
    if names is not None:
        return [(name, entry) for name, entry in found if name in names]
    for name, entry in found:
        if name == entry.filename or not _is_name(name):
            raise _Damage(f"member {shown(entry.filename, 60)!r} is not of the form NAME.npy")
    return found


def _read_member(member: IO[bytes], size: int) -> Array:
    """Read a ``.npy`` member of `size` bytes, header and data."""
    shape, fortran, dtype = read_header(member)
    count = math.prod(shape)
    claimed, there = count * dtype.itemsize, size - member.tell()
    if claimed != there:
        raise _Damage(f"its header claims {claimed} bytes of data, but the member has {there}")
    flat = np.empty(count, dtype)
    view = flat.view(np.uint8).data
    done = 0
    while done < claimed:
        block = member.read(min(claimed - done, 2**20))
        if not block:
            raise _Damage(f"it ends after {done} of {claimed} bytes")
        view[done : done + len(block)] = block
        done += len(block)
    member.read(1)  # only a read at the end makes zipfile compare the CRC
    array = flat.reshape(shape, order="F" if fortran else "C")
    array = array.astype(dtype.newbyteorder("="), copy=False)
    if dtype.kind == "U" and array.size:
        # NumPy stores a text as code points, and fails later if one is none.
        points = array.ravel(order="K").view(np.uint32)
        if points.max() > sys.maxunicode:
            raise _Damage(f"it holds the number {points.max():#x}, which is not a character")
    return array


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the header of a ``.npy`` file; the stream is then at the first byte of the data.

    Parameters
    ----------
    stream : file object
        Open for reading bytes, at the start of the header.

    Returns
    -------
    shape : tuple of int
    fortran : bool
        Whether the array is stored in Fortran order.
    dtype : numpy.dtype

    Raises
    ------
    _NotPlain
        If the dtype is not plain.
    _Damage
        If the shape is impossible.
    Exception
        Any exception that NumPy raises for a malformed header.
    """
    version = npy.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = npy.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = npy.read_array_header_2_0(stream)
    elif version == (3, 0):
        raise _NotPlain(f"is a structured array; {_FIELDS}")
    else:
        raise _Damage(f"it has .npy version {version}, but plain arrays have 1.0 or 2.0")
    if dtype.kind not in _KINDS or dtype.itemsize == 0:
        raise _NotPlain(f"has dtype {shown(dtype, 60)}; {_remedy(dtype)}")
    if any(n < 0 for n in shape):
        raise _Damage(f"its shape is {shape}")
    return shape, fortran, dtype


def _remedy(dtype: np.dtype) -> str:
    """Return how to save an array of a dtype that is not plain."""
    if dtype.kind == "O":
        return (
            "Python objects are stored as a pickle, which is never read; save text with "
            ".astype(str), and numbers with .astype(float)"
        )
    if dtype.names:
        return _FIELDS
    if dtype.kind == "M":
        return "only numbers and text are read; save it with .astype(str)"
    if dtype.kind == "m":
        return "only numbers and text are read; save it with .astype(int)"
    return "only numbers and fixed-width strings are read; save it as one of these"


def _is_name(name: str) -> bool:
    # No file is ever extracted under these names; they are keys, and messages print them.
    printable = name.isprintable() and 0 < len(name) <= 200
    return printable and name[0] != "." and not any(c in name for c in "/\\:")
