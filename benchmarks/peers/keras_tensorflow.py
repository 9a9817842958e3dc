"""Keras on TensorFlow, which uses oneDNN for convolutions on a CPU; images in NHWC order."""

from __future__ import annotations

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf

from simplenn_py.errors import OptionError

from ..case import LR, MOMENTUM, Case, Runner


def build(case: Case, variant: str) -> Runner:
    if case.kind == "gv":
        raise OptionError("it has no product with the Gauss-Newton matrix")
    keras.backend.set_floatx(case.dtype)
    net = _network(case)
    images, target = tf.constant(case.images), tf.constant(case.one_hot)
    version = f"keras {keras.__version__}, tensorflow {tf.__version__}"

    @tf.function
    def predict() -> Any:
        return net(images, training=False)

    if case.kind == "predict":
        return Runner(lambda: predict().numpy(), case.loss, version)

    solver = keras.optimizers.SGD(LR, momentum=MOMENTUM)
    solver.build(net.trainable_variables)

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((net(images, training=True) - target) ** 2) / case.batch
        gradients = tape.gradient(loss, net.trainable_variables)
        solver.apply_gradients(zip(gradients, net.trainable_variables, strict=True))
        return loss

    return Runner(lambda: float(step()), float, version)


def _network(case: Case) -> Any:
    config, layers = case.config, [keras.Input(case.shape)]
    biases = iter(case.model.bias)
    weights = []
    for g, W in zip(config.conv_layers, case.filters(case.model), strict=True):
        same = g.s == 1 and 2 * g.p == g.h - 1
        if not same and g.p > 0:
            layers.append(keras.layers.ZeroPadding2D(g.p))
        padding = "same" if same else "valid"
        layers.append(
            keras.layers.Conv2D(g.d_next, g.h, strides=g.s, padding=padding, activation="relu")
        )
        weights += [W.transpose(2, 3, 1, 0), next(biases)]
        if g.h_pool > 1:
            layers.append(keras.layers.MaxPooling2D(g.h_pool))
    layers.append(keras.layers.Flatten())
    for m, W in enumerate(case.matrices(case.model, channels_first=False), start=1):
        activation = None if m == config.LF else "relu"
        layers.append(keras.layers.Dense(W.shape[0], activation=activation))
        weights += [W.T, next(biases)]
    net = keras.Sequential(layers)
    net.set_weights(weights)
    return net
