"""The direct engine's plan of a network: sizes, blocks that fit tiles and caches, buffers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import winners
from ..kernels.cover import HALF, Sizes, halves
from ..kernels.emitter import lanes_of
from ..kernels.tile import ROWS, VECTORS
from ..kernels.winograd import PIECE, TILE
from ..layout import ConvGeometry
from ..network.config import NetConfig

#: Into how many parts a layer's work is cut, whatever the number of threads: enough for a few
#: threads to finish together, and the sums of (4) are then the same for any number of them.
CHUNKS = 16
#: Parts of (4) are added up in memory; for large filters fewer parts fit, and the channels are
#: divided among the threads instead.
_PART_BYTES = 1 << 23
#: Tile rows of a block of pixels: its S should stay in the first-level cache.
_BLOCK_ROWS = 10 * ROWS
_WINOGRAD_ROWS = 4 * ROWS  # of 4x4 tiles; their transforms fit into the second-level one
#: Pooling windows whose winners share the lists of (4).
_LIST_WINDOWS = 64
#: Pixels of S that the dense (4) adds up in registers before it touches memory.
_DW_PIXELS = 512
#: Weights of a layer that is small enough for lists.
_SMALL = 1 << 15
#: Pooling windows whose lists of (5) are run together, and bytes of filters in each pass.
WINDOWS = 8
_PASS_BYTES = 24 << 10
INT64 = ("lists", "list_places", "tables")


def slack_of(dtype: np.dtype[Any]) -> int:
    """Entries behind a buffer that a whole vector, or a tile, may read past its end."""
    return max(ROWS, 2 * lanes_of(dtype.itemsize))


def geometries_of(config: NetConfig) -> list[ConvGeometry]:
    full = [
        ConvGeometry(a=1, b=1, d=g.n_in, p=0, h=1, s=1, d_next=g.n_out, h_pool=1)
        for g in config.full_layers
    ]
    return [*config.conv_layers, *full]


def sizes_of(config: NetConfig, batch_size: int, dtype: np.dtype[Any]) -> list[Sizes]:
    geometries = geometries_of(config)
    return [
        layer_sizes(g, geometries[m + 1].p if m + 1 < config.LC else 0, batch_size, dtype)
        for m, g in enumerate(geometries)
    ]


def layer_sizes(g: ConvGeometry, p_next: int, batch_size: int, dtype: np.dtype[Any]) -> Sizes:
    lanes = lanes_of(dtype.itemsize)
    vectors = VECTORS if max(g.d, g.d_next) > lanes else 1
    width = vectors * lanes
    by_winograd = _can_winograd(g) and winograd_pays(g, batch_size)
    a_use = g.a_next * g.h_pool
    a_block = a_use + -a_use % TILE if by_winograd else a_use
    columns, group = choose_block(g, a_block, by_winograd)
    return Sizes(
        a=g.a, b=g.b, d=g.d, p=g.p, a_pad=g.a_pad, b_pad=g.b_pad, h=g.h, s=g.s,
        d_next=g.d_next, h_pool=g.h_pool, a_next=g.a_next, b_next=g.b_next, p_next=p_next,
        a_use=a_use, b_use=g.b_next * g.h_pool, width=width, vectors=vectors,
        d_blocks=-(-g.d // width), d_next_blocks=-(-g.d_next // width),
        columns=columns, group=group, dW_group=max(1, _DW_PIXELS // (a_use * g.b_next * g.h_pool)),
        winograd=int(by_winograd), a_block=a_block,
        channels=-(-g.d // lanes) * lanes,
    )  # fmt: skip


def _can_winograd(g: ConvGeometry) -> bool:
    """Whether Winograd's tiles fit a layer and have channels enough to add up."""
    return g.h == 3 and g.s == 1 and g.h_pool <= 2 and min(g.d, g.d_next) >= 16


def winograd_pays(g: ConvGeometry, batch_size: int) -> bool:
    """Whether the tiles save much of the work, and have it to do often enough."""
    rows, columns = g.a_next * g.h_pool, g.b_next * g.h_pool
    tiles = -(-rows // TILE) * -(-columns // TILE)
    multiplications = tiles * PIECE * PIECE
    return multiplications <= 0.6 * rows * columns * g.h * g.h and batch_size * tiles >= 32


def choose_block(g: ConvGeometry, a_block: int, by_winograd: bool) -> tuple[int, int]:
    """Pooled columns, and instances, of a block of pixels: where the tiles fit best.

    A tile has ROWS rows or HALF: of the blocks that are not too large, the one for which
    the fewest rows are computed in vain.
    """
    # Tile rows of a step of pooled columns: Winograd's tiles begin on every 4th of S.
    step = TILE // g.h_pool if by_winograd else 1
    rows = a_block // TILE if by_winograd else a_block * g.h_pool
    limit = _WINOGRAD_ROWS if by_winograd else _BLOCK_ROWS
    most = step * max(1, limit // rows)
    if most >= g.b_next:
        per_instance = rows * -(-g.b_next // step)
        groups = range(1, max(1, limit // per_instance) + 1)
        return g.b_next, min(groups, key=lambda n: tile_rows(per_instance * n) / n)

    def computed(columns: int) -> int:
        whole, rest = divmod(g.b_next, columns)
        return whole * tile_rows(rows * columns // step) + tile_rows(rows * -(-rest // step))

    return min(range(step, most + 1, step), key=computed), 1


def tile_rows(n: int) -> int:
    """Rows that tiles compute for a list of `n`."""
    ending = HALF * halves(n)
    return ending + -(-(n - ending) // ROWS) * ROWS


def block_scratch(s: Sizes, tangent: bool = False) -> int:
    """Entries of one block's S, and of the transforms of Winograd's tiles, of R{Z} as well."""
    pixels = s.group * -(-s.columns * s.h_pool // TILE) * TILE * s.a_block
    if s.winograd:
        places = pixels * PIECE * PIECE // (TILE * TILE)
        return pixels * s.width + places * (s.channels * (1 + tangent) + s.width)
    return pixels * s.width


def is_sparse(s: Sizes) -> bool:
    """Whether the way back visits the winners alone.

    Behind a max pool they are few.  A small layer's are all entries, but it is not worth packing
    for the tile, nor compiling the dense way for it alone.
    """
    return s.h_pool > 1 or s.h * s.h * s.d * s.d_next <= _SMALL


def patch_vectors(s: Sizes, lanes: int) -> int:
    """Vectors of a patch: its h runs of h*d neighbours, each filled up."""
    return s.h * -(-s.h * s.d // lanes)


def filter_vectors(s: Sizes, lanes: int) -> int:
    """Vectors of a filter, the channels of each offset filled up."""
    return s.h * s.h * -(-s.d // lanes)


def pass_vectors(s: Sizes, dtype: np.dtype[Any]) -> int:
    """Vectors that all filters can have in the first-level cache at the same time."""
    return max(6, _PASS_BYTES // (s.d_next * lanes_of(dtype.itemsize) * dtype.itemsize))


def list_block(s: Sizes) -> tuple[int, int]:
    """Pooled columns, and instances, of one list of winners."""
    columns = max(1, min(s.b_next, _LIST_WINDOWS // s.a_next))
    if columns < s.b_next:
        return columns, 1
    return columns, max(1, _LIST_WINDOWS // (s.a_next * s.b_next))


def back_scratch(s: Sizes, dtype: np.dtype[Any]) -> int:
    """Entries that (5) needs for a group of instances.

    Behind a pool the padded gradient; else one block of its channels, and dxi/dS.
    """
    if is_sparse(s):
        lanes = lanes_of(dtype.itemsize)
        return s.a_pad * s.b_pad * -(-s.d // lanes) * lanes
    rows = s.a_use * s.b_use * s.d_next_blocks * s.width
    return s.group * (rows + s.a_pad * s.b_pad * s.width)


def part_sizes(s: Sizes, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Entries of one part of (4), and of its bias."""
    if is_sparse(s):
        lanes = lanes_of(dtype.itemsize)
        return s.d_next * patch_vectors(s, lanes) * lanes, s.d_next
    return s.h * s.h * s.d * s.d_next_blocks * s.width, s.d_next_blocks * s.width


def divide(s: Sizes, batch_size: int, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Parts of (4), and tasks among which the channels of each are divided."""
    size = part_sizes(s, dtype)[0] * dtype.itemsize
    chunks = max(1, min(CHUNKS, batch_size, _PART_BYTES // size))
    return chunks, min(s.d_next_blocks, CHUNKS // chunks)


def buffer_shapes(
    sizes: list[Sizes], batch_size: int, dtype: np.dtype[Any], training: bool
) -> dict[str, tuple[int, ...]]:
    """Shape of every buffer of a training step, or of a forward pass."""
    l, slack, last = batch_size, slack_of(dtype), sizes[-1]
    shapes: dict[str, tuple[int, ...]] = {
        f"Z{m}": (l * s.b_pad * s.a_pad * s.d + slack,) for m, s in enumerate(sizes)
    }
    shapes[f"Z{len(sizes)}"] = (l * last.b_next * last.a_next * last.d_next + slack,)
    pixels = max(s.group * max(s.columns * s.h_pool, s.b_use) * s.a_use for s in sizes)
    shapes["lists"] = (CHUNKS, 2, pixels + ROWS)
    shapes["bias"] = (max(s.d_next_blocks * s.width for s in sizes) + slack,)
    packed = max(
        (PIECE * PIECE if s.winograd else s.h * s.h) * s.d * s.d_next_blocks * s.width
        for s in sizes
    )
    scratch = max(CHUNKS * (block_scratch(s) + slack) for s in sizes)
    pooled = [l * s.b_next * s.a_next * s.d_next + slack for s in sizes]
    if training:
        shapes |= {f"winner{m}": (count,) for m, count in enumerate(pooled)}
        shapes |= back_shapes(sizes, l, dtype)
        packed = max(packed, shapes.pop("w")[0])
        scratch = max(scratch, shapes.pop("scratch")[0])
    else:
        shapes["none"] = (1,)  # in place of the winners
    return shapes | {"w": (packed + slack,), "scratch": (scratch,)}


def back_shapes(sizes: list[Sizes], l: int, dtype: np.dtype[Any]) -> dict[str, tuple[int, ...]]:
    """What the way back needs beside the forward pass's buffers."""
    slack, lanes = slack_of(dtype), lanes_of(dtype.itemsize)
    parts = [(divide(s, l, dtype), part_sizes(s, dtype)) for s in sizes]
    last = sizes[-1]
    outputs = last.b_next * last.a_next * last.d_next
    gradient = l * max([s.a * s.b * s.d for s in sizes[1:]] + [outputs]) + slack
    sparse = [s for s in sizes if is_sparse(s)]
    packed = [0]
    scratch = [CHUNKS * (back_scratch(s, dtype) + slack) for s in sizes[1:]] + [0]
    listed, table = [1], [1]
    for s, ((chunks, splits), _) in zip(sizes, parts, strict=True):
        if s in sparse:
            columns, group = list_block(s)
            windows = group * columns * s.a_next + 1
            listed.append(s.d_next * max(windows, WINDOWS * (s.h_pool * s.h_pool + 1)))
            vectors = max(patch_vectors(s, lanes), filter_vectors(s, lanes))
            lists = max(s.d_next, WINDOWS * (s.h_pool * s.h_pool + 1))
            table.append(max(vectors, lists) + winners.MOST)
            packed.append(s.d_next * filter_vectors(s, lanes) * lanes)
        else:
            rows = s.dW_group * s.a_use * s.b_use * s.width
            scratch.append(chunks * splits * (rows + slack))
            packed.append(s.h * s.h * s.d_next * s.d_blocks * s.width)
    return {
        "parts": (max(chunks * size for (chunks, _), (size, _) in parts),),
        "bias_parts": (max(chunks * channels for (chunks, _), (_, channels) in parts) + slack,),
        "V0": (gradient,),
        "V1": (gradient,),
        "list_values": (CHUNKS, max(listed)),
        "list_places": (CHUNKS, max(listed)),
        "tables": (CHUNKS, 6, max(table)),
        "w": (max(packed),),
        "scratch": (max(scratch),),
    }
