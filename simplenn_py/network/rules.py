"""The rules of a network: the checks of NetConfig, which name each problem by its layer."""

from __future__ import annotations

from dataclasses import fields

from ..errors import shown
from .fields import CONV_LISTS, Fields

_LARGEST = 2**31 - 1


def problems_of(network: Fields) -> list[str]:
    """Return the problems of a network.

    Parameters
    ----------
    network : Fields

    Returns
    -------
    list of str
        Part of an error message for each problem; empty if the network can be built.

    Notes
    -----
    A check runs only if the checks before it found no problem, because it relies on them.
    """
    return (
        _wrong_types(network)
        or _wrong_lengths(network)
        or _wrong_values(network)
        or _impossible_layers(network)
        or _wrong_ranks(network)
    )


def _wrong_types(network: Fields) -> list[str]:
    problems = []
    for f in fields(network):
        value = getattr(network, f.name)
        expected = "an integer," if f.type == "int" else "a list of integers, each"
        ok = _is_int(value) if f.type == "int" else _is_int_tuple(value)
        if not ok:
            found = shown(repr(value), 60)
            problems.append(f"{f.name} is {found}; it must be {expected} at most {_LARGEST}")
    return problems


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _is_int_tuple(value: object) -> bool:
    return isinstance(value, tuple) and all(map(_is_int, value))


def _wrong_lengths(network: Fields) -> list[str]:
    problems = []
    if network.LC < 0:
        problems.append(f"LC is {network.LC}; it must be 0 or more")
    if network.LF < 1:
        problems.append(f"LF is {network.LF}; at least one fully connected layer is needed")
    if problems:
        return problems
    wanted = {"ch_input": network.LC + 1, "full_neurons": network.LF}
    wanted |= dict.fromkeys(CONV_LISTS, network.LC)
    if network.rank:
        wanted["rank"] = network.L
    for name, length in wanted.items():
        got = len(getattr(network, name))
        if got != length:
            rule = {"ch_input": "LC + 1", "full_neurons": "LF", "rank": "L"}.get(name, "LC")
            problems.append(f"{name} has {got} entries; it needs {rule} = {length}")
    return problems


def _wrong_values(network: Fields) -> list[str]:
    problems = []
    for name in ("ht_input", "wd_input"):
        if getattr(network, name) < 1:
            problems.append(f"{name} is {getattr(network, name)}; it must be 1 or more")
    if network.ch_input[0] < 1:
        problems.append(f"ch_input(1) is {network.ch_input[0]}; images have 1 channel or more")
    lowest = {"ch_input": 1, "wd_pad_added": 0, "wd_filter": 1, "strides": 1, "wd_subimage_pool": 1}
    for m in range(network.LC):
        for name, low in lowest.items():
            value = getattr(network, name)[m + (name == "ch_input")]
            if value < low:
                problems.append(f"layer {m + 1}: {name} is {value}; it must be {low} or more")
    for k, neurons in enumerate(network.full_neurons[:-1]):
        if neurons < 1:
            problems.append(
                f"layer {network.LC + k + 1}: full_neurons is {neurons}; it must be 1 or more"
            )
    if network.nL < 2:
        problems.append(
            f"layer {network.L}: full_neurons is {network.nL}; "
            "the last entry is the number of classes, 2 or more"
        )
    return problems


def _impossible_layers(network: Fields) -> list[str]:
    problems = []
    for m, g in enumerate(network.conv_layers, start=1):
        if g.h > min(g.a_pad, g.b_pad):
            problems.append(
                f"layer {m}: the {g.h}x{g.h} filter is larger than its padded input, "
                f"{g.a_pad}x{g.b_pad}; use a smaller wd_filter or more wd_pad_added"
            )
            break  # the sizes of later layers follow from this one's
        if min(g.a_next, g.b_next) < 1:
            problems.append(
                f"layer {m}: pooling {g.h_pool}x{g.h_pool} leaves nothing of the "
                f"{g.a_conv}x{g.b_conv} convolution; use a smaller wd_subimage_pool"
            )
            break
    return problems


def _wrong_ranks(network: Fields) -> list[str]:
    conv = [(g.d_next, g.hhd) for g in network.conv_layers]
    shapes = [*conv, *((g.n_out, g.n_in) for g in network.full_layers)]
    return [
        f"layer {m}: rank is {rank}; for its {rows}x{columns} matrix W it must be from 1 to "
        f"{min(rows, columns)}, or 0 if the layer is not factored"
        for m, (rank, (rows, columns)) in enumerate(
            zip(network.rank, shapes, strict=False), start=1
        )
        if not 0 <= rank <= min(rows, columns)
    ]
