"""The effect of a compression: parameters, operations, accuracy and time, before and after."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...cnn.gradient import lossgrad_subset
from ...cnn.operators.loss import get_loss
from ...cnn.problem import Problem
from ...datasets.dataset import Dataset
from ...engines import DEFAULT, make_engine
from ...labels import match_labels
from ...model.model import Model
from ...runtime.threads import limit_threads
from ..summary import summarise
from .ranks import LayerRank

BATCH = 128  # images per timed pass
_TURNS = 20


def first_report(
    layers: Sequence[LayerRank], whole: Model, small: Model, outputs: bool
) -> dict[str, Any]:
    """Return the ranks, and the parameters and operations before and after, as plain values.

    Parameters
    ----------
    layers : sequence of LayerRank
    whole, small : Model
        The model before and after compression.
    outputs : bool
        Whether the singular values are those of the layers' outputs, not of the weights.

    Returns
    -------
    dict
        Values for JSON; ``"accuracy"`` is empty.
    """
    before, after = (summarise(m.config, 1, m.theta.dtype.name) for m in (whole, small))
    return {
        "measure": "outputs" if outputs else "weights",
        "layers": [
            {
                "m": x.m,
                "shape": list(x.shape),
                "rank": x.rank,
                "energy": x.energy,
                "singular_values": x.singular_values.tolist(),
            }
            for x in layers
        ],
        "parameters": [before.parameters, after.parameters],
        "operations_per_image": [before.operations, after.operations],
        "accuracy": {},
    }


def add_accuracy(report: dict[str, Any], when: str, model: Model, data: Dataset | None) -> None:
    """Measure the accuracy of `model` on the test images, else on the training images.

    Parameters
    ----------
    report : dict
        From :func:`first_report`; the accuracy is added in place.
    when : str
        Key of the accuracy, such as "before".
    model : Model
    data : Dataset or None
        None: nothing is measured.
    """
    if data is None:
        return
    part, name = (data.train, "training") if data.test is None else (data.test, "test")
    index, unknown = match_labels(part.y, model.classes)
    predicted = model.decision_values(part.Z).argmax(axis=0)
    report["accuracy"][when] = float(np.mean(predicted == index))
    report["accuracy_on"] = f"{data.name}, {name} images"
    report["unknown_labels"] = [{"label": k, "images": n} for k, n in unknown.items()]


def time_passes(whole: Model, small: Model) -> dict[str, list[float]]:
    """Time a forward pass and a training step of both models on random images, alternately.

    Parameters
    ----------
    whole, small : Model
        The model before and after compression.

    Returns
    -------
    dict
        ``"predict"`` and ``"step"``: the medians of `whole` and of `small` in ms, for BATCH images.
    """
    a, b, d = whole.config.image_shape
    rng, everything = np.random.default_rng(0), np.arange(BATCH)
    images = np.asfortranarray(rng.random((d, a * b * BATCH)).astype(whole.theta.dtype))
    y = rng.integers(0, whole.config.nL, BATCH)
    problem = Problem(images, y, get_loss(whole.loss), np.inf, 1.0, np.zeros(a * b * d))
    seconds: dict[str, tuple[list[float], list[float]]] = {"predict": ([], []), "step": ([], [])}
    with limit_threads(0):
        runs = []
        for model in (whole, small):
            engine = make_engine(DEFAULT, model.config, BATCH, model.theta.dtype)
            runs.append((engine, model, np.empty_like(model.theta)))
        for turn in range(1 + _TURNS):
            for what, both in seconds.items():
                for found, (engine, model, gradient) in zip(both, runs, strict=True):
                    began = time.perf_counter()
                    target = gradient if what == "step" else None
                    lossgrad_subset(engine, model, problem, everything, target)
                    if turn:  # the first turn may compile
                        found.append(time.perf_counter() - began)
    return {what: [1e3 * float(np.median(s)) for s in both] for what, both in seconds.items()}
