"""Winograd's F(2x2, 3x3): a 2x2 tile of S from 16 multiplications a channel instead of 36.

Winograd (1980); for convolutional networks Lavin and Gray (2016).  For a 4x4 piece d of
``pad(Z)`` and a 3x3 filter g, one channel each, the 2x2 outputs are

    A' [ (G g G') .* (B' d B) ] A

          | 1  0 -1  0 |        |  1    0    0  |
     B' = | 0  1  1  0 |    G = | 1/2  1/2  1/2 |    A' = | 1  1  1  0 |
          | 0 -1  1  0 |        | 1/2 -1/2  1/2 |         | 0  1 -1 -1 |
          | 0  1  0 -1 |        |  0    0    1  |

Summed over channels, the entrywise product of each of the 16 places is a matrix product of
(tiles x d) and (d x d_next): the register tile does it.  The transforms are additions, done for
a vector of channels at a time.  Rounding errors are a few times those of the direct sum.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from .cover import cover
from .emitter import I64, Emitter
from .policy import compiled
from .tile import ROWS

_INT = types.int64


def _b_transform(e: Emitter, x: list[Any]) -> list[Any]:
    """``B' x``"""
    sub, add = e.builder.fsub, e.builder.fadd
    return [sub(x[0], x[2]), add(x[1], x[2]), sub(x[2], x[1]), sub(x[1], x[3])]


def _a_transform(e: Emitter, x: list[Any]) -> list[Any]:
    """``A' x``"""
    sub, add = e.builder.fsub, e.builder.fadd
    return [add(add(x[0], x[1]), x[2]), sub(sub(x[1], x[2]), x[3])]


def _transposed(rows: list[list[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


@intrinsic
def transform_input(typingctx, z, start, row, column, count, out, out_start, place_stride):
    """``B' d B`` of one 4x4 piece for `count` channels; place (w, u) goes to ``4*w + u``.

    `row` and `column` are the distances of neighbours down and to the right in `z`; places are
    `place_stride` apart in `out`, which is written in whole vectors.
    """
    signature = types.void(z, _INT, _INT, _INT, _INT, out, _INT, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        z_, z0, row, column, n, out_, o0, stride = args
        z_data, o_data = e.at(e.data(sig.args[0], z_), z0), e.at(e.data(sig.args[5], out_), o0)
        with e.vectors_of(n) as (c, _):
            piece = []
            for w in range(4):
                line = e.at(z_data, builder.add(c, builder.mul(I64(w), column)))
                values = [e.load_vector(e.at(line, builder.mul(I64(u), row))) for u in range(4)]
                piece.append(_b_transform(e, values))  # down the rows of column w
            across = [_b_transform(e, line) for line in _transposed(piece)]  # [u][w]
            for u in range(4):
                for w in range(4):
                    place = builder.add(c, builder.mul(I64(4 * w + u), stride))
                    e.store_vector(across[u][w], e.at(o_data, place))
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def transform_output(typingctx, m, start, place_stride, count, out, out_start, row, column):
    """``A' M A`` for `count` channels: four rows of S, `row` and `column` apart in `out`."""
    signature = types.void(m, _INT, _INT, _INT, out, _INT, _INT, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        m_, m0, stride, n, out_, o0, row, column = args
        m_data, o_data = e.at(e.data(sig.args[0], m_), m0), e.at(e.data(sig.args[4], out_), o0)
        with e.vectors_of(n) as (k, _):
            lines = []
            for w in range(4):
                places = [builder.add(k, builder.mul(I64(4 * w + u), stride)) for u in range(4)]
                lines.append(_a_transform(e, [e.load_vector(e.at(m_data, p)) for p in places]))
            for u, line in enumerate(_transposed(lines)):
                for w, value in enumerate(_a_transform(e, line)):
                    at = builder.add(builder.mul(I64(u), row), builder.mul(I64(w), column))
                    e.store_vector(value, e.at(o_data, builder.add(k, at)))
        return context.get_dummy_value()

    return signature, codegen


@compiled()
def transform_filters(s, W, block, c, out):
    """``G g G'`` of one block of filters, channel c: ``out[block, place, c, k]``."""
    k_first, step = block * s.width, s.d_next
    channels = min(s.width, s.d_next - k_first)
    first = k_first + s.d_next * 9 * c
    target = (block * 16 * s.d + c) * s.width
    place = s.d * s.width
    for w in range(4):
        # Row w of G combines the filter's columns, then G its rows.
        p0 = 1.0 if w == 0 else 0.5 if w < 3 else 0.0
        p1 = 0.5 if w == 1 else -0.5 if w == 2 else 0.0
        p2 = 1.0 if w == 3 else 0.5 if w > 0 else 0.0
        at = target + 4 * w * place
        _combine(W, first, step, p0, p1, p2, channels, out, at, place)
        for k in range(channels, s.width):
            for u in range(4):
                out[at + u * place + k] = 0


@compiled()
def _combine(W, first, step, p0, p1, p2, channels, out, at, place):
    """The four places of one column of ``G g G'``, for neighbouring filters."""
    p0, p1, p2 = W.dtype.type(p0), W.dtype.type(p1), W.dtype.type(p2)
    half = W.dtype.type(0.5)
    for k in range(channels):
        x = first + k
        g0 = p0 * W[x] + p1 * W[x + 3 * step] + p2 * W[x + 6 * step]
        g1 = p0 * W[x + step] + p1 * W[x + 4 * step] + p2 * W[x + 7 * step]
        g2 = p0 * W[x + 2 * step] + p1 * W[x + 5 * step] + p2 * W[x + 8 * step]
        out[at + k] = g0
        out[at + place + k] = half * (g0 + g1 + g2)
        out[at + 2 * place + k] = half * (g0 - g1 + g2)
        out[at + 3 * place + k] = g2


@compiled()
def winograd_block(s, n_first, n_last, j_first, j_last, Z, w, block, S, U, M, offsets, targets):
    """S of one block of pixels and one block of output channels, in 2x2 tiles.

    S has ``a_block`` rows a column, an even number; what lies beyond ``a_use`` is not used.
    """
    rows, channels = s.a_block // 2, s.channels
    tiles = (n_last - n_first) * -(-(j_last - j_first) // 2) * rows
    if block == 0:
        t = 0
        for n in range(n_first, n_last):
            for j in range(j_first, j_last, 2):
                for i in range(rows):
                    start = ((n * s.b_pad + j) * s.a_pad + 2 * i) * s.d
                    transform_input(
                        Z, start, s.d, s.a_pad * s.d, s.d, U, t * channels, tiles * channels
                    )
                    offsets[t] = t * channels
                    targets[t] = t * s.width
                    t += 1
        for extra in range(ROWS):
            offsets[tiles + extra] = offsets[tiles - 1]
            targets[tiles + extra] = targets[tiles - 1]
    for place in range(16):
        cover(
            s.vectors, tiles, U, place * tiles * channels, offsets, 1, 0, s.d,
            w, (block * 16 + place) * s.d * s.width, s.width,
            M, place * tiles * s.width, targets, 0,
        )  # fmt: skip
    t = 0
    for column in range((n_last - n_first) * -(-(j_last - j_first) // 2)):
        for i in range(rows):
            start = (2 * column * s.a_block + 2 * i) * s.width
            transform_output(
                M, t * s.width, tiles * s.width, s.width, S, start, s.width, s.a_block * s.width
            )
            t += 1
