"""The amount of free memory."""

from __future__ import annotations

import os


def free_bytes() -> int:
    """Return the number of bytes that are available now without swapping."""
    import psutil

    try:
        return int(psutil.virtual_memory().available)
    except OSError:  # a container without /proc; the system still counts free pages
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
