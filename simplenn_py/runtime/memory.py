"""The amount of free memory."""

from __future__ import annotations


def free_bytes() -> int:
    """Return the number of bytes that are available now without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)
