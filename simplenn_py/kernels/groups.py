"""What kernels are called with: arrays and the numbers that say how to read or write them.

Every group is a view of flat arrays.  ``values`` holds the numbers, ``start`` is the index of the
first one.  An intrinsic takes a group apart with ``Emitter.group``.
"""

from typing import Any, NamedTuple


class Rows(NamedTuple):
    """Rows of numbers that a tile broadcasts: patches of ``pad(Z)``, or rows of a matrix.

    Row p consists of `segments` runs of `steps` neighbours: step r of segment w is
    ``values[start + offsets[p] + w*segment_stride + r]``.
    """

    values: Any  # 1-d float array
    start: int
    offsets: Any  # 1-d int64 array
    segments: int
    segment_stride: int
    steps: int


class Panel(NamedTuple):
    """Rows of vectors that are equally far apart: row r begins at ``values[start + r*stride]``."""

    values: Any  # 1-d float array
    start: int
    stride: int


class Target(NamedTuple):
    """Rows of a result: row p begins at ``values[start + offsets[p]]``."""

    values: Any  # 1-d float array
    start: int
    offsets: Any  # 1-d int64 array


class Offsets(NamedTuple):
    """Lists that say where each row, or vector, is read (`read`) and written (`write`)."""

    read: Any  # 1-d int64 array
    write: Any  # 1-d int64 array


class Pixels(NamedTuple):
    """Pixels of ``pad(Z)``, counted by instances, columns and rows of S.

    Pixel (n, j, i) is ``values[start + n*instance_stride + j*column_stride + i*row_stride]``.
    """

    values: Any  # 1-d float array
    start: int
    instances: int
    instance_stride: int
    b_use: int
    column_stride: int
    a_use: int
    row_stride: int


class Square(NamedTuple):
    """Neighbouring pixels: pixel (u, w) begins at ``values[start + u*down + w*right]``."""

    values: Any  # 1-d float array
    start: int
    down: int
    right: int


class Gradient(NamedTuple):
    """``dxi/dZ^{m+1}``, and the winners that say to which entry of S each of its entries belongs.

    Gradient column n belongs to instance ``n // columns``.  A winner is ``u + h_pool*w`` of the
    pooled entry's maximum in its window, or -1 if the ReLU let nothing through.
    """

    V: Any  # 1-d float array
    winner: Any  # 1-d array of integers as wide as the floats
    columns: int


class Output(NamedTuple):
    """Where a layer writes ``Z^{m+1} = pool(sigma(S + bias 1'))``, and the winners.

    If `activate` is 0, the ReLU is left out; if `keep` is 0, the winners are not written.
    """

    bias: Any  # 1-d float array
    activate: int
    out: Any  # 1-d float array
    keep: int
    winner: Any  # 1-d array of integers as wide as the floats


class WinnerLists(NamedTuple):
    """Lists of winners: entry i of list q, for ``i < counts[q]``, is at ``q*capacity + i``."""

    values: Any  # 1-d float array
    places: Any  # 1-d int64 array
    counts: Any  # 1-d int64 array
    capacity: int


class Parts(NamedTuple):
    """Parts of (4) that are added up later: one row per chunk of the batch."""

    dW: Any  # 2-d float array
    dbias: Any  # 2-d float array


class Product(NamedTuple):
    """``W phi(pad(Z))``, one of the two terms of a tangent."""

    Z: Any  # 1-d float array: pad(Z) as stored
    w: Any  # 1-d float array: packed filters


class Workspace(NamedTuple):
    """Memory that each chunk of strips has for itself, and its layout.

    A chunk's scratch memory begins with S.  If Winograd's tiles are used, the transformed pieces
    of ``pad(Z)``, those of ``pad(R{Z})``, and the products begin at the indices given.
    """

    scratch: Any  # float array, shape (chunks, ...)
    lists: Any  # int64 array, shape (chunks, 2, ...)
    pieces: int
    tangent_pieces: int
    products: int


class ListRoom(NamedTuple):
    """Memory for the winners' lists: one row per task."""

    values: Any  # float array, shape (tasks, ...)
    places: Any  # int64 array, shape (tasks, ...)
    tables: Any  # int64 array, shape (tasks, 5, ...): counts, offsets, shifts, starts of rows
