"""How much memory is free."""

from __future__ import annotations


def free_bytes() -> int:
    """Return the bytes that the computer could give now without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)
