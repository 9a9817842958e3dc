"""The direct engine's dense way back: (3), (4), (5) on the tile, for any layer.

Of one instance (or a few small ones) at a time, dxi/dS is formed in scratch memory that stays in
the cache, then multiplied.  Behind a max pool most of it is zero: see ``winners``.
"""

from numba import prange

from .cover import HALF, clear, cover
from .policy import compiled
from .tile import ROWS, VECTORS, outer_tile
from .vectors import copy_row, scatter_row


@compiled()
def form_dS(s, n_first, n_last, V, repeat, winner, k, channels, dS, stride):
    """Equation (3) for some instances: rows of `channels` from `k` on, one a pixel of S.

    Gradient column n belongs to instance ``n // repeat``.  The winner says both where the entry
    goes, P_pool, and whether it passes, ``I[Z^{m+1}]``: it is -1 where the ReLU let nothing
    through.
    """
    column = 0
    for n in range(n_first, n_last):
        own = n // repeat
        for j in range(s.b_next):
            for i in range(s.a_next):
                source = ((n * s.b_next + j) * s.a_next + i) * s.d_next + k
                kept = ((own * s.b_next + j) * s.a_next + i) * s.d_next + k
                for w in range(s.h_pool):
                    for u in range(s.h_pool):
                        pixel = (column + w) * s.a_use + i * s.h_pool + u
                        scatter_row(
                            V, source, winner, kept, u + s.h_pool * w, channels, dS, pixel * stride
                        )
            column += s.h_pool


@compiled()
def add_rows(rows, n, stride, channels, out, out_start):
    """Add `n` rows up: dxi/dbias = dxi/dS 1."""
    for r in range(n):
        for k in range(channels):
            out[out_start + k] += rows[r * stride + k]


@compiled()
def _dW_block(s, n_first, n_last, block, Z, dS, part):
    """Equation (4) for some instances and one block of output channels, added to `part`."""
    run = s.h * s.d
    count, instance = n_last - n_first, s.b_pad * s.a_pad * s.d
    down, right = s.s * s.d, s.s * s.a_pad * s.d
    for w in range(s.h):
        z = n_first * instance + w * s.a_pad * s.d
        target = (block * s.h + w) * run * s.width
        done = 0
        while done < run:
            left = run - done
            place = target + done * s.width
            if s.vectors == VECTORS:
                if left > HALF:
                    outer_tile(ROWS, VECTORS, Z, z + done, count, instance, s.b_use, right, s.a_use,
                               down, dS, 0, s.width, part, place, s.width, left)  # fmt: skip
                else:
                    outer_tile(HALF, VECTORS, Z, z + done, count, instance, s.b_use, right, s.a_use,
                               down, dS, 0, s.width, part, place, s.width, left)  # fmt: skip
            elif left > HALF:
                outer_tile(ROWS, 1, Z, z + done, count, instance, s.b_use, right, s.a_use,
                           down, dS, 0, s.width, part, place, s.width, left)  # fmt: skip
            else:
                outer_tile(HALF, 1, Z, z + done, count, instance, s.b_use, right, s.a_use,
                           down, dS, 0, s.width, part, place, s.width, left)  # fmt: skip
            done += ROWS if left > HALF else HALF


@compiled(parallel=True)
def dense_dW(s, l, Z, V, winner, parts, bias_parts, scratch, splits):
    """Equation (4): ``dxi/dW = dxi/dS phi(pad(Z))'`` and ``dxi/dbias = dxi/dS 1``, in parts.

    Part c sums the instances of chunk c; the number of parts does not depend on the number of
    threads, so neither does the sum.  The output channels are divided among `splits` tasks.
    """
    chunks = parts.shape[0]
    for task in prange(chunks * splits):
        chunk, split = task // splits, task % splits
        first, last = chunk * l // chunks, (chunk + 1) * l // chunks
        blocks = split * s.d_next_blocks // splits, (split + 1) * s.d_next_blocks // splits
        for block in range(blocks[0], blocks[1]):
            k = block * s.width
            size = s.h * s.h * s.d * s.width
            clear(parts[chunk], block * size, (block + 1) * size)
            clear(bias_parts[chunk], k, k + s.width)
            channels = min(s.width, s.d_next - k)
            for n in range(first, last, s.dW_group):
                n_last = min(n + s.dW_group, last)
                dS = scratch[task]
                form_dS(s, n, n_last, V, 1, winner, k, channels, dS, s.width)
                rows = (n_last - n) * s.a_use * s.b_use
                add_rows(dS, rows, s.width, channels, bias_parts[chunk], k)
                _dW_block(s, n, n_last, block, Z, dS, parts[chunk])


@compiled()
def list_pixels(s, count, stride, u, w, offsets, targets):
    """List the rows of dxi/dS of some instances, and the pixels of pad(Z) at ``(u, w)`` of each."""
    k = 0
    for n in range(count):
        for j in range(s.b_use):
            for i in range(s.a_use):
                offsets[k] = k * stride
                pixel = (n * s.b_pad + j * s.s + w) * s.a_pad + i * s.s + u
                targets[k] = pixel * s.width
                k += 1
    for extra in range(ROWS):
        offsets[k + extra] = offsets[k - 1]
        targets[k + extra] = targets[k - 1]
    return k


@compiled(parallel=True)
def dense_dZ(s, columns, repeat, V, winner, w_transposed, out, scratch, lists):
    """Equation (5): ``dxi/dvec(Z)' = vec(W' dxi/dS)' P_phi P_pad``; the patches are never formed.

    For every filter offset (u, w) the tile multiplies dxi/dS by that slice of W and adds the
    result to the pixels that stand there, in the fixed order of the offsets.

    Parameters
    ----------
    columns, repeat : int
        Gradient columns, and how many of them an instance has.
    out : 1-d float array
        ``(columns, b, a, d)``, without padding.
    scratch : float array, shape (chunks, ...)
        For dxi/dS and the padded gradient of ``group`` instances.
    """
    chunks = scratch.shape[0]
    tasks = -(-columns // s.group)
    stride = s.d_next_blocks * s.width
    pad_size = s.a_pad * s.b_pad * s.width
    dS_size = s.group * s.a_use * s.b_use * stride
    for chunk in prange(chunks):
        dS = scratch[chunk, :dS_size]
        dpad = scratch[chunk, dS_size:]
        offsets, targets = lists[chunk, 0], lists[chunk, 1]
        for task in range(chunk * tasks // chunks, (chunk + 1) * tasks // chunks):
            n = task * s.group
            n_last = min(n + s.group, columns)
            form_dS(s, n, n_last, V, repeat, winner, 0, s.d_next, dS, stride)
            for block in range(s.d_blocks):
                clear(dpad, 0, (n_last - n) * pad_size)
                for w in range(s.h):
                    for u in range(s.h):
                        pixels = list_pixels(s, n_last - n, stride, u, w, offsets, targets)
                        slice_ = ((block * s.h + w) * s.h + u) * s.d_next * s.width
                        cover(
                            s.vectors, pixels, dS, 0, offsets, 1, 0, s.d_next,
                            w_transposed, slice_, s.width, dpad, 0, targets, 1,
                        )  # fmt: skip
                unpad_rows(s, n, n_last, block, dpad, out)


@compiled()
def unpad_rows(s, n_first, n_last, block, dpad, out):
    """Copy one block of channels of the middle of pad(Z) to ``out``: P_pad."""
    c = block * s.width
    channels = min(s.width, s.d - c)
    for n in range(n_first, n_last):
        for j in range(s.b):
            for i in range(s.a):
                source = ((n - n_first) * s.b_pad + j + s.p) * s.a_pad + i + s.p
                copy_row(dpad, source * s.width, channels, out, ((n * s.b + j) * s.a + i) * s.d + c)
