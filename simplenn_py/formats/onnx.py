"""A trained network as an ONNX file, which other programs and languages can run.

The graph takes images that are not normalised: the normalisation is part of the graph.  The
convolutional layers use ONNX's layout ``(l, d, a, b)``.  In front of the fully connected
layers the values are reordered as ``vec(Z)``, where the channel varies fastest, then the row,
then the column, so that W stays as trained.

The operators are those of ONNX's operator set 13, https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, OptionError
from ..io.atomic import atomic_write_bytes
from ..layout import Array, to_nhwc
from ..model.model import Model

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 13  # of 2020, with IR version 7: all runtimes since then read the file
_IR = 7
_MOST_BYTES = 2**31 - 2**20  # protobuf's bound for one file, minus room for the graph


def write_onnx(path: str | os.PathLike[str], model: Model, probabilities: bool = False) -> None:
    """Write `model` as an ``.onnx`` file atomically; equal models give equal bytes.

    Parameters
    ----------
    path : path
        File to write; no suffix is added.
    model : Model
        Trained network, float32 or float64.  The file computes in float32.
    probabilities : bool
        Whether to add the output ``probabilities``; only for models trained with the
        cross-entropy loss.

    Raises
    ------
    OptionError
        If the package onnx is not installed, or the loss does not give probabilities.
    DataError
        If the file cannot be written, a weight is not finite in float32, or there are too many
        weights for the format.

    Notes
    -----
    The input ``images`` is float32, ``(l, a, b, d)``, on the scale of the training images.
    The outputs are float32, ``(l, nL)``: ``values``, the decision values ``z^{L+1}``, and
    ``probabilities``, their softmax.  The metadata hold ``classes``, a JSON list; output k
    belongs to its entry k.
    """
    try:
        graph = build_onnx(model, probabilities)
    except DataError as error:
        raise DataError(f"{os.fspath(path)}: {error}") from None
    atomic_write_bytes(Path(path), graph.SerializeToString(deterministic=True))


def build_onnx(model: Model, probabilities: bool = False) -> ModelProto:
    """Build the ONNX model that :func:`write_onnx` writes, and check it with ``onnx.checker``.

    Parameters
    ----------
    model : Model
        Trained network.
    probabilities : bool
        Whether to add the output ``probabilities``.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    OptionError
        If the package onnx is not installed, or the loss does not give probabilities.
    DataError
        If a weight is not finite in float32, or there are too many weights for the format.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError:
        raise OptionError(
            "ONNX files need the package onnx, which is not installed; install it: "
            'pip install "simplenn-py[onnx]"'
        ) from None
    if probabilities and model.loss != "cross-entropy":
        raise OptionError(
            f"the model was trained with the {model.loss} loss, whose values are not "
            "probabilities; leave the probabilities out, or train with the cross-entropy loss"
        )
    if 4 * model.theta.size > _MOST_BYTES:
        raise DataError(
            f"the network has {model.theta.size} weights; an .onnx file holds at most "
            f"{_MOST_BYTES // 4}; use a smaller network"
        )
    graph = _Graph()
    _add_network(graph, model)
    a, b, d = model.config.image_shape
    outputs = ["values"]
    if probabilities:
        graph.add("Softmax", outputs="probabilities", axis=1)
        outputs.append("probabilities")
    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "simplenn_py",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["l", a, b, d])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["l", model.config.nL])
                for name in outputs
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR,
        producer_name="simplenn_py",
        doc_string=(
            f"images: float32, (l, {a}, {b}, {d}): image, row, column, channel; on the scale of "
            "the training images. values: z^{L+1}, output k for entry k of classes (metadata)."
        ),
    )
    helper.set_model_props(
        proto, {"classes": json.dumps(model.classes.tolist()), "loss": model.loss}
    )
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _add_network(graph: _Graph, model: Model) -> None:
    """Add the layers; a factored layer becomes two, the first without bias and ReLU."""
    config, is_V, n = model.config.stages, model.config.is_V, model.normalisation
    labels = [name.replace(" ", "_") for name in model.config.stage_names]

    def weights(m: int, W: Array) -> tuple[str, ...]:
        names = (graph.constant(f"W{labels[m]}", W),)
        return names if is_V[m] else (*names, graph.constant(f"bias{labels[m]}", model.bias[m]))

    a, b, d = config.image_shape
    offset = to_nhwc(n.offset.reshape(d, a * b, order="F"), a, b)[0]
    graph.value = "images"
    graph.add("Mul", graph.constant("scale", np.array(n.scale)))
    graph.add("Sub", graph.constant("offset", offset))
    graph.add("Transpose", perm=[0, 3, 1, 2])
    for m, g in enumerate(config.conv_layers):
        # A row of W holds filter offset (u, w) of channel c at u + h*w + h*h*c.
        W = model.W[m].reshape(g.d_next, g.d, g.h, g.h).transpose(0, 1, 3, 2)
        graph.add(
            "Conv",
            *weights(m, W),
            kernel_shape=[g.h, g.h],
            strides=[g.s, g.s],
            pads=[g.p, g.p, g.p, g.p],
        )
        if not is_V[m]:
            graph.add("Relu")
        if g.h_pool > 1:
            # ceil_mode 0: only complete windows are pooled.
            window = [g.h_pool, g.h_pool]
            graph.add("MaxPool", kernel_shape=window, strides=window, ceil_mode=0)
    graph.add("Transpose", perm=[0, 3, 2, 1])
    graph.add("Flatten", axis=1)
    for m in range(config.LC, config.L):
        last = m == config.L - 1
        names = weights(m, model.W[m])
        graph.add("Gemm", *names, outputs="values" if last else "", transB=1)
        if not last and not is_V[m]:
            graph.add("Relu")


class _Graph:
    """A chain of nodes: each takes the output of the previous one, whose name is `value`."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.value = ""

    def constant(self, name: str, value: Array) -> str:
        """Add `value` to the graph as a float32 constant; return `name`."""
        from onnx import numpy_helper

        with np.errstate(over="ignore"):
            array = np.array(value, np.float32, order="C")
        if not np.isfinite(array).all():
            raise DataError(
                f"{name} holds numbers that are not finite in float32; train the model again"
            )
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *others: str, outputs: str = "", **attributes: Any) -> None:
        """Append ``operator(value, *others)``; its name is `outputs`, or operator and number."""
        from onnx import helper

        result = outputs or f"{operator}_{len(self.nodes) + 1}"
        self.nodes.append(
            helper.make_node(operator, [self.value, *others], [result], name=result, **attributes)
        )
        self.value = result
