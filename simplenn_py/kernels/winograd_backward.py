"""The backward pass of Winograd's tiles: the forward pass, transposed.

Forward, a 4x4 tile of S is linear in the piece d and in the filter g (``winograd.py``):

    S = A' [ U .* (G g G') ] A,    U = B' d B

The transpose of ``x -> T x T'`` is ``x -> T' x T``.  So with V = A dS A', where dS is the tile of
dxi/dS, equations (4) and (5) become

    dg = G' [ sum over tiles of U .* V ] G,    dd = B [ (G g G') .* V ] B'

Summed over channels or tiles, both products at each of the 36 places are matrix products: four
times fewer multiplications than the dense (4) and (5).  The pieces dd overlap by two pixels and are
added up, tile by tile.

A slab of instances goes through each step together, all threads at one step: the transforms are
divided by instances, the products by places and blocks of channels.  Every number is added up in
one fixed order, whatever the number of threads.

The errors of dW and dZ are up to ten times those of the dense passes: with 128 channels and
standard normal numbers, 3e-6 of the largest entry in float32, 5e-15 in float64.
"""

from __future__ import annotations

from typing import Any

from numba import prange, types
from numba.extending import intrinsic

from .cover import clear, cover, outer_cover
from .direct_backward import add_rows, form_dS, unpad_rows
from .emitter import I64, Emitter, at, element_of
from .groups import Panel, Pixels, Rows, Square, Target
from .policy import compiled
from .sizes import Strip
from .tile import ROWS
from .winograd import (
    PIECE,
    TILE,
    _both_ways,
    _place,
    _times,
    transform_filter,
    transform_pieces,
)

PLACES = PIECE * PIECE
_INT = types.int64


def _a_transposed(e: Emitter, x: list[Any]) -> list[Any]:
    """``A x``"""
    add, sub = e.builder.fadd, e.builder.fsub
    even, odd = add(x[0], x[2]), add(x[1], x[3])
    half_even = _times(e, 1 / 4, x[2], x[0])
    half_odd = _times(e, 1 / 8, x[3], _times(e, 1 / 2, x[1]))
    two_even = _times(e, 4, x[2], x[0])
    two_odd = _times(e, 8, x[3], _times(e, 2, x[1]))
    return [x[0], add(even, odd), sub(even, odd), add(half_even, half_odd),
            sub(two_even, two_odd), x[3]]  # fmt: skip


def _g_transposed(e: Emitter, x: list[Any]) -> list[Any]:
    """``G' x``"""
    add, sub = e.builder.fadd, e.builder.fsub
    total = _times(e, 1 / 3, add(x[1], x[2]))
    difference = _times(e, 1 / 3, sub(x[1], x[2]))
    return [
        add(add(x[0], difference), _times(e, -16 / 15, x[3], _times(e, 1 / 15, x[4]))),
        add(total, _times(e, -8 / 15, x[3], _times(e, -2 / 15, x[4]))),
        add(add(x[5], difference), _times(e, -4 / 15, x[3], _times(e, 4 / 15, x[4]))),
    ]


def _b_transposed(e: Emitter, x: list[Any]) -> list[Any]:
    """``B x``"""
    add, sub = e.builder.fadd, e.builder.fsub
    far = sub(_times(e, 2, x[3]), _times(e, 1 / 2, x[4]))
    middle = add(x[3], x[4])
    return [
        x[0],
        sub(sub(add(_times(e, -3 / 2, x[0], x[5]), x[2]), x[1]), far),
        sub(
            _times(e, -2, x[0], _times(e, 1 / 2, x[1], _times(e, -5 / 2, x[2]))),
            _times(e, 3 / 2, x[5], middle),
        ),
        add(
            _times(e, 3 / 2, x[0], _times(e, 5 / 2, x[1], _times(e, 1 / 2, x[2]))),
            _times(e, -2, x[5], far),
        ),
        add(_times(e, 3 / 2, x[5], x[0]), add(add(x[1], x[2]), middle)),
        x[5],
    ]


@intrinsic
def transform_dS(typingctx, tile, count, places):
    """``A dS A'`` of one tile for `count` channels.

    Parameters
    ----------
    tile : groups.Square
        4x4 pixels of dxi/dS.
    count : int
        Number of channels.
    places : groups.Panel
        36 rows, place (u, w) in row ``6*u + w``; written, in whole vectors.
    """
    signature = types.void(tile, _INT, places)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[0]))
        s, out = e.group(sig.args[0], args[0]), e.group(sig.args[2], args[2])
        with e.vectors_of(args[1]) as (k, _):

            def load(u: int, w: Any) -> Any:
                pixel = builder.add(builder.mul(I64(u), s.down), builder.mul(w, s.right))
                return e.load_vector(e.at(s.pointer, builder.add(k, pixel)))

            def store(value: Any, u: Any, w: int) -> None:
                e.store_vector(value, _place(e, u, I64(w), out, k))

            _both_ways(e, _a_transposed, TILE, PIECE, load, store)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def add_piece(typingctx, places, count, n_rows, n_columns, piece):
    """Add ``B M B'`` to a piece of the padded gradient, `count` channels.

    Parameters
    ----------
    places : groups.Panel
        36 rows, place (u, w) in row ``6*u + w``.
    count : int
        Number of channels, a multiple of the lanes.
    n_rows, n_columns : int
        Rows and columns that the piece has; the others, which the forward pass repeats, get
        nothing.
    piece : groups.Square
        Added to.
    """
    signature = types.void(places, _INT, _INT, _INT, piece)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[0]))
        m, out = e.group(sig.args[0], args[0]), e.group(sig.args[4], args[4])
        _, n, n_rows, n_columns, _ = args
        with e.vectors_of(n) as (c, _):

            def load(u: int, w: Any) -> Any:
                return e.load_vector(_place(e, I64(u), w, m, c))

            def store(value: Any, u: Any, w: int) -> None:
                inside = builder.and_(
                    builder.icmp_signed("<", u, n_rows),
                    builder.icmp_signed("<", I64(w), n_columns),
                )
                with builder.if_then(inside):
                    pixel = builder.add(builder.mul(u, out.down), builder.mul(I64(w), out.right))
                    held = e.at(out.pointer, builder.add(c, pixel))
                    e.store_vector(builder.fadd(e.load_vector(held), value), held)

            _both_ways(e, _b_transposed, PIECE, PIECE, load, store)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def transform_gradient(typingctx, places, count, filters):
    """``G' M G`` of `count` neighbouring filters, one channel.

    Parameters
    ----------
    places : groups.Panel
        36 rows, place (u, w) in row ``6*u + w``.
    count : int
        Number of filters.
    filters : groups.Panel
        9 rows: entry (u, w) of all filters is row ``u + 3*w``; written.
    """
    signature = types.void(places, _INT, filters)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[0]))
        m, out = e.group(sig.args[0], args[0]), e.group(sig.args[2], args[2])
        with e.vectors_of(args[1]) as (k, remaining):

            def load(u: int, w: Any) -> Any:
                return e.load_vector(_place(e, I64(u), w, m, k))

            def store(value: Any, u: Any, w: int) -> None:
                row = builder.mul(builder.add(u, I64(3 * w)), out.stride)
                e.store_part(value, e.at(out.pointer, builder.add(k, row)), remaining)

            _both_ways(e, _g_transposed, PIECE, 3, load, store)
        return context.get_dummy_value()

    return signature, codegen


@compiled()
def tiles_of(layer):
    """Return the number of tiles of S per instance.

    Parameters
    ----------
    layer : Sizes
    """
    return -(-layer.b_use // TILE) * (layer.a_block // TILE)


@compiled()
def _form_V(layer, n, gradient, dS, tiles, V):
    """``V = A dS A'`` of one gradient column, all output channels, into ``V[place, tile, k]``.

    `dS` keeps dxi/dS of the column, 0 where a tile goes beyond S.
    """
    stride = layer.d_next_blocks * layer.width
    columns = -(-layer.b_use // TILE) * TILE
    clear(dS, 0, columns * layer.a_block * stride)
    form_dS(layer, n, n + 1, gradient, 0, layer.d_next, dS, stride, layer.a_block)
    t = 0
    for j in range(0, layer.b_use, TILE):
        for i in range(0, layer.a_block, TILE):
            transform_dS(
                Square(at(dS, (j * layer.a_block + i) * stride), stride, layer.a_block * stride),
                stride,
                Panel(at(V, t * stride), tiles * stride),
            )
            t += 1


@compiled()
def _sum_tiles(layer, tiles, place, block, room, is_first, sums):
    """``sum over tiles of U .* V`` at one place, for one block of output channels."""
    stride = layer.d_next_blocks * layer.width
    start = (block * PLACES + place) * layer.d * layer.width
    if is_first:
        clear(sums, start, start + layer.d * layer.width)
    panel = Panel(at(room.V, place * tiles * stride + block * layer.width), stride)
    done = 0
    while done < layer.d:
        U = at(room.U, place * tiles * layer.d_rounded + done)
        done += outer_cover(
            layer.vectors,
            layer.d - done,
            Pixels(U, 1, 0, 1, 0, tiles, layer.d_rounded),
            panel,
            Panel(at(sums, start + done * layer.width), layer.width),
        )


@compiled(parallel=True)
def winograd_dW(layer, l, Z, gradient, room, sums, bias_rows, dW, dbias):
    """Equation (4): ``dg = G' [ sum over tiles of U .* V ] G``, and ``dxi/dbias = dxi/dS 1``.

    Parameters
    ----------
    layer : Sizes
        Of a layer that runs on Winograd's tiles.
    l : int
        Number of instances.
    Z : 1-d float array
        ``pad(Z^m)`` as stored.
    gradient : groups.Gradient
        With one gradient column per instance.
    room : groups.TileRoom
    sums : 1-d float array
        ``[block, place, c, k]``; written.
    bias_rows : float array, shape (l, d_next or more)
        Written: the sum of dxi/dS over the pixels of each instance.
    dW : 1-d float array
        In the order of W; written.
    dbias : float array, shape (d_next,)
        Written.
    """
    chunks, own = room.scratch.shape[0], tiles_of(layer)
    stride = layer.d_next_blocks * layer.width
    pixels = -(-layer.b_use // TILE) * TILE * layer.a_block
    for first in range(0, l, room.instances):
        count = min(room.instances, l - first)
        tiles = count * own
        for chunk in prange(chunks):
            dS = room.scratch[chunk]
            for q in range(chunk * count // chunks, (chunk + 1) * count // chunks):
                n = first + q
                strip = Strip(n, n + 1, 0, layer.b_next)
                transform_pieces(layer, strip, tiles, Z, at(room.U, q * own * layer.d_rounded))
                _form_V(layer, n, gradient, dS, tiles, at(room.V, q * own * stride))
                clear(bias_rows[n], 0, layer.d_next)
                add_rows(dS, pixels, stride, layer.d_next, bias_rows[n], 0)
        for task in prange(PLACES * layer.d_next_blocks):
            place, block = task % PLACES, task // PLACES
            _sum_tiles(layer, tiles, place, block, room, first == 0, sums)
    for block in prange(layer.d_next_blocks):
        k = block * layer.width
        channels = min(layer.width, layer.d_next - k)
        for c in range(layer.d):
            transform_gradient(
                Panel(
                    at(sums, (block * PLACES * layer.d + c) * layer.width), layer.d * layer.width
                ),
                channels,
                Panel(at(dW, k + layer.d_next * 9 * c), layer.d_next),
            )
        clear(dbias, k, k + channels)
        for n in range(l):
            for i in range(k, k + channels):
                dbias[i] += bias_rows[n, i]


@compiled(parallel=True)
def transform_transposed(layer, taps, out):
    """``G g G'`` of all filters, as (5) reads them: ``out[block, place, k, c]``.

    Parameters
    ----------
    layer : Sizes
    taps : 1-d float array
        Filters from ``pack.pack`` in the order TRANSPOSED.
    out : 1-d float array
        Written.
    """
    row = layer.d_next * layer.width
    for task in prange(layer.d_blocks * layer.d_next_blocks):
        block, group = task % layer.d_blocks, task // layer.d_blocks
        k_last = min((group + 1) * layer.width, layer.d_next)
        for k in range(group * layer.width, k_last):
            transform_filter(
                Panel(at(taps, block * 9 * row + k * layer.width), row),
                layer.width,
                Panel(at(out, block * PLACES * row + k * layer.width), row),
                layer.width,
            )


@compiled()
def _add_pieces(layer, n, block, tiles, M, dpad, out):
    """Add up ``dd = B M B'`` of one gradient column and block of channels, without padding."""
    clear(dpad, 0, layer.b_pad * layer.a_pad * layer.width)
    stride = layer.d_blocks * layer.width
    t = 0
    for j in range(0, layer.b_use, TILE):
        for i in range(0, layer.a_block, TILE):
            corner = (j * layer.a_pad + i) * layer.width
            add_piece(
                Panel(at(M, t * stride + block * layer.width), tiles * stride),
                layer.width,
                layer.a_pad - i,
                layer.b_pad - j,
                Square(at(dpad, corner), layer.width, layer.a_pad * layer.width),
            )
            t += 1
    unpad_rows(layer, n, n + 1, block, dpad, out)


@compiled(parallel=True)
def winograd_dZ(layer, n_gradients, gradient, w, room, lists, out):
    """Equation (5): the pieces ``dd = B [ (G g G') .* V ] B'``, added up.

    Parameters
    ----------
    layer : Sizes
        Of a layer that runs on Winograd's tiles.
    n_gradients : int
        Number of gradient columns.
    gradient : groups.Gradient
    w : 1-d float array
        Filters from :func:`transform_transposed`.
    room : groups.TileRoom
        ``room.U`` holds the products of the 36 places.
    lists : groups.Offsets
        Written: where each tile is read and written, and ROWS entries more.
    out : 1-d float array
        ``[gradient column, b, a, d]``, without padding; written.
    """
    chunks, own = room.scratch.shape[0], tiles_of(layer)
    read, write = layer.d_next_blocks * layer.width, layer.d_blocks * layer.width
    for first in range(0, n_gradients, room.instances):
        count = min(room.instances, n_gradients - first)
        tiles = count * own
        for t in range(tiles + ROWS):
            lists.read[t] = min(t, tiles - 1) * read
            lists.write[t] = min(t, tiles - 1) * write
        for chunk in prange(chunks):
            for q in range(chunk * count // chunks, (chunk + 1) * count // chunks):
                V = at(room.V, q * own * read)
                _form_V(layer, first + q, gradient, room.scratch[chunk], tiles, V)
        for task in prange(PLACES * layer.d_blocks):
            place, block = task % PLACES, task // PLACES
            panel = (block * PLACES + place) * layer.d_next * layer.width
            target = place * tiles * write + block * layer.width
            cover(
                layer.vectors,
                tiles,
                Rows(at(room.V, place * tiles * read), at(lists.read, 0), 1, 0, layer.d_next),
                Panel(at(w, panel), layer.width),
                Target(at(room.U, target), at(lists.write, 0)),
                0,
            )
        for chunk in prange(chunks):
            dpad = room.scratch[chunk]
            for q in range(chunk * count // chunks, (chunk + 1) * count // chunks):
                M = at(room.U, q * own * write)
                for block in range(layer.d_blocks):
                    _add_pieces(layer, first + q, block, tiles, M, dpad, out)
