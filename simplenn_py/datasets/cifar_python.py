"""CIFAR-10 in its Python version, translated into the batches of the binary version.

A batch is a pickle of a dictionary: ``data``, an array of unsigned bytes ``(l, 3072)``, and
``labels``, a list of l numbers.  It is read without unpickling.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .plain_pickle import Bytes, NotPlainError, read_plain

_VALUES = 3072


def binary_batch(content: bytes) -> bytes:
    """Translate a batch into records of 3073 bytes, as the binary version has them.

    Parameters
    ----------
    content : bytes
        The batch as the Python version has it.

    Returns
    -------
    bytes

    Raises
    ------
    NotPlainError
        If it is not a batch of CIFAR-10; other exceptions if it is not even a pickle.
    """
    batch = _dictionary(content)
    data, labels = batch.get("data"), batch.get("labels")
    if not isinstance(data, Bytes) or data.value.ndim != 2 or data.value.shape[1] != _VALUES:
        raise NotPlainError(f"has no array 'data' of unsigned bytes with {_VALUES} columns")
    count = data.value.shape[0]
    if (
        not isinstance(labels, list)
        or len(labels) != count
        or not all(type(k) is int and 0 <= k < 256 for k in labels)
    ):
        raise NotPlainError(f"has no list 'labels' of {count} numbers")
    records = np.empty((count, 1 + _VALUES), np.uint8)
    records[:, 0] = labels
    records[:, 1:] = data.value
    return records.tobytes()


def class_lines(content: bytes) -> bytes:
    """Translate ``batches.meta`` into the lines of ``batches.meta.txt``.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    bytes

    Raises
    ------
    NotPlainError
        If it has no list of names; other exceptions if it is not even a pickle.
    """
    names = _dictionary(content).get("label_names")
    if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
        raise NotPlainError("has no list 'label_names' of texts")
    return b"\n".join(n if isinstance(n, bytes) else n.encode("utf-8", "replace") for n in names)


def _dictionary(content: bytes) -> dict[str, Any]:
    value = read_plain(content)
    if not isinstance(value, dict):
        raise NotPlainError("is not a dictionary")
    return value
