"""Numbers with units, for people to read."""

from __future__ import annotations


def human_bytes(count: int) -> str:
    """Return a number of bytes in binary units.

    Parameters
    ----------
    count : int

    Returns
    -------
    str

    Examples
    --------
    >>> from simplenn_py.runtime import human_bytes
    >>> human_bytes(12_800_000)
    '12.2 MiB'
    """
    value, unit = _scaled(count, 1024, 1023.95, ("B", "KiB", "MiB", "GiB", "TiB"))
    return f"{value:,.0f} B" if unit == "B" else f"{value:,.1f} {unit}"


def human_operations(count: int) -> str:
    """Return a number of operations to three digits, in decimal units.

    Parameters
    ----------
    count : int

    Returns
    -------
    str

    Examples
    --------
    >>> from simplenn_py.runtime import human_operations
    >>> human_operations(1_930_000_000)
    '1.93 G'
    """
    value, unit = _scaled(count, 1000, 999.5, ("", "k", "M", "G", "T"))
    return f"{value:.3g} {unit}".strip() if value < 1000 else f"{value:,.0f} {unit}"


def _scaled(value: float, base: int, limit: float, units: tuple[str, ...]) -> tuple[float, str]:
    """Divide by `base` until the value, rounded for printing, is below `base`."""
    power = 0
    while value >= limit and power < len(units) - 1:
        value, power = value / base, power + 1
    return value, units[power]
