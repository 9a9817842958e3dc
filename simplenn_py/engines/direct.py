"""The fast engine: phi is never formed, every layer runs on one register tile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from ..cnn.engine import Engine
from ..cnn.operators.phi import padding_and_phiZ
from ..kernels import direct, direct_backward, pack, winners
from ..kernels.cover import Sizes
from ..kernels.emitter import lanes_of
from ..layout import Array, aligned_empty
from ..network.config import NetConfig
from . import direct_plan as plan


class DirectEngine(Engine):
    """Convolves from the stored ``pad(Z)``; see ``kernels/direct.py`` and ``kernels/tile.py``.

    Parameters
    ----------
    config, batch_size, dtype, training
        See ``cnn.engine.Engine``.

    Notes
    -----
    A fully connected layer runs as a convolution of 1x1 images with ``n_in`` channels.
    """

    name: ClassVar[str] = "direct"

    def __init__(
        self, config: NetConfig, batch_size: int, dtype: DTypeLike, training: bool = True
    ) -> None:
        super().__init__(config, batch_size, dtype, training)
        self._planned = plan.sizes_of(self.config, batch_size, self.dtype)
        self._sizes = list(self._planned)  # as the last forward pass ran each layer
        self._buffers = {
            role: self._allocate(role, shape)
            for role, shape in plan.buffer_shapes(
                self._planned, batch_size, self.dtype, training
            ).items()
        }
        self._gradient = 0

    @staticmethod
    def forecast(
        config: NetConfig, batch_size: int, dtype: DTypeLike, training: bool = True
    ) -> dict[str, int]:
        kind = np.dtype(dtype)
        sizes = plan.sizes_of(config.stages, batch_size, kind)
        return {
            role: int(np.prod(shape)) * (8 if role in plan.INT64 else kind.itemsize)
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
        if m > 0 and self._sizes[m - 1] is not self._planned[m - 1]:
            s = self._sizes[m - 1]  # without its pool
            entries = self.l * s.b_next * s.a_next * s.d_next
            return self._buffers[f"Z{m}"][:entries].reshape(-1, s.d_next).T
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
        s, buffers = self._sizes[m], self._buffers
        pack.pack(pack.WINOGRAD if s.winograd else pack.TILE, s, W.T.reshape(-1), buffers["w"])
        buffers["bias"][: s.d_next] = bias if bias.size else 0
        winner = buffers[f"winner{m}" if self.training else "none"]
        direct.forward(
            s, self.l, buffers[f"Z{m}"], buffers["w"], buffers["bias"], int(activate),
            buffers[f"Z{m + 1}"], int(self.training), winner,
            self._scratch(plan.block_scratch(s)), buffers["lists"],
        )  # fmt: skip

    def _leave_pool_out(self, m: int) -> None:
        """Make room for a layer whose pool is switched off: all of S is then its output."""
        g = replace(self.config.conv_layers[m], h_pool=1)
        self._sizes[m] = s = plan.layer_sizes(g, 0, self.batch_size, self.dtype)
        shapes = plan.buffer_shapes([s], self.batch_size, self.dtype, self.training)
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
        s = self._sizes[m]
        V, sparse = self._buffers[f"V{self._gradient}"], plan.is_sparse(s)
        if dW is not None or (dbias is not None and dbias.size):
            dW = np.empty_like(W, order="F") if dW is None else dW  # both come in one pass
            if dbias is None or not dbias.size:
                dbias = np.empty(W.shape[0], W.dtype)
            weights = self._winners_dW if sparse else self._dense_dW
            weights(m, s, V, dW.T.reshape(-1), dbias)
        if input_gradient:
            entries = self.l * columns * s.a * s.b * s.d + plan.slack_of(self.dtype)
            out = self._grown(f"V{1 - self._gradient}", entries)
            images = self._winners_dZ if sparse else self._dense_dZ
            images(m, s, V, W.T.reshape(-1), out, columns)
            self._gradient = 1 - self._gradient

    def _dense_dW(self, m: int, s: Sizes, V: Array, dW: Array, dbias: Array) -> None:
        chunks, splits = plan.divide(s, self.batch_size, self.dtype)
        parts, bias_parts = self._part_buffers(chunks, *plan.part_sizes(s, self.dtype))
        scratch = self._scratch(s.dW_group * s.a_use * s.b_use * s.width, chunks * splits)
        Z, winner = self._buffers[f"Z{m}"], self._buffers[f"winner{m}"]
        direct_backward.dense_dW(s, self.l, Z, V, winner, parts, bias_parts, scratch, splits)
        pack.add_parts(s, parts, bias_parts, dW, dbias)

    def _winners_dW(self, m: int, s: Sizes, V: Array, dW: Array, dbias: Array) -> None:
        lanes, buffers = lanes_of(self.dtype.itemsize), self._buffers
        chunks, splits = plan.divide(s, self.batch_size, self.dtype)
        parts, bias_parts = self._part_buffers(chunks, *plan.part_sizes(s, self.dtype))
        winners.winners_dW(
            s, self.l, buffers[f"Z{m}"], V, buffers[f"winner{m}"], lanes, *plan.list_block(s),
            splits, parts, bias_parts,
            buffers["list_values"], buffers["list_places"], buffers["tables"],
        )  # fmt: skip
        winners.add_winner_parts(s, parts, bias_parts, lanes, dW, dbias)

    def _dense_dZ(self, m: int, s: Sizes, V: Array, W: Array, out: Array, columns: int) -> None:
        buffers = self._buffers
        pack.pack(pack.TRANSPOSED, s, W, buffers["w"])
        direct_backward.dense_dZ(
            s, self.l * columns, columns, V, buffers[f"winner{m}"], buffers["w"], out,
            self._scratch(plan.back_scratch(s, self.dtype)), buffers["lists"],
        )  # fmt: skip

    def _winners_dZ(self, m: int, s: Sizes, V: Array, W: Array, out: Array, columns: int) -> None:
        lanes, buffers = lanes_of(self.dtype.itemsize), self._buffers
        pack.pack(pack.FILTERS, s, W, buffers["w"])
        winners.winners_dZ(
            s, self.l * columns, columns, V, buffers[f"winner{m}"], lanes,
            plan.WINDOWS, plan.pass_vectors(s, self.dtype), buffers["w"], out,
            self._scratch(plan.back_scratch(s, self.dtype)),
            buffers["list_values"], buffers["list_places"], buffers["tables"],
        )  # fmt: skip

    def _part_buffers(self, chunks: int, size: int, channels: int) -> tuple[Array, Array]:
        parts = self._buffers["parts"][: chunks * size]
        bias_parts = self._buffers["bias_parts"][: chunks * channels]
        return parts.reshape(chunks, size), bias_parts.reshape(chunks, channels)

    def path(self, m: int) -> str:
        s = self._sizes[m]
        ahead = "Winograd 4x4" if s.winograd else "direct"
        back = "winners" if s.h_pool > 1 else "lists" if plan.is_sparse(s) else "dense"
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
        order = pack.WINOGRAD if s.winograd else pack.TILE
        pack.pack(order, s, W.T.reshape(-1), buffers["w"])
        buffers["bias"][: s.d_next] = v_bias if v_bias.size else 0
        v = self._grown("v", buffers["w"].size)
        pack.pack(order, s, V.T.reshape(-1), v)
        # R{Z^1} is 0 and never read; the images stand in for it.
        RZ = buffers["Z0"] if m == 0 else self._grown(f"RZ{m}", buffers[f"Z{m}"].size)
        out = self._grown(f"RZ{m + 1}", buffers[f"Z{m + 1}"].size)
        direct.tangent(
            s, self.l, int(m == 0), RZ, buffers[f"Z{m}"], buffers["w"], v, buffers["bias"],
            buffers[f"winner{m}"], out, self._scratch(plan.block_scratch(s, tangent=True)),
            buffers["lists"],
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

    def _scratch(self, entries: int, chunks: int = plan.CHUNKS) -> Array:
        entries += plan.slack_of(self.dtype)
        return self._grown("scratch", chunks * entries)[: chunks * entries].reshape(chunks, entries)

    def _grown(self, role: str, count: int) -> Array:
        """Return a buffer; tangents and stored Jacobians need more than a training step."""
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
