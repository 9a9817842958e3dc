"""The fast engine: phi is never formed, every layer runs on one register tile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from ..cnn.engine import Engine, read_only
from ..cnn.operators.phi import padding_and_phiZ
from ..kernels import direct, direct_backward, pack, winners, winograd_backward
from ..kernels.groups import (
    Gradient,
    ListRoom,
    Offsets,
    Output,
    Parts,
    Product,
    TileRoom,
    Workspace,
)
from ..kernels.sizes import Sizes
from ..kernels.tile import ROWS
from ..kernels.winograd import PIECE
from ..layout import Array, aligned_empty
from ..network.config import NetConfig
from . import direct_plan as plan


class DirectEngine(Engine):
    """Convolves from the stored ``pad(Z)``; see ``kernels/direct.py`` and ``kernels/tile.py``.

    Parameters
    ----------
    config, batch_size, dtype, training
        See ``cnn.engine.Engine``.
    winograd : bool, optional
        Whether to use Winograd's tiles in every layer to which they apply; by default, only where
        they are faster.

    Notes
    -----
    A fully connected layer runs as a convolution of 1x1 images with ``n_in`` channels.
    """

    name: ClassVar[str] = "direct"

    def __init__(
        self,
        config: NetConfig,
        batch_size: int,
        dtype: DTypeLike,
        training: bool = True,
        *,
        winograd: bool | None = None,
    ) -> None:
        super().__init__(config, batch_size, dtype, training)
        self._winograd = winograd
        self._planned = plan.sizes_of(self.config, batch_size, self.dtype, winograd)
        self._sizes = list(self._planned)  # as the last forward pass ran each layer
        self._buffers = {
            role: self._allocate(role, shape)
            for role, shape in plan.buffer_shapes(
                self._planned, batch_size, self.dtype, training
            ).items()
        }
        self._gradient = 0

    @property
    def buffers(self) -> Mapping[str, Array]:
        return read_only(self._buffers)

    @staticmethod
    def forecast(
        config: NetConfig,
        batch_size: int,
        dtype: DTypeLike,
        training: bool = True,
        *,
        winograd: bool | None = None,
    ) -> dict[str, int]:
        kind = np.dtype(dtype)
        sizes = plan.sizes_of(config.stages, batch_size, kind, winograd)
        return {
            role: math.prod(shape) * (8 if role in plan.INT64 else kind.itemsize)
            for role, shape in plan.buffer_shapes(sizes, batch_size, kind, training).items()
        }

    def load(
        self,
        images: Array,
        indices: Array,
        scale: float,
        offset: Array,
        flips: Array | None = None,
    ) -> None:
        rows, indices, flips = self._batch(images, indices, offset, flips)
        self.l = indices.size
        direct.gather_padded(
            rows,
            indices,
            flips,
            np.asarray(scale, self.dtype)[()],
            offset.astype(self.dtype),
            self._input_sizes(),
            self._buffers["Z0"],
        )

    def Z(self, m: int) -> Array:
        if m > 0 and self._sizes[m - 1] is not self._planned[m - 1]:
            layer = self._sizes[m - 1]  # without its pool
            entries = self.l * layer.b_next * layer.a_next * layer.d_next
            return self._buffers[f"Z{m}"][:entries].reshape(-1, layer.d_next).T
        if m == self.config.L:
            return self._buffers[f"Z{m}"][: self.l * self.config.nL].reshape(self.l, -1).T
        layer = self._sizes[m]
        if m >= self.config.LC:
            Z = self._buffers[f"Z{m}"][: self.l * layer.d].reshape(self.l, layer.d)
            if m > self.config.LC or m == 0:
                return Z.T
            g = self.config.conv_layers[-1]
            return Z.reshape(-1, g.d_next).T
        padded = self._buffers[f"Z{m}"][: self.l * layer.b_pad * layer.a_pad * layer.d]
        inside = padded.reshape(self.l, layer.b_pad, layer.a_pad, layer.d)
        inside = inside[:, layer.p : layer.p + layer.b, layer.p : layer.p + layer.a]
        return np.ascontiguousarray(inside).reshape(-1, layer.d).T

    def phi(self, m: int) -> Array:
        Z = self.Z(m)
        if m < self.config.LC:
            return padding_and_phiZ(Z, self.config.conv_layers[m])
        return Z.T.reshape(self.l, self.config.full_layers[m - self.config.LC].n_in).T

    def forward(
        self, m: int, W: Array, bias: Array, *, activate: bool = True, pool: bool = True
    ) -> None:
        if pool or self._planned[m].h_pool == 1:
            if self._sizes[m] is not self._planned[m]:
                self._buffers[f"Z{m + 1}"][:] = 0  # the borders of pad(Z) again
            self._sizes[m] = self._planned[m]
        else:
            self._leave_pool_out(m)
        layer, buffers = self._sizes[m], self._buffers
        pack.pack(_forward_order(layer), layer, W.T.reshape(-1), buffers["w"])
        buffers["bias"][: layer.d_next] = bias if bias.size else 0
        winner = buffers[f"winner{m}" if self.training else "none"]
        output = Output(
            buffers["bias"], int(activate), buffers[f"Z{m + 1}"], int(self.training), winner
        )
        workspace = self._workspace(plan.strip_scratch(layer))
        direct.forward(layer, self.l, buffers[f"Z{m}"], buffers["w"], output, workspace)

    def _leave_pool_out(self, m: int) -> None:
        """Make room for a layer whose pool is switched off: its output is then all of S."""
        g = replace(self.config.conv_layers[m], h_pool=1)
        layer = plan.layer_sizes(g, 0, self.batch_size, self.dtype, self._winograd)
        self._sizes[m] = layer
        shapes = plan.buffer_shapes([layer], self.batch_size, self.dtype, self.training)
        own = {"Z1": f"Z{m + 1}", "winner0": f"winner{m}"}
        for role in ("Z1", "lists", "bias", "w", *(("winner0",) if self.training else ())):
            role, shape = own.get(role, role), shapes[role]
            if self._buffers[role].size < np.prod(shape):
                self._buffers[role] = self._allocate(role, shape)

    def set_gradient(self, V: Array, columns: int = 1) -> None:
        self._gradient = 0
        self._grown("V0", self.l * columns * self.config.nL + plan.slack_of(self.dtype))
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
        layer, V = self._sizes[m], self._buffers[f"V{self._gradient}"]
        winner = self._buffers[f"winner{m}"]
        weights, images = self._backward_of(layer)
        if dW is not None or (dbias is not None and dbias.size):
            dW = np.empty_like(W, order="F") if dW is None else dW  # both come in one pass
            if dbias is None or not dbias.size:
                dbias = np.empty(W.shape[0], W.dtype)
            weights(m, layer, Gradient(V, winner, 1), dW.T.reshape(-1), dbias)
        if input_gradient:
            entries = self.l * columns * layer.a * layer.b * layer.d + plan.slack_of(self.dtype)
            out = self._grown(f"V{1 - self._gradient}", entries)
            images(layer, Gradient(V, winner, columns), W.T.reshape(-1), out)
            self._gradient = 1 - self._gradient

    def _backward_of(self, layer: Sizes) -> tuple[Any, Any]:
        """Return the methods that run (4) and (5) of a layer."""
        if plan.is_sparse(layer):
            return self._winners_dW, self._winners_dZ
        if plan.is_tiled(layer):
            return self._winograd_dW, self._winograd_dZ
        return self._dense_dW, self._dense_dZ

    def _winograd_dW(
        self, m: int, layer: Sizes, gradient: Gradient, dW: Array, dbias: Array
    ) -> None:
        rows = self._grown("bias_rows", self.l * layer.d_next)[: self.l * layer.d_next]
        sums = self._grown("sums", plan.tile_plan(layer, self.batch_size, dW.itemsize).sums)
        winograd_backward.winograd_dW(
            layer, self.l, self._buffers[f"Z{m}"], gradient, self._tile_room(layer), sums,
            rows.reshape(self.l, layer.d_next), dW, dbias,
        )  # fmt: skip

    def _winograd_dZ(self, layer: Sizes, gradient: Gradient, W: Array, out: Array) -> None:
        its = plan.tile_plan(layer, self.batch_size, W.itemsize)
        taps = self._grown("taps", its.taps)
        w = self._grown("w", PIECE**2 * layer.d_next * layer.d_blocks * layer.width)
        pack.pack(pack.TRANSPOSED, layer, W, taps)
        winograd_backward.transform_transposed(layer, taps, w)
        lists = self._grown("tile_lists", 2 * (its.tiles + ROWS)).reshape(2, -1)
        winograd_backward.winograd_dZ(
            layer, self.l * gradient.columns, gradient, w, self._tile_room(layer),
            Offsets(lists[0], lists[1]), out,
        )  # fmt: skip

    def _tile_room(self, layer: Sizes) -> TileRoom:
        its = plan.tile_plan(layer, self.batch_size, self.dtype.itemsize)
        slack = plan.slack_of(self.dtype)
        U, V = self._grown("U", its.U + slack), self._grown("V", its.V + slack)
        return TileRoom(its.instances, U, V, self._scratch(its.scratch))

    def _dense_dW(self, m: int, layer: Sizes, gradient: Gradient, dW: Array, dbias: Array) -> None:
        chunks, splits = plan.divide(layer, self.batch_size, self.dtype)
        parts = self._parts(layer, chunks)
        scratch = self._scratch(plan.dW_scratch(layer), chunks * splits)
        Z = self._buffers[f"Z{m}"]
        direct_backward.dense_dW(layer, self.l, Z, gradient, parts, splits, scratch)
        pack.add_parts(layer, parts, dW, dbias)

    def _winners_dW(
        self, m: int, layer: Sizes, gradient: Gradient, dW: Array, dbias: Array
    ) -> None:
        chunks, splits = plan.divide(layer, self.batch_size, self.dtype)
        parts, Z = self._parts(layer, chunks), self._buffers[f"Z{m}"]
        winners.winners_dW(layer, self.l, Z, gradient, parts, splits, self._list_room())
        winners.add_winner_parts(layer, parts, dW, dbias)

    def _dense_dZ(self, layer: Sizes, gradient: Gradient, W: Array, out: Array) -> None:
        w, lists, places = self._buffers["w"], self._buffers["lists"], plan.dZ_scratch(layer)
        pack.pack(pack.TRANSPOSED, layer, W, w)
        direct_backward.dense_dZ(
            layer, self.l * gradient.columns, gradient, w, out,
            self._scratch(places.size), places.dpad, lists,
        )  # fmt: skip

    def _winners_dZ(self, layer: Sizes, gradient: Gradient, W: Array, out: Array) -> None:
        w, scratch = self._buffers["w"], self._scratch(plan.dZ_scratch(layer).size)
        pack.pack(pack.FILTERS, layer, W, w)
        winners.winners_dZ(
            layer, self.l * gradient.columns, gradient, w, out, scratch, self._list_room()
        )

    def _parts(self, layer: Sizes, chunks: int) -> Parts:
        size, channels = plan.part_sizes(layer, self.dtype)
        parts = self._buffers["parts"][: chunks * size]
        bias_parts = self._buffers["bias_parts"][: chunks * channels]
        return Parts(parts.reshape(chunks, size), bias_parts.reshape(chunks, channels))

    def _list_room(self) -> ListRoom:
        buffers = self._buffers
        return ListRoom(buffers["list_values"], buffers["list_places"], buffers["tables"])

    def _workspace(self, layout: plan.StripScratch) -> Workspace:
        scratch = self._scratch(layout.size)
        return Workspace(
            scratch, self._buffers["lists"], layout.pieces, layout.tangent_pieces, layout.products
        )

    def path(self, m: int) -> str:
        layer = self._sizes[m]
        ahead = "Winograd 4x4" if layer.winograd else "direct"
        back = "winners" if layer.h_pool > 1 else "lists"
        if not plan.is_sparse(layer):
            back = "Winograd" if plan.is_tiled(layer) else "dense"
        return f"{ahead} / {back}"

    def gradient_S(self, m: int, columns: int = 1) -> Array:
        layer, count = self._sizes[m], self.l * columns
        a_conv, b_conv = self._conv_size(m)
        stride = layer.d_next_blocks * layer.width
        used = np.empty(count * layer.b_use * layer.a_use * stride, self.dtype)
        V, winner = self._buffers[f"V{self._gradient}"], self._buffers[f"winner{m}"]
        direct_backward.form_dS(
            layer,
            0,
            count,
            Gradient(V, winner, columns),
            0,
            layer.d_next,
            used,
            stride,
            layer.a_use,
        )
        dS = np.zeros((count, b_conv, a_conv, layer.d_next), self.dtype)
        used = used.reshape(count, layer.b_use, layer.a_use, stride)
        dS[:, : layer.b_use, : layer.a_use] = used[..., : layer.d_next]
        return dS.reshape(-1, layer.d_next).T

    def tangent(self, m: int, W: Array, V: Array, v_bias: Array) -> Array:
        layer, buffers = self._sizes[m], self._buffers
        order = _forward_order(layer)
        pack.pack(order, layer, W.T.reshape(-1), buffers["w"])
        buffers["bias"][: layer.d_next] = v_bias if v_bias.size else 0
        v = self._grown("v", buffers["w"].size)
        pack.pack(order, layer, V.T.reshape(-1), v)
        # R{Z^1} is 0 and never read; the images stand in for it.
        RZ = buffers["Z0"] if m == 0 else self._grown(f"RZ{m}", buffers[f"Z{m}"].size)
        out = self._grown(f"RZ{m + 1}", buffers[f"Z{m + 1}"].size)
        along_Z, along_W = Product(RZ, buffers["w"]), Product(buffers[f"Z{m}"], v)
        output = Output(buffers["bias"], 0, out, 0, buffers[f"winner{m}"])
        workspace = self._workspace(plan.strip_scratch(layer, tangent=True))
        direct.tangent(layer, self.l, int(m == 0), along_Z, along_W, output, workspace)
        if m + 1 < self.config.L:
            return out
        return out[: self.l * self.config.nL].reshape(self.l, -1).T

    def _conv_size(self, m: int) -> tuple[int, int]:
        if m >= self.config.LC:
            return 1, 1
        g = self.config.conv_layers[m]
        return g.a_conv, g.b_conv

    def _input_sizes(self) -> Sizes:
        """Return the sizes of the images, even if the first layer is fully connected."""
        if self.config.LC:
            return self._sizes[0]
        a, b, d = self.config.image_shape
        return self._sizes[0]._replace(a=a, b=b, d=d, a_pad=a, b_pad=b)

    def _scratch(self, entries: int, chunks: int = plan.CHUNKS) -> Array:
        entries += plan.slack_of(self.dtype)
        return self._grown("scratch", chunks * entries)[: chunks * entries].reshape(chunks, entries)

    def _grown(self, role: str, count: int) -> Array:
        """Return a buffer of at least `count` entries.

        Tangents and stored Jacobians need more room than a training step.
        """
        buffer = self._buffers.get(role)
        if buffer is None or buffer.size < count:
            buffer = self._buffers[role] = self._allocate(role, (count,))
        return buffer

    def _allocate(self, role: str, shape: tuple[int, ...]) -> Array:
        kind = self.dtype
        if role in plan.INT64:
            kind = np.dtype(np.int64)
        elif role.startswith(("winner", "none")):
            kind = np.dtype(f"i{self.dtype.itemsize}")
        buffer = aligned_empty(shape[::-1], kind).T
        buffer[...] = 0  # the borders of pad(Z), which nothing writes later
        return buffer


def _forward_order(layer: Sizes) -> int:
    return pack.WINOGRAD if layer.winograd else pack.DIRECT
