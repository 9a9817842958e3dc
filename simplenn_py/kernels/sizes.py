"""A layer's sizes, and a strip of its pixels."""

from typing import NamedTuple


class Sizes(NamedTuple):
    """Sizes of a layer as its kernels see them, and how its work is divided; all int64.

    Kernels call it `layer`.  The letters are the lecture's: ``layer.s`` is the stride.

    Attributes
    ----------
    a, b, d, p, a_pad, b_pad, h, s, d_next, h_pool, a_next, b_next : int
        As in ``layout.ConvGeometry``.
    p_next : int
        Padding of the next layer, into whose ``pad(Z)`` this layer writes.
    a_use, b_use : int
        Rows and columns of S that fall into complete pooling windows: only these are computed.
    vectors, width : int
        Vectors of a tile, and the channels that they hold: a block of channels.
    d_blocks, d_next_blocks : int
        Number of blocks that d and d_next channels make.
    d_rounded : int
        d rounded up to whole vectors.
    strip_columns, strip_instances : int
        Pooled columns and instances of a strip of pixels, see :class:`Strip`.  If there is more
        than one instance, ``strip_columns`` is ``b_next``.
    dW_instances : int
        Number of instances whose dxi/dS the dense (4) forms at a time.
    winograd : int
        1 if the forward pass uses Winograd's 4x4 tiles of S, else 0.
    a_block : int
        Rows of S in scratch memory: ``a_use``, rounded up to whole tiles of S for Winograd.
    list_columns, list_instances, list_capacity : int
        Pooled columns and instances whose winners share the lists of (4), and the entries of a
        list: one per pooling window, and one more that may be overwritten.
    pass_windows, pass_vectors : int
        Pooling windows whose lists of (5) are run together, and the vectors of one pass over them.
    """

    a: int
    b: int
    d: int
    p: int
    a_pad: int
    b_pad: int
    h: int
    s: int
    d_next: int
    h_pool: int
    a_next: int
    b_next: int
    p_next: int
    a_use: int
    b_use: int
    vectors: int
    width: int
    d_blocks: int
    d_next_blocks: int
    d_rounded: int
    strip_columns: int
    strip_instances: int
    dW_instances: int
    winograd: int
    a_block: int
    list_columns: int
    list_instances: int
    list_capacity: int
    pass_windows: int
    pass_vectors: int


class Strip(NamedTuple):
    """A strip of pixels: pooled columns ``j_first..j_last`` of instances ``n_first..n_last``."""

    n_first: int
    n_last: int
    j_first: int
    j_last: int
