"""The register tile: the one inner loop of the direct engine, in explicit SIMD vectors.

A tile holds P x V accumulators in registers.  Its P rows are pixels (or patch entries), and
its V vectors run along channels.  In each step, a column of P numbers is broadcast, a row of V
vectors is loaded, and their products are added to the accumulators: a rank-1 update.

                    V vectors of channels  ->   w[r, :] loaded
                  +-----------+-----------+
    z[0, r] bcast | acc[0, 0] | acc[0, 1] |      for every r:
    z[1, r] bcast | acc[1, 0] | acc[1, 1] |          acc[p, v] += z[p, r] * w[r, v]
       ...        |    ...    |    ...    |
    z[P-1, r]     |           |           |      then the tile is written, or added, to out
                  +-----------+-----------+

Why P = 14 and V = 2 (P = 6 with 16 registers)?  A fused multiply-add takes about 4 cycles, and
the CPU starts 1 or 2 of them per cycle, so at least 8 independent accumulators are needed.  P*V
accumulators, V loaded vectors and one broadcast must fit into the registers (32 with AVX-512 and
NEON, 16 with AVX2 and SSE).  And each step should load little, P + V values, relative to the P*V
multiply-adds that it performs.  These P and V satisfy all three.

The loop over r is split into segments of contiguous r, because this is how a patch is stored in
``pad(Z)``: for each filter column w, the rows u and the channels c are h*d contiguous numbers.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from .emitter import FLOAT32_LANES, I64, Emitter, element_of

#: Rows of the largest tile: as many as the registers hold beside V = 2 vectors.
ROWS = 14 if FLOAT32_LANES == 16 else 6
VECTORS = 2


def _literal(value: Any, name: str) -> int:
    if not isinstance(value, types.IntegerLiteral):
        raise TypingError(f"{name} of a tile must be a literal integer")
    return int(value.literal_value)


@intrinsic(prefer_literal=True)
def tile(typingctx, P, V, rows, panel, target, first, add):
    """Run one tile: row p of `target` = row p of `rows` times `panel`, for P rows.

    Parameters
    ----------
    P, V : literal int
        Number of rows and of vectors.
    rows : groups.Rows
        Numbers that are broadcast.
    panel : groups.Panel
        One row of V vectors per step; steps are numbered consecutively across the segments of
        `rows`.
    target : groups.Target
        Rows of the result; overwritten or added to, see `add`.
    first : int
        Index of the tile's first row in the offsets of `rows` and `target`.
    add : int
        1 to add to `target`, 0 to overwrite it.

    Notes
    -----
    The offsets of `rows` and `target` list the rows of many tiles.  If the last tile has fewer than
    P rows, its missing rows repeat the last one, which is then computed and written several times.
    This is safe because all of `target` is read before any of it is
    written.
    """
    P_, V_ = _literal(P, "P"), _literal(V, "V")
    signature = types.void(P, V, rows, panel, target, types.int64, types.int64)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[2]))
        z, w, out = (e.group(sig.args[k], args[k]) for k in (2, 3, 4))
        first_, add_ = args[5:]
        acc = e.accumulators(P_ * V_)

        def row_of(group: Any, p: int) -> Any:
            offset = builder.load(e.at(group.offsets, builder.add(first_, I64(p))))
            return e.at(group.pointer, offset)

        z_rows = [row_of(z, p) for p in range(P_)]
        w_pointer = cgutils.alloca_once_value(builder, w.pointer)
        adds = builder.icmp_signed("!=", add_, I64(0))
        with builder.if_then(adds):  # the target arrives while the products are formed
            for p in range(P_):
                row = row_of(out, p)
                for v in range(V_):
                    e.prefetch(e.at(row, I64(v * e.lanes)))

        with e.loop(z.segments) as segment:
            start = builder.mul(segment.index, z.segment_stride)
            # Not unrolled: LLVM would move the loads of several steps together and then run out
            # of registers for the accumulators.
            with e.loop(z.steps) as r:
                z_index = builder.add(start, r.index)
                w_row = builder.load(w_pointer)
                vectors = [e.load_vector(e.at(w_row, I64(v * e.lanes))) for v in range(V_)]
                for p in range(P_):
                    spread = e.broadcast(builder.load(e.at(z_rows[p], z_index)))
                    for v in range(V_):
                        slot = acc[p * V_ + v]
                        builder.store(e.fma(spread, vectors[v], builder.load(slot)), slot)
                builder.store(e.at(w_row, w.stride), w_pointer)
        out_rows = [row_of(out, p) for p in range(P_)]
        with builder.if_then(adds):
            _add_rows(e, acc, V_, out_rows)
        _write_rows(e, acc, V_, out_rows)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic(prefer_literal=True)
def outer_tile(typingctx, P, V, pixels, panel, part, limit):
    """Run one tile over P neighbouring patch entries, adding up over pixels; adds to `part`.

    ``acc[p, v] += z[pixel + p] * w[pixel, v]``: the product (4), ``dxi/dS phi(pad(Z))'``, for P
    rows of phi that lie side by side in ``pad(Z)``.

    Parameters
    ----------
    P, V : literal int
        Number of entries and of vectors.
    pixels : groups.Pixels
        The first of the P entries at every pixel.  All pixels are added up before `part` is
        touched.
    panel : groups.Panel
        One row of V vectors per pixel, counted through all of them.
    part : groups.Panel
        One row of the result per entry; added to.
    limit : int
        Number of entries that are written; the others are computed in vain.
    """
    P_, V_ = _literal(P, "P"), _literal(V, "V")
    signature = types.void(P, V, pixels, panel, part, types.int64)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[2]))
        z, w, out = (e.group(sig.args[k], args[k]) for k in (2, 3, 4))
        limit_ = args[5]
        acc = e.accumulators(P_ * V_)
        w_pointer = cgutils.alloca_once_value(builder, w.pointer)
        z_pointer = cgutils.alloca_once_value(builder, z.pointer)
        with e.loop(z.instances) as n, e.loop(z.b_use) as j:
            instance = builder.mul(n.index, z.instance_stride)
            start = builder.add(instance, builder.mul(j.index, z.column_stride))
            builder.store(e.at(z.pointer, start), z_pointer)
            with e.loop(z.a_use):
                z_row, w_row = builder.load(z_pointer), builder.load(w_pointer)
                vectors = [e.load_vector(e.at(w_row, I64(v * e.lanes))) for v in range(V_)]
                for p in range(P_):
                    spread = e.broadcast(builder.load(e.at(z_row, I64(p))))
                    for v in range(V_):
                        slot = acc[p * V_ + v]
                        builder.store(e.fma(spread, vectors[v], builder.load(slot)), slot)
                builder.store(e.at(z_row, z.row_stride), z_pointer)
                builder.store(e.at(w_row, w.stride), w_pointer)
        rows = [e.at(out.pointer, builder.mul(I64(p), out.stride)) for p in range(P_)]
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
def sparse_tile(typingctx, N, lists, q, source, offsets, first, target):
    """Run N vectors of one list: ``target[q] += sum over i of values[i] * row(places[i])``.

    The N accumulators are vectors of ONE row of the result; every entry of the list needs one
    broadcast and N loads for N multiply-adds.  (4) and (5) take this form if most of dxi/dS is
    zero: the list has only the other entries.

    Parameters
    ----------
    N : literal int
        Number of vectors.
    lists : groups.WinnerLists
        The numbers, and where in `source` the row of each begins.
    q : int
        Index of the list, and of the row of `target`.
    source : pointer to floats
    offsets : groups.Offsets
        Where each vector is in a row of `source`, and in a row of `target`.  The last entries may
        repeat, as for :func:`tile`.
    first : int
        Index of the first of the N vectors in `offsets`.
    target : groups.Target
        One row per list; added to.
    """
    N_ = _literal(N, "N")
    signature = types.void(N, lists, types.int64, source, offsets, types.int64, target)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, element_of(sig.args[1]))
        _, lists_, q_, source_, offsets_, first_, target_ = args
        own, out = e.group(sig.args[1], lists_), e.group(sig.args[6], target_)
        place_of, z = e.group(sig.args[4], offsets_), e.data(sig.args[3], source_)
        first_entry = builder.mul(q_, own.capacity)
        out_row = e.at(out.pointer, builder.load(e.at(out.offsets, q_)))
        acc = e.accumulators(N_)

        def vectors(base: Any, where: Any) -> list[Any]:
            return [
                e.at(base, builder.load(e.at(where, builder.add(first_, I64(v)))))
                for v in range(N_)
            ]

        starts = vectors(z, place_of.read)
        with e.loop(builder.load(e.at(own.counts, q_))) as entry:
            i = builder.add(first_entry, entry.index)
            spread = e.broadcast(builder.load(e.at(own.values, i)))
            place = builder.load(e.at(own.places, i))
            for v in range(N_):
                row = e.load_vector(e.at(starts[v], place))
                builder.store(e.fma(spread, row, builder.load(acc[v])), acc[v])
        rows = vectors(out_row, place_of.write)
        _add_rows(e, acc, 1, rows)
        _write_rows(e, acc, 1, rows)
        return context.get_dummy_value()

    return signature, codegen


def _add_rows(e: Emitter, acc: list[Any], V: int, rows: list[Any]) -> None:
    """Add the numbers of the rows to the accumulators."""
    for i, slot in enumerate(acc):
        held = e.load_vector(e.at(rows[i // V], I64(i % V * e.lanes)))
        e.builder.store(e.builder.fadd(e.builder.load(slot), held), slot)


def _write_rows(e: Emitter, acc: list[Any], V: int, rows: list[Any]) -> None:
    """Write the accumulators to the rows."""
    for i, slot in enumerate(acc):
        e.store_vector(e.builder.load(slot), e.at(rows[i // V], I64(i % V * e.lanes)))
