"""Winograd's F(4x4, 3x3): a 4x4 tile of S from 36 multiplications per channel instead of 144.

The method is due to Winograd (1980); Lavin and Gray (2016) applied it to convolutional networks.
For a 6x6 piece d of
``pad(Z)`` and a 3x3 filter g, one channel each, the 4x4 outputs are

    A' [ (G g G') .* (B' d B) ] A

The matrices come from evaluating polynomial products at the points 0, 1, -1, 1/2, -2 and infinity:
column i of A' contains the powers of point i.

         |  1  -3/2 -2   3/2  1  0 |        |   1      0      0   |        | 1 1  1  1   1 0 |
         |  0  -1   1/2  5/2  1  0 |        |  1/3    1/3    1/3  |   A' = | 0 1 -1 1/2 -2 0 |
    B' = |  0   1  -5/2  1/2  1  0 |    G = | -1/3    1/3   -1/3  |        | 0 1  1 1/4  4 0 |
         |  0  -2   -1    2   1  0 |        | -16/15 -8/15  -4/15 |        | 0 1 -1 1/8 -8 1 |
         |  0  1/2  -1  -1/2  1  0 |        |  1/15  -2/15   4/15 |
         |  0   1  -3/2  -2  3/2 1 |        |   0      0      1   |

Summed over channels, the entrywise product at each of the 36 positions is a matrix product of
(tiles x d) and (d x d_next), which the register tile computes.  The transforms work on a vector of
channels at a time.

Rounding errors are two to three times those of summing directly; with the points 0, 1, -1, 2, -2,
which are often used, they would be five times as large.  The point 1 matters for another reason.
If an image is constant along a row or a column, only the transformed entries for the point 1 are
nonzero.  So entries of S that are equal in exact arithmetic are also bitwise equal, and max
pooling takes the first of them, as in the lecture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .cover import cover
from .emitter import I64, Emitter, at, element_of
from .groups import Panel, Rows, Square, Target
from .policy import compiled
from .tile import ROWS

#: Rows and columns of a tile of S, and of the piece of ``pad(Z)`` from which it comes.
TILE = 4
PIECE = 6
_INT = types.int64


def _times(e: Emitter, factor: float, x: Any, plus: Any = None) -> Any:
    """``factor*x + plus``"""
    spread = ir.Constant(e.vector, [factor] * e.lanes)
    return e.builder.fmul(spread, x) if plus is None else e.fma(spread, x, plus)


def _b_transform(e: Emitter, x: list[Any]) -> list[Any]:
    """``B' x``"""
    add, sub = e.builder.fadd, e.builder.fsub
    # (x - 1/2)(x + 2), a factor of four of the six polynomials
    near = [sub(_times(e, 3 / 2, x[k + 1], x[k + 2]), x[k]) for k in range(4)]
    even, odd = sub(x[4], x[2]), sub(x[3], x[1])
    return [
        sub(near[2], near[0]),
        add(near[2], near[1]),
        sub(near[2], near[1]),
        _times(e, 2, odd, even),
        _times(e, -1 / 2, odd, even),
        sub(near[3], near[1]),
    ]


def _g_transform(e: Emitter, x: list[Any]) -> list[Any]:
    """``G x``"""
    ends = _times(e, 1 / 3, e.builder.fadd(x[0], x[2]))
    middle = _times(e, 1 / 3, x[1])
    return [
        x[0],
        e.builder.fadd(ends, middle),
        e.builder.fsub(middle, ends),
        _times(e, -16 / 15, x[0], _times(e, -8 / 15, x[1], _times(e, -4 / 15, x[2]))),
        _times(e, 1 / 15, x[0], _times(e, -2 / 15, x[1], _times(e, 4 / 15, x[2]))),
        x[2],
    ]


def _a_transform(e: Emitter, x: list[Any]) -> list[Any]:
    """``A' x``"""
    add = e.builder.fadd
    even, odd = add(x[1], x[2]), e.builder.fsub(x[1], x[2])
    return [
        add(add(x[0], even), add(x[3], x[4])),
        _times(e, 1 / 2, x[3], _times(e, -2, x[4], odd)),
        _times(e, 1 / 4, x[3], _times(e, 4, x[4], even)),
        _times(e, 1 / 8, x[3], _times(e, -8, x[4], add(odd, x[5]))),
    ]


def _both_ways(
    e: Emitter,
    transform: Callable[[Emitter, list[Any]], list[Any]],
    entries: int,
    results: int,
    load: Callable[[int, Any], Any],
    store: Callable[[Any, Any, int], None],
) -> None:
    """``T x T'`` of a square x with `entries` per side: T of every column, then of every row.

    ``load(u, w)`` returns entry (u, w) of x and ``store(value, u, w)`` takes one of the result.
    Both are loops for LLVM: compiling them written out would take twice as long.
    """
    builder = e.builder
    Tx = cgutils.alloca_once(builder, e.vector, size=I64(entries * results))

    def at(u: Any, w: Any) -> Any:
        return e.at(Tx, builder.add(builder.mul(u, I64(entries)), w))

    with e.loop(I64(entries)) as column:
        w = column.index
        for u, value in enumerate(transform(e, [load(u, w) for u in range(entries)])):
            builder.store(value, at(I64(u), w))
    with e.loop(I64(results)) as row:
        u = row.index
        values = [builder.load(at(u, I64(w))) for w in range(entries)]
        for w, value in enumerate(transform(e, values)):
            store(value, u, w)


def _place(e: Emitter, u: Any, w: Any, places: Any, k: Any) -> Any:
    """Pointer to channel k at place (u, w), row ``6*u + w`` of a panel."""
    place = e.builder.add(e.builder.mul(u, I64(PIECE)), w)
    return e.at(places.pointer, e.builder.add(k, e.builder.mul(place, places.stride)))


@intrinsic
def transform_input(typingctx, piece, n_rows, n_columns, count, places):
    """``B' d B`` of one piece for `count` channels.

    Parameters
    ----------
    piece : groups.Square
        The 6x6 pixels of ``pad(Z)``.
    n_rows, n_columns : int
        Rows and columns that the piece has, at least 3.  The last is repeated if they are fewer
        than 6.
    count : int
        Number of channels.
    places : groups.Panel
        36 rows, place (u, w) in row ``6*u + w``; written, in whole vectors.
    """
    signature = types.void(piece, _INT, _INT, _INT, places)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[0]))
        z, out = e.group(sig.args[0], args[0]), e.group(sig.args[4], args[4])
        _, n_rows, n_columns, n, _ = args
        last_row, last_column = builder.sub(n_rows, I64(1)), builder.sub(n_columns, I64(1))

        def up_to(last: Any, k: Any) -> Any:
            return builder.select(builder.icmp_signed("<", k, last), k, last)

        row_at = [builder.mul(up_to(last_row, I64(u)), z.down) for u in range(PIECE)]
        with e.vectors_of(n) as (c, _):

            def load(u: int, w: Any) -> Any:
                line = builder.add(c, builder.mul(up_to(last_column, w), z.right))
                return e.load_vector(e.at(z.pointer, builder.add(line, row_at[u])))

            def store(value: Any, u: Any, w: int) -> None:
                e.store_vector(value, _place(e, u, I64(w), out, c))

            _both_ways(e, _b_transform, PIECE, PIECE, load, store)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def transform_output(typingctx, places, count, tile):
    """``A' M A`` for `count` channels.

    Parameters
    ----------
    places : groups.Panel
        36 rows, place (u, w) in row ``6*u + w``.
    count : int
        Number of channels.
    tile : groups.Square
        4x4 pixels of S; written, in whole vectors.
    """
    signature = types.void(places, _INT, tile)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[0]))
        m, out = e.group(sig.args[0], args[0]), e.group(sig.args[2], args[2])
        with e.vectors_of(args[1]) as (k, _):

            def load(u: int, w: Any) -> Any:
                return e.load_vector(_place(e, I64(u), w, m, k))

            def store(value: Any, u: Any, w: int) -> None:
                place = builder.add(builder.mul(u, out.down), builder.mul(I64(w), out.right))
                e.store_vector(value, e.at(out.pointer, builder.add(k, place)))

            _both_ways(e, _a_transform, PIECE, TILE, load, store)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def transform_filter(typingctx, filters, count, places, width):
    """``G g G'`` of `count` neighbouring filters, one channel; 0 behind them, up to `width`.

    Parameters
    ----------
    filters : groups.Panel
        9 rows: entry (u, w) of all filters is row ``u + 3*w``.
    count : int
        Number of filters.
    places : groups.Panel
        36 rows, place (u, w) in row ``6*u + w``; written.
    width : int
        Length of the rows of `places`, a multiple of the lanes.
    """
    signature = types.void(filters, _INT, places, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[0]))
        g, out = e.group(sig.args[0], args[0]), e.group(sig.args[2], args[2])
        _, n, _, width = args
        with e.vectors_of(width) as (k, _):

            def load(u: int, w: Any) -> Any:
                entry = builder.add(I64(u), builder.mul(w, I64(3)))
                place = builder.add(k, builder.mul(entry, g.stride))
                return e.load_part(e.at(g.pointer, place), builder.sub(n, k))

            def store(value: Any, u: Any, w: int) -> None:
                e.store_vector(value, _place(e, u, I64(w), out, k))

            _both_ways(e, _g_transform, 3, PIECE, load, store)
        return context.get_dummy_value()

    return signature, codegen


@compiled()
def transform_filters(layer, W, block, c_first, c_last, out):
    """``G g G'`` of one block of filters and some channels.

    Parameters
    ----------
    layer : Sizes
    W : 1-d float array
        The lecture's W, Fortran order.
    block : int
        Index of the block of output channels.
    c_first, c_last : int
        The input channels.
    out : 1-d float array
        ``out[block, place, c, k]``; written.
    """
    k_first = block * layer.width
    channels = min(layer.width, layer.d_next - k_first)
    for c in range(c_first, c_last):
        target = (block * PIECE * PIECE * layer.d + c) * layer.width
        transform_filter(
            Panel(at(W, k_first + layer.d_next * 9 * c), layer.d_next),
            channels,
            Panel(at(out, target), layer.d * layer.width),
            layer.width,
        )


@compiled()
def list_tiles(layer, strip, offsets):
    """List the 4x4 tiles of a strip of pixels; return their number.

    A tile is a row of the transformed pieces and of the products.  ROWS more entries repeat the
    last one, so that a partial register tile has something to read.

    Parameters
    ----------
    layer : Sizes
    strip : Strip
    offsets : groups.Offsets
        Written.
    """
    columns = (strip.j_last - strip.j_first) * layer.h_pool
    tiles = (strip.n_last - strip.n_first) * -(-columns // TILE) * (layer.a_block // TILE)
    read, write = offsets.read, offsets.write
    for t in range(tiles + ROWS):
        last = min(t, tiles - 1)
        read[t] = last * layer.d_rounded
        write[t] = last * layer.width
    return tiles


@compiled()
def transform_pieces(layer, strip, tiles, Z, pieces):
    """``B' d B`` of a strip's pieces.

    Parameters
    ----------
    layer : Sizes
    strip : Strip
    tiles : int
        Number of tiles, from :func:`list_tiles`.
    Z : 1-d float array
        ``pad(Z)`` as stored.
    pieces : pointer to floats
        ``[place, tile, c]``; written.
    """
    t = 0
    for n in range(strip.n_first, strip.n_last):
        for j in range(strip.j_first * layer.h_pool, strip.j_last * layer.h_pool, TILE):
            for i in range(0, layer.a_block, TILE):
                corner = ((n * layer.b_pad + j) * layer.a_pad + i) * layer.d
                transform_input(
                    Square(at(Z, corner), layer.d, layer.a_pad * layer.d),
                    layer.a_pad - i,
                    layer.b_pad - j,
                    layer.d,
                    Panel(at(pieces, t * layer.d_rounded), tiles * layer.d_rounded),
                )
                t += 1


@compiled()
def multiply_places(layer, tiles, offsets, pieces, w, products, add):
    """Multiply the transformed pieces by the transformed filters, one product per place.

    Parameters
    ----------
    layer : Sizes
    tiles : int
        Number of tiles.
    offsets : groups.Offsets
        From :func:`list_tiles`.
    pieces : pointer to floats
        Transformed pieces, ``[place, tile, c]``.
    w : pointer to floats
        Transformed filters of one block, ``[place, c, k]``.
    products : pointer to floats
        ``[place, tile, k]``; written, or added to if `add` is 1.
    add : int
    """
    for place in range(PIECE * PIECE):
        cover(
            layer.vectors,
            tiles,
            Rows(at(pieces, place * tiles * layer.d_rounded), at(offsets.read, 0), 1, 0, layer.d),
            Panel(at(w, place * layer.d * layer.width), layer.width),
            Target(at(products, place * tiles * layer.width), at(offsets.write, 0)),
            add,
        )


@compiled()
def transform_products(layer, tiles, products, S):
    """``A' M A`` of every tile.

    Parameters
    ----------
    layer : Sizes
    tiles : int
        Number of tiles.
    products : pointer to floats
        From :func:`multiply_places`.
    S : pointer to floats
        ``[column, row, k]`` with ``a_block`` rows and, per instance, a multiple of 4 columns;
        written.  Entries beyond ``a_use`` and ``b_use`` are not used.
    """
    rows = layer.a_block // TILE
    for t in range(tiles):
        corner = TILE * (t // rows * layer.a_block + t % rows) * layer.width
        transform_output(
            Panel(at(products, t * layer.width), tiles * layer.width),
            layer.width,
            Square(at(S, corner), layer.width, layer.a_block * layer.width),
        )
