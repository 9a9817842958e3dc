"""Winograd's F(4x4, 3x3): a 4x4 tile of S from 36 multiplications a channel instead of 144.

Winograd (1980); for convolutional networks Lavin and Gray (2016).  For a 6x6 piece d of
``pad(Z)`` and a 3x3 filter g, one channel each, the 4x4 outputs are

    A' [ (G g G') .* (B' d B) ] A

The matrices are those of polynomial products taken at the points 0, 1, -1, 1/2, -2 and infinity:
column i of A' has the powers of point i.

         |  1  3/2  -2  -3/2  1  0 |        |   1      0      0   |        | 1 1  1  1   1 0 |
         |  0  -1   1/2  5/2  1  0 |        |  1/3    1/3    1/3  |   A' = | 0 1 -1 1/2 -2 0 |
    B' = |  0   1  -5/2  1/2  1  0 |    G = | -1/3    1/3   -1/3  |        | 0 1  1 1/4  4 0 |
         |  0  -2   -1    2   1  0 |        | -16/15 -8/15  -4/15 |        | 0 1 -1 1/8 -8 1 |
         |  0  1/2  -1  -1/2  1  0 |        |  1/15  -2/15   4/15 |
         |  0   1   3/2  -2 -3/2 1 |        |   0      0      1   |

Summed over channels, the entrywise product of each of the 36 places is a matrix product of
(tiles x d) and (d x d_next): the register tile does it.  The transforms work on a vector of
channels at a time.

Rounding errors are two to three times those of the direct sum; with the points 0, 1, -1, 2, -2,
which are often used, they would be five times.  The point 1 matters for another reason: where an
image does not change, along a row or a column, only its place differs from 0, so that equal
entries of S come out as equal bits and max pooling takes the first, as in the lecture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .cover import cover
from .emitter import I64, Emitter
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
    """``T x T'`` of a square x with `entries` a side: T of every column, then of every row.

    ``load(u, w)`` returns entry (u, w) of x and ``store(value, u, w)`` takes one of the result.
    Both are loops for LLVM: written out, they would take it twice as long.
    """
    builder = e.builder
    columns = cgutils.alloca_once(builder, e.vector, size=I64(entries * results))

    def at(u: Any, w: Any) -> Any:
        return e.at(columns, builder.add(builder.mul(u, I64(entries)), w))

    with e.loop(I64(entries)) as column:
        w = column.index
        for u, value in enumerate(transform(e, [load(u, w) for u in range(entries)])):
            builder.store(value, at(I64(u), w))
    with e.loop(I64(results)) as row:
        u = row.index
        values = [builder.load(at(u, I64(w))) for w in range(entries)]
        for w, value in enumerate(transform(e, values)):
            store(value, u, w)


@intrinsic
def transform_input(
    typingctx, z, start, row, column, rows, columns, count, out, out_start, place_stride
):
    """``B' d B`` of one piece for `count` channels; place (u, w) goes to ``6*u + w``.

    `row` and `column` are the distances of neighbours down and to the right in `z`.  Where the
    piece has only `rows` or `columns`, at least 3, the last is repeated.  Places are
    `place_stride` apart in `out`, which is written in whole vectors.
    """
    signature = types.void(z, _INT, _INT, _INT, _INT, _INT, _INT, out, _INT, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        z_, z0, row, column, rows, columns, n, out_, o0, stride = args
        z_data, o_data = e.at(e.data(sig.args[0], z_), z0), e.at(e.data(sig.args[7], out_), o0)
        last_row, last_column = builder.sub(rows, I64(1)), builder.sub(columns, I64(1))

        def up_to(last: Any, k: Any) -> Any:
            return builder.select(builder.icmp_signed("<", k, last), k, last)

        row_at = [builder.mul(up_to(last_row, I64(u)), row) for u in range(PIECE)]
        with e.vectors_of(n) as (c, _):

            def load(u: int, w: Any) -> Any:
                line = builder.add(c, builder.mul(up_to(last_column, w), column))
                return e.load_vector(e.at(z_data, builder.add(line, row_at[u])))

            def store(value: Any, u: Any, w: int) -> None:
                place = builder.add(builder.mul(u, I64(PIECE)), I64(w))
                e.store_vector(value, e.at(o_data, builder.add(c, builder.mul(place, stride))))

            _both_ways(e, _b_transform, PIECE, PIECE, load, store)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def transform_output(typingctx, m, start, place_stride, count, out, out_start, row, column):
    """``A' M A`` for `count` channels: 4x4 rows of S, `row` and `column` apart in `out`."""
    signature = types.void(m, _INT, _INT, _INT, out, _INT, _INT, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        m_, m0, stride, n, out_, o0, row, column = args
        m_data, o_data = e.at(e.data(sig.args[0], m_), m0), e.at(e.data(sig.args[4], out_), o0)
        with e.vectors_of(n) as (k, _):

            def load(u: int, w: Any) -> Any:
                place = builder.mul(builder.add(I64(PIECE * u), w), stride)
                return e.load_vector(e.at(m_data, builder.add(k, place)))

            def store(value: Any, u: Any, w: int) -> None:
                at = builder.add(builder.mul(u, row), builder.mul(I64(w), column))
                e.store_vector(value, e.at(o_data, builder.add(k, at)))

            _both_ways(e, _a_transform, PIECE, TILE, load, store)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def transform_filter(typingctx, W, start, step, count, out, out_start, place_stride, width):
    """``G g G'`` of `count` neighbouring filters, one channel; 0 behind them, up to `width`.

    Entry (u, w) of filter k is ``W[start + k + step*(u + 3*w)]``.
    """
    signature = types.void(W, _INT, _INT, _INT, out, _INT, _INT, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        W_, w0, step, n, out_, o0, stride, width = args
        w_data, o_data = e.at(e.data(sig.args[0], W_), w0), e.at(e.data(sig.args[4], out_), o0)
        with e.vectors_of(width) as (k, _):

            def load(u: int, w: Any) -> Any:
                entry = builder.add(I64(u), builder.mul(w, I64(3)))
                at = builder.add(k, builder.mul(entry, step))
                return e.load_part(e.at(w_data, at), builder.sub(n, k))

            def store(value: Any, u: Any, w: int) -> None:
                place = builder.add(builder.mul(u, I64(PIECE)), I64(w))
                e.store_vector(value, e.at(o_data, builder.add(k, builder.mul(place, stride))))

            _both_ways(e, _g_transform, 3, PIECE, load, store)
        return context.get_dummy_value()

    return signature, codegen


@compiled()
def transform_filters(s, W, block, c_first, c_last, out):
    """``G g G'`` of one block of filters, some channels: ``out[block, place, c, k]``."""
    k_first = block * s.width
    channels = min(s.width, s.d_next - k_first)
    for c in range(c_first, c_last):
        target = (block * PIECE * PIECE * s.d + c) * s.width
        transform_filter(
            W, k_first + s.d_next * 9 * c, s.d_next, channels,
            out, target, s.d * s.width, s.width,
        )  # fmt: skip


@compiled()
def list_tiles(s, n_first, n_last, j_first, j_last, offsets, targets):
    """List the 4x4 tiles of one block of pixels; return how many.

    A tile is a row of the transformed pieces and of the products.  ROWS more entries repeat the
    last one, so that a partial register tile has something to read.
    """
    tiles = (n_last - n_first) * -(-(j_last - j_first) // TILE) * (s.a_block // TILE)
    for t in range(tiles + ROWS):
        last = min(t, tiles - 1)
        offsets[t] = last * s.channels
        targets[t] = last * s.width
    return tiles


@compiled()
def transform_pieces(s, n_first, n_last, j_first, j_last, Z, tiles, scratch, U):
    """``B' d B`` of every piece of a block of pixels, from U on in the scratch memory."""
    t = 0
    for n in range(n_first, n_last):
        for j in range(j_first, j_last, TILE):
            for i in range(0, s.a_block, TILE):
                start = ((n * s.b_pad + j) * s.a_pad + i) * s.d
                transform_input(
                    Z, start, s.d, s.a_pad * s.d, s.a_pad - i, s.b_pad - j, s.d,
                    scratch, U + t * s.channels, tiles * s.channels,
                )  # fmt: skip
                t += 1


@compiled()
def multiply_places(s, tiles, w, block, scratch, U, M, offsets, targets, add):
    """The 36 products, from M on in the scratch memory; added to what is there if `add`."""
    for place in range(PIECE * PIECE):
        cover(
            s.vectors, tiles, scratch, U + place * tiles * s.channels, offsets, 1, 0, s.d,
            w, (block * PIECE * PIECE + place) * s.d * s.width, s.width,
            scratch, M + place * tiles * s.width, targets, add,
        )  # fmt: skip


@compiled()
def transform_products(s, tiles, scratch, M):
    """``A' M A`` of every tile: S at the beginning of the scratch memory.

    S has ``a_block`` rows a column, a multiple of 4, and a multiple of 4 columns an instance; what
    lies beyond ``a_use`` and ``b_use`` is not used.
    """
    rows = s.a_block // TILE
    for t in range(tiles):
        start = TILE * (t // rows * s.a_block + t % rows) * s.width
        transform_output(
            scratch, M + t * s.width, tiles * s.width, s.width,
            scratch, start, s.width, s.a_block * s.width,
        )  # fmt: skip
