"""JAX: XLA compiles the step as one function; images in NHWC order."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from simplenn_py.model.model import Model

from ..case import LR, MOMENTUM, Case, Runner


def build(case: Case, variant: str) -> Runner:
    jax.config.update("jax_enable_x64", case.dtype == "float64")
    jax.config.update("jax_platforms", "cpu")
    theta = _parameters(case, case.model)
    images, target = jnp.array(case.images), jnp.array(case.one_hot)
    forward, version = partial(_forward, case), f"jax {jax.__version__}"
    if case.kind == "predict":
        predict = jax.jit(forward)
        return Runner(lambda: np.asarray(predict(theta, images)), case.loss, version)

    if case.kind == "gv":
        _, Jv = jax.linearize(lambda theta: forward(theta, images), theta)
        JTu = jax.linear_transpose(Jv, theta)
        v = _parameters(case, case.direction)
        product = jax.jit(lambda v: JTu(2 / case.batch * Jv(v))[0])

        def v_times(Gv: Any) -> float:
            return float(sum(jax.tree.leaves(jax.tree.map(jnp.vdot, v, Gv))))

        return Runner(lambda: jax.block_until_ready(product(v)), v_times, version)

    def loss_of(theta: Any, images: Any, target: Any) -> Any:
        return jnp.sum((forward(theta, images) - target) ** 2) / case.batch

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(theta: Any, v: Any, images: Any, target: Any) -> Any:
        loss, gradient = jax.value_and_grad(loss_of)(theta, images, target)
        v = jax.tree.map(lambda v, g: MOMENTUM * v - LR * g, v, gradient)
        return jax.tree.map(jnp.add, theta, v), v, loss

    state = theta, jax.tree.map(jnp.zeros_like, theta)

    def run() -> float:
        nonlocal state
        *state, loss = jax.block_until_ready(step(*state, images, target))
        return float(loss)

    return Runner(run, float, version)


def _parameters(case: Case, model: Model) -> Any:
    filters = [W.transpose(2, 3, 1, 0) for W in case.filters(model)]
    matrices = [W.T for W in case.matrices(model, channels_first=False)]
    layers = zip([*filters, *matrices], model.bias, strict=True)
    return [(jnp.array(W), jnp.array(bias)) for W, bias in layers]


def _forward(case: Case, theta: Any, Z: Any) -> Any:
    config = case.config
    for g, (W, bias) in zip(config.conv_layers, theta, strict=False):
        Z = lax.conv_general_dilated(
            Z, W, (g.s, g.s), [(g.p, g.p)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        Z = jax.nn.relu(Z + bias)
        window = (1, g.h_pool, g.h_pool, 1)
        if g.h_pool > 1:
            Z = lax.reduce_window(Z, -jnp.inf, lax.max, window, window, "VALID")
    z = Z.reshape(Z.shape[0], -1)
    for k, (W, bias) in enumerate(theta[config.LC :], start=1):
        z = z @ W + bias
        if k < config.LF:
            z = jax.nn.relu(z)
    return z
