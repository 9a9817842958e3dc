"""Reading possibly damaged ``.mat`` files of MATLAB's versions 4 to 7.

``scipy.io.loadmat`` trusts the types and sizes that a file states, and a single wrong byte
can crash the process.  This module checks the structure first, and every index of a sparse
matrix.  SciPy then reads only the requested variables, already unpacked.

A file of version 5 to 7 consists of a header of 128 bytes and a sequence of elements.  An
element consists of a tag (its type and its number of bytes) and its data, padded to a multiple
of 8 bytes.  A variable is an element of type `_MATRIX`, which consists of elements itself:
flags, sizes, name, and the data of its class.  It can also be an element of type `_COMPRESSED`
that unpacks to such an element.
"""

from __future__ import annotations

import io
import math
import os
import struct
import warnings
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..layout import Array
from ..runtime.memory import free_bytes
from ..runtime.paths import user_path
from ..runtime.units import human_bytes
from .damage import LIBRARY_ERRORS, reason
from .files import read_bytes

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_HEADER = 128
_INT32, _UINT32, _MATRIX, _COMPRESSED = 5, 6, 14, 15
_ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
_TEXT_BYTES = {1: 1, 2: 1, 4: 2, 16: 1, 17: 2, 18: 4}
_CELL, _STRUCT, _CHAR, _SPARSE = 1, 2, 4, 5
_NUMERIC = range(6, 16)
_COMPLEX_FLAG = 0x08
_MAX_DEPTH = 8
# An unpacked variable is held three times: unpacked, in the file for SciPy, and as an array.
_COPIES = 3


class _Damage(Exception):
    """The structure of the file is damaged; the text names the fault."""


def load_mat(path: str | os.PathLike[str], names: Collection[str]) -> dict[str, Any]:
    """Read the variables `names` of a ``.mat`` file; those that it lacks are left out.

    Parameters
    ----------
    path : path
        File of MATLAB's versions 4 to 7.
    names : collection of str
        Names of the variables to read.

    Returns
    -------
    dict of str to ndarray or sparse matrix
        Variables as ``scipy.io.loadmat`` returns them, without its entries on the file itself.

    Raises
    ------
    DataError
        If the file is missing, damaged or of version 7.3, or one of the variables is not made
        of numbers, text, cells or structs.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    path = user_path(path)
    content = read_bytes(path)
    try:
        if content.startswith((b"MATLAB 7.3", _HDF5_MAGIC)) or content[512:520] == _HDF5_MAGIC:
            raise DataError(
                f"{path}: is in MATLAB's version 7.3 (HDF5), which is not supported; in MATLAB "
                "save it again with save('-v7', ...)"
            )
        checked = content if _is_version_4(content) else _checked(content, names, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SciPy's, about oddities that the caller checks
            variables = loadmat(io.BytesIO(checked), variable_names=list(names))
    except DataError:
        raise
    except (_Damage, MatReadError, *LIBRARY_ERRORS) as error:
        raise DataError(
            f"{path}: cannot be read as a .mat file ({reason(error)}); restore it from a copy, or "
            "in MATLAB save it again with save('-v7', ...)"
        ) from None
    return {name: variables[name] for name in names if name in variables}


def _is_version_4(content: bytes) -> bool:
    """Return whether the file starts with a small number; later versions start with text."""
    return len(content) >= 20 and 0 in content[:4]


def _checked(content: bytes, names: Collection[str], path: Path) -> bytes:
    """Return a file that holds only the variables `names`, checked and unpacked."""
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise _Damage("it has no header of MATLAB's version 5 to 7")
    bound = left = max(free_bytes() // _COPIES, 1)
    parts = [content[:_HEADER]]
    elements = _Elements(content[_HEADER:], order)
    while not elements.at_end():
        kind, data = elements.next()
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj().decompress(data, left)
            left -= len(unpacked)
            if left <= 0:
                raise DataError(
                    f"{path}: unpacks to more than {human_bytes(bound)}, the most that the free "
                    "memory allows; close other programs, or use fewer images"
                )
            kind, data = _Elements(unpacked, order).next()
        if kind != _MATRIX:
            raise _Damage(f"an element has type {kind}, but a variable belongs there")
        inner = _Elements(data, order)
        array_class, flags, sizes, name = _head(inner)
        if name not in names:
            continue
        _body(inner, array_class, flags, sizes, name, 0)
        parts.append(struct.pack(order + "II", _MATRIX, len(data)) + data)
    return b"".join(parts)


class _Elements:
    """Reads the elements in a buffer, one after the other."""

    def __init__(self, buffer: bytes, order: str):
        self._buffer, self.order, self._at = buffer, order, 0

    def at_end(self) -> bool:
        return self._at >= len(self._buffer)

    def next(self) -> tuple[int, bytes]:
        """Return the type and the data of the next element."""
        start = self._at
        if start + 8 > len(self._buffer):
            raise _Damage("it ends within a tag")
        kind, size = struct.unpack_from(self.order + "II", self._buffer, start)
        if kind >> 16:  # a small element: size, type and up to 4 bytes of data in 8 bytes
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise _Damage("a small element has more than 4 bytes")
            self._at = start + 8
            return kind, self._buffer[start + 4 : start + 4 + size]
        stop = start + 8 + size
        if stop > len(self._buffer):
            raise _Damage(f"an element claims {size} bytes, more than there are")
        self._at = stop if kind == _COMPRESSED else stop + -size % 8
        return kind, self._buffer[start + 8 : stop]

    def items(self, widths: dict[int, int]) -> int:
        """Skip an element and return its number of items; `widths` maps type to bytes per item."""
        kind, data = self.next()
        if kind not in widths or len(data) % widths[kind]:
            raise _Damage(f"an element has type {kind} and {len(data)} bytes")
        return len(data) // widths[kind]

    def indices(self) -> Array:
        """Return the items of the next element; a negative one becomes huge, out of any range."""
        kind, data = self.next()
        if kind not in (_INT32, _UINT32) or len(data) % 4:
            raise _Damage(f"an element has type {kind}, but 32-bit integers belong there")
        return np.frombuffer(data, self.order + "u4")

    def integers(self) -> tuple[int, ...]:
        """Return the items of the next element, which must be 32-bit integers."""
        kind, data = self.next()
        if kind not in (_INT32, _UINT32) or len(data) % 4:
            raise _Damage(f"an element has type {kind}, but 32-bit integers belong there")
        return struct.unpack(f"{self.order}{len(data) // 4}i", data)


def _head(inner: _Elements) -> tuple[int, int, tuple[int, ...], str]:
    """Read the class, flags, sizes and name of an array."""
    words = inner.integers()
    sizes = inner.integers()
    kind, name = inner.next()
    if len(words) != 2 or not 2 <= len(sizes) <= 32 or min(sizes) < 0 or kind not in _TEXT_BYTES:
        raise _Damage("the head of a variable is damaged")
    return words[0] & 0xFF, words[0] >> 8 & 0xFF, sizes, name.decode("utf-8")


def _body(
    inner: _Elements, array_class: int, flags: int, sizes: tuple[int, ...], name: str, depth: int
) -> None:
    """Check that the data of an array match its class and sizes."""
    count = math.prod(sizes)
    parts = 2 if flags & _COMPLEX_FLAG else 1
    if array_class in _NUMERIC:
        if any(inner.items(_ITEM_BYTES) != count for _ in range(parts)):
            raise _Damage(f"{name} does not hold the {count} values that its size requires")
    elif array_class == _CHAR:
        if inner.items(_TEXT_BYTES) < count:
            raise _Damage(f"{name} holds less text than its size requires")
    elif array_class == _SPARSE:
        _sparse(inner, parts, sizes, name)
    elif array_class in (_CELL, _STRUCT):
        if array_class == _STRUCT:
            fields = _fields(inner)
            if not fields and count > 1:  # SciPy would allocate them, and no byte is behind them
                raise _Damage(f"{name} is a struct without fields")
            count *= fields
        for _ in range(count):
            kind, data = inner.next()
            if kind != _MATRIX or depth >= _MAX_DEPTH:
                raise _Damage(f"{name} is nested too deeply, or holds something other than arrays")
            if data:  # an empty cell may have no head
                child = _Elements(data, inner.order)
                _body(child, *_head(child)[:3], name, depth + 1)
    else:
        raise _Damage(f"{name} is of class {array_class}: not numbers, text, cells or structs")


def _sparse(inner: _Elements, parts: int, sizes: tuple[int, ...], name: str) -> None:
    """Check all indices of a sparse matrix: SciPy's compiled code uses some of them unchecked.

    Column j holds the entries ``starts[j]`` to ``starts[j + 1] - 1``, and entry k lies in row
    ``rows[k]``.  There may be more room for entries than the columns use.
    """
    rows, starts = inner.indices(), inner.indices()
    room = min(rows.size, *(inner.items(_ITEM_BYTES) for _ in range(parts)))
    if len(sizes) != 2 or starts.size != sizes[1] + 1 or starts[-1] > room:
        raise _Damage(f"the parts of the sparse matrix {name} do not match")
    if starts[0] != 0 or (starts[1:] < starts[:-1]).any():
        raise _Damage(f"the columns of the sparse matrix {name} overlap")
    if (rows[: starts[-1]] >= sizes[0]).any():
        raise _Damage(f"the sparse matrix {name} has an entry outside its {sizes[0]} rows")


def _fields(inner: _Elements) -> int:
    """Return the number of fields per element of a struct."""
    width = inner.integers()
    if len(width) != 1 or not 1 <= width[0] <= 64:
        raise _Damage("the head of a struct is damaged")
    kind, names = inner.next()
    if kind not in _TEXT_BYTES or len(names) % width[0]:
        raise _Damage("the names of a struct's fields are damaged")
    return len(names) // width[0]
