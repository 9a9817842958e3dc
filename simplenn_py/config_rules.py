"""What makes a network possible: the checks of NetConfig, each problem named by its layer."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import NetConfig

#: The lists with one entry a convolutional layer.
CONV_LISTS = ("wd_pad_added", "wd_filter", "strides", "wd_subimage_pool")
_LARGEST = 2**31 - 1


def problems_of(config: NetConfig) -> list[str]:
    """Say what is wrong with a network; an empty list where it can be built.

    The later checks need what the earlier ones found right.
    """
    return (
        _wrong_types(config)
        or _wrong_lengths(config)
        or _wrong_values(config)
        or _impossible_layers(config)
        or _wrong_ranks(config)
    )


def _wrong_types(config: NetConfig) -> list[str]:
    problems = []
    for f in fields(config):
        value = getattr(config, f.name)
        expected = "an integer" if f.type == "int" else "a list of integers"
        ok = _is_int(value) if f.type == "int" else _is_int_tuple(value)
        if not ok:
            problems.append(f"{f.name} is {value!r}; it must be {expected}, none above {_LARGEST}")
    return problems


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _is_int_tuple(value: object) -> bool:
    return isinstance(value, tuple) and all(map(_is_int, value))


def _wrong_lengths(config: NetConfig) -> list[str]:
    problems = []
    if config.LC < 0:
        problems.append(f"LC is {config.LC}; it must be 0 or more")
    if config.LF < 1:
        problems.append(f"LF is {config.LF}; at least one fully connected layer is needed")
    if problems:
        return problems
    wanted = {"ch_input": config.LC + 1, "full_neurons": config.LF}
    wanted |= dict.fromkeys(CONV_LISTS, config.LC)
    if config.rank:
        wanted["rank"] = config.L
    for name, length in wanted.items():
        got = len(getattr(config, name))
        if got != length:
            rule = {"ch_input": "LC + 1", "full_neurons": "LF", "rank": "L"}.get(name, "LC")
            problems.append(f"{name} has {got} entries; it needs {rule} = {length}")
    return problems


def _wrong_values(config: NetConfig) -> list[str]:
    problems = []
    for name in ("ht_input", "wd_input"):
        if getattr(config, name) < 1:
            problems.append(f"{name} is {getattr(config, name)}; it must be 1 or more")
    if config.ch_input[0] < 1:
        problems.append(f"ch_input(1) is {config.ch_input[0]}; images have 1 channel or more")
    lowest = {"ch_input": 1, "wd_pad_added": 0, "wd_filter": 1, "strides": 1, "wd_subimage_pool": 1}
    for m in range(config.LC):
        for name, low in lowest.items():
            value = getattr(config, name)[m + (name == "ch_input")]
            if value < low:
                problems.append(f"layer {m + 1}: {name} is {value}; it must be {low} or more")
    for k, neurons in enumerate(config.full_neurons[:-1]):
        if neurons < 1:
            problems.append(f"layer {config.LC + k + 1}: full_neurons is {neurons}; at least 1")
    if config.nL < 2:
        problems.append(
            f"layer {config.L}: full_neurons is {config.nL}; "
            "the last entry is the number of classes, 2 or more"
        )
    return problems


def _impossible_layers(config: NetConfig) -> list[str]:
    problems = []
    for m, g in enumerate(config.conv_layers, start=1):
        if g.h > min(g.a_pad, g.b_pad):
            problems.append(
                f"layer {m}: the {g.h}x{g.h} filter is larger than its padded input, "
                f"{g.a_pad}x{g.b_pad}; use a smaller wd_filter or more wd_pad_added"
            )
            break  # later sizes would only repeat the same fault
        if min(g.a_next, g.b_next) < 1:
            problems.append(
                f"layer {m}: pooling {g.h_pool}x{g.h_pool} leaves nothing of the "
                f"{g.a_conv}x{g.b_conv} convolution; use a smaller wd_subimage_pool"
            )
            break
    return problems


def _wrong_ranks(config: NetConfig) -> list[str]:
    conv = [(g.d_next, g.hhd) for g in config.conv_layers]
    shapes = [*conv, *((g.n_out, g.n_in) for g in config.full_layers)]
    return [
        f"layer {m}: rank is {rank}; that of its {rows}x{columns} matrix W is between 1 and "
        f"{min(rows, columns)}, or 0 for a layer that is not factored"
        for m, (rank, (rows, columns)) in enumerate(zip(config.rank, shapes, strict=False), start=1)
        if not 0 <= rank <= min(rows, columns)
    ]
