"""Loops over one row of channels: pooling and its backward pass, in explicit SIMD vectors.

A row is `count` neighbouring numbers, for any `count`.  Loads take whole vectors, so every array
that is read needs room for a vector behind its last row.  Stores never pass the end of the row.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .emitter import I64, Emitter, element_of

_INT = types.int64


def _offset_in_window(e: Emitter, u: Any, w: Any, h_pool: Any) -> Any:
    """``u + h_pool*w``, as wide as the winners are."""
    offset = e.builder.add(u, e.builder.mul(w, h_pool))
    return e.builder.trunc(offset, e.integers.element) if e.bytes < 8 else offset


@intrinsic
def pool_row(typingctx, window, h_pool, output, k, count, out_start, winner_start):
    """Bias, ReLU and max pooling of one window, for a row of channels.

    ``out = sigma(max over (u, w) of S(u, w) + bias)``.  The winner is ``u + h_pool*w`` of the first
    maximum, or -1 if the ReLU let nothing through.  The maximum comes first: bias and ReLU do not
    change which entry is the largest.

    Parameters
    ----------
    window : groups.Square
        The h_pool x h_pool pixels of S.
    h_pool : int
    output : groups.Output
        ``output.out`` and, if it is kept, ``output.winner`` are written.
    k : int
        Index of the first channel in ``output.bias``.
    count : int
        Number of channels.
    out_start, winner_start : int
        Index of the first channel in ``output.out`` and in ``output.winner``.
    """
    signature = types.void(window, _INT, output, _INT, _INT, _INT, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[0]))
        S, put = e.group(sig.args[0], args[0]), e.group(sig.args[2], args[2])
        _, h_pool, _, k0, n, o0, w0 = args
        s_data, b_data = S.pointer, e.at(put.bias, k0)
        o_data, w_data = e.at(put.out, o0), e.at(put.winner, w0)
        zero, integers = ir.Constant(e.vector, None), e.integers
        is_active = builder.icmp_signed("!=", put.activate, I64(0))
        with e.vectors_of(n) as (k, remaining):
            best = cgutils.alloca_once(builder, e.vector)
            where = cgutils.alloca_once(builder, integers)
            builder.store(e.load_vector(e.at(s_data, k)), best)
            builder.store(ir.Constant(integers, None), where)
            with e.loop(h_pool) as w, e.loop(h_pool) as u:
                place = builder.add(builder.mul(u.index, S.down), builder.mul(w.index, S.right))
                value = e.load_vector(e.at(s_data, builder.add(place, k)))
                # A NaN must stay visible: it beats any number and is never beaten.
                old = builder.load(best)
                better = builder.fcmp_ordered(">", value, old)
                better = builder.or_(better, builder.fcmp_unordered("uno", value, value))
                spread = e.broadcast_as(integers, _offset_in_window(e, u.index, w.index, h_pool))
                builder.store(builder.select(better, value, old), best)
                builder.store(builder.select(better, spread, builder.load(where)), where)
            total = builder.fadd(builder.load(best), e.load_vector(e.at(b_data, k)))
            dead = builder.fcmp_ordered("<=", total, zero)
            dead = builder.and_(dead, e.broadcast_as(dead.type, is_active))
            none = ir.Constant(integers, [-1] * e.lanes)
            e.store_part(builder.select(dead, zero, total), e.at(o_data, k), remaining)
            with builder.if_then(builder.icmp_signed("!=", put.keep, I64(0))):
                place = builder.select(dead, none, builder.load(where))
                e.store_part(place, e.at(w_data, k), remaining)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def scatter_row(typingctx, gradient, v_start, winner_start, offset, count, out, out_start):
    """``out = V`` where the channel's winner is `offset`, else 0: a row of ``v' P_pool``.

    Parameters
    ----------
    gradient : groups.Gradient
    v_start, winner_start : int
        Index of the first channel in ``gradient.V`` and in ``gradient.winner``.
    offset : int
        ``u + h_pool*w`` of the pixel that `out` belongs to.
    count : int
        Number of channels.
    out : 1-d float array
        Written from `out_start` on, in whole vectors.
    out_start : int
    """
    signature = types.void(gradient, _INT, _INT, _INT, _INT, out, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[0]))
        g = e.group(sig.args[0], args[0])
        _, v0, w0, offset, n, out_, o0 = args
        v_data, w_data = e.at(g.V, v0), e.at(g.winner, w0)
        o_data = e.at(e.data(sig.args[5], out_), o0)
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
def select_row(typingctx, window, h_pool, output, k, count, out_start, winner_start):
    """``out = S + bias`` at the winner's place in the window, 0 if there is no winner.

    Parameters as for :func:`pool_row`, but ``output.winner`` is read; ``output.activate`` and
    ``output.keep`` are ignored.
    """
    signature = types.void(window, _INT, output, _INT, _INT, _INT, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[0]))
        S, put = e.group(sig.args[0], args[0]), e.group(sig.args[2], args[2])
        _, h_pool, _, k0, n, o0, w0 = args
        s_data, b_data = S.pointer, e.at(put.bias, k0)
        o_data, w_data = e.at(put.out, o0), e.at(put.winner, w0)
        with e.vectors_of(n) as (k, remaining):
            chosen = cgutils.alloca_once(builder, e.vector)
            builder.store(ir.Constant(e.vector, None), chosen)
            winners = e.load_as(e.integers, e.at(w_data, k))
            with e.loop(h_pool) as w, e.loop(h_pool) as u:
                place = builder.add(builder.mul(u.index, S.down), builder.mul(w.index, S.right))
                value = e.load_vector(e.at(s_data, builder.add(place, k)))
                offset = _offset_in_window(e, u.index, w.index, h_pool)
                here = builder.icmp_signed("==", winners, e.broadcast_as(e.integers, offset))
                builder.store(builder.select(here, value, builder.load(chosen)), chosen)
            total = builder.fadd(builder.load(chosen), e.load_vector(e.at(b_data, k)))
            none = builder.icmp_signed("<", winners, ir.Constant(e.integers, None))
            total = builder.select(none, ir.Constant(e.vector, None), total)
            e.store_part(total, e.at(o_data, k), remaining)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def copy_row(typingctx, source, source_start, count, out, out_start):
    """Copy a row of `count` numbers.

    Parameters
    ----------
    source, out : 1-d float arrays, or pointers to floats
        The row begins at `source_start` and is written from `out_start` on.
    source_start, count, out_start : int
    """
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
    """Add a row of `count` numbers to another; parameters as for :func:`copy_row`."""
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
    """Copy a row of `count` numbers, and fill it with 0 up to `width`, a multiple of the lanes.

    Unlike the other functions it reads nothing behind the row: the filters have no room there.
    Parameters as for :func:`copy_row`.
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


def _append(e: Emitter, lists: Any, q: Any, value: Any, place: Any, counts: Any) -> None:
    """Write an entry at the end of list q; it stays if `counts` is 1, not if it is 0."""
    builder = e.builder
    count = e.at(lists.counts, q)
    entry = builder.add(builder.mul(q, lists.capacity), builder.load(count))
    builder.store(value, e.at(lists.values, entry))
    builder.store(place, e.at(lists.places, entry))
    builder.store(builder.add(builder.load(count), counts), count)


def _winner(e: Emitter, pointer: Any) -> Any:
    """Load one winner as an int64."""
    offset = e.builder.load(pointer)
    return e.builder.sext(offset, I64) if e.bytes < 8 else offset


@intrinsic
def list_by_channel(typingctx, gradient, start, count, corner, shifts, lists):
    """Append the winners of a row of channels to lists, one list per channel.

    The place of a winner with offset t is ``corner + shifts[t + 1]``.  A channel without a winner
    (t = -1) adds nothing: its entry is overwritten by the next one of its list.

    Parameters
    ----------
    gradient : groups.Gradient
        With one gradient column per instance.
    start : int
        Index of the first channel in ``gradient.V`` and in ``gradient.winner``.
    count : int
        Number of channels.
    corner : int
        Place of the first pixel of the window.
    shifts : 1-d int64 array
        Distance of each offset from it, after one entry for t = -1.
    lists : groups.WinnerLists
        Written.

    Notes
    -----
    The same loop in Numba takes two to three times as long: it checks the sign of every index.
    """
    signature = types.void(gradient, _INT, _INT, _INT, shifts, lists)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[0]))
        g, put = e.group(sig.args[0], args[0]), e.group(sig.args[5], args[5])
        _, start, n, corner, shifts_, _ = args
        v_data, w_data = e.at(g.V, start), e.at(g.winner, start)
        shift_data = e.data(sig.args[4], shifts_)
        with e.loop(n) as channel:
            k = channel.index
            which = builder.add(_winner(e, e.at(w_data, k)), I64(1))
            place = builder.add(corner, builder.load(e.at(shift_data, which)))
            passes = builder.zext(builder.icmp_signed(">", which, I64(0)), I64)
            _append(e, put, k, builder.load(e.at(v_data, k)), place, passes)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def list_by_offset(typingctx, gradient, v_start, winner_start, count, place_step, lists, first):
    """Append the winners of a row of channels to lists, one list per offset in the window.

    Channel k, whose winner has the offset t, goes into list ``first + t + 1`` with the place
    ``k*place_step``.  List `first` collects the channels without a winner (t = -1).

    Parameters
    ----------
    gradient : groups.Gradient
    v_start, winner_start : int
        Index of the first channel in ``gradient.V`` and in ``gradient.winner``.
    count : int
        Number of channels.
    place_step : int
    lists : groups.WinnerLists
        Written.
    first : int
        Index of the first of the window's lists.
    """
    signature = types.void(gradient, _INT, _INT, _INT, _INT, lists, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[0]))
        g, put = e.group(sig.args[0], args[0]), e.group(sig.args[5], args[5])
        _, v0, w0, n, step, _, first = args
        v_data, w_data = e.at(g.V, v0), e.at(g.winner, w0)
        one = I64(1)
        with e.loop(n) as channel:
            k = channel.index
            q = builder.add(first, builder.add(_winner(e, e.at(w_data, k)), one))
            value = builder.load(e.at(v_data, k))
            _append(e, put, q, value, builder.mul(k, step), one)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def add_row(typingctx, gradient, start, count, out, out_start):
    """``out += V`` where the channel has a winner: the row's part of dxi/dbias.

    Parameters
    ----------
    gradient : groups.Gradient
        With one gradient column per instance.
    start : int
        Index of the first channel in ``gradient.V`` and in ``gradient.winner``.
    count : int
        Number of channels.
    out : 1-d float array
        Added to from `out_start` on.
    out_start : int
    """
    signature = types.void(gradient, _INT, _INT, out, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[0]))
        g = e.group(sig.args[0], args[0])
        _, start, n, out_, o0 = args
        v_data, w_data = e.at(g.V, start), e.at(g.winner, start)
        o_data, zero = e.at(e.data(sig.args[3], out_), o0), ir.Constant(e.vector, None)
        with e.vectors_of(n) as (k, remaining):
            winners = e.load_as(e.integers, e.at(w_data, k))
            passes = builder.icmp_signed(">=", winners, ir.Constant(e.integers, None))
            value = builder.select(passes, e.load_vector(e.at(v_data, k)), zero)
            target = e.at(o_data, k)
            e.store_part(builder.fadd(value, e.load_vector(target)), target, remaining)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def transpose_square(typingctx, source, source_start, source_row, out, out_start, out_row):
    """Write a square of as many rows and columns as a vector has lanes, transposed.

    ``out[out_start + c*out_row + r] = source[source_start + r*source_row + c]``.

    Parameters
    ----------
    source, out : 1-d float arrays
    source_start, source_row, out_start, out_row : int
        Index of the first number, and distance between rows.

    Notes
    -----
    Eklundh's algorithm: for k = 1, 2, 4, ... rows r and r + k exchange their off-diagonal squares
    of k x k numbers, one shuffle per row.
    """
    signature = types.void(source, _INT, _INT, out, _INT, _INT)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[0].dtype)
        source_, s0, s_row, out_, o0, o_row = args
        s_data, o_data = e.at(e.data(sig.args[0], source_), s0), e.at(e.data(sig.args[3], out_), o0)
        rows = [e.load_vector(e.at(s_data, builder.mul(s_row, I64(r)))) for r in range(e.lanes)]
        k = 1
        while k < e.lanes:
            low = [c if not c & k else e.lanes + c - k for c in range(e.lanes)]
            high = [c + k if not c & k else e.lanes + c for c in range(e.lanes)]
            for r in range(e.lanes):
                if not r & k:
                    pair = rows[r], rows[r + k]
                    rows[r], rows[r + k] = (e.shuffle(*pair, mask) for mask in (low, high))
            k *= 2
        for c, row in enumerate(rows):
            e.store_vector(row, e.at(o_data, builder.mul(o_row, I64(c))))
        return context.get_dummy_value()

    return signature, codegen
