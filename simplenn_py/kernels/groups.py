"""Groups of arguments: memory, and the numbers that say how to read or write it.

Groups that are made inside kernels, for the tile and for rows of channels, hold pointers from
``emitter.at``.  With arrays, making a group would count references, which takes longer than some
of the calls.  The arrays belong to the engine, which outlives the call.
"""

from typing import Any, NamedTuple


class Rows(NamedTuple):
    """Rows of numbers that a tile broadcasts: patches of ``pad(Z)``, or rows of a matrix.

    Row p consists of `segments` runs of `steps` neighbours: step r of segment w is
    ``pointer[offsets[p] + w*segment_stride + r]``.
    """

    pointer: Any  # pointer to floats
    offsets: Any  # pointer to int64
    segments: int
    segment_stride: int
    steps: int


class Panel(NamedTuple):
    """Rows of vectors that are equally far apart: row r begins at ``pointer[r*stride]``."""

    pointer: Any  # pointer to floats
    stride: int


class Target(NamedTuple):
    """Rows of a result: row p begins at ``pointer[offsets[p]]``."""

    pointer: Any  # pointer to floats
    offsets: Any  # pointer to int64


class Pixels(NamedTuple):
    """Pixels of ``pad(Z)``, counted by instances, columns and rows of S.

    Pixel (n, j, i) begins at ``pointer[n*instance_stride + j*column_stride + i*row_stride]``.
    """

    pointer: Any  # pointer to floats
    instances: int
    instance_stride: int
    b_use: int
    column_stride: int
    a_use: int
    row_stride: int


class Square(NamedTuple):
    """Neighbouring pixels: pixel (u, w) begins at ``pointer[u*down + w*right]``."""

    pointer: Any  # pointer to floats
    down: int
    right: int


class WinnerLists(NamedTuple):
    """Lists of winners: entry i of list q, for ``i < counts[q]``, is at ``q*capacity + i``."""

    values: Any  # pointer to floats
    places: Any  # pointer to int64
    counts: Any  # pointer to int64
    capacity: int


class Offsets(NamedTuple):
    """Lists that say where each row, or vector, is read (`read`) and written (`write`)."""

    read: Any  # 1-d int64 array
    write: Any  # 1-d int64 array


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


class TileRoom(NamedTuple):
    """Memory for the backward pass of a slab of instances on Winograd's tiles.

    ``U[place, tile, c]`` and ``V[place, tile, k]`` hold the transformed tiles of all instances of
    a slab.
    """

    instances: int
    U: Any  # 1-d float array
    V: Any  # 1-d float array
    scratch: Any  # float array, shape (chunks, ...): dxi/dS or pad(dxi/dZ) of one instance


class ListRoom(NamedTuple):
    """Memory for the winners' lists: one row per task."""

    values: Any  # float array, shape (tasks, ...)
    places: Any  # int64 array, shape (tasks, ...)
    tables: Any  # int64 array, shape (tasks, 5, ...): counts, offsets, shifts, starts of rows
