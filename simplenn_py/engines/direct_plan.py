"""The direct engine's plan of a network: sizes, how work is divided, buffers and their layout."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..kernels import winners
from ..kernels.cover import HALF, halves
from ..kernels.emitter import lanes_of
from ..kernels.sizes import Sizes
from ..kernels.tile import ROWS, VECTORS
from ..kernels.winograd import PIECE, TILE
from ..layout import ConvGeometry
from ..network.config import NetConfig

#: Number of chunks that a layer's work is cut into, whatever the number of threads: enough for a
#: few threads to finish together, and the sums of (4) are then the same for any number of them.
CHUNKS = 16
#: Parts of (4) are added up in memory; for large filters fewer parts fit, and the channels are
#: divided among the threads instead.
_PART_BYTES = 1 << 23
#: Tile rows of a strip of pixels: its S should stay in the first-level cache.
_STRIP_ROWS = 10 * ROWS
_WINOGRAD_ROWS = 4 * ROWS  # of 4x4 tiles; their transforms fit into the second-level cache
#: Pooling windows whose winners share the lists of (4).
_LIST_WINDOWS = 64
#: Pixels of S that the dense (4) adds up in registers before it touches memory.
_DW_PIXELS = 512
#: Weights of a layer that is small enough for lists.
_SMALL = 1 << 15
#: Pooling windows whose lists of (5) are run together, and bytes of filters in each pass.
_PASS_WINDOWS = 8
_PASS_BYTES = 24 << 10
#: Bytes of the transformed tiles of a slab of instances: they should stay in the last-level cache.
_SLAB_BYTES = 8 << 20
INT64 = ("lists", "list_places", "tables", "tile_lists")


class StripScratch(NamedTuple):
    """Layout of the scratch memory of a strip of pixels, which begins with its S.

    Winograd's transformed pieces of ``pad(Z)``, those of ``pad(R{Z})``, and the products begin at
    the indices given; `size` is the number of entries.
    """

    pieces: int
    tangent_pieces: int
    products: int
    size: int


class TilePlan(NamedTuple):
    """The backward pass of a layer on Winograd's tiles: instances of a slab, and its buffers.

    `U`, `V` and `scratch` are the entries of the members of ``groups.TileRoom`` (`scratch` per
    chunk); `taps` and `sums` those of the filters before their transform and of the sums of (4).
    """

    instances: int
    tiles: int
    U: int
    V: int
    scratch: int
    taps: int
    sums: int


class GradientScratch(NamedTuple):
    """Layout of the scratch memory of (5): dxi/dS, and the padded gradient from `dpad` on."""

    dpad: int
    size: int


def slack_of(dtype: np.dtype[Any]) -> int:
    """Return the number of entries behind a buffer that a vector, or a tile, may read."""
    return max(ROWS, 2 * lanes_of(dtype.itemsize))


def geometries_of(config: NetConfig) -> list[ConvGeometry]:
    """Return the geometry of every layer; a fully connected one is a convolution of 1x1 images."""
    full = [
        ConvGeometry(a=1, b=1, d=g.n_in, p=0, h=1, s=1, d_next=g.n_out, h_pool=1)
        for g in config.full_layers
    ]
    return [*config.conv_layers, *full]


def sizes_of(
    config: NetConfig, batch_size: int, dtype: np.dtype[Any], winograd: bool | None = None
) -> list[Sizes]:
    """Plan every layer of a network.

    Parameters
    ----------
    config : NetConfig
        Must not contain factored layers; see ``NetConfig.stages``.
    batch_size : int
        Size of the largest batch.
    dtype : {float32, float64}
    winograd : bool, optional
        Whether to use Winograd's tiles in every layer to which they apply; by default, only where
        they are faster.

    Returns
    -------
    list of Sizes
        One per layer.
    """
    geometries = geometries_of(config)
    return [
        layer_sizes(g, geometries[m + 1].p if m + 1 < config.LC else 0, batch_size, dtype, winograd)
        for m, g in enumerate(geometries)
    ]


def layer_sizes(
    g: ConvGeometry,
    p_next: int,
    batch_size: int,
    dtype: np.dtype[Any],
    winograd: bool | None = None,
) -> Sizes:
    """Plan one layer, into whose successor's padding `p_next` it writes; see :func:`sizes_of`."""
    lanes = lanes_of(dtype.itemsize)
    vectors = VECTORS if max(g.d, g.d_next) > lanes else 1
    width = vectors * lanes
    pays = winograd_pays(g, batch_size) if winograd is None else winograd
    by_winograd = _can_winograd(g) and pays
    a_use, b_use = g.a_next * g.h_pool, g.b_next * g.h_pool
    a_block = a_use + -a_use % TILE if by_winograd else a_use
    strip_columns, strip_instances = choose_strip(g, a_block, by_winograd)
    list_columns, list_instances = list_strip(g)
    return Sizes(
        a=g.a, b=g.b, d=g.d, p=g.p, a_pad=g.a_pad, b_pad=g.b_pad, h=g.h, s=g.s,
        d_next=g.d_next, h_pool=g.h_pool, a_next=g.a_next, b_next=g.b_next, p_next=p_next,
        a_use=a_use, b_use=b_use, vectors=vectors, width=width,
        d_blocks=-(-g.d // width), d_next_blocks=-(-g.d_next // width),
        d_rounded=-(-g.d // lanes) * lanes,
        strip_columns=strip_columns, strip_instances=strip_instances,
        dW_instances=max(1, _DW_PIXELS // (a_use * b_use)),
        winograd=int(by_winograd), a_block=a_block,
        list_columns=list_columns, list_instances=list_instances,
        list_capacity=list_instances * list_columns * g.a_next + 1,
        pass_windows=_PASS_WINDOWS,
        pass_vectors=max(6, _PASS_BYTES // (g.d_next * lanes * dtype.itemsize)),
    )  # fmt: skip


def _can_winograd(g: ConvGeometry) -> bool:
    """Whether Winograd's tiles fit a layer, and it has enough channels to add up."""
    return g.h == 3 and g.s == 1 and g.h_pool <= 2 and min(g.d, g.d_next) >= 16


def winograd_pays(g: ConvGeometry, batch_size: int) -> bool:
    """Whether Winograd's tiles save much of the work, and there are enough of them."""
    rows, columns = g.a_next * g.h_pool, g.b_next * g.h_pool
    tiles = -(-rows // TILE) * -(-columns // TILE)
    multiplications = tiles * PIECE * PIECE
    return multiplications <= 0.6 * rows * columns * g.h * g.h and batch_size * tiles >= 32


def choose_strip(g: ConvGeometry, a_block: int, by_winograd: bool) -> tuple[int, int]:
    """Choose the pooled columns and the instances of a strip of pixels.

    A tile has ROWS rows or HALF.  Among the strips that are not too large, take the one for which
    the fewest rows are computed in vain.
    """
    # Tile rows per step of pooled columns: Winograd's tiles begin on every 4th column of S.
    step = TILE // g.h_pool if by_winograd else 1
    rows = a_block // TILE if by_winograd else a_block * g.h_pool
    limit = _WINOGRAD_ROWS if by_winograd else _STRIP_ROWS
    most = step * max(1, limit // rows)
    if most >= g.b_next:
        per_instance = rows * -(-g.b_next // step)
        instances = range(1, max(1, limit // per_instance) + 1)
        return g.b_next, min(instances, key=lambda n: tile_rows(per_instance * n) / n)

    def computed(columns: int) -> int:
        whole, rest = divmod(g.b_next, columns)
        return whole * tile_rows(rows * columns // step) + tile_rows(rows * -(-rest // step))

    return min(range(step, most + 1, step), key=computed), 1


def list_strip(g: ConvGeometry) -> tuple[int, int]:
    """Choose the pooled columns and the instances whose winners share the lists of (4)."""
    columns = max(1, min(g.b_next, _LIST_WINDOWS // g.a_next))
    if columns < g.b_next:
        return columns, 1
    return columns, max(1, _LIST_WINDOWS // (g.a_next * g.b_next))


def tile_rows(n: int) -> int:
    """Return the number of rows that tiles compute for a list of `n`."""
    ending = HALF * halves(n)
    return ending + -(-(n - ending) // ROWS) * ROWS


def strip_scratch(layer: Sizes, tangent: bool = False) -> StripScratch:
    """Lay out the scratch memory of a strip of pixels; `tangent` adds the pieces of R{Z}."""
    columns = -(-layer.strip_columns * layer.h_pool // TILE) * TILE
    pixels = layer.strip_instances * columns * layer.a_block
    places = pixels * PIECE * PIECE // (TILE * TILE) if layer.winograd else 0
    pieces = pixels * layer.width
    tangent_pieces = pieces + places * layer.d_rounded
    products = tangent_pieces + (places * layer.d_rounded if tangent else 0)
    return StripScratch(pieces, tangent_pieces, products, products + places * layer.width)


def is_sparse(layer: Sizes) -> bool:
    """Whether the backward pass visits the winners alone.

    Behind a max pool they are few.  In a small layer without a pool all entries that the ReLU let
    through are winners, but packing for the tile, or compiling the dense kernels, does not pay.
    """
    is_small = layer.h * layer.h * layer.d * layer.d_next <= _SMALL
    return layer.h_pool > 1 or (is_small and not layer.winograd)


def is_tiled(layer: Sizes) -> bool:
    """Whether the backward pass runs on Winograd's tiles.

    Behind a max pool the winners are as few multiplications, and need no transforms.
    """
    return bool(layer.winograd) and layer.h_pool == 1


def tile_plan(layer: Sizes, batch_size: int, itemsize: int) -> TilePlan:
    """Plan the backward pass of a layer on Winograd's tiles."""
    columns = -(-layer.b_use // TILE) * TILE
    tiles = columns * layer.a_block // TILE**2
    d_next, d = layer.d_next_blocks * layer.width, layer.d_blocks * layer.width
    places = PIECE * PIECE
    per_instance = places * tiles * (d + d_next) * itemsize
    instances = max(1, min(batch_size, _SLAB_BYTES // per_instance))
    dS, dpad = columns * layer.a_block * d_next, layer.a_pad * layer.b_pad * layer.width
    return TilePlan(
        instances, tiles * instances, places * tiles * instances * d,
        places * tiles * instances * d_next, max(dS, dpad),
        layer.h * layer.h * layer.d_next * d, places * layer.d * d_next,
    )  # fmt: skip


def patch_vectors(layer: Sizes, lanes: int) -> int:
    """Return the vectors of a patch: its h runs of h*d neighbours, each filled up."""
    return layer.h * -(-layer.h * layer.d // lanes)


def filter_vectors(layer: Sizes, lanes: int) -> int:
    """Return the vectors of a filter, the channels of each offset filled up."""
    return layer.h * layer.h * layer.d_rounded // lanes


def dW_scratch(layer: Sizes) -> int:
    """Return the entries that a task of the dense (4) needs: dxi/dS of some instances."""
    return layer.dW_instances * layer.a_use * layer.b_use * layer.width


def dZ_scratch(layer: Sizes) -> GradientScratch:
    """Lay out the scratch memory of (5).

    Behind a pool it holds the padded gradient of one instance.  Else it holds dxi/dS of a strip's
    instances and one block of channels of their padded gradient.
    """
    if is_sparse(layer):
        return GradientScratch(0, layer.a_pad * layer.b_pad * layer.d_rounded)
    rows = layer.a_use * layer.b_use * layer.d_next_blocks * layer.width
    dpad = layer.strip_instances * rows
    padded = layer.strip_instances * layer.a_pad * layer.b_pad * layer.width
    return GradientScratch(dpad, dpad + padded)


def part_sizes(layer: Sizes, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return the entries of one part of (4), and of its bias."""
    if is_sparse(layer):
        lanes = lanes_of(dtype.itemsize)
        return layer.d_next * patch_vectors(layer, lanes) * lanes, layer.d_next
    channels = layer.d_next_blocks * layer.width
    return layer.h * layer.h * layer.d * channels, channels


def divide(layer: Sizes, batch_size: int, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return the parts of (4), and the tasks among which the channels of each are divided."""
    size = part_sizes(layer, dtype)[0] * dtype.itemsize
    chunks = max(1, min(CHUNKS, batch_size, _PART_BYTES // size))
    return chunks, min(layer.d_next_blocks, CHUNKS // chunks)


def buffer_shapes(
    sizes: list[Sizes], batch_size: int, dtype: np.dtype[Any], training: bool
) -> dict[str, tuple[int, ...]]:
    """Return the shape of every buffer of a training step, or of a forward pass."""
    l, slack, last = batch_size, slack_of(dtype), sizes[-1]
    shapes: dict[str, tuple[int, ...]] = {
        f"Z{m}": (l * layer.b_pad * layer.a_pad * layer.d + slack,) for m, layer in enumerate(sizes)
    }
    shapes[f"Z{len(sizes)}"] = (l * last.b_next * last.a_next * last.d_next + slack,)
    pixels = max(
        layer.strip_instances * max(layer.strip_columns * layer.h_pool, layer.b_use) * layer.a_use
        for layer in sizes
    )
    shapes["lists"] = (CHUNKS, 2, pixels + ROWS)
    shapes["bias"] = (max(layer.d_next_blocks * layer.width for layer in sizes) + slack,)
    packed = max(
        (PIECE * PIECE if layer.winograd else layer.h * layer.h)
        * layer.d * layer.d_next_blocks * layer.width
        for layer in sizes
    )  # fmt: skip
    scratch = max(CHUNKS * (strip_scratch(layer).size + slack) for layer in sizes)
    pooled = [l * layer.b_next * layer.a_next * layer.d_next + slack for layer in sizes]
    if training:
        shapes |= {f"winner{m}": (count,) for m, count in enumerate(pooled)}
        shapes |= backward_shapes(sizes, l, dtype)
        packed = max(packed, shapes.pop("w")[0])
        scratch = max(scratch, shapes.pop("scratch")[0])
    else:
        shapes["none"] = (1,)  # in place of the winners
    return shapes | {"w": (packed + slack,), "scratch": (scratch,)}


def backward_shapes(sizes: list[Sizes], l: int, dtype: np.dtype[Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every buffer that the backward pass needs beside the forward pass's."""
    slack, lanes = slack_of(dtype), lanes_of(dtype.itemsize)
    in_parts = [layer for layer in sizes if not is_tiled(layer)]
    parts = [(divide(layer, l, dtype), part_sizes(layer, dtype)) for layer in in_parts]
    last = sizes[-1]
    outputs = last.b_next * last.a_next * last.d_next
    gradient = l * max([layer.a * layer.b * layer.d for layer in sizes[1:]] + [outputs]) + slack
    packed = [0]
    scratch = [CHUNKS * (dZ_scratch(layer).size + slack) for layer in sizes[1:]] + [0]
    listed, table = [1], [1]
    for layer in sizes:
        if is_sparse(layer):
            lists = layer.pass_windows * (layer.h_pool * layer.h_pool + 1)
            listed.append(layer.d_next * max(layer.list_capacity, lists))
            vectors = max(patch_vectors(layer, lanes), filter_vectors(layer, lanes))
            table.append(max(vectors, layer.d_next, lists) + winners.MOST)
            packed.append(layer.d_next * filter_vectors(layer, lanes) * lanes)
        elif is_tiled(layer):
            scratch.append(CHUNKS * (tile_plan(layer, l, dtype.itemsize).scratch + slack))
            packed.append(PIECE * PIECE * layer.d_next * layer.d_blocks * layer.width)
        else:
            chunks, splits = divide(layer, l, dtype)
            scratch.append(chunks * splits * (dW_scratch(layer) + slack))
            packed.append(layer.h * layer.h * layer.d_next * layer.d_blocks * layer.width)
    return {
        "parts": (max((chunks * size for (chunks, _), (size, _) in parts), default=0),),
        "bias_parts": (
            max((chunks * channels for (chunks, _), (_, channels) in parts), default=0) + slack,
        ),
        "V0": (gradient,),
        "V1": (gradient,),
        "list_values": (CHUNKS, max(listed)),
        "list_places": (CHUNKS, max(listed)),
        "tables": (CHUNKS, 5, max(table)),
        "w": (max(packed),),
        "scratch": (max(scratch),),
    } | tile_shapes([layer for layer in sizes if is_tiled(layer)], l, dtype)


def tile_shapes(tiled: list[Sizes], l: int, dtype: np.dtype[Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the buffers of the backward pass on Winograd's tiles."""
    if not tiled:
        return {}
    slack = slack_of(dtype)
    plans = [tile_plan(layer, l, dtype.itemsize) for layer in tiled]
    return {
        "U": (max(plan.U for plan in plans) + slack,),
        "V": (max(plan.V for plan in plans) + slack,),
        "taps": (max(plan.taps for plan in plans),),
        "sums": (max(plan.sums for plan in plans),),
        "bias_rows": (l * max(layer.d_next for layer in tiled),),
        "tile_lists": (2, max(plan.tiles for plan in plans) + ROWS),
    }
