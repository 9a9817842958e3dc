"""The direct engine's forward pass: convolution straight from the stored ``pad(Z)``.

phi is never formed.  A strip of output pixels is a list of places in ``pad(Z)``.  The tile reads
every patch from there; bias, ReLU and pooling follow while the result is still in the first-level
cache.  A fully connected layer is the same with one pixel per instance.
"""

from numba import prange

from .cover import cover
from .emitter import at
from .groups import Offsets, Panel, Rows, Square, Target
from .policy import compiled
from .sizes import Strip
from .tile import ROWS
from .vectors import pool_row, select_row
from .winograd import (
    PIECE,
    TILE,
    list_tiles,
    multiply_places,
    transform_pieces,
    transform_products,
)


@compiled()
def strip_of(layer, l, task):
    """Return one strip of pixels.

    Parameters
    ----------
    layer : Sizes
    l : int
        Number of instances.
    task : int
        Index of the strip, counted along the columns first, then by instances.

    Returns
    -------
    Strip
    """
    strips = -(-layer.b_next // layer.strip_columns)
    n_first = task // strips * layer.strip_instances
    j_first = task % strips * layer.strip_columns
    return Strip(
        n_first,
        min(n_first + layer.strip_instances, l),
        j_first,
        min(j_first + layer.strip_columns, layer.b_next),
    )


@compiled()
def list_patches(layer, strip, offsets):
    """List where the patches of a strip's pixels begin in ``pad(Z)``; return their number.

    The pixels are the rows ``0..a_use`` of the strip's columns of S, rows fastest.  They are
    written one after the other, ``width`` apart.  ROWS more entries repeat the last one, so that
    a partial tile has something to read.

    Parameters
    ----------
    layer : Sizes
    strip : Strip
    offsets : groups.Offsets
        Written.
    """
    read, write = offsets.read, offsets.write
    k = 0
    for n in range(strip.n_first, strip.n_last):
        for j in range(strip.j_first * layer.h_pool, strip.j_last * layer.h_pool):
            for i in range(layer.a_use):
                read[k] = ((n * layer.b_pad + j * layer.s) * layer.a_pad + i * layer.s) * layer.d
                write[k] = k * layer.width
                k += 1
    for extra in range(ROWS):
        read[k + extra] = read[k - 1]
        write[k + extra] = write[k - 1]
    return k


@compiled()
def _forward_strip(layer, strip, chunk, Z, w, output, workspace):
    """One strip of pixels, all output channels: products, then bias, ReLU and pooling."""
    scratch = workspace.scratch[chunk]
    S, pieces = at(scratch, 0), at(scratch, workspace.pieces)
    products = at(scratch, workspace.products)
    offsets = Offsets(workspace.lists[chunk, 0], workspace.lists[chunk, 1])
    if layer.winograd:
        rows = list_tiles(layer, strip, offsets)
        transform_pieces(layer, strip, rows, Z, pieces)
    else:
        rows = list_patches(layer, strip, offsets)
    run = layer.h * layer.d
    a_pad_next, b_pad_next = layer.a_next + 2 * layer.p_next, layer.b_next + 2 * layer.p_next
    for block in range(layer.d_next_blocks):
        k = block * layer.width
        if layer.winograd:
            filters = at(w, k * PIECE * PIECE * layer.d)
            multiply_places(layer, rows, offsets, pieces, filters, products, 0)
            transform_products(layer, rows, products, S)
        else:
            cover(
                layer.vectors,
                rows,
                Rows(at(Z, 0), at(offsets.read, 0), layer.h, layer.a_pad * layer.d, run),
                Panel(at(w, k * layer.h * run), layer.width),
                Target(S, at(offsets.write, 0)),
                0,
            )
        channels = min(layer.width, layer.d_next - k)
        column = 0  # of S, counted through the strip
        for n in range(strip.n_first, strip.n_last):
            for j in range(strip.j_first, strip.j_last):
                for i in range(layer.a_next):
                    corner = at(S, (column * layer.a_block + i * layer.h_pool) * layer.width)
                    pad_j, pad_i = j + layer.p_next, i + layer.p_next
                    target = ((n * b_pad_next + pad_j) * a_pad_next + pad_i) * layer.d_next + k
                    kept = ((n * layer.b_next + j) * layer.a_next + i) * layer.d_next + k
                    window = Square(corner, layer.width, layer.a_block * layer.width)
                    pool_row(window, layer.h_pool, output, k, channels, target, kept)
                column += layer.h_pool
            if layer.winograd:
                column += -column % TILE  # an instance begins on a tile of its own


@compiled(parallel=True)
def forward(layer, l, Z, w, output, workspace):
    """``Z^{m+1} = pool(sigma(W phi(pad(Z^m)) + bias 1'))``, written into the next ``pad(Z)``.

    Parameters
    ----------
    layer : Sizes
    l : int
        Number of instances.
    Z : 1-d float array
        ``pad(Z^m)`` as stored, ``[n, column, row, channel]``, with room for a vector behind it.
    w : 1-d float array
        Filters from ``pack.pack`` in the order DIRECT, or WINOGRAD if ``layer.winograd``.
    output : groups.Output
        ``output.out`` is ``pad(Z^{m+1})``, stored as `Z` is.
    workspace : groups.Workspace
        Each chunk of strips has its own; the result of a strip depends on no other strip.
    """
    chunks = workspace.scratch.shape[0]
    tasks = -(-l // layer.strip_instances) * -(-layer.b_next // layer.strip_columns)
    for chunk in prange(chunks):
        for task in range(chunk * tasks // chunks, (chunk + 1) * tasks // chunks):
            strip = strip_of(layer, l, task)
            _forward_strip(layer, strip, chunk, Z, w, output, workspace)


@compiled()
def _tangent_strip(layer, strip, chunk, is_first, along_Z, along_W, output, workspace):
    """One strip of pixels of R{S}, pooled by the winners of the forward pass."""
    scratch = workspace.scratch[chunk]
    S, pieces = at(scratch, 0), at(scratch, workspace.pieces)
    tangent_pieces = at(scratch, workspace.tangent_pieces)
    products = at(scratch, workspace.products)
    offsets = Offsets(workspace.lists[chunk, 0], workspace.lists[chunk, 1])
    if layer.winograd:
        rows = list_tiles(layer, strip, offsets)
        transform_pieces(layer, strip, rows, along_W.Z, pieces)
        if not is_first:
            transform_pieces(layer, strip, rows, along_Z.Z, tangent_pieces)
    else:
        rows = list_patches(layer, strip, offsets)
    run = layer.h * layer.d
    a_pad_next, b_pad_next = layer.a_next + 2 * layer.p_next, layer.b_next + 2 * layer.p_next
    for block in range(layer.d_next_blocks):
        k = block * layer.width
        for term in range(1 if is_first else 2):
            w = at(along_Z.w if term else along_W.w, 0)
            if layer.winograd:
                filters = at(w, k * PIECE * PIECE * layer.d)
                from_pieces = tangent_pieces if term else pieces
                multiply_places(layer, rows, offsets, from_pieces, filters, products, term)
            else:
                Z = at(along_Z.Z if term else along_W.Z, 0)
                cover(
                    layer.vectors,
                    rows,
                    Rows(Z, at(offsets.read, 0), layer.h, layer.a_pad * layer.d, run),
                    Panel(at(w, k * layer.h * run), layer.width),
                    Target(S, at(offsets.write, 0)),
                    term,
                )
        if layer.winograd:
            transform_products(layer, rows, products, S)
        channels = min(layer.width, layer.d_next - k)
        column = 0
        for n in range(strip.n_first, strip.n_last):
            for j in range(strip.j_first, strip.j_last):
                for i in range(layer.a_next):
                    corner = at(S, (column * layer.a_block + i * layer.h_pool) * layer.width)
                    pad_j, pad_i = j + layer.p_next, i + layer.p_next
                    target = ((n * b_pad_next + pad_j) * a_pad_next + pad_i) * layer.d_next + k
                    kept = ((n * layer.b_next + j) * layer.a_next + i) * layer.d_next + k
                    window = Square(corner, layer.width, layer.a_block * layer.width)
                    select_row(window, layer.h_pool, output, k, channels, target, kept)
                column += layer.h_pool
            if layer.winograd:
                column += -column % TILE


@compiled(parallel=True)
def tangent(layer, l, is_first, along_Z, along_W, output, workspace):
    """``R{S} = W phi(pad(R{Z})) + V phi(pad(Z)) + v_bias 1'``, pooled and masked by the winners.

    Parameters
    ----------
    layer : Sizes
    l : int
        Number of instances.
    is_first : int
        1 for the first layer, whose R{Z} is 0: `along_Z` is then left out.
    along_Z, along_W : groups.Product
        ``W phi(pad(R{Z}))`` and ``V phi(pad(Z))``, filters packed as for :func:`forward`.
    output : groups.Output
        ``output.bias`` is the direction's; ``output.out`` is stored as ``pad(Z)``.  The winners
        are read.
    workspace : groups.Workspace
    """
    chunks = workspace.scratch.shape[0]
    tasks = -(-l // layer.strip_instances) * -(-layer.b_next // layer.strip_columns)
    for chunk in prange(chunks):
        for task in range(chunk * tasks // chunks, (chunk + 1) * tasks // chunks):
            strip = strip_of(layer, l, task)
            _tangent_strip(layer, strip, chunk, is_first, along_Z, along_W, output, workspace)


@compiled()
def _scale_line(source, scale, offset, out):
    """Scale one image column; a function of its own, so that LLVM vectorises it."""
    number = out.dtype.type  # else a byte times a float32 would be a float64
    for k in range(out.size):
        out[k] = number(source[k]) * scale - offset[k]


@compiled(parallel=True)
def gather_padded(images, indices, flips, scale, offset, layer, out):
    """``pad(Z^1)`` of chosen images, scaled and centred: ``images[n]*scale - offset`` inside.

    Parameters
    ----------
    images : array, shape (N, b*a*d), any real dtype
    indices : int64 array, shape (l,)
    flips : bool array, shape (l,)
        Whether to reverse the order of an image's columns.
    scale : float
    offset : float array, shape (b*a*d,)
    layer : Sizes
        The first layer's.
    out : 1-d float array
        ``[n, column, row, channel]`` with the padding; only the inside is written.
    """
    line = layer.a * layer.d
    for n in prange(indices.size):
        image = images[indices[n]]
        for j in range(layer.b):
            start = (layer.b - 1 - j if flips[n] else j) * line
            first = ((n * layer.b_pad + j + layer.p) * layer.a_pad + layer.p) * layer.d
            _scale_line(
                image[start : start + line], scale, offset[j * line : (j + 1) * line],
                out[first : first + line],
            )  # fmt: skip
