"""The register tile: the one inner loop of the direct engine, in explicit SIMD vectors.

A tile holds P x V accumulators in registers.  Its P rows are pixels (or patch entries), its V
vectors run along channels; a step multiplies one column of numbers, broadcast, by one row of
vectors, loaded, and adds: the rank-1 update of a matrix product.

                    V vectors of channels  ->   w[r, :] loaded
                  +-----------+-----------+
    z[0, r] bcast | acc[0, 0] | acc[0, 1] |      for every r:
    z[1, r] bcast | acc[1, 0] | acc[1, 1] |          acc[p, v] += z[p, r] * w[r, v]
       ...        |    ...    |    ...    |
    z[P-1, r]     |           |           |      then the tile is written, or added, to out
                  +-----------+-----------+

Why the numbers: a fused multiply-add takes about 4 cycles and 1 or 2 start in each, so at least
8 accumulators must be independent; P*V accumulators plus V loaded vectors plus one broadcast
must fit into the registers (32 with AVX-512 and NEON, 16 with AVX2 and SSE); and each step
loads only P + V numbers or vectors for its P*V multiply-adds.  V = 2 and P = 14, or 6 with 16
registers, satisfy all three.

The loop over r has two levels, segments of contiguous r, because that is how a patch lies in
``pad(Z)``: for each filter column w, the rows u and the channels c are h*d contiguous numbers.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from .emitter import FLOAT32_LANES, I64, Emitter

#: Rows of the largest tile, by float32 lanes: what the registers hold beside V = 2 columns.
ROWS = 14 if FLOAT32_LANES == 16 else 6
VECTORS = 2


def _literal(value: Any, name: str) -> int:
    if not isinstance(value, types.IntegerLiteral):
        raise TypingError(f"{name} of a tile must be a literal integer")
    return int(value.literal_value)


@intrinsic(prefer_literal=True)
def tile(
    typingctx,
    P, V,
    z, z_start, offsets, offsets_start,
    segments, segment_stride, steps,
    w, w_start, w_stride,
    out, out_start, targets, add,
):  # fmt: skip
    """Run one tile over P pixels: ``z[p, r] = z[z_start + offsets[p] + segment + r]``.

    Parameters
    ----------
    P, V : literal int
        Rows and vectors.
    z : 1-d float array
        Holds the numbers that are broadcast; r runs contiguously within a segment.
    z_start : int
        Added to every offset.
    offsets, targets : 1-d int64 arrays
        Where each row reads in `z` and writes in `out`, from ``offsets_start`` on.
    segments, segment_stride, steps : int
        Number of segments, their distance in `z`, and steps r in each.
    w : 1-d float array
        Row of vectors of step r: at ``w_start + r*w_stride``, r counted through all segments.
    out : 1-d float array
        Row p goes to ``out_start + targets[offsets_start + p]``.
    add : int
        1 adds to `out`, 0 writes it.

    Notes
    -----
    A list's last tile may be partial.  The list then repeats its last pixel, which is computed
    and written several times over: `out` is read before any of it is written.
    """
    P_, V_ = _literal(P, "P"), _literal(V, "V")
    signature = types.void(
        P, V, z, types.int64, offsets, types.int64, types.int64, types.int64, types.int64,
        w, types.int64, types.int64, out, types.int64, targets, types.int64,
    )  # fmt: skip

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[2].dtype)
        (_, _, z_, z0, offs_, o0, n_seg, seg_stride, n_steps, w_, w0, w_step, out_, out0,
         targets_, add_) = args  # fmt: skip
        z_data, w_data = e.data(sig.args[2], z_), e.data(sig.args[9], w_)
        offs, out_data = e.data(sig.args[4], offs_), e.data(sig.args[12], out_)
        acc = e.accumulators(P_ * V_)
        z_base = e.at(z_data, z0)
        rows = []
        for p in range(P_):
            offset = builder.load(e.at(offs, builder.add(o0, I64(p))))
            rows.append(e.at(z_base, offset))
        w_pointer = cgutils.alloca_once_value(builder, e.at(w_data, w0))
        base, target = e.at(out_data, out0), e.data(sig.args[14], targets_)
        adds = builder.icmp_signed("!=", add_, I64(0))
        with builder.if_then(adds):  # what is added to arrives while the products are formed
            for p in range(P_):
                row = e.at(base, builder.load(e.at(target, builder.add(o0, I64(p)))))
                for v in range(V_):
                    e.prefetch(e.at(row, I64(v * e.lanes)))

        with e.loop(n_seg) as segment:
            start = builder.mul(segment.index, seg_stride)
            # Not unrolled: LLVM would move the loads of several steps together and then run out
            # of registers for the accumulators.
            with e.loop(n_steps) as r:
                z_index = builder.add(start, r.index)
                w_row = builder.load(w_pointer)
                columns = [e.load_vector(e.at(w_row, I64(v * e.lanes))) for v in range(V_)]
                for p in range(P_):
                    spread = e.broadcast(builder.load(e.at(rows[p], z_index)))
                    for v in range(V_):
                        slot = acc[p * V_ + v]
                        builder.store(e.fma(spread, columns[v], builder.load(slot)), slot)
                builder.store(e.at(w_row, w_step), w_pointer)
        rows = [e.at(base, builder.load(e.at(target, builder.add(o0, I64(p))))) for p in range(P_)]
        with builder.if_then(adds):
            _add_rows(e, acc, V_, rows)
        _write_rows(e, acc, V_, rows)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic(prefer_literal=True)
def outer_tile(
    typingctx,
    P, V,
    z, z_start, instances, z_instance, segments, z_segment, steps, z_step,
    w, w_start, w_stride,
    out, out_start, out_stride, limit,
):  # fmt: skip
    """Run one tile over P neighbouring patch entries, adding up over pixels; adds to `out`.

    ``acc[p, v] += z[pixel + p] * w[pixel, v]``: the product (4), ``dxi/dS phi(pad(Z))'``, of P
    columns of phi that lie side by side.

    Parameters
    ----------
    P, V : literal int
        Entries and vectors.
    z : 1-d float array
        Pixel ``(n, segment, r)`` is at ``z_start + n*z_instance + segment*z_segment + r*z_step``.
    instances, segments, steps : int
        How many of each: all are added up before `out` is touched.
    w : 1-d float array
        Vectors of each pixel: at ``w_start + pixel*w_stride``, counted through all of them.
    out, out_start, out_stride
        Entry p goes to ``out_start + p*out_stride``.
    limit : int
        Entries from there on are computed but not written.
    """
    P_, V_ = _literal(P, "P"), _literal(V, "V")
    signature = types.void(
        P, V, z, types.int64, types.int64, types.int64, types.int64, types.int64, types.int64,
        types.int64, w, types.int64, types.int64, out, types.int64, types.int64, types.int64,
    )  # fmt: skip

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[2].dtype)
        (_, _, z_, z0, n_instances, z_n, n_seg, z_seg, n_steps, z_step_, w_, w0, w_step,
         out_, out0, out_step, limit_) = args  # fmt: skip
        z_data, w_data = e.data(sig.args[2], z_), e.data(sig.args[10], w_)
        out_data = e.data(sig.args[13], out_)
        acc = e.accumulators(P_ * V_)
        w_pointer = cgutils.alloca_once_value(builder, e.at(w_data, w0))
        z_pointer = cgutils.alloca_once_value(builder, z_data)
        with e.loop(n_instances) as instance, e.loop(n_seg) as segment:
            start = builder.add(z0, builder.mul(instance.index, z_n))
            start = builder.add(start, builder.mul(segment.index, z_seg))
            builder.store(e.at(z_data, start), z_pointer)
            with e.loop(n_steps):
                z_row, w_row = builder.load(z_pointer), builder.load(w_pointer)
                columns = [e.load_vector(e.at(w_row, I64(v * e.lanes))) for v in range(V_)]
                for p in range(P_):
                    spread = e.broadcast(builder.load(e.at(z_row, I64(p))))
                    for v in range(V_):
                        slot = acc[p * V_ + v]
                        builder.store(e.fma(spread, columns[v], builder.load(slot)), slot)
                builder.store(e.at(z_row, z_step_), z_pointer)
                builder.store(e.at(w_row, w_step), w_pointer)
        rows = [e.at(out_data, builder.add(out0, builder.mul(I64(p), out_step))) for p in range(P_)]
        whole = builder.icmp_signed(">=", limit_, I64(P_))
        with builder.if_else(whole) as (all_of_them, some):
            with all_of_them:
                _add_rows(e, acc, V_, rows)
                _write_rows(e, acc, V_, rows)
            with some:
                for p in range(P_):
                    with builder.if_then(builder.icmp_signed("<", I64(p), limit_)):
                        own = acc[p * V_ : (p + 1) * V_]
                        _add_rows(e, own, V_, rows[p : p + 1])
                        _write_rows(e, own, V_, rows[p : p + 1])
        return context.get_dummy_value()

    return signature, codegen


@intrinsic(prefer_literal=True)
def sparse_tile(
    typingctx,
    N,
    g, places, first, count,
    z, columns, columns_start,
    out, out_start, targets,
):  # fmt: skip
    """Add up a few rows, each times a number: ``out[v] += sum over i of g[i] * z[places[i] + v]``.

    The N accumulators are the vectors of ONE row of the result; every entry of the list needs one
    broadcast and N loads for N multiply-adds.  This is what (4) and (5) become where most of
    dxi/dS is zero: the list has only the entries that are not.

    Parameters
    ----------
    N : literal int
        Vectors.
    g : 1-d float array
    places : 1-d int64 array
        Of the list's entries, `count` of them from `first` on: the numbers, and where in `z` the
        row of each begins.
    columns, targets : 1-d int64 arrays
        From ``columns_start`` on: where in a row each vector is, and where in `out` it goes
        (from ``out_start`` on).  The last ones may repeat, as for :func:`tile`.
    """
    N_ = _literal(N, "N")
    signature = types.void(
        N, g, places, types.int64, types.int64, z, columns, types.int64, out, types.int64, targets
    )

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, sig.args[5].dtype)
        _, g_, places_, first_, n, z_, columns_, c0, out_, out0, targets_ = args
        g_data, places_data = e.data(sig.args[1], g_), e.data(sig.args[2], places_)
        z_data, out_data = e.data(sig.args[5], z_), e.at(e.data(sig.args[8], out_), out0)
        columns_data, targets_data = e.data(sig.args[6], columns_), e.data(sig.args[10], targets_)
        acc = e.accumulators(N_)
        starts = [
            e.at(z_data, builder.load(e.at(columns_data, builder.add(c0, I64(v)))))
            for v in range(N_)
        ]
        with e.loop(n) as entry:
            i = builder.add(first_, entry.index)
            spread = e.broadcast(builder.load(e.at(g_data, i)))
            place = builder.load(e.at(places_data, i))
            for v in range(N_):
                row = e.load_vector(e.at(starts[v], place))
                builder.store(e.fma(spread, row, builder.load(acc[v])), acc[v])
        rows = [
            e.at(out_data, builder.load(e.at(targets_data, builder.add(c0, I64(v)))))
            for v in range(N_)
        ]
        _add_rows(e, acc, 1, rows)
        _write_rows(e, acc, 1, rows)
        return context.get_dummy_value()

    return signature, codegen


def _add_rows(e: Emitter, acc: list[Any], V: int, rows: list[Any]) -> None:
    """Add what the rows hold to the accumulators."""
    for i, slot in enumerate(acc):
        held = e.load_vector(e.at(rows[i // V], I64(i % V * e.lanes)))
        e.builder.store(e.builder.fadd(e.builder.load(slot), held), slot)


def _write_rows(e: Emitter, acc: list[Any], V: int, rows: list[Any]) -> None:
    for i, slot in enumerate(acc):
        e.store_vector(e.builder.load(slot), e.at(rows[i // V], I64(i % V * e.lanes)))
