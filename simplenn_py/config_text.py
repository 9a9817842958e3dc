"""The text of simpleNN's ``.config`` files."""

from __future__ import annotations

import re

from .config import FIELD_ORDER, NetConfig
from .config_rules import CONV_LISTS
from .errors import ConfigError, closest

Ints = tuple[int, ...]

_STATEMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(\[[^\]\[]*\]|[^\s;,\[\]=]+)\s*(?:[;,]|$|\n)")
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}(?:\.0*)?\Z")


def parse_config(text: str) -> NetConfig:
    """Parse the text of a simpleNN ``.config`` file.

    Parameters
    ----------
    text : str
        Statements ``name = 3;`` or ``name = [5,3,3];``; ``%`` starts a comment.  ``L``
        may be given and must then be ``LC + LF``; so may ``rank``, which is ours.  Of a list
        given for ``ht_input`` or ``wd_input`` the first entry counts, as in simpleNN.

    Raises
    ------
    ConfigError
        Naming the line and what is wrong with it; nothing is ever evaluated.
    """
    values: dict[str, Ints] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.split("%", 1)[0].strip()
        while line:
            match = _STATEMENT.match(line)
            if match is None:
                raise ConfigError(
                    f"line {number}: {_shown(line)} is not a statement like "
                    "'name = 3;' or 'name = [5,3,3];'"
                )
            name, value = match.groups()
            known = ["L", *FIELD_ORDER]
            if name not in known:
                raise ConfigError(f"line {number}: unknown field {name!r}{closest(name, known)}")
            if name in values:
                raise ConfigError(f"line {number}: {name} is given twice; keep one")
            values[name] = _integers(value, name, number)
            line = line[match.end() :].strip(" ;,\t")
    return _config_from(values)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _integers(value: str, name: str, number: int) -> Ints:
    items = re.split(r"[\s,;]+", value.strip("[] \t")) if value.startswith("[") else [value]
    items = [item for item in items if item]
    for item in items:
        if not _INTEGER.match(item):
            raise ConfigError(f"line {number}: {name} holds {_shown(item)}; whole numbers only")
    return tuple(int(item.split(".")[0]) for item in items)


def _config_from(values: dict[str, Ints]) -> NetConfig:
    optional = {"L", "rank", *(CONV_LISTS if values.get("LC") == (0,) else ())}
    missing = [name for name in FIELD_ORDER if name not in values and name not in optional]
    if missing:
        raise ConfigError(f"{', '.join(missing)} missing; give each as 'name = value;'")
    empty = [n for n in ("L", "LC", "LF", "ht_input", "wd_input") if values.get(n) == ()]
    if empty:
        raise ConfigError(f"{', '.join(empty)} is an empty list; give one whole number")
    config = NetConfig(
        LC=values["LC"][0],
        LF=values["LF"][0],
        ht_input=values["ht_input"][0],
        wd_input=values["wd_input"][0],
        ch_input=values["ch_input"],
        full_neurons=values["full_neurons"],
        **{name: values.get(name, ()) for name in (*CONV_LISTS, "rank")},
    )
    if "L" in values and values["L"][0] != config.L:
        raise ConfigError(f"L is {values['L'][0]}; it must be LC + LF = {config.L}")
    return config
