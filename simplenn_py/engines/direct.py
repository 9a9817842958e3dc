"""The fast engine: phi is never formed, every layer runs on one register tile."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from ..config import NetConfig
from ..kernels import direct, direct_backward, pack, winners
from ..kernels.cover import Sizes
from ..kernels.tile import ROWS, VECTORS, lanes_of
from ..layout import Array, ConvGeometry, aligned_empty
from .base import Engine

#: Into how many parts a layer's work is cut, whatever the number of threads: enough for a few
#: threads to finish together, and the sums of (4) are then the same for any number of them.
CHUNKS = 16
#: Parts of (4) are added up in memory; for large filters fewer parts fit, and the channels are
#: divided among the threads instead.
_PART_BYTES = 1 << 25
_BLOCK_ROWS = 6 * ROWS
_LIST_WINDOWS = 64
_SMALL = 1 << 15  # weights
_WINDOWS = 8
_PASS_BYTES = 24 << 10
_INT64 = ("lists", "list_places", "tables")


class DirectEngine(Engine):
    """Convolves from the stored ``pad(Z)``; see ``kernels/direct.py`` and ``kernels/tile.py``.

    Parameters
    ----------
    config, batch_size, dtype, training
        See ``base.Engine``.

    Notes
    -----
    A fully connected layer runs as a convolution of 1x1 images with ``n_in`` channels.
    """

    name: ClassVar[str] = "direct"

    def __init__(
        self, config: NetConfig, batch_size: int, dtype: DTypeLike, training: bool = True
    ) -> None:
        super().__init__(config, batch_size, dtype, training)
        self._sizes = _sizes(config, self.dtype)
        self._buffers = {
            role: self._allocate(role, shape)
            for role, shape in _shapes(config, batch_size, self.dtype, training).items()
        }
        self._columns = 1
        self._gradient = 0

    @staticmethod
    def forecast(
        config: NetConfig, batch_size: int, dtype: DTypeLike, training: bool = True
    ) -> dict[str, int]:
        kind = np.dtype(dtype)
        return {
            role: int(np.prod(shape)) * (8 if role in _INT64 else kind.itemsize)
            for role, shape in _shapes(config, batch_size, kind, training).items()
        }

    def load(
        self,
        images: Array,
        indices: Array,
        scale: float,
        offset: Array,
        flips: Array | None = None,
    ) -> None:
        self.l = indices.size
        direct.gather_padded(
            images.T.reshape(-1, offset.size),
            indices,
            np.zeros(self.l, np.bool_) if flips is None else flips,
            np.asarray(scale, self.dtype)[()],
            offset.astype(self.dtype),
            self._input_sizes(),
            self._buffers["Z0"],
        )

    def Z(self, m: int) -> Array:
        if m == self.config.L:
            return self._buffers[f"Z{m}"][: self.l * self.config.nL].reshape(self.l, -1).T
        if m >= self.config.LC:
            s = self._sizes[m]
            Z = self._buffers[f"Z{m}"][: self.l * s.d].reshape(self.l, s.d)
            if m > self.config.LC or m == 0:
                return Z.T
            g = self.config.conv_layers[-1]
            return Z.reshape(-1, g.d_next).T
        s = self._sizes[m]
        padded = self._buffers[f"Z{m}"][: self.l * s.b_pad * s.a_pad * s.d]
        inside = padded.reshape(self.l, s.b_pad, s.a_pad, s.d)
        inside = inside[:, s.p : s.p + s.b, s.p : s.p + s.a]
        return np.ascontiguousarray(inside).reshape(-1, s.d).T

    def forward(
        self, m: int, W: Array, bias: Array, *, activate: bool = True, pool: bool = True
    ) -> None:
        s, buffers = self._sizes[m], self._buffers
        pack.pack(pack.WINOGRAD if s.winograd else pack.TILE, s, W.T.reshape(-1), buffers["w"])
        buffers["bias"][: s.d_next] = bias
        winner = buffers[f"winner{m}" if self.training else "winner"]
        direct.forward(
            s, self.l, buffers[f"Z{m}"], buffers["w"], buffers["bias"], int(activate),
            buffers[f"Z{m + 1}"], winner, self._scratch(_block_scratch(s)), buffers["lists"],
        )  # fmt: skip

    def set_gradient(self, V: Array, columns: int = 1) -> None:
        self._columns, self._gradient = columns, 0
        self._grown("V0", self.l * columns * self.config.nL + _slack(self.dtype))
        target = self._buffers["V0"][: V.size].reshape(V.shape[1], V.shape[0])
        target[...] = V.T

    def backward(
        self,
        m: int,
        W: Array,
        dW: Array | None = None,
        dbias: Array | None = None,
        *,
        columns: int = 1,
        input_gradient: bool = True,
    ) -> None:
        s = self._sizes[m]
        V, sparse = self._buffers[f"V{self._gradient}"], _is_sparse(s)
        if dW is not None and dbias is not None:
            weights = self._winners_dW if sparse else self._dense_dW
            weights(m, s, V, dW.T.reshape(-1), dbias)
        if input_gradient:
            entries = self.l * columns * s.a * s.b * s.d + _slack(self.dtype)
            out = self._grown(f"V{1 - self._gradient}", entries)
            images = self._winners_dZ if sparse else self._dense_dZ
            images(m, s, V, W.T.reshape(-1), out, columns)
            self._gradient = 1 - self._gradient

    def _dense_dW(self, m: int, s: Sizes, V: Array, dW: Array, dbias: Array) -> None:
        chunks, splits = _parts(s, self.batch_size, self.dtype)
        parts, bias_parts = self._part_buffers(chunks, *_part_sizes(s, self.dtype))
        scratch = self._scratch(s.group * s.a_use * s.b_use * s.width, chunks * splits)
        Z, winner = self._buffers[f"Z{m}"], self._buffers[f"winner{m}"]
        direct_backward.dense_dW(s, self.l, Z, V, winner, parts, bias_parts, scratch, splits)
        pack.add_parts(s, parts, bias_parts, dW, dbias)

    def _winners_dW(self, m: int, s: Sizes, V: Array, dW: Array, dbias: Array) -> None:
        lanes, buffers = lanes_of(self.dtype.itemsize), self._buffers
        chunks, _ = _parts(s, self.batch_size, self.dtype)
        parts, bias_parts = self._part_buffers(chunks, *_part_sizes(s, self.dtype))
        winners.winners_dW(
            s, self.l, buffers[f"Z{m}"], V, buffers[f"winner{m}"], lanes, *_list_block(s),
            parts, bias_parts, buffers["list_values"], buffers["list_places"], buffers["tables"],
        )  # fmt: skip
        winners.add_winner_parts(s, parts, bias_parts, lanes, dW, dbias)

    def _dense_dZ(self, m: int, s: Sizes, V: Array, W: Array, out: Array, columns: int) -> None:
        buffers = self._buffers
        pack.pack(pack.TRANSPOSED, s, W, buffers["w"])
        direct_backward.dense_dZ(
            s, self.l * columns, columns, V, buffers[f"winner{m}"], buffers["w"], out,
            self._scratch(_back_scratch(s, self.dtype)), buffers["lists"],
        )  # fmt: skip

    def _winners_dZ(self, m: int, s: Sizes, V: Array, W: Array, out: Array, columns: int) -> None:
        lanes, buffers = lanes_of(self.dtype.itemsize), self._buffers
        pack.pack(pack.ROWS, s, W, buffers["w"])
        winners.winners_dZ(
            s, self.l * columns, columns, V, buffers[f"winner{m}"], lanes,
            _WINDOWS, _pass_vectors(s, self.dtype), buffers["w"], out,
            self._scratch(_back_scratch(s, self.dtype)),
            buffers["list_values"], buffers["list_places"], buffers["tables"],
        )  # fmt: skip

    def _part_buffers(self, chunks: int, size: int, channels: int) -> tuple[Array, Array]:
        parts = self._buffers["parts"][: chunks * size]
        bias_parts = self._buffers["bias_parts"][: chunks * channels]
        return parts.reshape(chunks, size), bias_parts.reshape(chunks, channels)

    def path(self, m: int) -> str:
        s = self._sizes[m]
        ahead = "Winograd 2x2" if s.winograd else "direct"
        back = "winners" if s.h_pool > 1 else "lists" if _is_sparse(s) else "dense"
        return f"{ahead}, back {back}"

    def gradient_S(self, m: int, columns: int = 1) -> Array:
        s, count = self._sizes[m], self.l * columns
        a_conv, b_conv = self._conv_size(m)
        stride = s.d_next_blocks * s.width
        used = np.empty(count * s.b_use * s.a_use * stride, self.dtype)
        direct_backward.form_dS(
            s, 0, count, self._buffers[f"V{self._gradient}"], columns,
            self._buffers[f"winner{m}"], 0, s.d_next, used, stride,
        )  # fmt: skip
        dS = np.zeros((count, b_conv, a_conv, s.d_next), self.dtype)
        used = used.reshape(count, s.b_use, s.a_use, stride)
        dS[:, : s.b_use, : s.a_use] = used[..., : s.d_next]
        return dS.reshape(-1, s.d_next).T

    def tangent(self, m: int, W: Array, V: Array, v_bias: Array) -> Array:
        s, buffers = self._sizes[m], self._buffers
        pack.pack(pack.TILE, s, W.T.reshape(-1), buffers["w"])
        buffers["bias"][: s.d_next] = v_bias
        v = self._grown("v", buffers["w"].size)
        pack.pack(pack.TILE, s, V.T.reshape(-1), v)
        RZ = self._grown(f"RZ{m}", buffers[f"Z{m}"].size, zero=True)
        out = self._grown(f"RZ{m + 1}", buffers[f"Z{m + 1}"].size, zero=True)
        direct.tangent(
            s, self.l, RZ, buffers[f"Z{m}"], buffers["w"], v, buffers["bias"],
            buffers[f"winner{m}"], out, self._scratch(_block_scratch(s)), buffers["lists"],
        )  # fmt: skip
        if m + 1 < self.config.L:
            return out
        return out[: self.l * self.config.nL].reshape(self.l, -1).T

    def _conv_size(self, m: int) -> tuple[int, int]:
        if m >= self.config.LC:
            return 1, 1
        g = self.config.conv_layers[m]
        return g.a_conv, g.b_conv

    def _input_sizes(self) -> Any:
        """Sizes of the images, also where the first layer is fully connected."""
        if self.config.LC:
            return self._sizes[0]
        a, b, d = self.config.image_shape
        return self._sizes[0]._replace(a=a, b=b, d=d, a_pad=a, b_pad=b)

    def _scratch(self, entries: int, chunks: int = CHUNKS) -> Array:
        entries += _slack(self.dtype)
        return self._grown("scratch", chunks * entries)[: chunks * entries].reshape(chunks, entries)

    def _grown(self, role: str, count: int, zero: bool = False) -> Array:
        """Return a buffer; tangents and stored Jacobians need more than a training step."""
        buffer = self._buffers.get(role)
        if buffer is None or buffer.size < count:
            buffer = self._buffers[role] = self._allocate(role, (count,))
        if zero and role == "RZ0":
            buffer[:] = 0
        return buffer

    def _allocate(self, role: str, shape: tuple[int, ...]) -> Array:
        if role in _INT64:
            return np.zeros(shape, np.int64)
        integers = role.startswith("winner")
        buffer = aligned_empty(shape[::-1], f"i{self.dtype.itemsize}" if integers else self.dtype).T
        buffer[...] = 0  # the borders of pad(Z), which nothing writes later
        return buffer


def _slack(dtype: np.dtype[Any]) -> int:
    """Entries behind a buffer that a whole vector, or a tile, may read past its end."""
    return max(ROWS, 2 * lanes_of(dtype.itemsize))


def _beyond(s: Sizes) -> int:
    """Entries behind ``pad(Z)`` that the last of Winograd's 4x4 pieces reach: a column, a row."""
    return s.winograd * (s.a_pad + 2) * s.d


def _geometries(config: NetConfig) -> list[ConvGeometry]:
    full = [
        ConvGeometry(a=1, b=1, d=g.n_in, p=0, h=1, s=1, d_next=g.n_out, h_pool=1)
        for g in config.full_layers
    ]
    return [*config.conv_layers, *full]


def _sizes(config: NetConfig, dtype: np.dtype[Any]) -> list[Sizes]:
    geometries = _geometries(config)
    return [
        _layer_sizes(g, geometries[m + 1].p if m + 1 < config.LC else 0, dtype)
        for m, g in enumerate(geometries)
    ]


def _layer_sizes(g: ConvGeometry, p_next: int, dtype: np.dtype[Any]) -> Sizes:
    lanes = lanes_of(dtype.itemsize)
    vectors = VECTORS if max(g.d, g.d_next) > lanes else 1
    width = vectors * lanes
    by_winograd = g.h == 3 and g.s == 1 and min(g.d, g.d_next) >= 16 and g.h_pool <= 2
    a_use = g.a_next * g.h_pool
    a_block = a_use + a_use % 2 if by_winograd else a_use
    columns, group = _block(g, a_block, by_winograd)
    return Sizes(
        a=g.a, b=g.b, d=g.d, p=g.p, a_pad=g.a_pad, b_pad=g.b_pad, h=g.h, s=g.s,
        d_next=g.d_next, h_pool=g.h_pool, a_next=g.a_next, b_next=g.b_next, p_next=p_next,
        a_use=a_use, b_use=g.b_next * g.h_pool, width=width, vectors=vectors,
        d_blocks=-(-g.d // width), d_next_blocks=-(-g.d_next // width),
        columns=columns, group=group, winograd=int(by_winograd), a_block=a_block,
        channels=-(-g.d // lanes) * lanes,
    )  # fmt: skip


def _block(g: ConvGeometry, a_block: int, by_winograd: bool) -> tuple[int, int]:
    """Pooled columns, and instances, of a block of pixels: where the tiles fit best.

    A tile has ROWS rows or half as many: of the blocks that are not too large, the one for which
    the fewest rows are computed in vain.
    """
    rows = a_block // 2 if by_winograd else a_block * g.h_pool  # tile rows of a pooled column
    step = 2 if by_winograd and g.h_pool == 1 else 1  # 2x2 tiles begin on even columns
    most = max(step, _BLOCK_ROWS // rows)
    if most >= g.b_next:
        per_instance = rows * -(-g.b_next // step)
        groups = range(1, max(1, _BLOCK_ROWS // per_instance) + 1)
        return g.b_next, min(groups, key=lambda n: _tile_rows(per_instance * n) / n)

    def computed(columns: int) -> int:
        whole, rest = divmod(g.b_next, columns)
        return whole * _tile_rows(rows * columns // step) + _tile_rows(rows * -(-rest // step))

    return min(range(step, most + 1, step), key=computed), 1


def _tile_rows(n: int) -> int:
    """Rows that tiles compute for a list of `n`."""
    whole, rest = divmod(n, ROWS)
    return whole * ROWS + (0 if rest == 0 else ROWS // 2 if rest <= ROWS // 2 else ROWS)


def _block_scratch(s: Sizes) -> int:
    """Entries of one block's S, and of what Winograd's 2x2 tiles need."""
    pixels = s.group * -(-s.columns * s.h_pool // 2) * 2 * s.a_block
    if s.winograd:
        return pixels * (s.width + 4 * (s.channels + s.width))
    return pixels * s.width


def _is_sparse(s: Sizes) -> bool:
    """Whether the way back visits the winners alone.

    Behind a max pool they are few.  A small layer's are all entries, but it is not worth packing
    for the tile, nor compiling the dense way for it alone.
    """
    return s.h_pool > 1 or s.h * s.h * s.d * s.d_next <= _SMALL


def _patch_vectors(s: Sizes, lanes: int) -> int:
    """Vectors of a patch: its h runs of h*d neighbours, each filled up."""
    return s.h * -(-s.h * s.d // lanes)


def _filter_vectors(s: Sizes, lanes: int) -> int:
    """Vectors of a filter, the channels of each offset filled up."""
    return s.h * s.h * -(-s.d // lanes)


def _pass_vectors(s: Sizes, dtype: np.dtype[Any]) -> int:
    """Vectors that all filters can have in the first-level cache at the same time."""
    return max(6, _PASS_BYTES // (s.d_next * lanes_of(dtype.itemsize) * dtype.itemsize))


def _list_block(s: Sizes) -> tuple[int, int]:
    """Pooled columns, and instances, of one list of winners."""
    columns = max(1, min(s.b_next, _LIST_WINDOWS // s.a_next))
    if columns < s.b_next:
        return columns, 1
    return columns, max(1, _LIST_WINDOWS // (s.a_next * s.b_next))


def _back_scratch(s: Sizes, dtype: np.dtype[Any]) -> int:
    """Entries that (5) needs for a group of instances.

    Behind a pool the padded gradient; else one block of its channels, and dxi/dS.
    """
    if _is_sparse(s):
        lanes = lanes_of(dtype.itemsize)
        return s.a_pad * s.b_pad * -(-s.d // lanes) * lanes
    rows = s.a_use * s.b_use * s.d_next_blocks * s.width
    return s.group * (rows + s.a_pad * s.b_pad * s.width)


def _part_sizes(s: Sizes, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Entries of one part of (4), and of its bias."""
    if _is_sparse(s):
        lanes = lanes_of(dtype.itemsize)
        return s.d_next * _patch_vectors(s, lanes) * lanes, s.d_next
    return s.h * s.h * s.d * s.d_next_blocks * s.width, s.d_next_blocks * s.width


def _parts(s: Sizes, batch_size: int, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Parts of (4), and tasks among which the channels of each are divided."""
    size = _part_sizes(s, dtype)[0] * dtype.itemsize
    chunks = max(1, min(CHUNKS, batch_size, _PART_BYTES // size))
    return chunks, min(s.d_next_blocks, -(-CHUNKS // chunks))


def _shapes(
    config: NetConfig, batch_size: int, dtype: np.dtype[Any], training: bool
) -> dict[str, tuple[int, ...]]:
    """Shape of every buffer of a training step, or of a forward pass."""
    l, sizes, slack = batch_size, _sizes(config, dtype), _slack(dtype)
    shapes: dict[str, tuple[int, ...]] = {
        f"Z{m}": (l * s.b_pad * s.a_pad * s.d + slack + _beyond(s),) for m, s in enumerate(sizes)
    }
    shapes[f"Z{config.L}"] = (l * config.nL + slack,)
    pixels = max(s.group * max(s.columns * s.h_pool, s.b_use) * s.a_use for s in sizes)
    shapes["lists"] = (CHUNKS, 2, pixels + ROWS)
    shapes["bias"] = (max(s.d_next_blocks * s.width for s in sizes) + slack,)
    packed = max((16 if s.winograd else s.h * s.h) * s.d * s.d_next_blocks * s.width for s in sizes)
    scratch = max(CHUNKS * (_block_scratch(s) + slack) for s in sizes)
    pooled = [l * s.b_next * s.a_next * s.d_next + slack for s in sizes]
    if training:
        shapes |= {f"winner{m}": (count,) for m, count in enumerate(pooled)}
        shapes |= _back_shapes(config, sizes, l, dtype)
        packed = max(packed, shapes.pop("w")[0])
        scratch = max(scratch, shapes.pop("scratch")[0])
    else:
        shapes["winner"] = (max(pooled),)
    return shapes | {"w": (packed + slack,), "scratch": (scratch,)}


def _back_shapes(
    config: NetConfig, sizes: list[Sizes], l: int, dtype: np.dtype[Any]
) -> dict[str, tuple[int, ...]]:
    """What the way back needs beside the forward pass's buffers."""
    slack, lanes = _slack(dtype), lanes_of(dtype.itemsize)
    parts = [(_parts(s, l, dtype), _part_sizes(s, dtype)) for s in sizes]
    gradient = max([l * s.a * s.b * s.d for s in sizes[1:]] + [l * config.nL]) + slack
    sparse = [s for s in sizes if _is_sparse(s)]
    packed = [0]
    scratch = [CHUNKS * (_back_scratch(s, dtype) + slack) for s in sizes[1:]] + [0]
    listed, table = [1], [1]
    for s, ((chunks, splits), _) in zip(sizes, parts, strict=True):
        if s in sparse:
            columns, group = _list_block(s)
            windows = group * columns * s.a_next + 1
            listed.append(s.d_next * max(windows, _WINDOWS * (s.h_pool * s.h_pool + 1)))
            vectors = max(_patch_vectors(s, lanes), _filter_vectors(s, lanes))
            lists = max(s.d_next, _WINDOWS * (s.h_pool * s.h_pool + 1))
            table.append(max(vectors, lists) + winners.MOST)
            packed.append(s.d_next * _filter_vectors(s, lanes) * lanes)
        else:
            rows = s.group * s.a_use * s.b_use * s.width
            scratch.append(chunks * splits * (rows + slack))
            packed.append(s.h * s.h * s.d_next * s.d_blocks * s.width)
    return {
        "parts": (max(chunks * size for (chunks, _), (size, _) in parts),),
        "bias_parts": (max(chunks * channels for (chunks, _), (_, channels) in parts),),
        "V0": (gradient,),
        "V1": (gradient,),
        "list_values": (CHUNKS, max(listed)),
        "list_places": (CHUNKS, max(listed)),
        "tables": (CHUNKS, 6, max(table)),
        "w": (max(packed),),
        "scratch": (max(scratch),),
    }
