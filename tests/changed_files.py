"""Files changed inside and packed again: right as archives, wrong in what they say."""

from __future__ import annotations

import copy
import json
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

#: JSON that a key is given in place of its value; a tuple stands for JSON as a text.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, 10**6, 2**31, 2**63, 2**64, 10**18, -(10**18), 10**400,
    0.0, 1.0, -1.5, 0.3, 1e-320, 1e38, 1e308, -1e308, float("inf"), float("nan"), ("1e400",),
    ("1" * 5000,), "", "x", "nan", "inf", "1", "\ud800", "\udce9", "\x1b[31m\n", "x" * 10_000,
    [], [None], [0.5, "x"], {}, {"a": 1}, list(range(3000)), ("[" * 60 + "]" * 60,),
    ("[" * 100_000 + "]" * 100_000,), ('{"a": 1, "a": 2}',), "adam", "newton", "float64",
    "lecture", "one-cycle", "squared",
)  # fmt: skip


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays of any kind into a sound archive."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                npy.write_array(member, np.asanyarray(array), allow_pickle=True)


def changed_json(rng: np.random.Generator, content: Any) -> str:
    """Return JSON with one entry changed, lost, renamed, doubled or moved."""
    content = copy.deepcopy(content)
    holder, key = _place(rng, content)
    value = holder[key]
    kind = int(rng.integers(10))
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[str(rng.choice(["", "x", "\ud800", "y" * 10_000, "epoch"]))] = holder.pop(key)
    elif kind == 2 and isinstance(holder, list):
        holder.append(copy.deepcopy(value))
    elif kind == 2:
        holder["__twice__"] = key
    elif kind == 3 and isinstance(value, int | float) and abs(value) < 1e300:
        nearby = [value + 1, value - 1, -value, float(value), str(value), value * 2, bool(value)]
        holder[key] = nearby[int(rng.integers(len(nearby)))]
    elif kind == 4:
        other, elsewhere = _place(rng, content)
        values = copy.deepcopy(other[elsewhere]), copy.deepcopy(value)
        holder[key], other[elsewhere] = values
    else:
        holder[key] = VALUES[int(rng.integers(len(VALUES)))]
    return _text(content)


def _place(rng: np.random.Generator, content: Any) -> tuple[Any, Any]:
    """Choose an entry at any depth: its dict or list, and its key."""
    while True:
        keys = list(content) if isinstance(content, dict) else range(len(content))
        key = keys[int(rng.integers(len(keys)))]
        inner = content[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.2:
            return content, key
        content = inner


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return str(value[0])
    if isinstance(value, dict):
        twice = value.get("__twice__")
        entries = [(k, v) for k, v in value.items() if k != "__twice__"]
        entries += [(k, 3) for k, _ in entries if k == twice]
        return "{" + ", ".join(f"{json.dumps(k)}: {_text(v)}" for k, v in entries) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return json.dumps(value)


def changed_array(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    """Return an array of another dtype, shape or content."""
    changes: tuple[Callable[[], np.ndarray], ...] = (
        lambda: array.astype(np.float64) if array.dtype.kind in "biuf" else array.reshape(1),
        lambda: array.astype(np.float32) if array.dtype.kind in "biuf" else np.array(3),
        lambda: array.astype(np.float16) if array.dtype.kind in "biuf" else np.array(b"bytes"),
        lambda: array.astype(complex) * (1 + 2j) if array.dtype.kind in "biuf" else np.array(1j),
        lambda: array.astype(np.int8) if array.dtype.kind in "iu" else array.ravel()[::-1],
        lambda: array.astype(object),
        lambda: array.astype(str),
        lambda: array.astype(">U10"),
        lambda: array.ravel()[:-1],
        lambda: np.concatenate([array.ravel()] * 2),
        lambda: array[np.newaxis],
        lambda: array.ravel()[:0],
        lambda: np.array(0.5),
        lambda: np.zeros_like(array),
        lambda: rng.permutation(array.ravel()),
        lambda: np.full(max(array.size, 1), 2**32 - 5, "u4").view("U1").reshape(-1),
        lambda: np.full(array.shape, "\ud800"),
        lambda: np.full(array.shape, "x" * 10_000),
    )
    extreme: tuple[Any, ...] = (
        np.nan, np.inf, -np.inf, 1e300, -1e300, 1e38, -1.0, 0.0, 1e-320, 1e9, 2**40, -(2**62),
    )  # fmt: skip
    if array.dtype.kind in "iuf" and array.size and rng.random() < 0.6:
        result = array.copy()
        with np.errstate(all="ignore"):
            value = np.array(extreme[int(rng.integers(len(extreme)))])
            value = np.nan_to_num(value) if array.dtype.kind in "iu" else value
            result.flat[int(rng.integers(array.size))] = value.astype(array.dtype)
        return result
    with np.errstate(all="ignore"):
        try:
            return np.asarray(changes[int(rng.integers(len(changes)))]())
        except (ValueError, TypeError, SystemError):  # changed before
            return np.array(3)


def changed_arrays(
    rng: np.random.Generator, arrays: dict[str, np.ndarray], texts: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Return arrays with one to three changes; `texts` are those that hold JSON."""
    arrays = dict(arrays)
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.6:
            name = str(rng.choice([t for t in texts if t in arrays] or ["none"]))
            try:
                content = json.loads(str(arrays[name][()]))
                arrays[name] = np.array(changed_json(rng, content))
            except (ValueError, LookupError, TypeError, RecursionError, SystemError):
                continue  # changed before, into what can be changed no further
        else:
            name = str(rng.choice(list(arrays)))
            kind = int(rng.integers(8))
            if kind == 0:
                del arrays[name]
            elif kind == 1:
                arrays[f"{name}2"] = arrays.pop(name)
            elif kind == 2:
                other = str(rng.choice(list(arrays)))
                arrays[name], arrays[other] = arrays[other], arrays[name]
            else:
                arrays[name] = changed_array(rng, arrays[name])
    return arrays


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Fail a test that hangs, where the system has an alarm."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"it took more than {seconds} s")

    if not hasattr(signal, "setitimer"):  # pragma: no cover
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
