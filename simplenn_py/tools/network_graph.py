"""Draw the computational graph of a whole network and its loss.

Import this module by its own name, as ``autodiff/rules_cnn.py``: it needs the compiled kernels.
"""

from __future__ import annotations

import numpy as np

from ..autodiff.box import plain
from ..autodiff.graph import graph_svg
from ..autodiff.rules_cnn import network
from ..autodiff.tape import GradientTape, TapeEntry
from ..autodiff.tape_training import cross_entropy, squared
from ..errors import OptionError, closest
from ..layout import ConvGeometry
from ..model.model import Model

#: Losses by name.
LOSSES = {"squared": squared, "cross-entropy": cross_entropy}


def network_graph(
    model: Model, l: int = 2, loss: str = "squared", adjoints: bool = False
) -> tuple[str, float]:
    """Draw how the mean loss of a batch is computed from a network's weights.

    Parameters
    ----------
    model : Model
        Network, with its weights.
    l : int
        Number of random images and labels in the batch, 1 or more.
    loss : {"squared", "cross-entropy"}
        Loss of one instance.
    adjoints : bool
        Whether to write the norm of the derivative of the loss into every node.

    Returns
    -------
    svg : str
        Text of an .svg file; the graph runs from top to bottom.
    value : float
        The mean loss.

    Raises
    ------
    OptionError
        If `l` is less than 1, or `loss` is unknown.

    Notes
    -----
    Sections A and E of the lecture.
    """
    if l < 1:
        raise OptionError(f"the batch has {l} images; it must have 1 or more")
    if loss not in LOSSES:
        raise OptionError(
            f"loss is {loss!r}; it must be one of {', '.join(LOSSES)}{closest(loss, list(LOSSES))}"
        )
    config, dtype, rng = model.config, model.theta.dtype, np.random.default_rng(0)
    a, b, d = config.image_shape
    images = np.asfortranarray(rng.standard_normal((d, a * b * l)).astype(dtype))
    y = rng.integers(0, config.nL, l)
    with GradientTape() as tape:
        names = {"Z^1": tape.watch(images)}
        W, bias = [], []
        for stage, W_m, bias_m in zip(config.stage_names, model.W, model.bias, strict=True):
            number, _, factor = stage.partition(" ")
            names[f"{factor or 'W'}^{number}"] = tape.watch(W_m)
            W.append(names[f"{factor or 'W'}^{number}"])
            bias.append(tape.watch(bias_m))
            names[f"bias^{number}{factor}"] = bias[-1]
        z = network(names["Z^1"], W, bias, config.stages.conv_layers)
        f = np.mean(LOSSES[loss](z, y))
    svg = graph_svg(f, names, adjoints=adjoints, down=True, title=_title)
    return svg, float(plain(f))


def _title(record: TapeEntry) -> str:
    """Name an operation, with its sizes if it belongs to a layer."""
    name, g = record.rule.name if record.rule else "", record.options.get("g")
    if not isinstance(g, ConvGeometry):
        return name
    if name != "conv":
        return f"{name} {g.h_pool}x{g.h_pool}"
    more = (f", pad {g.p}" if g.p else "") + (f", stride {g.s}" if g.s > 1 else "")
    return f"{name} {g.h}x{g.h}{more}"
