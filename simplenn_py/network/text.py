"""The text of simpleNN's ``.config`` files."""

from __future__ import annotations

import re
from typing import Any

from ..errors import ConfigError, closest
from .fields import CONV_LISTS, Fields, Ints

FIELD_ORDER = ("LC", "LF", "wd_input", "ht_input", "ch_input", *CONV_LISTS, "full_neurons", "rank")

_STATEMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(\[[^\]\[]*\]|[^\s;,\[\]=]+)\s*(?:[;,]|$|\n)")
_LINE_END = re.compile(r"\r\n|\r|\n")  # str.splitlines would also end a comment at a form feed
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}(?:\.0*)?\Z")


def parse_fields(text: str) -> dict[str, Any]:
    """Parse the text of a simpleNN ``.config`` file.

    Parameters
    ----------
    text : str
        Statements ``name = 3;`` or ``name = [5,3,3];``.  ``%`` starts a comment.  ``L`` is
        optional; if given, it must be ``LC + LF``.  ``rank``, which simpleNN does not have, is
        optional too.  If ``ht_input`` or ``wd_input`` is a list, its first entry counts, as in
        simpleNN.

    Returns
    -------
    dict
        Arguments of ``NetConfig``; whether such a network can exist is not checked.

    Raises
    ------
    ConfigError
        If a line cannot be read, or a field is unknown, missing or given twice; the message names
        it.

    Notes
    -----
    The text is parsed and never evaluated as code.
    """
    values: dict[str, Ints] = {}
    for number, raw in enumerate(_LINE_END.split(text), start=1):
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
                raise ConfigError(
                    f"line {number}: unknown field {_shown(name)}{closest(name, known)}"
                )
            if name in values:
                raise ConfigError(f"line {number}: {name} is given twice; keep one")
            values[name] = _integers(value, name, number)
            line = line[match.end() :].strip(" ;,\t")
    return _fields_from(values)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _integers(value: str, name: str, number: int) -> Ints:
    items = re.split(r"[\s,;]+", value.strip("[] \t")) if value.startswith("[") else [value]
    items = [item for item in items if item]
    for item in items:
        if not _INTEGER.match(item):
            raise ConfigError(f"line {number}: {name} holds {_shown(item)}; whole numbers only")
    return tuple(int(item.split(".")[0]) for item in items)


def _fields_from(values: dict[str, Ints]) -> dict[str, Any]:
    optional = {"L", "rank", *(CONV_LISTS if values.get("LC") == (0,) else ())}
    missing = [name for name in FIELD_ORDER if name not in values and name not in optional]
    if missing:
        raise ConfigError(
            f"no value is given for {', '.join(missing)}; write each as 'name = value;'"
        )
    single = ("LC", "LF", "ht_input", "wd_input")
    empty = [name for name in ("L", *single) if values.get(name) == ()]
    if empty:
        raise ConfigError(f"{', '.join(empty)} is an empty list; give one whole number")
    found: dict[str, Any] = {name: values.get(name, ()) for name in FIELD_ORDER}
    found |= {name: values[name][0] for name in single}
    L = found["LC"] + found["LF"]
    if "L" in values and values["L"][0] != L:
        raise ConfigError(f"L is {values['L'][0]}; it must be LC + LF = {L}")
    return found


def format_fields(network: Fields) -> str:
    """Return the text of the ``.config`` file of a network.

    Parameters
    ----------
    network : Fields

    Returns
    -------
    str
        One field per line; :func:`parse_fields` reads it.
    """
    lines = [f"L = {network.L};"]
    for name in FIELD_ORDER:
        value = getattr(network, name)
        if name == "rank" and not value:
            continue
        if name in ("LC", "LF"):
            lines.append(f"{name} = {value};")
        else:
            values = (value,) if isinstance(value, int) else value
            lines.append(f"{name} = [{','.join(map(str, values))}];")
    return "\n".join(lines) + "\n"
