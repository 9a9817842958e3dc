"""Passes over one row of channels: pooling and the way back, in explicit SIMD vectors.

A row is ``count`` neighbouring numbers, of any count.  Loads take whole vectors, so that every
array that is read needs a vector's room behind its last row; stores never pass the row's end.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .emitter import I64, Emitter

_INT = types.int64


@intrinsic
def pool_row(
    typingctx,
    S, start, u_stride, w_stride, h_pool,
    bias, bias_start, activate, count,
    out, out_start, keep, winner, winner_start,
):  # fmt: skip
    """Bias, ReLU and max pooling of one window, for a row of channels.

    ``out = sigma(max over (u, w) of S[start + u*u_stride + w*w_stride] + bias)``; `winner` gets
    ``u + h_pool*w`` of the first maximum, or -1 where the ReLU let nothing through.  The maximum
    comes first: bias and ReLU do not change which entry is the largest.

    Parameters
    ----------
    S, bias, out : 1-d float arrays
    winner : 1-d array of integers as wide as the floats
    activate, keep : int
        0 leaves the ReLU out, 0 leaves `winner` alone.
    count : int
        Channels of the row.
    """
    signature = types.void(
        S, _INT, _INT, _INT, _INT, bias, _INT, _INT, _INT, out, _INT, _INT, winner, _INT
    )

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        S_, s0, du, dw, window, bias_, b0, active, n, out_, o0, keep, win_, w0 = args
        s_data, b_data = e.at(e.data(sig.args[0], S_), s0), e.at(e.data(sig.args[5], bias_), b0)
        o_data, w_data = e.at(e.data(sig.args[9], out_), o0), e.at(e.data(sig.args[12], win_), w0)
        zero, integers = ir.Constant(e.vector, None), e.integers
        is_active = builder.icmp_signed("!=", active, I64(0))
        with e.vectors_of(n) as (k, remaining):
            best = cgutils.alloca_once(builder, e.vector)
            where = cgutils.alloca_once(builder, integers)
            builder.store(e.load_vector(e.at(s_data, k)), best)
            builder.store(ir.Constant(integers, None), where)
            with e.loop(window) as w, e.loop(window) as u:
                place = builder.add(builder.mul(u.index, du), builder.mul(w.index, dw))
                value = e.load_vector(e.at(s_data, builder.add(place, k)))
                # A NaN must stay to be seen: it beats any number and is never beaten.
                old = builder.load(best)
                better = builder.fcmp_ordered(">", value, old)
                better = builder.or_(better, builder.fcmp_unordered("uno", value, value))
                offset = builder.add(u.index, builder.mul(w.index, window))
                offset = builder.trunc(offset, integers.element) if e.bytes < 8 else offset
                builder.store(builder.select(better, value, old), best)
                spread = e.broadcast_as(integers, offset)
                builder.store(builder.select(better, spread, builder.load(where)), where)
            total = builder.fadd(builder.load(best), e.load_vector(e.at(b_data, k)))
            dead = builder.fcmp_ordered("<=", total, zero)
            dead = builder.and_(dead, e.broadcast_as(dead.type, is_active))
            none = ir.Constant(integers, [-1] * e.lanes)
            e.store_part(builder.select(dead, zero, total), e.at(o_data, k), remaining)
            with builder.if_then(builder.icmp_signed("!=", keep, I64(0))):
                place = builder.select(dead, none, builder.load(where))
                e.store_part(place, e.at(w_data, k), remaining)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def scatter_row(typingctx, V, v_start, winner, winner_start, offset, count, out, out_start):
    """``out = V`` where the winner of the channel is `offset`, else 0: a row of ``v' P_pool``.

    Parameters
    ----------
    V, out : 1-d float arrays
        `out` is written in whole vectors.
    winner : 1-d array of integers as wide as the floats
    offset : int
        ``u + h_pool*w`` of the pixel that `out` belongs to.
    """
    signature = types.void(V, _INT, winner, _INT, _INT, _INT, out, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        V_, v0, win_, w0, offset, n, out_, o0 = args
        v_data, w_data = e.at(e.data(sig.args[0], V_), v0), e.at(e.data(sig.args[2], win_), w0)
        o_data = e.at(e.data(sig.args[6], out_), o0)
        offset = builder.trunc(offset, e.integers.element) if e.bytes < 8 else offset
        wanted = e.broadcast_as(e.integers, offset)
        with e.vectors_of(n) as (k, _):
            same = builder.icmp_signed("==", e.load_as(e.integers, e.at(w_data, k)), wanted)
            value = e.load_vector(e.at(v_data, k))
            kept = builder.select(same, value, ir.Constant(e.vector, None))
            e.store_vector(kept, e.at(o_data, k))
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def select_row(
    typingctx,
    S, start, u_stride, w_stride, h_pool,
    bias, bias_start, winner, winner_start, count, out, out_start,
):  # fmt: skip
    """``out = S + bias`` at the winner's place in the window, 0 where there is none.

    Parameters as for :func:`pool_row`, whose `winner` this reads.
    """
    signature = types.void(S, _INT, _INT, _INT, _INT, bias, _INT, winner, _INT, _INT, out, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        S_, s0, du, dw, window, bias_, b0, win_, w0, n, out_, o0 = args
        s_data, w_data = e.at(e.data(sig.args[0], S_), s0), e.at(e.data(sig.args[7], win_), w0)
        b_data, o_data = e.at(e.data(sig.args[5], bias_), b0), e.at(e.data(sig.args[10], out_), o0)
        with e.vectors_of(n) as (k, remaining):
            chosen = cgutils.alloca_once(builder, e.vector)
            builder.store(ir.Constant(e.vector, None), chosen)
            places = e.load_as(e.integers, e.at(w_data, k))
            with e.loop(window) as w, e.loop(window) as u:
                place = builder.add(builder.mul(u.index, du), builder.mul(w.index, dw))
                value = e.load_vector(e.at(s_data, builder.add(place, k)))
                offset = builder.add(u.index, builder.mul(w.index, window))
                offset = builder.trunc(offset, e.integers.element) if e.bytes < 8 else offset
                here = builder.icmp_signed("==", places, e.broadcast_as(e.integers, offset))
                builder.store(builder.select(here, value, builder.load(chosen)), chosen)
            total = builder.fadd(builder.load(chosen), e.load_vector(e.at(b_data, k)))
            none = builder.icmp_signed("<", places, ir.Constant(e.integers, None))
            total = builder.select(none, ir.Constant(e.vector, None), total)
            e.store_part(total, e.at(o_data, k), remaining)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def copy_row(typingctx, source, source_start, count, out, out_start):
    """Copy a row of `count` numbers."""
    signature = types.void(source, _INT, _INT, out, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        source_, s0, n, out_, o0 = args
        s_data, o_data = e.at(e.data(sig.args[0], source_), s0), e.at(e.data(sig.args[3], out_), o0)
        with e.vectors_of(n) as (k, remaining):
            e.store_part(e.load_vector(e.at(s_data, k)), e.at(o_data, k), remaining)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def sum_row(typingctx, source, source_start, count, out, out_start):
    """Add a row of `count` numbers to another."""
    signature = types.void(source, _INT, _INT, out, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        source_, s0, n, out_, o0 = args
        s_data, o_data = e.at(e.data(sig.args[0], source_), s0), e.at(e.data(sig.args[3], out_), o0)
        with e.vectors_of(n) as (k, remaining):
            held = e.at(o_data, k)
            total = builder.fadd(e.load_vector(held), e.load_vector(e.at(s_data, k)))
            e.store_part(total, held, remaining)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def fill_row(typingctx, source, source_start, count, out, out_start, width):
    """Copy a row of `count` numbers, and fill it up with 0 to `width`, a multiple of the lanes.

    Unlike the others it reads nothing behind the row: the filters have no room there.
    """
    signature = types.void(source, _INT, _INT, out, _INT, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        source_, s0, n, out_, o0, width = args
        s_data, o_data = e.at(e.data(sig.args[0], source_), s0), e.at(e.data(sig.args[3], out_), o0)
        with e.vectors_of(width) as (k, _):
            value = e.load_part(e.at(s_data, k), builder.sub(n, k))
            e.store_vector(value, e.at(o_data, k))
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def list_row(
    typingctx, V, v_start, winner, winner_start, count, place, place_step,
    by_offset, shifts, most, counts, g, places,
):  # fmt: skip
    """Append the winners of a row of channels to lists: each its value and a place.

    List q is ``g[q*most + i], places[q*most + i]`` for ``i < counts[q]``.  Channel k, whose winner
    has the offset t, goes into list k, or into list ``t + 1`` if `by_offset`; its place is
    ``place + k*place_step + shifts[t + 1]``.  A channel without a winner (t = -1) goes into list
    0, or is overwritten by the next one of its list.

    The same loop in Numba takes two to three times as long: it looks at the sign of every index.
    """
    signature = types.void(
        V, _INT, winner, _INT, _INT, _INT, _INT, _INT, shifts, _INT, counts, g, places
    )

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        V_, v0, win_, w0, n, place, step, by_offset, shifts_, most, counts_, g_, places_ = args
        v_data, w_data = e.at(e.data(sig.args[0], V_), v0), e.at(e.data(sig.args[2], win_), w0)
        shift_data, count_data = e.data(sig.args[8], shifts_), e.data(sig.args[10], counts_)
        g_data, places_data = e.data(sig.args[11], g_), e.data(sig.args[12], places_)
        listed = builder.icmp_signed("!=", by_offset, I64(0))
        with e.loop(n) as channel:
            k = channel.index
            offset = builder.load(e.at(w_data, k))
            offset = builder.sext(offset, I64) if e.bytes < 8 else offset
            which = builder.add(offset, I64(1))
            which_list = builder.select(listed, which, k)
            count = e.at(count_data, which_list)
            entry = builder.add(builder.mul(which_list, most), builder.load(count))
            builder.store(builder.load(e.at(v_data, k)), e.at(g_data, entry))
            own = builder.add(place, builder.mul(k, step))
            own = builder.add(own, builder.load(e.at(shift_data, which)))
            builder.store(own, e.at(places_data, entry))
            passes = builder.or_(listed, builder.icmp_signed(">", which, I64(0)))
            builder.store(builder.add(builder.load(count), builder.zext(passes, I64)), count)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def add_row(typingctx, V, v_start, winner, winner_start, count, out, out_start):
    """``out += V`` where the channel has a winner: a row's part of dxi/dbias."""
    signature = types.void(V, _INT, winner, _INT, _INT, out, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        V_, v0, win_, w0, n, out_, o0 = args
        v_data, w_data = e.at(e.data(sig.args[0], V_), v0), e.at(e.data(sig.args[2], win_), w0)
        o_data, zero = e.at(e.data(sig.args[5], out_), o0), ir.Constant(e.vector, None)
        with e.vectors_of(n) as (k, remaining):
            places = e.load_as(e.integers, e.at(w_data, k))
            passes = builder.icmp_signed(">=", places, ir.Constant(e.integers, None))
            value = builder.select(passes, e.load_vector(e.at(v_data, k)), zero)
            target = e.at(o_data, k)
            e.store_part(builder.fadd(value, e.load_vector(target)), target, remaining)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def transpose_square(typingctx, source, source_start, source_row, out, out_start, out_row):
    """Write a square of as many rows and columns as a vector has lanes, transposed.

    ``out[out_start + c*out_row + r] = source[source_start + r*source_row + c]``.

    Notes
    -----
    Eklundh's way: with s = 1, 2, 4, ... rows r and r + s exchange their off-diagonal squares of
    s x s numbers, one shuffle a row.
    """
    signature = types.void(source, _INT, _INT, out, _INT, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        source_, s0, s_row, out_, o0, o_row = args
        s_data, o_data = e.at(e.data(sig.args[0], source_), s0), e.at(e.data(sig.args[3], out_), o0)
        rows = [e.load_vector(e.at(s_data, builder.mul(s_row, I64(r)))) for r in range(e.lanes)]
        s = 1
        while s < e.lanes:
            low = [k if not k & s else e.lanes + k - s for k in range(e.lanes)]
            high = [k + s if not k & s else e.lanes + k for k in range(e.lanes)]
            for r in range(e.lanes):
                if not r & s:
                    pair = rows[r], rows[r + s]
                    rows[r], rows[r + s] = (e.shuffle(*pair, mask) for mask in (low, high))
            s *= 2
        for c, row in enumerate(rows):
            e.store_vector(row, e.at(o_data, builder.mul(o_row, I64(c))))
        return context.get_dummy_value()

    return signature, codegen
