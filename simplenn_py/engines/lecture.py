"""The lecture's steps: explicit phi, one matrix product per layer, vTP in the backward pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from ..cnn.engine import Engine, read_only
from ..kernels import elementwise
from ..layout import Array, ConvGeometry, FullGeometry, aligned_empty
from ..network.config import NetConfig
from .operator_table import Operators


class LectureEngine(Engine):
    """The engine that forms phi(pad(Z)) and calls BLAS, as simpleNN does.

    Parameters
    ----------
    config, batch_size, dtype, training
        See ``cnn.engine.Engine``.
    operators : Operators, optional
        Table of the operators to call, by default those of ``simplenn_py.cnn.operators``.  A
        course exercise replaces some of them by a student's routines.

    Notes
    -----
    phi of every layer is kept from the forward pass, because (4) and the tangent need it.  The
    products of a batch are BLAS calls on transposed views: ``S' = phi' W'`` in C order has the
    same bytes as ``S = W phi`` in Fortran order, so no copy is made.
    """

    name: ClassVar[str] = "lecture"

    def __init__(
        self,
        config: NetConfig,
        batch_size: int,
        dtype: DTypeLike,
        training: bool = True,
        operators: Operators | None = None,
    ) -> None:
        super().__init__(config, batch_size, dtype, training)
        self.operators = operators or Operators()
        self._layers = self.config.geometries
        self._active = [True] * self.config.L
        self._pooled = [True] * self.config.L
        counts = _counts(self.config, batch_size, training)
        self._buffers = {role: self._allocate(role, count) for role, count in counts.items()}
        self._gradient_role = 0

    @property
    def buffers(self) -> Mapping[str, Array]:
        return read_only(self._buffers)

    @staticmethod
    def forecast(
        config: NetConfig, batch_size: int, dtype: DTypeLike, training: bool = True
    ) -> dict[str, int]:
        counts = _counts(config.stages, batch_size, training)
        size = np.dtype(dtype).itemsize
        return {r: n * (8 if r.startswith("idx_pool") else size) for r, n in counts.items()}

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
        elementwise.gather_input(
            rows,
            indices,
            flips,
            self.config.ht_input * self.config.ch_input[0],
            np.asarray(scale, self.dtype)[()],
            offset.astype(self.dtype),
            self._view("Z0", self.l, offset.size),
        )

    def Z(self, m: int) -> Array:
        rows, pixels = self._input_shape(m)
        return self._matrix(f"Z{m}", rows, pixels * self.l)

    def forward(
        self, m: int, W: Array, bias: Array, *, activate: bool = True, pool: bool = True
    ) -> None:
        self._active[m], self._pooled[m] = activate, pool
        g = self._layers[m]
        if isinstance(g, FullGeometry):
            z = self._matrix(f"Z{m}", g.n_in, self.l)
            s = self._matrix(f"Z{m + 1}", g.n_out, self.l)
            np.matmul(z.T, W.T, out=s.T)
            self.operators.bias_relu(s, self._bias(g.n_out, bias), activate)
            return
        ops, phiZ = self.operators, self._phiZ(m, g)
        pooling = pool and g.h_pool > 1
        S = self._matrix("S" if pooling else f"Z{m + 1}", g.d_next, g.a_conv * g.b_conv * self.l)
        ops.padding_and_phiZ(self.Z(m), g, out=phiZ)
        np.matmul(phiZ.T, W.T, out=S.T)
        ops.bias_relu(S, self._bias(g.d_next, bias), activate)
        if pooling:
            ops.maxpooling(S, g, out=self.Z(m + 1), idx_pool=self._idx_pool(m, g))

    def set_gradient(self, V: Array, columns: int = 1) -> None:
        self._gradient_role = 0
        self._matrix("V0", self.config.nL, self.l * columns)[...] = V

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
        g, dS = self._layers[m], self.gradient_S(m, columns)
        if isinstance(g, FullGeometry):
            phiZ = self._matrix(f"Z{m}", g.n_in, self.l)
        else:
            phiZ = self._phiZ(m, g)
        if dW is not None:
            np.matmul(phiZ, dS.T, out=dW.T)  # (4)
        if dbias is not None and dbias.size:
            np.matmul(dS, self._view("ones", dS.shape[1], 1)[:, 0], out=dbias)
        if input_gradient:
            self._equation_5(g, W, dS, f"V{1 - self._gradient_role}", self.l * columns)
            self._gradient_role = 1 - self._gradient_role

    def gradient_S(self, m: int, columns: int = 1) -> Array:
        g, source = self._layers[m], f"V{self._gradient_role}"
        if isinstance(g, ConvGeometry):
            return self._equation_3(m, g, source, columns)
        dS = self._matrix(source, g.n_out, self.l * columns)
        if self._active[m]:
            self.operators.mask(dS, self._matrix(f"Z{m + 1}", g.n_out, self.l), columns)
        return dS

    def _equation_3(self, m: int, g: ConvGeometry, source: str, columns: int) -> Array:
        """Compute ``dxi/dS' = (dxi/dZ' .* I[Z]') P_pool``."""
        ops, n = self.operators, self.l * columns
        pooling = self._pooled[m] and g.h_pool > 1
        pixels = g.a_next * g.b_next if pooling else g.a_conv * g.b_conv
        if self._active[m]:
            by_instance = (g.d_next * pixels, self.l)
            ops.mask(
                self._matrix(source, by_instance[0], n),
                self._matrix(f"Z{m + 1}", *by_instance),
                columns,
            )
        V = self._matrix(source, g.d_next, pixels * n)
        if not pooling:
            return V
        dS = self._matrix("S", g.d_next, g.a_conv * g.b_conv * n)
        ops.vTP_pool(V, self._idx_pool(m, g), g, out=dS)
        return dS

    def _equation_5(
        self, g: ConvGeometry | FullGeometry, W: Array, dS: Array, target: str, n: int
    ) -> None:
        """Compute ``dxi/dvec(Z)' = vec(W' dxi/dS)' P_phi P_pad``, or ``W' dxi/ds`` if g is full."""
        if isinstance(g, FullGeometry):
            np.matmul(dS.T, W, out=self._matrix(target, g.n_in, n).T)
            return
        V = self._matrix("dphi", g.hhd, g.a_conv * g.b_conv * n)
        np.matmul(dS.T, W, out=V.T)
        dpad = self._matrix("dpad", g.d, g.a_pad * g.b_pad * n)
        self.operators.vTP_phi(V, g, out=dpad)
        self.operators.unpad(dpad, g, out=self._matrix(target, g.d, g.a * g.b * n))

    def tangent(self, m: int, W: Array, V: Array, v_bias: Array) -> Array:
        ops, g = self.operators, self._layers[m]
        if isinstance(g, FullGeometry):
            phiZ = self._matrix(f"Z{m}", g.n_in, self.l)
            RphiZ = self._matrix(f"RZ{m}", g.n_in, self.l)
            RS = self._matrix(f"RZ{m + 1}", g.n_out, self.l)
        else:
            n = g.a_conv * g.b_conv * self.l
            phiZ, RphiZ = self._phiZ(m, g), self._matrix("dphi", g.hhd, n)
            pooling = self._pooled[m] and g.h_pool > 1
            RS = self._matrix("S" if pooling else f"RZ{m + 1}", g.d_next, n)
            if m > 0:
                RZ = self._matrix(f"RZ{m}", g.d, g.a * g.b * self.l)
                ops.padding_and_phiZ(RZ, g, out=RphiZ)
        np.matmul(phiZ.T, V.T, out=RS.T)
        if m > 0:  # R{Z^1} = 0: the input does not depend on theta
            RS += W @ RphiZ
        ops.bias_relu(RS, self._bias(V.shape[0], v_bias), False)
        if isinstance(g, ConvGeometry) and pooling:
            out = self._matrix(f"RZ{m + 1}", g.d_next, g.a_next * g.b_next * self.l)
            RS = ops.P_pool(RS, self._idx_pool(m, g), g, out=out)
        return ops.mask(RS, self._matrix(f"Z{m + 1}", *RS.shape)) if self._active[m] else RS

    def phi(self, m: int) -> Array:
        g = self._layers[m]
        if isinstance(g, FullGeometry):
            return self._matrix(f"Z{m}", g.n_in, self.l)
        return self._phiZ(m, g)

    def _bias(self, rows: int, bias: Array) -> Array:
        return bias if bias.size else np.zeros(rows, self.dtype)

    def path(self, m: int) -> str:
        return "phi, BLAS" if m < self.config.LC else "BLAS"

    def _input_shape(self, m: int) -> tuple[int, int]:
        """Return rows, and pixels per instance, of ``Z(m)``; ``(nL, 1)`` after the last layer."""
        if 0 < m <= self.config.LC:
            g = self.config.conv_layers[m - 1]
            pixels = g.a_next * g.b_next if self._pooled[m - 1] else g.a_conv * g.b_conv
            return g.d_next, pixels
        if m < self.config.LC:
            a, b, d = self.config.image_shape
            return d, a * b
        sizes = (self.config.full_layers[0].n_in, *self.config.full_neurons)
        return sizes[m - self.config.LC], 1

    def _phiZ(self, m: int, g: ConvGeometry) -> Array:
        role = f"phi{m}" if self.training else "phi"
        return self._matrix(role, g.hhd, g.a_conv * g.b_conv * self.l)

    def _idx_pool(self, m: int, g: ConvGeometry) -> Array:
        role = f"idx_pool{m}" if self.training else "idx_pool"
        return self._matrix(role, g.d_next * g.a_next * g.b_next, self.l)

    def _allocate(self, role: str, count: int) -> Array:
        buffer = aligned_empty((count,), np.int64 if role.startswith("idx_pool") else self.dtype)
        if role == "ones":
            buffer[:] = 1
        return buffer

    def _view(self, role: str, rows: int, columns: int) -> Array:
        """Return part of a buffer as a C-order matrix, and enlarge the buffer if necessary.

        Tangents and stored Jacobians need more than a training step.
        """
        buffer = self._buffers.get(role)
        if buffer is None or buffer.size < rows * columns:
            buffer = self._buffers[role] = self._allocate(role, rows * columns)
        return buffer[: rows * columns].reshape(rows, columns)

    def _matrix(self, role: str, rows: int, columns: int) -> Array:
        return self._view(role, columns, rows).T


def _counts(config: NetConfig, batch_size: int, training: bool) -> dict[str, int]:
    """Return the number of entries of each buffer of a training step, or of a forward pass."""
    conv = config.conv_layers
    inputs = [g.d * g.a * g.b for g in conv] + [g.n_in for g in config.full_layers]
    counts = {f"Z{m}": n for m, n in enumerate([*inputs, config.nL])}
    phi = [g.hhd * g.a_conv * g.b_conv for g in conv]
    before_pool = [g.d_next * g.a_conv * g.b_conv for g in conv if g.h_pool > 1]
    pooled = {m: g.d_next * g.a_next * g.b_next for m, g in enumerate(conv) if g.h_pool > 1}
    counts["S"] = max(before_pool, default=0)
    if training:
        counts |= {f"phi{m}": n for m, n in enumerate(phi)}
        counts |= {f"idx_pool{m}": n for m, n in pooled.items()}
        counts["dphi"] = max(phi[1:], default=0)
        counts["dpad"] = max((g.d * g.a_pad * g.b_pad for g in conv[1:]), default=0)
        counts["V0"] = counts["V1"] = max([*inputs[1:], config.nL])
        counts["ones"] = max([g.a_conv * g.b_conv for g in conv], default=1)
    else:
        counts["phi"] = max(phi, default=0)
        counts["idx_pool"] = max(pooled.values(), default=0)
    return {role: n * batch_size for role, n in counts.items()}
